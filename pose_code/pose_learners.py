"""The flags of the two families of pose scripts and the learners built from them.

The eight scripts differ in what is adapted, what is stochastic and what is penalised; that is what they pass here.
"""

import functools

from absl import flags

from pose_code import networks, training
from pose_code.bayes_layers import GaussianWeights, PointWeights
from pose_code.maml import Maml
from pose_code.neural_process import NeuralProcess, init_neural_process

FLAGS = flags.FLAGS


def define_maml_flags(inner_loop=True, **defaults):
    """The flags of every MAML script with upstream's maml_bbb defaults; keyword arguments override defaults.

    inner_loop: False for a script that adapts at meta-test only.
    """
    flags.DEFINE_integer("dim_w", 196, "size of the image code z; MAML's head reads it as a square image (14x14)")
    flags.DEFINE_integer("num_filters", 64, "filters of each convolution in the head", lower_bound=1)
    if inner_loop:
        flags.DEFINE_integer("num_updates", 5, "inner-loop steps in training", lower_bound=0)
        flags.DEFINE_bool("stop_grad", False, "first-order MAML: no gradient through any inner step")
    flags.DEFINE_integer("test_num_updates", 20, "inner-loop steps at meta-test", lower_bound=0)
    flags.DEFINE_float("update_lr", 0.002, "inner loop step size alpha (the paper: 0.01)", lower_bound=0.0)
    flags.DEFINE_float("meta_lr", 0.002, "learning rate of the outer step (Adam)", lower_bound=0.0)
    flags.DEFINE_integer("metatrain_iterations", 30000, "outer steps", lower_bound=0)
    flags.DEFINE_bool("max_pool", False, "2x2 max-pool after every block of the head")
    flags.DEFINE_enum("norm", "batch_norm", networks.NORMS, "normalisation in the head")
    _override({"summary_every": 50, "checkpoint_every": 200, **defaults})


def define_np_flags(**defaults):
    """The flags of every neural-process script with upstream's np_vanilla defaults; keyword arguments override."""
    flags.DEFINE_integer("dim_w", 64, "size of the image code w", lower_bound=1)
    flags.DEFINE_integer("dim_r", 100, "size of the aggregate r of the support set", lower_bound=1)
    flags.DEFINE_integer("dim_z", 64, "size of the task code z", lower_bound=1)
    flags.DEFINE_list("n_hidden_units_g", "100,100", "hidden layer sizes of the decoder")
    flags.DEFINE_list("n_hidden_units_r", "100,100", "hidden layer sizes of the pair encoder before aggregation")
    flags.DEFINE_bool("deterministic", True, "z is a function of the support set; False draws z ~ N(mu(r), sigma(r)^2)")
    flags.DEFINE_float("facto", 1.0, "factor of z before the decoder; 0 removes it: pure memorization")
    flags.DEFINE_integer("num_updates", 140000, "training iterations", lower_bound=0)
    flags.DEFINE_float("update_lr", 1e-3, "learning rate (Adam)", lower_bound=0.0)
    _override(defaults)


def define_posterior_flags(var, beta=1e-3):
    """Flags of meta-regularization on weights."""
    flags.DEFINE_float("beta", beta, "beta in Eq. 5, factor of KL(q(theta) || N(0, I))", lower_bound=0.0)
    flags.DEFINE_float("var", var, "start of rho, the posterior scale before softplus")
    flags.DEFINE_float("rho_lr", None, "learning rate of rho; unset: that of the means", lower_bound=0.0)


def define_code_flags(beta=0.01):
    """Flags of meta-regularization on activations."""
    flags.DEFINE_float("beta", beta, "beta in Eq. 3, factor of KL(q(z*|x*) || N(0, I))", lower_bound=0.0)
    flags.DEFINE_enum("kl_on", "query", ("query", "context"), "whose code the KL is on: Eq. 3's query, or upstream's")


def define_weight_decay_flags(weight_decay):
    """Flags of weight decay on all weights."""
    flags.DEFINE_bool("weight_decay", weight_decay, "decay all weights")
    flags.DEFINE_float("beta", 1e-3, "decay per step under --weight_decay", lower_bound=0.0)


def gaussian_weights(rng):
    """Constructor of a posterior whose kernels start at mu ~ N(0, 0.1^2), rho = --var.

    That is the start of TensorFlow Probability's layers, which upstream used. Glorot's is half as large in the wide
    layers, no larger than the noise of --var=-3, and MR-CNP then never learns: its posterior falls back to the prior.
    """

    def make(initial):
        kernels = {name: rng.normal(0.0, 0.1, x.shape) for name, x in initial.items() if name.endswith("kernel")}
        return GaussianWeights(initial | kernels, FLAGS.var)

    return make


def pose_maml(rng, *, adapt_encoder, encoder_weights=PointWeights, inner_loop=True, **kwargs):
    """Maml on the pose networks with the flags' settings. kwargs: stochastic_code, beta, kl_on of Maml."""
    dim_code = FLAGS.dim_w * (2 if kwargs.get("stochastic_code") else 1)
    head, offsets = networks.init_conv_head(rng, FLAGS.dim_w, FLAGS.num_filters, FLAGS.dim_y)
    return Maml(
        encoder=encoder_weights(networks.init_image_encoder(rng, FLAGS.dim_im, dim_code)),
        head=head,
        offsets=offsets,
        encode=networks.image_encoder,
        predict_from_code=functools.partial(networks.conv_head, norm=FLAGS.norm, max_pool=FLAGS.max_pool),
        adapt_encoder=adapt_encoder,
        num_updates=FLAGS.num_updates if inner_loop else 0,
        test_num_updates=FLAGS.test_num_updates,
        update_lr=FLAGS.update_lr,
        stop_grad=inner_loop and FLAGS.stop_grad,
        **kwargs,
    )


def pose_np(rng, *, encoder_weights=PointWeights, decoder_weights=PointWeights, **kwargs):
    """NeuralProcess on the pose networks with the flags' settings. kwargs: stochastic_code, beta, kl_on of it."""
    dim_code = FLAGS.dim_w * (2 if kwargs.get("stochastic_code") else 1)
    hidden_r, hidden_g = training.int_list("n_hidden_units_r"), training.int_list("n_hidden_units_g")
    decoder = init_neural_process(
        rng, dim_w=FLAGS.dim_w, dim_y=FLAGS.dim_y, dim_r=FLAGS.dim_r, dim_z=FLAGS.dim_z, hidden_r=hidden_r,
        hidden_g=hidden_g, deterministic=FLAGS.deterministic,
    )  # fmt: skip
    return NeuralProcess(
        encoder=encoder_weights(networks.init_image_encoder(rng, FLAGS.dim_im, dim_code)),
        decoder=decoder_weights(decoder),
        encode=networks.image_encoder,
        num_hidden_r=len(hidden_r),
        num_hidden_g=len(hidden_g),
        deterministic=FLAGS.deterministic,
        facto=FLAGS.facto,
        **kwargs,
    )


def _override(defaults):
    for name, value in defaults.items():
        FLAGS.set_default(name, value)
