# Figure 10: the usual, mutually exclusive tasks: does MR-MAML(W) cost anything where nothing can be memorized?
# Cost: MAML and four values of beta (BETAS), PRESET=small: hours of two cores.
# Expect: (the paper, Omniglot, 20-way 1-shot) MAML 76.8 %; MR-MAML(W) 83.9 % at beta 1e-6, 71.7 % at 1e-4.
[[ -z $SHOTS ]] || die "SHOTS=$SHOTS: figure10 has one shot; leave it out"
whole_list figure10
classes
TRIALS=${TRIALS:-1}
logs=$CLASS_DIR/logs/$PRESET-figure10
betas=${BETAS:-1e-7 1e-6 1e-5 1e-4}
say "Figure 10 on $DATA, preset $PRESET, $TRIALS trials, beta $betas, $JOBS runs at a time"
class_sweep "$logs" "$@" < <(
  echo "classification.maml --flagfile=$P/maml_none.cfg --mutually_exclusive --update_lr=0.1"
  for beta in $betas; do
    echo "classification.maml --flagfile=$P/maml_weights.cfg --mutually_exclusive --beta=$beta"
  done
)
to=$CLASS_DIR/tables/figure10-$PRESET
dry "$@" || $PY -m classification.summarize --logdir="$logs" --out="$to" --against=beta --figure="$to.png"
