# Every setting of classification/search.txt, on validation classes taken from the training classes of Omniglot
# Cost: some ten minutes of one core each.
[[ ${GIVEN_PRESET:-small} == small ]] || die "PRESET=$PRESET: search_table4 has its own, small; leave it out"
DATA=omniglot GIVEN_PRESET=small
whole_list search_table4
classes
TRIALS=${TRIALS:-1}
logs=$CLASS_DIR/logs/search
line="classification.maml --flagfile=$P/maml_weights.cfg --held_out=validation --num_test_tasks=200"
class_sweep "$logs" "$@" < <(sed "/^#/d; s|^|$line |" classification/search.txt)
dry "$@" || $PY -m classification.summarize --logdir="$logs" --best
