# Where MAML's gain comes from: encoder adapted or not, with a KL or without, with weight decay or without
# Cost: eight runs of 3,000 iterations: PRESET=small: six hours of two cores per trial.
# Expect: MAML (adapted, no KL, weight decay) and MR-MAML(W) (not adapted, KL, no decay) are two corners: 5.39 and 2.26.
TRIALS=${TRIALS:-1}
METHODS=
preset maml_bbb
LOG_DIR=$LOG_DIR/encoder
table encoder "" "$@" < <(
  for encoder in "" --adapt_encoder; do
    for kl in "" --beta=0; do
      for decay in "" --decay=1e-3; do
        echo "pose_code.maml_bbb --flagfile=$P/maml_bbb.cfg --metatrain_iterations=3000 $encoder $kl $decay"
      done
    done
  done
)
