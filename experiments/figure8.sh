# Figure 8: predictions of MAML and MR-MAML on sinusoids of one one-hot and several amplitudes, from the runs of table1
# Cost: half a minute.
no_flags figure8 "$@"
setup
$PY -m sinusoid.predictions --logdir="$SINUSOID_DIR/released" --figure8="$SINUSOID_DIR/figure8.png"
say "$SINUSOID_DIR/figure8.png"
