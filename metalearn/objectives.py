"""What a domain's predictions are scored by: the loss that is trained on and the error that tables report.

A domain's paper.py has its OBJECTIVE; learners, evaluation, tables and figures take it from there.
"""

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
    point_error: (predictions, labels) -> [..., n], each point's error in a unit of its own, as NumPy arrays.
    summaries: what result.json and tables say beside the error, name -> function of the array of all held-out points'
      point_error -> number.
    """

    name: str
    loss: Callable
    error: Callable
    average: Callable
    chance: float | None = None
    point_error: Callable | None = None
    summaries: Mapping = MappingProxyType({})

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


SQUARED_ERROR = Objective("mse", mean_squared_error, mean_squared_error, mean)
