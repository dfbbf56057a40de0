"""MR-MAML(W), Algorithm 2: MAML with meta-regularization on weights.

1. The encoder is not adapted. Its weights have a Gaussian posterior q(theta), drawn once per meta-batch; the outer loss
   adds beta * KL(q(theta) || N(0, I)) (Eq. 5).
2. The inner loop adapts the head alone, on the code z = encoder(x).
3. At meta-test predictions are averaged over --num_theta_samples draws (Algorithm 3).
4. At the default --var=-20 sigma is 2e-9 and, as in the released script, does not learn (--rho_lr=0): the encoder is
   deterministic and beta / 2 * the sum of its squared weights is added. The rest of the KL, train_kl_sigma, is a
   constant. For a sigma that is learned: --var=-5 --rho_lr=0.002.
5. Where its gain over MAML comes from: --adapt_encoder adapts the drawn theta, too; --beta=0 has no KL; --decay is
   MAML's weight decay (experiments/encoder.sh).

Command: python maml_bbb.py --data_dir=DATA_DIR --logdir=LOGDIR --update_lr=0.01 --beta=0.1
Cost: as maml_vanilla, a little less per step.
Expect (the paper, Table 2): meta-test MSE 2.26 (0.09), at beta 0.1.
"""

from absl import flags

from metalearn.bayes_layers import define_posterior_flags
from metalearn.cli import UserError, run_main
from pose_code import pose_learners

FLAGS = flags.FLAGS


def define_flags():
    pose_learners.define_maml_flags()
    define_posterior_flags(var=-20.0, rho_lr=0.0)
    flags.DEFINE_bool("adapt_encoder", False, "the inner loop adapts the encoder, too, from the theta that is drawn")
    flags.DEFINE_float("decay", 0.0, "decay of all weights per step; a posterior's means, too", 0.0, 1.0)
    pose_learners.define_flags_without_effect(conv=True, datasource="pose")


def make_learner():
    if FLAGS.adapt_encoder and FLAGS.theta_per == "set":
        raise UserError(
            "--theta_per=set: with --adapt_encoder a query set's theta is the support set's, adapted; leave one out"
        )
    return pose_learners.pose_maml(adapt_encoder=FLAGS.adapt_encoder, bayesian_encoder=True, beta=FLAGS.beta)


def main(argv):
    del argv
    pose_learners.run(
        make_learner(),
        method="maml_bbb",
        name_flags=("beta", "meta_lr", "update_lr"),
        iterations_flag="metatrain_iterations",
        learning_rates={"mean": FLAGS.meta_lr, "rho": FLAGS.rho_lr},
        weight_decay=FLAGS.decay,
    )


if __name__ == "__main__":
    define_flags()
    run_main(main)
