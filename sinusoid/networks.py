"""The small networks of the sinusoid experiment and the flags of its two scripts."""

from absl import flags

from metalearn import layers, run_folder
from metalearn.bayes_layers import define_kl_on_flag, define_scale_flags, gaussian_weights, point_weights
from metalearn.cli import set_defaults
from sinusoid import DIM_X, tasks

FLAGS = flags.FLAGS

REGULARIZERS = ("none", "activations", "weights")

run_folder.BEFORE |= {
    "kl_reduction": "mean",
    "num_test_tasks": 100,
    # --train_one_hots has taken the place of --num_train_amplitudes, which took the first ones
    "train_one_hots": lambda used: f"0-{(used.get('num_train_amplitudes') or 20) - 1}",
}


def define_flags(betas, **defaults):
    """Flags that maml.py and cnp.py share; keyword arguments override defaults of training.py.

    betas: the default of --beta for each regularizer but "none".
    """
    tasks.define_flags()
    flags.DEFINE_enum(
        "regularizer", "none", REGULARIZERS, "meta-regularization: on weights Eq. 5, on activations Eq. 3"
    )
    defaults_text = ", ".join(f"{beta:g} for {name}" for name, beta in betas.items())
    flags.DEFINE_float(
        "beta", None, f"beta in Eq. 3 and Eq. 5; unset: the notebooks', {defaults_text}", lower_bound=0.0
    )
    flags.DEFINE_enum(
        "kl_reduction", "sum", ("sum", "mean"), "over the code's numbers (activations); the sum is Eq. 3's"
    )
    flags.DEFINE_integer("dim_w", 5, "size of the encoder's code", lower_bound=1, upper_bound=65_536)
    flags.DEFINE_enum(
        "init", "released", ("released", "glorot"),
        "initial weights: as the notebooks draw them, the CNP's dense layers N(0, 0.05^2), or all Glorot-uniform "
        "kernels, zero biases and one rho",
    )  # fmt: skip
    define_scale_flags(var=-50.0)
    flags.DEFINE_float("weight_decay", 0.0, "decay of all weights per step, of a posterior's means too", 0.0, 1.0)
    define_kl_on_flag()
    flags.DEFINE_bool("test_mean_code", False, "at meta-test the mean code in place of draws (activations)")
    common = {
        "update_batch_size": 5, "meta_batch_size": 1, "summary_every": 500, "steps_per_call": 500,
        "checkpoint_every": 5000, "eval_episodes": 1, "eval_batch_size": 100, "num_threads": 1,
    }  # fmt: skip
    set_defaults(common | defaults)


def set_beta(betas):
    """Give --beta the default of the regularizer where it is unset, so that the run's records show it."""
    if FLAGS.beta is None:
        FLAGS.beta = betas.get(FLAGS.regularizer, 0.0)


def name_flags(*rates):
    """Flags in the name of a run folder, with those of learning rates."""
    regularized, decayed = FLAGS.regularizer != "none", FLAGS.weight_decay > 0
    return [*["beta"] * regularized, "update_batch_size", *rates, *["weight_decay"] * decayed]


def kl_factor():
    """What multiplies the KL as metalearn computes it, a sum over weights or over the code's numbers."""
    mean = FLAGS.regularizer == "activations" and FLAGS.kl_reduction == "mean"
    return FLAGS.beta / FLAGS.dim_w if mean else FLAGS.beta


def init_encoder(rng, num_hidden, std=None):
    """Weights of `encode`: 21 -> num_hidden -> dim_w, Bayesian with --regularizer=weights; or to mean and scale.
    std: of the kernels without a posterior; None: Glorot."""
    num_out = FLAGS.dim_w * (2 if FLAGS.regularizer == "activations" else 1)
    initial = layers.init_mlp(rng, "encoder", [DIM_X, num_hidden, num_out], std)
    if FLAGS.regularizer != "weights":
        return point_weights(initial)
    return gaussian_weights(initial, FLAGS.var, rng, spread=0.1 if FLAGS.init == "released" else 0.0)


def encode(weights, x):
    """x: [n, 21] -> code [n, dim_w], or mean and untransformed scale [n, 2 dim_w]."""
    return layers.mlp(weights, "encoder", 2, x)
