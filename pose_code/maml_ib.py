"""MR-MAML(A): MAML with meta-regularization on activations (Eq. 3). Not among upstream's pose scripts.

1. The encoder is not adapted and deterministic; its code is stochastic, z ~ N(mu(x), sigma(x)^2).
2. The outer loss adds beta * KL(q(z*|x*) || N(0, I)) on the query points' code (--kl_on).
3. The inner loop adapts the head alone; meta-test averages over --num_theta_samples draws of the codes.

Command: python maml_ib.py --data_dir=DATA_DIR --logdir=LOGDIR --update_lr=0.01
Cost: as maml_bbb.
Expect (the paper, Table 1, sinusoid only): no pose number in the paper.
"""

from absl import flags

from metalearn.bayes_layers import define_code_flags
from metalearn.cli import run_main
from pose_code import pose_learners

FLAGS = flags.FLAGS


def define_flags():
    pose_learners.define_maml_flags()
    define_code_flags()


def make_learner():
    return pose_learners.pose_maml(adapt_encoder=False, stochastic_code=True, beta=FLAGS.beta, kl_on=FLAGS.kl_on)


def main(argv):
    del argv
    pose_learners.run(
        make_learner(),
        method="maml_ib",
        name_flags=("beta", "meta_lr", "update_lr"),
        iterations_flag="metatrain_iterations",
        learning_rates={"mean": FLAGS.meta_lr},
    )


if __name__ == "__main__":
    define_flags()
    run_main(main)
