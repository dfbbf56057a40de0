"""MR-MAML(W), Algorithm 2: MAML with meta-regularization on weights.

1. The encoder is not adapted. Its weights have a Gaussian posterior q(theta), drawn once a meta-batch; the outer loss
   adds beta * KL(q(theta) || N(0, I)) (Eq. 5).
2. The inner loop adapts the head alone, on the code z = encoder(x).
3. At meta-test predictions are averaged over --num_theta_samples draws (Algorithm 3).

Command: python maml_bbb.py --data_dir=DATA_DIR --logdir=LOGDIR --update_lr=0.01 --beta=0.1
Cost: as maml_vanilla, a little less a step.
Expect (the paper, Table 2): meta-test MSE 2.26 (0.09), at beta 0.1.
"""

from absl import flags

from pose_code import pose_learners
from pose_data.cli import run_main

FLAGS = flags.FLAGS

pose_learners.define_maml_flags()
pose_learners.define_posterior_flags(var=-20.0)


def main(argv):
    del argv
    learner = pose_learners.pose_maml(adapt_encoder=False, bayesian_encoder=True, beta=FLAGS.beta)
    pose_learners.run(
        learner,
        method="maml_bbb",
        run_name=f"maml_bbb.beta-{FLAGS.beta:g}.meta_lr-{FLAGS.meta_lr:g}.update_lr-{FLAGS.update_lr:g}",
        iterations_flag="metatrain_iterations",
        learning_rates={"mean": FLAGS.meta_lr, "rho": FLAGS.rho_lr},
    )


if __name__ == "__main__":
    run_main(main)
