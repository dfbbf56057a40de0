"""The sinusoid tasks: y = A sin u, the input (u, one-hot of A) in R^21, so that a training task can be memorized.

The 20 training amplitudes are equally spaced points in [0.1, 4], each with its own one-hot. At meta-test A ~ U[0.1, 4]
and the one-hot is random: it says nothing about A, and a learner that trusts it instead of its support set is wrong.
The defaults are the paper's text; presets/sinusoid/released has what the released notebooks do differently.
"""

import re
from typing import NamedTuple

import numpy as np
from absl import flags

from metalearn.cli import UserError, int_list
from metalearn.tasks import MetaBatch, padded_batches
from sinusoid import AMPLITUDES, DIM_X, NUM_AMPLITUDES, U_RANGE

FLAGS = flags.FLAGS

NUM_NOTEBOOK_TASKS = 100


def define_flags():
    """What is trained and evaluated on."""
    flags.DEFINE_string(
        "train_one_hots", "0-19", "train on these of the 20 amplitudes, each with its one-hot: FIRST-LAST"
    )
    flags.DEFINE_string("test_one_hots", "0-19", "the one-hot of a test task is drawn from these")
    flags.DEFINE_integer(
        "num_heldout_amplitudes", 0,
        "take N training amplitudes, evenly spread, out of training and evaluate on them instead of the test tasks: "
        "for choosing settings",
    )  # fmt: skip
    flags.DEFINE_integer("num_test_tasks", 600, "test tasks, fixed by --eval_seed", lower_bound=1, upper_bound=100_000)
    flags.DEFINE_integer(
        "query_size",
        None,
        "query points of a training task; unset: --update_batch_size",
        lower_bound=1,
        upper_bound=10_000,
    )
    flags.DEFINE_list("test_shots", [], "K at meta-test, one number or several; unset: --update_batch_size")
    flags.DEFINE_integer("test_query_size", 201, "query points of a test task, evenly spaced", 1, 100_000)
    flags.DEFINE_float(
        "test_query_range",
        5.0,
        "a test task's query points lie between -this and this",
        lower_bound=0.0,
        upper_bound=1e6,
    )
    flags.DEFINE_float("noise_scale", 0.1, "standard deviation of the observation noise of y", lower_bound=0.0)
    flags.DEFINE_float(
        "test_support_noise",
        None,
        "noise of a test task's support labels, as --noise_scale; unset: that",
        lower_bound=0.0,
    )
    flags.DEFINE_float(
        "test_query_noise", 0.0, "noise of a test task's query labels, as --noise_scale", lower_bound=0.0
    )


class Points(NamedTuple):
    """How many points a task has, K support and query_size query points, and the noise of their labels."""

    shots: int
    query_size: int
    support_noise: float = 0.1
    query_noise: float = 0.1
    query_range: float = U_RANGE[1]  # of the evenly spaced u of an evaluation


class SinusoidTasks:
    """Tasks of given amplitudes and one-hots, see metalearn/tasks.py for what a set of tasks offers.

    Points are x float32 [..., 21] = (u, one-hot) and y float32 [..., 1].
    """

    def __init__(self, amplitudes, one_hots, train_points, test_points):
        """amplitudes: [tasks]; one_hots: int [tasks], the index that is 1; Points of `sample` and of evaluation."""
        self.amplitudes, self.one_hots = np.asarray(amplitudes), np.asarray(one_hots)
        self.train_points, self.test_points = train_points, test_points

    def __len__(self):
        return len(self.amplitudes)

    def _labelled(self, tasks, u, noise):
        """tasks: int [n]; u, noise of y: [n, points] -> x [n, points, 21], y [n, points, 1]."""
        x = np.zeros((*u.shape, DIM_X), np.float32)
        x[..., 0] = u
        x[np.arange(len(tasks)), :, 1 + self.one_hots[tasks]] = 1.0
        return x, (self.amplitudes[tasks, None] * np.sin(u) + noise).astype(np.float32)[..., None]

    def sample(self, rng, meta_batch_size):
        """MetaBatch of random tasks, u uniform."""
        tasks, points = rng.integers(len(self), size=meta_batch_size), self.train_points
        shape = meta_batch_size, points.shots + points.query_size
        u, noise = rng.uniform(*U_RANGE, shape), rng.normal(size=shape)
        scale = np.repeat([points.support_noise, points.query_noise], [points.shots, points.query_size])
        x, y = self._labelled(tasks, u, noise * scale)
        return MetaBatch(x[:, : points.shots], y[:, : points.shots], x[:, points.shots :], y[:, points.shots :])

    def _evaluation_points(self, seed, tasks):
        """u and noise of y of the support points and of the query points of `tasks`: four arrays [n, points]."""
        points = self.test_points
        # The amplitudes are the first numbers of the same stream: with one point for each task u would tell A.
        rng = np.random.default_rng(seed if points.shots > 1 else [seed, 1])
        support, query = (len(tasks), points.shots), (len(tasks), points.query_size)
        support_u, support_noise = rng.uniform(*U_RANGE, support), rng.normal(0.0, points.support_noise, support)
        query_noise = rng.normal(0.0, points.query_noise, query)
        return support_u, support_noise, np.broadcast_to(query_grid(points), query), query_noise

    def evaluation_batches(self, seed, episodes, batch_size):
        """Each task `episodes` times, its points fixed by `seed`; the query points are evenly spaced.

        Yields (tasks [n], MetaBatch of batch_size tasks); the last batch is filled up with repeated tasks.
        """
        tasks = np.tile(np.arange(len(self)), episodes)
        support_u, support_noise, query_u, query_noise = self._evaluation_points(seed, tasks)
        for numbers, rows in padded_batches(tasks, batch_size):
            support = self._labelled(tasks[rows], support_u[rows], support_noise[rows])
            query = self._labelled(tasks[rows], query_u[rows], query_noise[rows])
            yield numbers, MetaBatch(*support, *query)


def query_grid(points):
    """The u of an evaluation's query points."""
    return np.linspace(-points.query_range, points.query_range, points.query_size)


class NotebookTasks(SinusoidTasks):
    """The 100 test tasks of the released MR_MAML notebook, number for number except for their one-hots.

    NumPy's legacy generator starts from the task's number s for A and once more for its points, so the first support
    u is -5 + 10 (A - 0.1) / 3.9: large amplitudes are seen from the right. The notebook draws the one-hots from
    Python's unseeded generator.
    """

    def __init__(self, one_hots, train_points, test_points):
        amplitudes = [np.random.RandomState(s).uniform(0.1, 4.0) for s in range(NUM_NOTEBOOK_TASKS)]
        super().__init__(amplitudes, one_hots, train_points, test_points)

    def _evaluation_points(self, seed, tasks):
        del seed
        shots = self.test_points.shots
        grid = query_grid(Points(shots, 200, query_range=4.5))
        points = []
        for s in tasks:
            rng = np.random.RandomState(s)
            u, noise = rng.uniform(*U_RANGE, shots), rng.normal(0.0, 0.1, shots) + rng.normal(0.0, 0.1, shots)
            rng.normal(0.0, 0.1, len(grid))  # drawn there, too, and not used
            points.append((u, noise, grid, rng.normal(0.0, 0.1, len(grid))))
        return [np.stack(arrays) for arrays in zip(*points, strict=True)]


def _one_hots(name):
    """The value of a flag FIRST-LAST as an int array. Raises UserError."""
    match = re.fullmatch(r"([0-9]{1,2})-([0-9]{1,2})", FLAGS[name].value)
    first, last = map(int, match.groups()) if match else (0, -1)
    if not first <= last < NUM_AMPLITUDES:
        raise UserError(f"--{name}={FLAGS[name].value}: give a range within 0-{NUM_AMPLITUDES - 1}, such as 0-15")
    return np.arange(first, last + 1)


def points():
    """The flags' Points of training tasks, and a list of those of meta-test tasks, one for each number of shots."""
    shots, noise = FLAGS.update_batch_size, FLAGS.noise_scale
    train = Points(shots, shots if FLAGS.query_size is None else FLAGS.query_size, noise, noise)
    support_noise = noise if FLAGS.test_support_noise is None else FLAGS.test_support_noise
    test = FLAGS.test_query_size, support_noise, FLAGS.test_query_noise, FLAGS.test_query_range
    return train, [Points(test_shots, *test) for test_shots in int_list("test_shots") or [shots]]


def train_and_test_tasks():
    """The flags' training tasks, the test tasks that --eval_seed fixes, and these with the other numbers of test shots,
    {"10_shots": tasks}. Raises UserError on a wrong flag."""
    trained, num_test = _one_hots("train_one_hots"), FLAGS.num_test_tasks
    held_out = FLAGS.num_heldout_amplitudes
    if not 0 <= held_out < len(trained):
        raise UserError(f"--num_heldout_amplitudes={held_out}: give fewer than the {len(trained)} training amplitudes")
    # evenly spread, not the ends: 4 of 20 are 2, 7, 12, 17
    heldout = trained[((np.arange(held_out) + 0.5) * len(trained) / max(held_out, 1)).astype(int)]
    trained = np.setdiff1d(trained, heldout)
    rng = np.random.default_rng([FLAGS.eval_seed, held_out])
    if held_out:
        amplitudes = AMPLITUDES[heldout[np.arange(num_test) % held_out]]
    else:
        amplitudes = rng.uniform(AMPLITUDES[0], AMPLITUDES[-1], num_test)
    one_hots = rng.choice(_one_hots("test_one_hots"), num_test)
    train_points, test_points = points()
    test, *others = (SinusoidTasks(amplitudes, one_hots, train_points, each) for each in test_points)
    train = SinusoidTasks(AMPLITUDES[trained], trained, train_points, test_points[0])
    return train, test, {f"{tasks.test_points.shots}_shots": tasks for tasks in others}


def notebook_tasks():
    """{"notebook_5_shots": NotebookTasks} of each number of test shots, one-hots drawn by --eval_seed."""
    train_points, test_points = points()
    one_hots = np.random.default_rng(FLAGS.eval_seed).choice(_one_hots("test_one_hots"), NUM_NOTEBOOK_TASKS)
    return {f"notebook_{each.shots}_shots": NotebookTasks(one_hots, train_points, each) for each in test_points}
