"""MR-CNP(A): the CNP with meta-regularization on activations (Eq. 3).

1. The encoder's code is stochastic, w ~ N(mu(x), sigma(x)^2), for support and query images.
2. The loss adds beta * KL(q(w*|x*) || N(0, I)) on the query's code; --kl_on=support gives upstream's placement.
3. At meta-test predictions are averaged over --num_theta_samples draws of the codes.

Command: python np_ib.py --data_dir=DATA_DIR --logdir=LOGDIR
Cost: as np_vanilla.
Expect (the paper, Table 1 and Figure 9): in Figure 9 a meta-test MSE of 5.0 to 9.4, depending on the learning rate.
"""

from absl import flags

from metalearn.bayes_layers import define_code_flags
from metalearn.cli import run_main
from pose_code import pose_learners

FLAGS = flags.FLAGS


def define_flags():
    pose_learners.define_np_flags(num_updates=120000, update_lr=5e-4)
    define_code_flags()
    flags.DEFINE_float(
        "aggregator_lr", 1e-3, "learning rate of lift, pair encoder and r -> z; --update_lr is encoder's and decoder's",
        lower_bound=0.0,
    )  # fmt: skip


def group_of(module, name):
    """The optimizer group of a weight, for training.run."""
    return "aggregator" if module == "decoder" and not name.startswith("decoder") else "mean"


def make_learner():
    return pose_learners.pose_np(
        stochastic_code=True, beta=FLAGS.beta, kl_on=FLAGS.kl_on,
        released_init={"lift_divisor": 2, "decoder_std": 0.05},
    )  # fmt: skip


def main(argv):
    del argv
    pose_learners.run(
        make_learner(),
        method="np_ib",
        name_flags=("beta", "update_lr"),
        iterations_flag="num_updates",
        learning_rates={"mean": FLAGS.update_lr, "aggregator": FLAGS.aggregator_lr},
        group_of=group_of,
    )


if __name__ == "__main__":
    define_flags()
    run_main(main)
