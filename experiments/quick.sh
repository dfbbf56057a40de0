# The default: CNP, MR-CNP(W) and MR-MAML(W) on the embedded models, memorization and its cure
# Cost: 12 to 25 minutes of two cores, set-up and data included. METHODS="np_bbb maml_bbb np_vanilla maml_vanilla" adds MAML; TRIALS=3: three seeds, each on a split of its own.
# Expect (three seeds): CNP 14.3 (1.0), whatever its support labels; MR-CNP(W) 4.8 (1.0); MR-MAML(W) 2.9 (0.3).
[[ ${GIVEN_PRESET:-quick} == quick ]] || die "PRESET=$PRESET: quick has its own; leave it out, or give table2 or another"
PRESET=quick P=presets/quick
TRIALS=${TRIALS:-1}
METHODS=${METHODS:-np_bbb maml_bbb np_vanilla}
table quick "" "$@" <<RUNS
pose_code.np_bbb       --flagfile=$P/np_bbb.cfg
pose_code.maml_bbb     --flagfile=$P/maml_bbb.cfg
pose_code.np_vanilla   --flagfile=$P/np_vanilla.cfg
pose_code.maml_vanilla --flagfile=$P/maml_vanilla.cfg
RUNS
dry "$@" || say "The error is an MSE in units of (36 degrees)^2; a constant prediction has 8.33"
