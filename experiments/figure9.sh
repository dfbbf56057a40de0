# Figure 9: error against the learning rate, MR-CNP(A) and (W)
# Cost: three rates for two methods: PRESET=small: 0.8 hours of two cores per trial.
# Expect: (the paper, at 1e-5, 1e-4, 1e-3) (A) 4.97, 7.44, 9.44; (W) 7.38, 3.69, 3.64. A table's runs are used again.
TRIALS=${TRIALS:-5}
preset np_ib
figure figure9 update_lr "1e-5 1e-4 1e-3" "np_ib np_bbb" "$@"
