"""CNP, the conditional neural process, and CNP + weight decay.

1. Support pairs -> features -> mean r -> task code z; the decoder reads [z, w*] for a query image's code w*.
2. Nothing keeps it from reading the pose off w* alone: it memorizes the training objects.
3. --weight_decay decays all weights by --beta per step; --facto=0 removes z altogether.

Command: python np_vanilla.py --data_dir=DATA_DIR --logdir=LOGDIR
Cost: see docs/speed.md; hours on a CPU for all 140,000 iterations, though it knows its objects by heart within 1,500.
Expect (the paper, Table 2): meta-test MSE 8.48 (0.12), chance is 8.33; 6.86 (0.27) with weight decay (Table 3).
"""

from absl import flags

from metalearn.cli import run_main
from pose_code import pose_learners

FLAGS = flags.FLAGS


def define_flags():
    pose_learners.define_np_flags()
    pose_learners.define_weight_decay_flags(False)


def make_learner():
    return pose_learners.pose_np()


def main(argv):
    del argv
    pose_learners.run(
        make_learner(),
        method="np_vanilla",
        name_flags=["update_lr"] + ["beta"] * FLAGS.weight_decay,
        iterations_flag="num_updates",
        learning_rates={"mean": FLAGS.update_lr},
        weight_decay=FLAGS.beta if FLAGS.weight_decay else 0.0,
    )


if __name__ == "__main__":
    define_flags()
    run_main(main)
