# Figure 6: the first layers' weights on the sinusoid, from the runs of table1
# Cost: seconds.
no_flags figure6 "$@"
setup
sinusoid_report --figure6="$SINUSOID_DIR/figure6.png"
