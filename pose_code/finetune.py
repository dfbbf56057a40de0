"""FT and FT + weight decay: one network trained on all objects jointly, then fine-tuned on the support set.

1. Training is MAML's with no inner step: the MSE of the shared network on views of all training objects.
2. At meta-test the whole network takes --test_num_updates gradient steps of size --update_lr on the support set.
3. --weight_decay decays all weights by --beta a step. Upstream released no code for this baseline.

Command: python finetune.py --data_dir=DATA_DIR --logdir=LOGDIR --update_lr=0.01
Cost: a tenth of MAML's a step: no inner loop.
Expect (the paper, Table 2): meta-test MSE 7.33 (0.35), 6.16 (0.12) with weight decay.
"""

from absl import flags

from pose_code import pose_learners
from pose_data.cli import run_main

FLAGS = flags.FLAGS

pose_learners.define_maml_flags(inner_loop=False, summary_every=500)
pose_learners.define_weight_decay_flags(False)


def main(argv):
    del argv
    learner = pose_learners.pose_maml(adapt_encoder=True, inner_loop=False)
    decay = f".beta-{FLAGS.beta:g}" if FLAGS.weight_decay else ""
    pose_learners.run(
        learner,
        method="finetune",
        run_name=f"finetune.meta_lr-{FLAGS.meta_lr:g}.update_lr-{FLAGS.update_lr:g}{decay}",
        iterations_flag="metatrain_iterations",
        learning_rates={"mean": FLAGS.meta_lr},
        weight_decay=FLAGS.beta if FLAGS.weight_decay else 0.0,
    )


if __name__ == "__main__":
    run_main(main)
