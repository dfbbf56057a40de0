# Figure 2: error against beta (BETAS), MR-CNP(W) and MR-MAML(W)
# Cost: eight values of beta for two methods: PRESET=small: two hours of two cores per trial.
# Expect: (the paper) least error at 1e-3 (MR-CNP) and 1e-1 (MR-MAML). A table's runs are used again.
TRIALS=${TRIALS:-5}
preset np_bbb
splits split
say "Figure 2, preset $PRESET, $TRIALS trials at beta $BETAS, $JOBS runs at a time"
grid figure2 beta "$BETAS" np_bbb maml_bbb | pose_sweep "$@" || failed=1
dry "$@" || against beta figure2 np_bbb,maml_bbb
