# Table 2: meta-test MSE on the poses, nine rows
# Cost: PRESET=small: 4.5 hours of two cores for three trials. PRESET=paper: 9 to 13 hours per trial (estimated); on an
# H200, through JAX, three trials of four rows and one of MAML took 13.5 minutes (docs/speed.md).
# Expect: (the paper) FT 7.33, + weight decay 6.16, MAML 5.39, MR-MAML(W) 2.26, CNP 8.48, MR-CNP(W) 2.89.
# A line is a script and its flags, of which later ones win: an ablation is a line with one more flag.
TRIALS=${TRIALS:-5}
preset np_ib
table table2 finetune,finetune+wd,maml_vanilla,maml_vanilla+wd,maml_bbb,maml_ib,np_vanilla,np_bbb,np_ib "$@" <<RUNS
pose_code.maml_vanilla --flagfile=$P/maml_vanilla.cfg
pose_code.maml_vanilla --flagfile=$P/maml_vanilla.cfg --noweight_decay
pose_code.np_bbb       --flagfile=$P/np_bbb.cfg
pose_code.maml_bbb     --flagfile=$P/maml_bbb.cfg
pose_code.np_vanilla   --flagfile=$P/np_vanilla.cfg
pose_code.finetune     --flagfile=$P/finetune.cfg
pose_code.finetune     --flagfile=$P/finetune.cfg --weight_decay
pose_code.maml_ib      --flagfile=$P/maml_ib.cfg
pose_code.np_ib        --flagfile=$P/np_ib.cfg
RUNS
