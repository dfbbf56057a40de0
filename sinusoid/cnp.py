"""CNP and MR-CNP on the sinusoid: three columns of Table 1.

1. The loss is the negative log likelihood of the query labels under N(prediction, likelihood_scale^2), summed over a
   task's query points, plus beta * KL. Divided by n / (2 likelihood_scale^2) for n query points, which Adam does not
   notice, that is the MSE plus beta * 2 likelihood_scale^2 / n * KL: how it is computed here. (With --optimizer=sgd
   the rate is that of the latter.)
2. --regularizer=weights (MR-CNP(W), Algorithm 1, Eq. 5) or activations (MR-CNP(A), Eq. 3) as in maml.py.
3. --noencoder: pairs and queries go to the CNP as they are, without a code; --nolift_y: y, too, without a layer of its
   own. The released notebook has both for the plain CNP, the second for all.

Command: python cnp.py --flagfile=../presets/sinusoid/released/cnp_weights.cfg --logdir=LOGDIR [--num_trials=5]
Cost: about a minute for five trials on one core; MR-CNP(W)'s 120,000 iterations take 7 to 20.
Expect (the paper, Table 1; 5 shots / 10 shots): CNP 0.91 / 0.92, MR-CNP(A) 0.10 / 0.09, MR-CNP(W) 0.11 / 0.09.
"""

from absl import flags

from metalearn import training
from metalearn.bayes_layers import Weights, point_weights
from metalearn.cli import UserError, run_main
from metalearn.neural_process import NeuralProcess, init_neural_process
from sinusoid import DIM_X, networks, paper
from sinusoid.tasks import points, train_and_test_tasks

FLAGS = flags.FLAGS

BETAS = {"weights": 0.15, "activations": 5.0}


def define_flags():
    networks.define_flags(BETAS, num_theta_samples=100, var=-3.0)
    flags.DEFINE_bool("encoder", True, "a code of (u, one-hot) before the CNP; False only with --regularizer=none")
    flags.DEFINE_bool("lift_y", True, "a layer on y before it joins its code")
    flags.DEFINE_integer("dim_r", 10, "size of the aggregate r of the support set", lower_bound=1, upper_bound=65_536)
    flags.DEFINE_integer("dim_z", 5, "size of the task code z", lower_bound=1, upper_bound=65_536)
    flags.DEFINE_float("likelihood_scale", 0.1, "sigma of the Gaussian likelihood", lower_bound=1e-6, upper_bound=1e6)
    flags.DEFINE_integer("num_updates", 30000, "training iterations", lower_bound=0)
    flags.DEFINE_float("update_lr", 1e-3, "learning rate", lower_bound=0.0)


def make_learner():
    if not FLAGS.encoder and FLAGS.regularizer != "none":
        raise UserError(f"--noencoder: --regularizer={FLAGS.regularizer} is on the encoder; give --regularizer=none")

    def init(rng):
        std = 0.05 if FLAGS.init == "released" else None
        encoder = networks.init_encoder(rng, num_hidden=100, std=std) if FLAGS.encoder else Weights({}, {})
        decoder = init_neural_process(
            rng, dim_w=FLAGS.dim_w if FLAGS.encoder else DIM_X, dim_y=1, dim_r=FLAGS.dim_r, dim_z=FLAGS.dim_z,
            hidden_r=[100, 100], hidden_g=[100, 100], lift_divisor=4 if FLAGS.lift_y else None, std=std,
            decoder_std=std,
        )  # fmt: skip
        return {"encoder": encoder, "decoder": point_weights(decoder)}

    return NeuralProcess(
        objective=paper.OBJECTIVE,
        init=init,
        encode=networks.encode if FLAGS.encoder else (lambda weights, x: x),
        num_hidden_r=2,
        num_hidden_g=2,
        stochastic_code=FLAGS.regularizer == "activations",
        beta=networks.kl_factor() * 2 * FLAGS.likelihood_scale**2 / points()[0].query_size,
        kl_on=FLAGS.kl_on,
        test_mean_code=FLAGS.test_mean_code,
        theta_per=FLAGS.theta_per,
    )


def main(argv):
    del argv
    networks.set_beta(BETAS)
    train, test, others = train_and_test_tasks()
    training.run(
        make_learner(),
        train,
        test,
        other_vals=others,
        method=f"sinusoid_cnp_{FLAGS.regularizer}",
        name_flags=networks.name_flags("update_lr"),
        iterations_flag="num_updates",
        learning_rates={"mean": FLAGS.update_lr, "rho": FLAGS.rho_lr},
        weight_decay=FLAGS.weight_decay,
    )


if __name__ == "__main__":
    define_flags()
    run_main(main)
