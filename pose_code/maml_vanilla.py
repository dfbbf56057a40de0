"""MAML (Finn et al., 2017), second order, the whole network adapted.

1. Encoder and head are both adapted on the support set; only the normalization offsets are not.
2. Nothing is regularized except by --weight_decay, which upstream has on by default: it decays all weights by --beta
   per step. Set --noweight_decay for plain MAML.
3. Upstream's defaults are not the paper's: K is 10 and the inner step 0.002. The presets have 15, and the paper's inner
   step, 0.01, in quick only: with weight decay it ends training (results/README.md).
4. --encoder=released has the released script's activations: no ReLU after the convolutions, one after the dense layer.

Command: python maml_vanilla.py --data_dir=DATA_DIR --logdir=LOGDIR
Cost: see docs/speed.md; minutes on a GPU, many hours on a CPU for all 10,000 iterations.
Expect (the paper, Table 2): meta-test MSE 5.39 (1.31).
"""

from absl import flags

from metalearn import image_networks
from metalearn.cli import run_main
from pose_code import pose_learners

FLAGS = flags.FLAGS


def define_flags():
    pose_learners.define_maml_flags(meta_lr=5e-4, metatrain_iterations=10000, update_batch_size=10)
    pose_learners.define_weight_decay_flags(True)
    flags.DEFINE_enum(
        "encoder", "paper", list(image_networks.ENCODERS),
        "where the encoder has ReLUs: after its convolutions, as in all other scripts, or after its dense layer",
    )  # fmt: skip
    pose_learners.define_flags_without_effect(conv=True, datasource="pose", extra="exp")


def make_learner():
    return pose_learners.pose_maml(adapt_encoder=True, encoder=FLAGS.encoder)


def main(argv):
    del argv
    pose_learners.run(
        make_learner(),
        method="maml_vanilla",
        name_flags=["meta_lr", "update_lr"] + ["beta"] * FLAGS.weight_decay,
        iterations_flag="metatrain_iterations",
        learning_rates={"mean": FLAGS.meta_lr},
        weight_decay=FLAGS.beta if FLAGS.weight_decay else 0.0,
    )


if __name__ == "__main__":
    define_flags()
    run_main(main)
