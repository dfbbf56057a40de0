# Where MAML's gain comes from: encoder adapted or not, with a KL or without, with weight decay or without
# All at MR-MAML(W)'s rates and from its initial weights.
# Cost: eight runs of 3,000 iterations, two of 10,000: PRESET=small: nine hours of two cores per trial (estimated).
# Expect: MAML (adapted, no KL, weight decay) and MR-MAML(W) (not adapted, KL, no decay) are two corners: 5.39 and 2.26.
TRIALS=${TRIALS:-1}
whole_list encoder
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
  # the corners, MR-MAML(W) and MAML, in folders of their own: as the same runs they would go on, past 3,000 iterations
  for corner in "--tag=long" "--adapt_encoder --beta=0 --decay=1e-3 --tag=adapted-decay-long"; do
    echo "pose_code.maml_bbb --flagfile=$P/maml_bbb.cfg --metatrain_iterations=10000 $corner"
  done
)
