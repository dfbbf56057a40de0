# Figure 9: error against the learning rate, MR-CNP(A) and (W)
# (W) is trained as released: 100,000 iterations, rho from -3 at the rate of the means. (A) has the preset's iterations at
# 1e-3, three times as many at 1e-4 and ten times at 1e-5.
# Cost: PRESET=small: eight hours of two cores per trial (estimated).
# Expect: (the paper, at 1e-5, 1e-4, 1e-3) (A) 4.97, 7.44, 9.44; (W) 7.38, 3.69, 3.64. PRESET=small, one trial: (A)
# 2.73, 10.36, 7.95; (W) 6.93, 2.64, 1.95.
TRIALS=${TRIALS:-5}
preset np_ib
figure figure9 update_lr,rho_lr,num_updates "$(logs)-figure9" np_ib,np_bbb "$@" < <(
  to=$(quoted "--logdir=$(logs)-figure9")
  iterations=$(sed -n 's/^--num_updates=//p' "$P/np_ib.cfg")
  for rate in 1e-3 1e-4 1e-5; do
    echo "pose_code.np_bbb --flagfile=$P/np_bbb.cfg --var=-3 --num_updates=100000 --update_lr=$rate --rho_lr=$rate $to"
  done
  echo "pose_code.np_ib --flagfile=$P/np_ib.cfg --update_lr=1e-5 --num_updates=$((10 * iterations)) $to"
  echo "pose_code.np_ib --flagfile=$P/np_ib.cfg --update_lr=1e-4 --num_updates=$((3 * iterations)) $to"
  echo "pose_code.np_ib --flagfile=$P/np_ib.cfg --update_lr=1e-3 $to"
)
