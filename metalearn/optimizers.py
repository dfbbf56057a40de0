"""The outer step's optimizer: its flags, and clipping of each trial's gradient, over all replicas."""

import math

import keras
import numpy as np
import tensorflow as tf
from absl import flags

FLAGS = flags.FLAGS

flags.DEFINE_enum(
    "optimizer", "adam", ("adam", "sgd", "fresh_adam", "fresh_adam_encoder"),
    "of the outer step; fresh_adam: a new Adam at each step, which is nearly the sign of the gradient, for all weights "
    "or for the encoder's, as in the released MR_MAML notebook",
)  # fmt: skip
flags.DEFINE_float(
    "clip_norm", None, "norm to which the outer gradient over all weights is cut; unset: none", lower_bound=1e-9
)


class FreshAdam(keras.optimizers.Optimizer):
    """Keras's Adam made anew at each step, so that each is a first one: rate * g / (|g| + epsilon / sqrt(1 - beta_2)).

    Gradients far above 3e-6 all take a step of the rate, as do those of a weight that few tasks train, such as a
    one-hot's, or that only a penalty reaches.
    """

    def update_step(self, gradient, variable, learning_rate):
        epsilon = 1e-7 / math.sqrt(1.0 - 0.999)
        self.assign_sub(variable, tf.cast(learning_rate, variable.dtype) * gradient / (tf.abs(gradient) + epsilon))


def with_encoder_group(learning_rates, group_of):
    """Arguments of training.run, with the encoder's means and point weights in a group "encoder" for
    --optimizer=fresh_adam_encoder, at the rate of "mean"."""
    if FLAGS.optimizer != "fresh_adam_encoder":
        return learning_rates, group_of

    def encoder_apart(module, name):
        return "encoder" if module == "encoder" else group_of(module, name) if group_of else "mean"

    return learning_rates | {"encoder": None}, encoder_apart


def make(learning_rates, weight_decay):
    """--optimizer for each group of weights, Adam with TF1's epsilon.

    learning_rates: dict group -> rate, None for that of "mean". weight_decay: of all groups except "rho", subtracted
    per step as weight * decay, not multiplied by the rate. Returns dict group -> Keras optimizer.
    """

    def optimizer(group, rate, decay):
        if FLAGS.optimizer == "sgd":
            return keras.optimizers.SGD(rate, weight_decay=decay)
        if FLAGS.optimizer == "fresh_adam" or (FLAGS.optimizer == "fresh_adam_encoder" and group in ("encoder", "rho")):
            return FreshAdam(rate, weight_decay=decay)
        return keras.optimizers.Adam(rate, weight_decay=decay, epsilon=1e-8)

    made = {}
    for group, rate in learning_rates.items():
        rate = learning_rates["mean"] if rate is None else rate
        decays = weight_decay and rate and group != "rho"
        made[group] = optimizer(group, rate, weight_decay / rate if decays else None)
    return made


def unmoved(groups, before, steps):
    """Variables that `steps` steps have left as they were, except for weight decay: no gradient reaches them.

    groups: list of (Keras optimizer, its variables); those with a rate of 0 are left out. before: the variables' values
    before the steps, nested alike.
    """
    found = []
    for (optimizer, variables), values in zip(groups, before, strict=True):
        rate, decay = float(optimizer.learning_rate.numpy()), optimizer.weight_decay or 0.0
        for variable, value in zip(variables, values, strict=True):
            expected, tolerance = value * (1.0 - rate * decay) ** steps, 1e-6 if decay else 0.0
            if rate and np.allclose(variable.numpy(), expected, rtol=tolerance, atol=0.0):
                found.append(variable)
    return found


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
