"""FT and FT + weight decay: one network trained on all objects jointly, then fine-tuned on the support set.

1. Training is MAML's with no inner step: the MSE of the shared network on views of all training objects.
2. At meta-test the whole network takes --test_num_updates gradient steps of size --update_lr on the support set.
3. --weight_decay decays all weights by --beta per step. Upstream released no code for this baseline.

Command: python finetune.py --data_dir=DATA_DIR --logdir=LOGDIR --update_lr=0.01
Cost: a tenth of MAML's per step: no inner loop.
Expect (the paper, Table 2): meta-test MSE 7.33 (0.35), 6.16 (0.12) with weight decay.
"""

from absl import flags

from metalearn.cli import run_main
from pose_code import pose_learners

FLAGS = flags.FLAGS


def define_flags():
    pose_learners.define_maml_flags(inner_loop=False, summary_every=500)
    pose_learners.define_weight_decay_flags(False)


def make_learner():
    return pose_learners.pose_maml(adapt_encoder=True, inner_loop=False)


def main(argv):
    del argv
    pose_learners.run(
        make_learner(),
        method="finetune",
        name_flags=["meta_lr", "update_lr"] + ["beta"] * FLAGS.weight_decay,
        iterations_flag="metatrain_iterations",
        learning_rates={"mean": FLAGS.meta_lr},
        weight_decay=FLAGS.beta if FLAGS.weight_decay else 0.0,
    )


if __name__ == "__main__":
    define_flags()
    run_main(main)
