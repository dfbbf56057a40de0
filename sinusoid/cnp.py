"""CNP and MR-CNP on the sinusoid: three columns of Table 1.

1. The loss is the negative log likelihood of the query labels under N(prediction, noise_scale^2), summed over a task's
   query points, plus beta * KL. Divided by K / (2 noise_scale^2), which Adam does not notice, that is the MSE plus
   beta * 2 noise_scale^2 / K * KL: how it is computed here. (With --optimizer=sgd the rate is that of the latter.)
2. --regularizer=weights (MR-CNP(W), Algorithm 1, Eq. 5) or activations (MR-CNP(A), Eq. 3) as in maml.py.

Command: python cnp.py --regularizer=weights --update_batch_size=5 --logdir=LOGDIR [--num_trials=5]
Cost: see the README; a minute or two for five trials on one core.
Expect (the paper, Table 1; 5 shots / 10 shots): CNP 0.91 / 0.92, MR-CNP(A) 0.10 / 0.09, MR-CNP(W) 0.11 / 0.09.
"""

from absl import flags

from pose_code import training
from pose_code.bayes_layers import point_weights
from pose_code.neural_process import NeuralProcess, init_neural_process
from pose_data.cli import run_main
from sinusoid import networks
from sinusoid.tasks import train_and_test_tasks

FLAGS = flags.FLAGS

BETAS = {"weights": 0.15, "activations": 5.0}
networks.define_flags(BETAS, num_theta_samples=100)
flags.DEFINE_integer("dim_r", 10, "size of the aggregate r of the support set", lower_bound=1, upper_bound=65_536)
flags.DEFINE_integer("dim_z", 5, "size of the task code z", lower_bound=1, upper_bound=65_536)
flags.DEFINE_float("likelihood_scale", 0.1, "sigma of the Gaussian likelihood", lower_bound=1e-6, upper_bound=1e6)
flags.DEFINE_integer("num_updates", 30000, "training iterations", lower_bound=0)
flags.DEFINE_float("update_lr", 1e-3, "learning rate", lower_bound=0.0)


def make_learner():
    def init(rng):
        decoder = init_neural_process(
            rng, dim_w=FLAGS.dim_w, dim_y=1, dim_r=FLAGS.dim_r, dim_z=FLAGS.dim_z, hidden_r=[100, 100],
            hidden_g=[100, 100],
        )  # fmt: skip
        return {"encoder": networks.init_encoder(rng), "decoder": point_weights(decoder)}

    return NeuralProcess(
        init=init,
        encode=networks.encode,
        num_hidden_r=2,
        num_hidden_g=2,
        stochastic_code=FLAGS.regularizer == "activations",
        beta=networks.kl_factor() * 2 * FLAGS.likelihood_scale**2 / FLAGS.update_batch_size,
        kl_on=FLAGS.kl_on,
    )


def main(argv):
    del argv
    networks.set_beta(BETAS)
    training.run(
        make_learner(),
        *train_and_test_tasks(FLAGS.update_batch_size, FLAGS.eval_seed),
        method=f"sinusoid_cnp_{FLAGS.regularizer}",
        run_name=networks.run_name("cnp", f"update_lr-{FLAGS.update_lr:g}"),
        iterations_flag="num_updates",
        learning_rates={"mean": FLAGS.update_lr, "rho": FLAGS.rho_lr},
        weight_decay=FLAGS.weight_decay,
    )


if __name__ == "__main__":
    run_main(main)
