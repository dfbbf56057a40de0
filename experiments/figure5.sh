# Figure 5: error against inner-loop steps, MAML and MR-MAML on the sinusoid, from the runs of table1
# Cost: seconds.
no_flags figure5 "$@"
setup
sinusoid_report --figure5="$SINUSOID_DIR/figure5.png"
