"""A learner of the user's own: what tasks.py asks for is all that training, evaluation and records need."""

import csv
import json

import numpy as np
import pytest
import tensorflow as tf
from scripts import Fork

from metalearn.bayes_layers import point_weights
from metalearn.objectives import SQUARED_ERROR
from metalearn.tasks import MetaBatch


class Constant:
    """Predicts one number that it learns; `unused` is a weight that no gradient reaches."""

    objective, train_tags, val_tags = SQUARED_ERROR, {}, {}

    def init(self, rng):
        return {"all": point_weights({"number": np.zeros(1, np.float32), "unused": np.ones(1, np.float32)})}

    def stochastic(self, weights):
        return False

    def loss(self, weights, batch, seed):
        loss, error = self.objective.means(self.predict(weights, batch, seed)[0], batch.query_y)
        return loss, {self.objective.name: error}

    def predict(self, weights, batch, seed):
        return tf.broadcast_to(weights["all"].mean["number"], batch.query_y.shape), None


class Threes:
    """Two tasks whose labels are all 3."""

    def __len__(self):
        return 2

    def sample(self, rng, meta_batch_size):
        x = rng.normal(size=(meta_batch_size, 4, 1)).astype(np.float32)
        return MetaBatch(x, np.full_like(x, 3.0), x, np.full_like(x, 3.0))

    def evaluation_batches(self, seed, episodes, batch_size):
        for _ in range(episodes):
            yield np.arange(2), self.sample(np.random.default_rng(seed), batch_size)


def train(logdir, *arguments):
    """The learner's script, in a process of its own."""
    import sys

    from absl import app, flags

    from metalearn import training

    flags.DEFINE_integer("iterations", 400, "outer steps")
    sys.argv = ["constant.py", f"--logdir={logdir}", "--meta_batch_size=2", "--eval_episodes=1", *arguments]
    app.run(
        lambda argv: training.run(
            Constant(), Threes(), Threes(), method="constant", name_flags=(), iterations_flag="iterations",
            learning_rates={"mean": 0.05},
        )
    )  # fmt: skip


@pytest.mark.parametrize("together", [1, 2])
def test_a_learner_of_ten_lines_is_trained_evaluated_and_recorded(together, tmp_path):
    done = Fork(train, tmp_path, f"--num_trials={together}").wait()
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("no gradient reaches all/unused: not trained") == 1 and "all/number" not in done.stderr
    for trial in range(1, together + 1):
        result = json.loads((tmp_path / f"constant.trial-{trial}/result.json").read_text())
        assert result["meta_test_mse"] == result["shuffled_support_mse"] < 1e-3 and result["pre_mse"] is None
        with open(tmp_path / f"constant.trial-{trial}/curve.csv", newline="") as file:
            columns = next(csv.reader(file))
        assert columns == ["iteration", "seconds", "metatrain_full_loss", "metatrain_mse", "metaval_mse"]


def test_the_averages_of_the_weights_are_evaluated_and_resume(tmp_path):
    settings = ["--ema_decay=0.9", "--checkpoint_every=1", "--summary_every=1"]
    for logdir, iterations in (("whole", [30]), ("parts", [10, 30])):
        for number in iterations:
            done = Fork(train, tmp_path / logdir, f"--iterations={number}", *settings).wait()
            assert done.returncode == 0, done.stderr
    whole, parts = (
        dict(np.load(tmp_path / logdir / "constant.trial-1/checkpoint-final.npz")) for logdir in ("whole", "parts")
    )
    assert all(np.array_equal(whole[name], parts[name]) for name in whole if name != "note")
    result = json.loads((tmp_path / "whole/constant.trial-1/result.json").read_text())
    np.testing.assert_allclose(result["meta_test_mse"], (whole["ema/all/number"][0] - 3.0) ** 2, rtol=1e-5)
    with open(tmp_path / "whole/constant.trial-1/curve.csv", newline="") as file:
        errors = [float(row["metatrain_mse"]) for row in csv.DictReader(file)]  # before each step
    average = 0.0
    for step, number in enumerate([*(3.0 - np.sqrt(errors[1:])), whole["all/number"][0]], 1):
        decay = min(0.9, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * number
    np.testing.assert_allclose(whole["ema/all/number"][0], average, rtol=1e-4)
    # Adam moves the number by about 0.05 per step from 0, so the average of 30 steps is behind it
    assert whole["all/number"][0] > whole["ema/all/number"][0] + 0.1 > 0.6


@pytest.mark.parametrize("arguments", [["--optimizer=sgd"], ["--optimizer=fresh_adam"]])
def test_every_optimizer_s_first_step_tells_weights_without_gradient(arguments, tmp_path):
    done = Fork(train, tmp_path, "--iterations=1", *arguments).wait()
    assert done.stderr.count("no gradient reaches all/unused: not trained") == 1, done.stderr
