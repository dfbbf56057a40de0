"""The sinusoid tasks: y = A sin u, the input (u, one-hot of A) in R^21, so that a training task can be memorized.

Training amplitudes are 20 equally spaced points in [0.1, 4], each with its own one-hot. At meta-test A ~ U[0.1, 4] and
the one-hot is random: it says nothing about A, and a learner that trusts it instead of its support set is wrong.
"""

import numpy as np
from absl import flags

from metalearn.cli import UserError
from pose_code.pose_dataset import MetaBatch

FLAGS = flags.FLAGS

flags.DEFINE_integer("num_train_amplitudes", 20, "train on the first N of the 20 amplitudes; upstream's notebooks: 16")
flags.DEFINE_integer(
    "num_heldout_amplitudes", 0,
    "take N training amplitudes, evenly spread, out of training and evaluate on them instead of the test tasks: for "
    "choosing settings",
)  # fmt: skip
flags.DEFINE_float("noise_scale", 0.1, "standard deviation of the observation noise of y", lower_bound=0.0)

NUM_AMPLITUDES = 20
NUM_TEST_TASKS = 100
AMPLITUDES = np.linspace(0.1, 4.0, NUM_AMPLITUDES)
U_RANGE = (-5.0, 5.0)
U_GRID = np.linspace(*U_RANGE, 201)  # the query points of an evaluation, without noise
DIM_X = 1 + NUM_AMPLITUDES


class SinusoidTasks:
    """Tasks of given amplitudes and one-hots, see training.py for what a set of tasks offers.

    Points are x float32 [..., 21] = (u, one-hot) and y float32 [..., 1].
    """

    def __init__(self, amplitudes, one_hots, shots, noise_scale):
        """amplitudes: [tasks]; one_hots: int [tasks], the index that is 1; shots: K support points of a task."""
        self.amplitudes, self.one_hots = np.asarray(amplitudes), np.asarray(one_hots)
        self.shots, self.noise_scale = shots, noise_scale

    def __len__(self):
        return len(self.amplitudes)

    def points(self, tasks, u):
        """Inputs and noise-free labels. tasks: int [n]; u: [n, points] -> [n, points, 21], [n, points, 1]."""
        x = np.zeros((*u.shape, DIM_X), np.float32)
        x[..., 0] = u
        x[np.arange(len(tasks)), :, 1 + self.one_hots[tasks]] = 1.0
        return x, (self.amplitudes[tasks, None] * np.sin(u)).astype(np.float32)[..., None]

    def _noisy_points(self, rng, tasks, num_points):
        x, y = self.points(tasks, rng.uniform(*U_RANGE, (len(tasks), num_points)))
        return x, y + rng.normal(0.0, self.noise_scale, y.shape).astype(np.float32)

    def sample(self, rng, meta_batch_size):
        """MetaBatch of random tasks: K support and K query points, all with noise."""
        tasks, shots = rng.integers(len(self), size=meta_batch_size), self.shots
        x, y = self._noisy_points(rng, tasks, 2 * shots)
        return MetaBatch(x[:, :shots], y[:, :shots], x[:, shots:], y[:, shots:])

    def evaluation_batches(self, seed, episodes, batch_size):
        """Each task `episodes` times: K noisy support points fixed by `seed`; the query set is U_GRID without noise.

        Yields (tasks [n], MetaBatch of batch_size tasks); the last batch is filled up with repeated tasks.
        """
        tasks = np.tile(np.arange(len(self)), episodes)
        context_x, context_y = self._noisy_points(np.random.default_rng(seed), tasks, self.shots)
        for start in range(0, len(tasks), batch_size):
            rows = np.arange(start, start + batch_size) % len(tasks)
            target = self.points(tasks[rows], np.tile(U_GRID, (batch_size, 1)))
            yield tasks[start : start + batch_size], MetaBatch(context_x[rows], context_y[rows], *target)


def train_and_test_tasks(shots, seed):
    """The flags' training tasks, and 100 test tasks that `seed` fixes. Raises UserError on a wrong number of them."""
    kept = FLAGS.num_train_amplitudes
    if not 1 <= kept <= NUM_AMPLITUDES:
        raise UserError(f"--num_train_amplitudes={kept}: give 1 to {NUM_AMPLITUDES}")
    held_out = FLAGS.num_heldout_amplitudes
    if not 0 <= held_out < kept:
        raise UserError(f"--num_heldout_amplitudes={held_out}: give fewer than the {kept} training amplitudes")
    # evenly spread, not the ends: 4 of 20 are 2, 7, 12, 17
    heldout = ((np.arange(held_out) + 0.5) * kept / max(held_out, 1)).astype(int)
    train = np.setdiff1d(np.arange(kept), heldout)
    rng = np.random.default_rng([seed, held_out])
    if held_out:
        amplitudes = AMPLITUDES[heldout[np.arange(NUM_TEST_TASKS) % held_out]]
    else:
        amplitudes = rng.uniform(AMPLITUDES[0], AMPLITUDES[-1], NUM_TEST_TASKS)
    random_one_hots = rng.integers(NUM_AMPLITUDES, size=NUM_TEST_TASKS)
    settings = {"shots": shots, "noise_scale": FLAGS.noise_scale}
    return [
        SinusoidTasks(AMPLITUDES[train], train, **settings),
        SinusoidTasks(amplitudes, random_one_hots, **settings),
    ]
