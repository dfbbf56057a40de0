"""What training and evaluation ask of a set of tasks and of a learner."""

from typing import NamedTuple, Protocol

import numpy as np

from metalearn.objectives import Objective


class MetaBatch(NamedTuple):
    """Tasks of one outer step, each split into a support set D and a query set D*.

    support_x: [tasks, K, ...] inputs; support_y: float32 [tasks, K, dim_y] labels. query_x, query_y: the same for the
    query set, of n points per task.
    """

    support_x: np.ndarray
    support_y: np.ndarray
    query_x: np.ndarray
    query_y: np.ndarray


class Tasks(Protocol):
    """A set of tasks. It may have `names`, a list with one per task, which result.json then has; a `fingerprint`, a
    text: a run whose data have another one is not continued, but for what a "-" adds to one without; and
    `details(seed, points)` -> dict, more for result.json from what the objective says of each query point of
    `evaluation_batches(seed, ...)`."""

    def __len__(self) -> int:
        """The number of tasks that an evaluation visits."""

    def sample(self, rng, meta_batch_size) -> MetaBatch:
        """Random tasks for an outer step, drawn from the NumPy generator `rng`."""

    def evaluation_batches(self, seed, episodes, batch_size):
        """Each task `episodes` times, points fixed by `seed`: iterable of (task numbers [n], MetaBatch of batch_size
        tasks), the last one padded with repeats."""


def padded_batches(numbers, batch_size):
    """Batches of tasks' `numbers`, int [n]. Yields (the numbers of the batch, fewer in the last one; indices into
    `numbers`, int [batch_size], in the last batch filled up from the start)."""
    for start in range(0, len(numbers), batch_size):
        yield numbers[start : start + batch_size], np.arange(start, start + batch_size) % len(numbers)


class Learner(Protocol):
    """A meta-learner. Its `weights` are a dict module -> Weights (bayes_layers.py); train_tags and val_tags map
    metrics to TensorBoard names where these are others."""

    objective: Objective
    train_tags: dict
    val_tags: dict

    def init(self, rng) -> dict:
        """Initial weights, as arrays."""

    def stochastic(self, weights) -> bool:
        """Whether predictions with these weights depend on the seed, by more than rounding."""

    def loss(self, weights, batch, seed):
        """(loss, metrics) of a MetaBatch: scalars; metrics has the objective's error, under its name. seed: int tensor
        [2]."""

    def predict(self, weights, batch, seed):
        """(predictions [tasks, n, dim_y], the support sets' errors before adapting [tasks] or None). One that has such
        errors also takes num_updates, an int tensor: inner-loop steps in place of its own number; with 0 it predicts
        before adapting."""
