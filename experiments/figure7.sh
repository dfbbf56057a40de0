# Figure 7: predictions of CNP and MR-CNP on sinusoids of one one-hot and several amplitudes, from the runs of table1
# Cost: half a minute.
no_flags figure7 "$@"
setup
$PY -m sinusoid.predictions --logdir="$SINUSOID_DIR/released" --figure7="$SINUSOID_DIR/figure7.png"
say "$SINUSOID_DIR/figure7.png"
