"""CNP + BbB: Bayes by Backprop on all weights of the CNP, a standard regularizer (Table 3).

1. As np_bbb, but every weight is stochastic and penalized, also those behind the encoder, which see the task.
2. Validation uses the trained weights, and --facto is obeyed (upstream did neither).

Command: python np_all_bbb.py --data_dir=DATA_DIR --logdir=LOGDIR
Cost: as np_bbb.
Expect (the paper, Table 3): meta-test MSE 7.73 (0.82): regularizing everything does not cure memorization.
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
    return pose_learners.pose_np(bayesian_encoder=True, bayesian_decoder=True, beta=FLAGS.beta)


def main(argv):
    del argv
    pose_learners.run(
        make_learner(),
        method="np_all_bbb",
        name_start="np_bbb_all",
        name_flags=("beta", "update_lr"),
        iterations_flag="num_updates",
        learning_rates={"mean": FLAGS.update_lr, "rho": FLAGS.rho_lr},
    )


if __name__ == "__main__":
    define_flags()
    run_main(main)
