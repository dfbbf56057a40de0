"""The sinusoid's tasks, presets and optimizer; its training runs are in test_sinusoid.py."""

import importlib
import json
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl import flags
from absl.testing import flagsaver
from scripts import REPO, Fork

from metalearn import optimizers, training  # noqa: F401 - training defines flags that tasks.py reads
from metalearn.cli import UserError
from sinusoid import AMPLITUDES, tasks
from sinusoid.tasks import Points, SinusoidTasks, notebook_tasks, train_and_test_tasks

GRID = np.linspace(-5.0, 5.0, 201)


def amplitude(y, u):
    """Least-squares A of y = A sin u, over the last axis."""
    return (y * np.sin(u)).sum(axis=-1) / (np.sin(u) ** 2).sum(axis=-1)


def test_training_points_are_noisy_sines_of_the_one_hot_s_amplitude():
    of = SinusoidTasks(AMPLITUDES, np.arange(20), Points(200, 300, 0.1, 0.2), None)
    batch = of.sample(np.random.default_rng(0), 30)
    assert batch.support_x.shape == (30, 200, 21) and batch.support_y.shape == (30, 200, 1)
    assert batch.query_x.shape == (30, 300, 21) and batch.query_y.shape == (30, 300, 1)
    for x, y, noise in ((batch.support_x, batch.support_y, 0.1), (batch.query_x, batch.query_y, 0.2)):
        u, one_hot, y = x[..., 0], x[..., 1:], y[..., 0]
        assert (one_hot.sum(axis=-1) == 1).all() and (one_hot == one_hot[:, :1]).all() and (np.abs(u) <= 5).all()
        expected = AMPLITUDES[one_hot[:, 0].argmax(axis=-1)]
        np.testing.assert_allclose(amplitude(y, u), expected, atol=0.07)
        np.testing.assert_allclose((y - expected[:, None] * np.sin(u)).std(), noise, rtol=0.05)
    assert (batch.support_x[:, :, 0] != batch.query_x[:, :200, 0]).all()  # the query points are new ones
    assert len(np.unique(batch.support_x[:, 0, 1:].argmax(axis=-1))) > 10


def test_evaluation_has_noisy_support_and_evenly_spaced_query_points():
    of = SinusoidTasks([0.5, 1.0, 3.0], [4, 4, 7], None, Points(5, 201, 0.1, 0.0, 5.0))
    first, again, other = (list(of.evaluation_batches(seed, 2, 4)) for seed in (1, 1, 2))
    assert [list(indices) for indices, _ in first] == [[0, 1, 2, 0], [1, 2]]
    for (indices, batch), (_, same) in zip(first, again, strict=True):
        assert batch.support_x.shape == (4, 5, 21) and batch.query_x.shape == (4, 201, 21)
        np.testing.assert_array_equal(batch.support_y, same.support_y)
        for i, task in enumerate(indices):
            np.testing.assert_allclose(batch.query_y[i, :, 0], of.amplitudes[task] * np.sin(GRID), atol=1e-6)
            noise = batch.support_y[i, :, 0] - of.amplitudes[task] * np.sin(batch.support_x[i, :, 0])
            assert 1e-4 < np.abs(noise).max() < 0.6
    assert (other[0][1].support_x[..., 0] != first[0][1].support_x[..., 0]).all()


@pytest.fixture
def values():
    with flagsaver.flagsaver():
        tasks.define_flags()
        flags.FLAGS.mark_as_parsed()
        yield flags.FLAGS


def evaluation_batch(of):
    """(amplitudes, MetaBatch) of all tasks."""
    ((indices, batch),) = of.evaluation_batches(0, 1, len(of))
    return of.amplitudes[indices], batch


def test_test_tasks_are_600_fixed_ones_whose_one_hot_says_nothing(values):
    train, test, _ = train_and_test_tasks()
    _, again, _ = train_and_test_tasks()
    np.testing.assert_allclose(train.amplitudes, np.linspace(0.1, 4.0, 20))
    np.testing.assert_array_equal(train.one_hots, np.arange(20))
    assert len(test) == 600 and test.amplitudes.min() >= 0.1 and test.amplitudes.max() <= 4.0
    np.testing.assert_array_equal(test.amplitudes, again.amplitudes)
    np.testing.assert_array_equal(test.one_hots, again.one_hots)
    assert set(test.one_hots) == set(range(20))
    assert abs(np.corrcoef(test.amplitudes, test.one_hots)[0, 1]) < 0.1
    values.eval_seed = 1
    assert (train_and_test_tasks()[1].amplitudes != test.amplitudes).all()


@pytest.mark.parametrize(("one_hots", "error"), [("0-19", 1.41), ("0-15", 1.23), ("5-15", 0.90)])
def test_complete_memorization_costs_what_the_test_one_hots_make_it_cost(values, one_hots, error):
    values.test_one_hots, values.num_test_tasks = one_hots, 20_000
    amplitudes, batch = evaluation_batch(train_and_test_tasks()[1])
    memorized = AMPLITUDES[batch.query_x[:, 0, 1:].argmax(axis=-1)]
    prediction = memorized[:, None] * np.sin(batch.query_x[..., 0])
    np.testing.assert_allclose(np.mean((prediction - batch.query_y[..., 0]) ** 2), error, atol=0.03)
    assert amplitudes.min() < 0.11 and amplitudes.max() > 3.99


def test_meta_test_has_its_own_shots_range_and_noise(values):
    values.update_batch_size, values.query_size, values.test_shots = 10, 7, ["5", "3"]
    values.test_query_size, values.test_query_range = 200, 4.5
    values.test_support_noise, values.test_query_noise = 0.3, 0.2
    train, test, others = train_and_test_tasks()
    batch = train.sample(np.random.default_rng(0), 2)
    assert batch.support_x.shape[1] == 10 and batch.query_x.shape[1] == 7
    amplitudes, batch = evaluation_batch(test)
    assert batch.support_x.shape[1] == 5
    np.testing.assert_allclose(batch.query_x[3, :, 0], np.linspace(-4.5, 4.5, 200), rtol=1e-6)
    for x, y, noise in ((batch.support_x, batch.support_y, 0.3), (batch.query_x, batch.query_y, 0.2)):
        residual = y[..., 0] - amplitudes[:, None] * np.sin(x[..., 0])
        np.testing.assert_allclose(residual.std(), noise, rtol=0.05)
    assert list(others) == ["3_shots"]  # the same tasks
    other_amplitudes, other_batch = evaluation_batch(others["3_shots"])
    assert other_batch.support_x.shape[1] == 3
    np.testing.assert_array_equal(amplitudes, other_amplitudes)
    np.testing.assert_array_equal(batch.query_x[:, 0, 1:], other_batch.query_x[:, 0, 1:])


@pytest.mark.parametrize("shots", [5, 10])
def test_the_notebook_s_own_tasks_are_its_numbers(values, shots):
    values.test_shots, values.test_one_hots = [str(shots)], "0-15"
    amplitudes, batch = evaluation_batch(notebook_tasks()[f"notebook_{shots}_shots"])
    u, y = batch.support_x[..., 0], batch.support_y[..., 0]
    assert u.shape == (100, shots) and set(batch.support_x[:, 0, 1:].argmax(axis=-1)) <= set(range(16))
    np.testing.assert_allclose(u[:, 0], -5 + 10 * (amplitudes - 0.1) / 3.9, atol=1e-5)
    # NumPy's generator of seed 0 starts with the uniform numbers 0.5488135039 and 0.7151893664
    np.testing.assert_allclose(amplitudes[0], 0.1 + 3.9 * 0.5488135039, rtol=1e-9)
    np.testing.assert_allclose(u[0, :2], [0.488135039, 2.151893664], rtol=1e-6)
    np.testing.assert_allclose((y - amplitudes[:, None] * np.sin(u)).std(), 0.1414, rtol=0.1)  # noise added twice
    np.testing.assert_allclose(batch.query_x[7, :, 0], np.linspace(-4.5, 4.5, 200), rtol=1e-6)
    residual = batch.query_y[..., 0] - amplitudes[:, None] * np.sin(batch.query_x[..., 0])
    np.testing.assert_allclose(residual.std(), 0.1, rtol=0.03)
    rng = np.random.RandomState(3)  # K u, twice K noises, 200 numbers that are not used
    rng.uniform(size=shots), rng.normal(size=2 * shots + 200)
    np.testing.assert_allclose(residual[3], rng.normal(size=200) * 0.1, atol=1e-6)


def test_amplitudes_held_out_for_choosing_settings_are_not_trained_on(values):
    values.num_heldout_amplitudes = 4
    train, held_out, _ = train_and_test_tasks()
    assert len(train) == 16 and len(held_out) == 600
    assert set(held_out.amplitudes) | set(train.amplitudes) == set(AMPLITUDES) and len(set(held_out.amplitudes)) == 4
    np.testing.assert_allclose(train.amplitudes, AMPLITUDES[train.one_hots])
    values.num_heldout_amplitudes, values.train_one_hots = 0, "0-15"
    assert list(train_and_test_tasks()[0].one_hots) == list(range(16))
    values.num_heldout_amplitudes = 16
    with pytest.raises(UserError, match="--num_heldout_amplitudes=16"):
        train_and_test_tasks()


@pytest.mark.parametrize("name", ["train_one_hots", "test_one_hots"])
@pytest.mark.parametrize("value", ["0-20", "9-3", "5", "", "-1-3", "a-b", "1-2-3", "0-15,17"])
def test_a_wrong_range_of_one_hots_is_named(values, name, value):
    values[name].value = value
    with pytest.raises(UserError, match=f"--{name}={value}: give a range within 0-19"):
        train_and_test_tasks()


GRADIENT = np.array([1.0, -2e-3, 1e-7 / np.sqrt(0.001), 0.0], np.float32)
FIRST_STEP = 1e-3 * np.array([1.0, -0.998421, 0.5, 0.0])


def test_a_new_adam_takes_its_first_step_each_time(values):
    values.optimizer = "fresh_adam"
    assert set(optimizers.make({"mean": 1e-3, "rho": None}, 0.0)) == {"mean", "rho"}
    for optimizer, expected in (
        (keras.optimizers.Adam(1e-3, epsilon=1e-7), [FIRST_STEP]),
        (optimizers.make({"mean": 1e-3}, 0.0)["mean"], [FIRST_STEP, 2 * FIRST_STEP, 3 * FIRST_STEP]),
    ):
        variable = tf.Variable(tf.zeros(4))
        optimizer.build([variable])
        for step in expected:
            optimizer.apply_gradients([(tf.constant(GRADIENT), variable)])
            np.testing.assert_allclose(variable.numpy(), -step, rtol=1e-4)


def parse_presets(script):
    """Prints {preset's path: {flag: value}} of a script's presets, the flags being those that a run keeps."""
    sys.argv = [f"{script}.py"]
    importlib.import_module(f"sinusoid.{script}").define_flags()
    parsed = {}
    for path in sorted((REPO / "presets/sinusoid").glob(f"*/{script}_*.cfg")):
        flags.FLAGS.unparse_flags()
        for name in flags.FLAGS:
            flags.FLAGS[name].unparse()
        flags.FLAGS([sys.argv[0], f"--flagfile={path}"])
        parsed[f"{path.parent.name}/{path.stem}"] = flags.FLAGS.flag_values_dict()
    print(json.dumps(parsed))


@pytest.fixture(scope="module")
def presets():
    parsed = {}
    for script in ("maml", "cnp"):
        done = Fork(parse_presets, script).wait()
        assert done.returncode == 0, done.stderr
        parsed |= json.loads(done.stdout.splitlines()[-1])
    return parsed


METHODS = [
    f"{script}_{regularizer}" for script in ("maml", "cnp") for regularizer in ("none", "activations", "weights")
]


def test_there_is_a_preset_of_each_method_in_both_protocols(presets):
    both = {f"{protocol}/{method}" for protocol in ("released", "text") for method in METHODS}
    assert set(presets) == both | {"text/cnp_activations_10"}
    for name, used in presets.items():
        assert used["regularizer"] == name.split("_")[1]


# As the released notebooks have it, but for test_one_hots in MAML's: 0-15 there, which Table 1's numbers do not have.
IN_ALL = {
    "test_shots": ["5", "10"],
    "train_one_hots": "0-15", "test_one_hots": "5-15", "num_test_tasks": 600,
    "update_batch_size": 10, "query_size": None, "meta_batch_size": 1,
    "noise_scale": 0.1, "num_heldout_amplitudes": 0, "dim_w": 5, "weight_decay": 0.0, "clip_norm": None,
    "rho_lr": None, "init": "released",
}  # fmt: skip
IN_MAML = IN_ALL | {
    "test_query_size": 200, "test_query_range": 4.5, "test_query_noise": 0.1,
    "test_support_noise": pytest.approx(0.1 * 2**0.5, rel=1e-3), "eval_notebook_tasks": True, "meta_lr": 1e-3,
    "update_lr": 0.01, "num_updates": 1, "test_num_updates": 100, "test_update_lr": None, "stop_grad": False,
    "metatrain_iterations": 15_000,
}  # fmt: skip
IN_CNP = IN_ALL | {
    "test_query_size": 100, "test_query_range": 5.0, "test_query_noise": 0.0,
    "test_support_noise": None, "update_lr": 1e-3, "optimizer": "adam", "num_theta_samples": 100, "dim_r": 10,
    "dim_z": 5, "lift_y": False, "likelihood_scale": 0.1, "num_updates": 30_000, "test_mean_code": False,
}  # fmt: skip
RELEASED = {
    "maml_none": IN_MAML | {"optimizer": "adam"},
    "maml_activations": IN_MAML
    | {
        "optimizer": "fresh_adam_encoder", "metatrain_iterations": 10_000, "beta": 5.0, "kl_reduction": "mean",
        "kl_on": "query", "test_mean_code": True,
    },
    "maml_weights": IN_MAML | {"optimizer": "fresh_adam", "beta": 5e-5, "var": -50.0},
    "cnp_none": IN_CNP | {"encoder": False},
    "cnp_activations": IN_CNP | {"encoder": True, "beta": 5.0, "kl_reduction": "sum", "kl_on": "support"},
    "cnp_weights": IN_CNP | {"encoder": True, "beta": 0.15, "var": -3.0, "num_updates": 120_000},
}  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_the_released_presets_are_the_notebooks_settings(presets, method):
    used = presets[f"released/{method}"]
    assert {name: used[name] for name in RELEASED[method]} == RELEASED[method]


@pytest.mark.parametrize("method", [*METHODS, "cnp_activations_10"])
def test_the_text_s_presets_change_none_of_its_tasks(presets, method):
    used = presets[f"text/{method}"]
    assert (used["train_one_hots"], used["test_one_hots"], used["num_test_tasks"]) == ("0-19", "0-19", 600)
    assert used["noise_scale"] == 0.1 and used["test_query_range"] == 5.0 and used["num_heldout_amplitudes"] == 0
    assert used["query_size"] is None and used["test_support_noise"] is None and used["test_shots"] == []
