"""MAML on images: the flags and the learner that scripts of several domains share."""

import functools

import tensorflow as tf
from absl import flags

from metalearn import image_networks, layers, maml
from metalearn.bayes_layers import point_weights

FLAGS = flags.FLAGS


def define_flags(inner_loop=True):
    """Flags of the network and those of `maml.define_flags`."""
    flags.DEFINE_integer(
        "dim_w", 196, "size of the image code z; MAML's head reads it as a square image (14x14)", upper_bound=65_536
    )
    flags.DEFINE_integer(
        "num_filters", 64, "filters of each convolution in the head", lower_bound=1, upper_bound=65_536
    )
    maml.define_flags(inner_loop)
    if inner_loop:
        flags.DEFINE_enum(
            "batch_norm_gradient", "exact", ("exact", "released"),
            "released: what comes back through a batch norm in the inner loop is a constant to the outer gradient; a "
            "step then takes less time",
        )  # fmt: skip
        flags.DEFINE_bool(
            "checkpoint_inner_steps", False,
            "compute each inner step again for the outer gradient instead of keeping it: less memory, more time",
        )  # fmt: skip
    flags.DEFINE_bool("max_pool", False, "2x2 max-pool after every block of the head")
    flags.DEFINE_enum("norm", "batch_norm", layers.NORMS, "normalization in the head")
    flags.DEFINE_enum(
        "inner_loop", None, ("map", "vectorized"),
        "adapt to one task after the other, or to all at once; unset: vectorized on a GPU, map on a CPU",
    )  # fmt: skip


def image_maml(
    *, init_encoder, dim_y, std_out=None, adapt_encoder, relu_after=image_networks.ENCODERS["paper"],
    strides=(1, 1, 1, 1), inner_loop=True, **kwargs,
):  # fmt: skip
    """Maml of an image encoder and a convolutional head with the flags' settings.

    init_encoder: NumPy generator -> Weights of the encoder. std_out, relu_after, strides: of `image_networks`.
    inner_loop: as in `define_flags`. kwargs: other arguments of Maml.
    """

    def init(rng):
        head, offsets = image_networks.init_conv_head(rng, FLAGS.dim_w, FLAGS.num_filters, dim_y, std_out)
        return {"encoder": init_encoder(rng), "head": point_weights(head), "offsets": point_weights(offsets)}

    form = FLAGS.inner_loop or ("vectorized" if tf.config.list_physical_devices("GPU") else "map")
    conv = layers.conv2d_as_matmul if form == "vectorized" else layers.conv2d
    return maml.Maml(
        init=init,
        encode=functools.partial(
            image_networks.image_encoder, conv=conv if adapt_encoder else layers.conv2d, relu_after=relu_after
        ),
        predict_from_code=functools.partial(
            image_networks.conv_head, norm=FLAGS.norm, max_pool=FLAGS.max_pool, conv=conv, strides=strides,
            second_order_norm=not inner_loop or FLAGS.batch_norm_gradient == "exact",
        ),
        inner_loop=form,
        adapt_encoder=adapt_encoder,
        num_updates=FLAGS.num_updates if inner_loop else 0,
        test_num_updates=FLAGS.test_num_updates,
        update_lr=FLAGS.update_lr,
        stop_grad=inner_loop and FLAGS.stop_grad,
        recompute=inner_loop and FLAGS.checkpoint_inner_steps,
        **kwargs,
    )  # fmt: skip
