"""The outer step's optimizer: its flags, and clipping of each trial's gradient by itself, over all replicas."""

import keras
import tensorflow as tf
from absl import flags

FLAGS = flags.FLAGS

flags.DEFINE_enum(
    "optimizer", "adam", ("adam", "sgd"),
    "of the outer step; Adam enlarges the steps of weights that few tasks train, such as those of a one-hot, and "
    "memorizes faster for it",
)  # fmt: skip
flags.DEFINE_float(
    "clip_norm", None, "norm to which the outer gradient over all weights is cut; unset: none", lower_bound=1e-9
)


def make(learning_rates, weight_decay):
    """--optimizer for each group of weights, Adam with TF1's epsilon.

    learning_rates: dict group -> rate, None for that of "mean". weight_decay: of all groups but "rho", a step's, as
    contrib counted it, not times the rate. Returns dict group -> Keras optimizer.
    """

    def optimizer(rate, decay=None):
        if FLAGS.optimizer == "sgd":
            return keras.optimizers.SGD(rate, weight_decay=decay)
        return keras.optimizers.Adam(rate, weight_decay=decay, epsilon=1e-8)

    made = {}
    for group, rate in learning_rates.items():
        rate = learning_rates["mean"] if rate is None else rate
        decays = weight_decay and rate and group != "rho"
        made[group] = optimizer(rate, weight_decay / rate if decays else None)
    return made


def clip(gradients, norm):
    """Each trial's gradient over all weights, cut to `norm`. gradients: nested lists of tensors [trials, ...], to be
    added up over the replicas; what is returned adds up to the clipped sum."""
    context = tf.distribute.get_replica_context()
    num_replicas = context.num_replicas_in_sync
    if num_replicas > 1:
        gradients = context.all_reduce("SUM", gradients)
    squares = [tf.reduce_sum(tf.reshape(g, [g.shape[0], -1]) ** 2, axis=1) for g in tf.nest.flatten(gradients)]
    factor = norm / tf.maximum(tf.sqrt(tf.add_n(squares)), norm) / num_replicas
    return tf.nest.map_structure(lambda g: g * tf.reshape(factor, [-1] + [1] * (len(g.shape) - 1)), gradients)
