"""MAML and MR-MAML on the sinusoid: three columns of Table 1.

1. --regularizer=none: the whole network 21-40-40-1 is adapted, and learns to read the amplitude off the one-hot.
2. weights (MR-MAML(W), Algorithm 2): an encoder with a Gaussian posterior, not adapted, before a network 5-40-40-1 that
   is; the loss adds beta * KL (Eq. 5).
3. activations (MR-MAML(A)): a deterministic encoder with a stochastic code, whose KL on the query points is added
   (Eq. 3).

Command: python maml.py --flagfile=../presets/sinusoid/released/maml_weights.cfg --logdir=LOGDIR [--num_trials=5]
Cost: about a minute for five trials on one core.
Expect (the paper, Table 1; 5 shots / 10 shots): MAML 0.46 / 0.13, MR-MAML(A) 0.17 / 0.07, MR-MAML(W) 0.16 / 0.06.
"""

from absl import flags

from metalearn import training
from metalearn.bayes_layers import Weights, point_weights
from metalearn.cli import int_list, run_main, set_defaults
from metalearn.layers import init_mlp, mlp
from metalearn.maml import Maml
from metalearn.maml import define_flags as define_loop_flags
from sinusoid import DIM_X, networks, paper
from sinusoid.tasks import notebook_tasks, train_and_test_tasks

FLAGS = flags.FLAGS

BETAS = {"weights": 5e-5, "activations": 1.0}


def define_flags():
    networks.define_flags(BETAS)
    define_loop_flags()
    set_defaults(
        {"num_updates": 1, "test_num_updates": 100, "update_lr": 0.01, "meta_lr": 1e-3, "metatrain_iterations": 15000}
    )
    flags.DEFINE_float("test_update_lr", None, "--update_lr at meta-test; unset: the same", lower_bound=0.0)
    flags.DEFINE_list("eval_num_updates", "0,1,2,5,10,20,50,100,150,200", "also evaluate after these steps (Figure 5)")
    flags.DEFINE_bool("eval_notebook_tasks", False, "also evaluate on the released notebook's own 100 test tasks")


def make_learner():
    plain = FLAGS.regularizer == "none"

    def init(rng):
        head = init_mlp(rng, "head", [DIM_X if plain else FLAGS.dim_w, 40, 40, 1])
        num_hidden = 80 if FLAGS.regularizer == "activations" else 100
        encoder = Weights({}, {}) if plain else networks.init_encoder(rng, num_hidden)
        return {"encoder": encoder, "head": point_weights(head), "offsets": Weights({}, {})}

    return Maml(
        objective=paper.OBJECTIVE,
        init=init,
        encode=(lambda weights, x: x) if plain else networks.encode,
        predict_from_code=lambda weights, code: mlp(weights, "head", 3, code),
        adapt_encoder=False,
        num_updates=FLAGS.num_updates,
        test_num_updates=FLAGS.test_num_updates,
        update_lr=FLAGS.update_lr,
        test_update_lr=FLAGS.test_update_lr,
        stop_grad=FLAGS.stop_grad,
        stochastic_code=FLAGS.regularizer == "activations",
        beta=networks.kl_factor(),
        kl_on=FLAGS.kl_on,
        test_mean_code=FLAGS.test_mean_code,
        theta_per=FLAGS.theta_per,
        inner_loop="vectorized",
    )


def main(argv):
    del argv
    networks.set_beta(BETAS)
    train, test, others = train_and_test_tasks()
    training.run(
        make_learner(),
        train,
        test,
        other_vals=others | (notebook_tasks() if FLAGS.eval_notebook_tasks else {}),
        method=f"sinusoid_maml_{FLAGS.regularizer}",
        name_flags=networks.name_flags("meta_lr", "update_lr"),
        iterations_flag="metatrain_iterations",
        learning_rates={"mean": FLAGS.meta_lr, "rho": FLAGS.rho_lr},
        weight_decay=FLAGS.weight_decay,
        eval_num_updates=int_list("eval_num_updates", minimum=0),
    )


if __name__ == "__main__":
    define_flags()
    run_main(main)
