"""What a domain's predictions are scored by: the loss that is trained on and the error that tables report.

A domain's paper.py has its OBJECTIVE; learners, evaluation, tables and figures take it from there.
"""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple


class Objective(NamedTuple):
    """Scores predictions [..., n, dim_y] against labels [..., n, dim_y] of n query or support points.

    name: of the error, in metrics, curves and result.json, such as "mse".
    loss: (predictions, labels) -> [...], differentiated twice by the inner loop.
    error: (predictions, labels) -> [...], what is reported; may be the loss itself.
    average: list of predictions under several draws of theta -> their average (Algorithm 3).
    chance: the error of a constant prediction, or None where there is no one number.
    larger_is_better: whether the error is one of which more is wanted, such as an accuracy.
    points: (predictions, labels) -> dict name -> NumPy array [..., n], what is said of each point.
    summaries: what result.json and tables say beside the error, name -> function of the `points` of all held-out
      tasks, dict name -> array [number of points] -> number.
    label: the error's name in tables and figures; None: `name` in capitals.
    """

    name: str
    loss: Callable
    error: Callable
    average: Callable
    chance: float | None = None
    larger_is_better: bool = False
    points: Callable | None = None
    summaries: Mapping = MappingProxyType({})
    label: str | None = None

    @property
    def title(self):
        """The error's name in tables and figures."""
        return self.label or self.name.upper()

    def means(self, predictions, labels):
        """(loss, error) of predictions [tasks, n, dim_y], averaged over tasks: scalars."""
        import tensorflow as tf  # here, since tables and figures read name and chance, and it takes seconds

        return tf.reduce_mean(self.loss(predictions, labels)), tf.reduce_mean(self.error(predictions, labels))


def mean_squared_error(predictions, labels):
    """MSE in label units squared. Both [..., n, dim_y] -> [...]."""
    import tensorflow as tf

    return tf.reduce_mean(tf.math.squared_difference(predictions, labels), axis=[-2, -1])


def mean(predictions):
    """The mean of a list of predictions."""
    return sum(prediction / len(predictions) for prediction in predictions)


def cross_entropy(predictions, labels):
    """In nats, of logits [..., n, N] against one-hot labels [..., n, N] -> [...]."""
    import tensorflow as tf

    return -tf.reduce_mean(tf.reduce_sum(labels * tf.nn.log_softmax(predictions), axis=-1), axis=-1)


def accuracy(predictions, labels):
    """In percent, of logits [..., n, N] against one-hot labels [..., n, N] -> [...]."""
    import tensorflow as tf

    correct = tf.equal(tf.argmax(predictions, axis=-1), tf.argmax(labels, axis=-1))
    return 100.0 * tf.reduce_mean(tf.cast(correct, tf.float32), axis=-1)


def log_mean_probability(predictions):
    """Of a list of logits [..., N] the logarithm of their mean probabilities: logits of their mixture."""
    import tensorflow as tf

    log_probabilities = tf.stack([tf.nn.log_softmax(logits) for logits in predictions])
    return tf.reduce_logsumexp(log_probabilities, axis=0) - math.log(len(predictions))


def _classified(predictions, labels):
    """The cross-entropy of each point, in nats, and whether it is classified right, as 0 or 100."""
    points = [array[..., None, :] for array in (predictions, labels)]
    return {"cross_entropy": cross_entropy(*points).numpy(), "accuracy": accuracy(*points).numpy()}


SQUARED_ERROR = Objective("mse", mean_squared_error, mean_squared_error, mean)
CROSS_ENTROPY = Objective(
    "accuracy", cross_entropy, accuracy, log_mean_probability, larger_is_better=True, points=_classified,
    label="accuracy, %",
    summaries={"cross_entropy": lambda points: points["cross_entropy"].mean()},
)  # fmt: skip
