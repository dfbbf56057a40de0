# METHOD: its grids of learning rate and beta, on validation objects out of each trial's training objects
# METHOD is a script of pose_code, or with a flag, in quotes: bash run.sh search "np_vanilla --weight_decay"
# Cost: three rates and eight values of beta (RATES, BETAS), TRIALS trials each.
[[ $# -gt 0 && " $ALL_METHODS " == *" ${1%% *} "* ]] || die "search: give one of $ALL_METHODS, with flags in quotes"
row=$1 method=${1%% *} betas=$ALL_BETAS rate_flag=meta_lr
shift
TRIALS=${TRIALS:-5}
whole_list search
preset "$method"
[[ $method != np_* ]] || rate_flag=update_lr
[[ $row != np_vanilla && $row != finetune && $row != *--noweight_decay* ]] || betas=
[[ $betas || -z $BETAS ]] || die "BETAS=$BETAS: search $row has no beta; leave it out"
splits search --num_test_objects=15 --num_val_objects=12
LOG_DIR=$LOG_DIR/search/${row// /}
say "search $row, preset $PRESET: learning rates $RATES${betas:+, beta $betas}; $TRIALS trials each"
pose_sweep "$@" < <(
  for rate in $RATES; do
    for beta in ${betas:-""}; do
      echo "pose_code.$method --flagfile=$P/$method.cfg ${row#"$method"} --$rate_flag=$rate ${beta:+--beta=$beta}"
    done
  done
)
dry "$@" || $PY -m pose_code.summarize --logdir="$(logs)" --best
