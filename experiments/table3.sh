# Table 3: standard regularizers on all weights of the CNP, poses
# Cost: PRESET=small: 1.6 hours of two cores for three trials. PRESET=paper: 2.5 hours per trial (estimated).
# Expect: (the paper) CNP 8.48, + weight decay 6.86, + BbB 7.73, MR-CNP(W) 2.89.
TRIALS=${TRIALS:-5}
preset np_all_bbb
table table3 np_vanilla,np_vanilla+wd,np_all_bbb,np_bbb "$@" <<RUNS
pose_code.np_bbb     --flagfile=$P/np_bbb.cfg
pose_code.np_all_bbb --flagfile=$P/np_all_bbb.cfg
pose_code.np_vanilla --flagfile=$P/np_vanilla.cfg
pose_code.np_vanilla --flagfile=$P/np_vanilla.cfg --weight_decay
RUNS
