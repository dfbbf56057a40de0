# MR-MAML(W) trained on labels as they are and on labels turned by quarters, evaluated on both, weights averaged
# Cost: PRESET=small: half an hour of two cores per trial.
# Expect: each is best on its own kind of labels (results/README.md). On offset labels a published variant has 1.61.
TRIALS=${TRIALS:-5}
whole_list label_noise
preset maml_bbb
LOG_DIR=$LOG_DIR/label_noise
table label_noise "" "$@" <<RUNS
pose_code.maml_bbb --flagfile=$P/maml_bbb.cfg --ema_decay=0.99 --eval_label_noise=quarters
pose_code.maml_bbb --flagfile=$P/maml_bbb.cfg --ema_decay=0.99 --eval_label_noise=quarters --label_noise=quarters
RUNS
