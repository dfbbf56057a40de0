# Figure 2: error against beta (BETAS), MR-CNP(W) and MR-MAML(W)
# Cost: eight values of beta for two methods: PRESET=small: three hours of two cores per trial.
# Expect: (the paper) least error at 1e-3 (MR-CNP) and 1e-1 (MR-MAML). A table's runs are used again.
TRIALS=${TRIALS:-5}
preset np_bbb
figure figure2 beta "$(logs),$(logs)-figure2" np_bbb,maml_bbb "$@" < <(grid figure2 beta "$ALL_BETAS" np_bbb maml_bbb)
