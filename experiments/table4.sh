# Tables 4 and 5: classification whose classes keep their labels, accuracy after and before adapting
# Cost: 8 to 25 minutes of two cores for DATA=fonts, whose default is PRESET=quick, 20-way 1-shot, MAML and MR-MAML(W).
# DATA=omniglot: PRESET=small, hours of two cores per trial, SHOTS="1 5"; PRESET=paper, for a GPU, has not been run.
# Expect: (the paper, Omniglot, 1 and 5 shots) MAML 7.8, 50.7 %; MR-MAML(W) 83.3, 94.1 %; before adapting, on training
# tasks (Table 5), MAML 99.2, 45.1 %, MR-MAML(W) 5.0 %, which is chance.
classes
TRIALS=${TRIALS:-1}
default_shots="1 5"
[[ $PRESET != quick ]] || default_shots=1
logs=$CLASS_DIR/logs/$PRESET
for method in $METHODS; do
  [[ -f $P/$method.cfg ]] || die "METHODS: $P has no $method; give some of $(basename -s .cfg "$P"/*.cfg | xargs)"
done
say "Tables 4 and 5 on $DATA, preset $PRESET, $TRIALS trials, $JOBS runs at a time"
class_sweep "$logs" "$@" < <(
  for shots in ${SHOTS:-$default_shots}; do
    for method in ${METHODS:-maml_weights maml_none maml_taml maml_activations joint_finetune joint_nearest}; do
      [[ -f $P/$method.cfg ]] || continue
      line="classification.${method%%_*} --flagfile=$P/$method.cfg --update_batch_size=$shots"
      # a task of 5 shots has five times the images
      [[ $shots == 1 || $PRESET != small ]] || line+=" --meta_batch_size=4 --metatrain_iterations=2000"
      echo "$line"
    done
  done
)
to=$CLASS_DIR/tables/table4-$PRESET
dry "$@" || $PY -m classification.summarize --logdir="$logs" --out="$to" --bars="$to.png" --figure="$to-curves.png" \
  --html="$to.html"
