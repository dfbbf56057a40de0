"""MR-CNP(W), Algorithm 1: the CNP with meta-regularization on weights.

1. The encoder's weights have a Gaussian posterior q(theta), drawn once per meta-batch (--theta_per=set: once for
   the support and once for the query sets, as in the released code).
2. The loss adds beta * KL(q(theta) || N(0, I)) (Eq. 5); everything behind the encoder is deterministic.
3. At meta-test predictions are averaged over --num_theta_samples draws (Algorithm 3).

Command: python np_bbb.py --data_dir=DATA_DIR --logdir=LOGDIR
Cost: see docs/speed.md; it learns slowly while rho climbs, thousands of iterations.
Expect (the paper, Table 2): meta-test MSE 2.89 (0.18), at beta 1e-3.
"""

from absl import flags

from metalearn.bayes_layers import define_posterior_flags
from metalearn.cli import run_main
from pose_code import pose_learners

FLAGS = flags.FLAGS


def define_flags():
    pose_learners.define_np_flags(dim_w=20, dim_z=200, dim_r=200, num_updates=100000, update_lr=5e-4)
    define_posterior_flags(var=-3.0)


def make_learner():
    return pose_learners.pose_np(bayesian_encoder=True, beta=FLAGS.beta)


def main(argv):
    del argv
    pose_learners.run(
        make_learner(),
        method="np_bbb",
        name_flags=("beta", "update_lr"),
        iterations_flag="num_updates",
        learning_rates={"mean": FLAGS.update_lr, "rho": FLAGS.rho_lr},
    )


if __name__ == "__main__":
    define_flags()
    run_main(main)
