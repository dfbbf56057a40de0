"""The sinusoid: its tasks, its two scripts as a user runs them, and the report of their runs."""

import csv
import importlib
import json
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl import flags
from absl.testing import flagsaver
from scripts import REPO, Fork, run_script

from metalearn import optimizers
from metalearn.cli import UserError
from sinusoid import AMPLITUDES
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
        if not flags.FLAGS.is_parsed():
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


# As the released notebooks have it.
IN_ALL = {
    "test_shots": ["5", "10"],
    "train_one_hots": "0-15", "update_batch_size": 10, "query_size": None, "meta_batch_size": 1, "num_test_tasks": 600,
    "noise_scale": 0.1, "num_heldout_amplitudes": 0, "dim_w": 5, "weight_decay": 0.0, "clip_norm": None,
    "rho_lr": None, "init": "released",
}  # fmt: skip
IN_MAML = IN_ALL | {
    "test_one_hots": "0-15", "test_query_size": 200, "test_query_range": 4.5, "test_query_noise": 0.1,
    "test_support_noise": pytest.approx(0.1 * 2**0.5, rel=1e-3), "eval_notebook_tasks": True, "meta_lr": 1e-3,
    "update_lr": 0.01, "num_updates": 1, "test_num_updates": 100, "test_update_lr": None, "stop_grad": False,
    "metatrain_iterations": 15_000,
}  # fmt: skip
IN_CNP = IN_ALL | {
    "test_one_hots": "5-15", "test_query_size": 100, "test_query_range": 5.0, "test_query_noise": 0.0,
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


def run(script, logdir, *arguments):
    steps = next((word for word in arguments if word.startswith("--test_num_updates")), "--test_num_updates=3")
    evaluation = ["--eval_num_updates=0,3", steps] if script == "maml" else []
    return run_script(
        "sinusoid", script, f"--logdir={logdir}", *arguments, "--summary_every=2", "--steps_per_call=2",
        "--checkpoint_every=2", "--num_theta_samples=2", *evaluation,
    )  # fmt: skip


def arrays(folder):
    with np.load(folder / "checkpoint-final.npz") as stored:
        return {name: stored[name] for name in stored.files if name != "note"}


def assert_trial_2_is_the_same(together, alone):
    """Trial 2 of the runs in one log folder against the only run in another."""
    (folder,) = alone.iterdir()
    second = together / folder.name
    for name, array in arrays(folder).items():
        np.testing.assert_allclose(arrays(second)[name], array, rtol=1e-3, atol=1e-5, err_msg=name)
    other = arrays(together / folder.name.replace("trial-2", "trial-1"))
    assert any(np.abs(other[name] - array).max() > 0.1 for name, array in arrays(folder).items() if "kernel" in name)
    results = [json.loads((path / "result.json").read_text()) for path in (folder, second)]
    np.testing.assert_allclose(results[0]["per_object"], results[1]["per_object"], rtol=1e-2)
    assert results[0]["flags"] | {"logdir": ""} == results[1]["flags"] | {"logdir": ""}
    flagfile = (second / "flags.cfg").read_text()
    assert "--trial=2\n" in flagfile and "num_trials" not in flagfile


def test_trials_side_by_side_and_resumed_are_those_trained_alone_and_the_report_draws_them(tmp_path):
    settings = ["--regularizer=weights", "--var=-2", "--meta_batch_size=2"]
    for iterations in (2, 4):
        together = run("maml", tmp_path / "a", f"--metatrain_iterations={iterations}", "--num_trials=2", *settings)
        assert together.returncode == 0 and "Stateless" not in together.stderr, together.stderr
        assert "mean of 2 trials" in together.stdout
        assert together.stdout.count("resuming") == (2 if iterations == 4 else 0)
    alone = run("maml", tmp_path / "b", "--metatrain_iterations=4", "--trial=2", *settings)
    assert alone.returncode == 0, alone.stderr
    assert_trial_2_is_the_same(tmp_path / "a", tmp_path / "b")


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


DIVERGING = ("--test_num_updates=50", "--test_update_lr=1e6")


def test_the_report_sets_both_protocols_beside_the_paper(tmp_path):
    released, text = tmp_path / "released", tmp_path / "text"
    flagfile, untrained = f"--flagfile={REPO}/presets/sinusoid/released", "--metatrain_iterations=0"
    for done in (
        run("maml", released, f"{flagfile}/maml_none.cfg", untrained),
        run("cnp", released, f"{flagfile}/cnp_none.cfg", "--num_updates=0"),
        run("maml", text, "--regularizer=weights", untrained, "--num_trials=2"),
        run("maml", text, "--update_batch_size=10", untrained),
        run("maml", text, "--update_batch_size=10", untrained, "--trial=2", *DIVERGING),
    ):
        assert done.returncode == 0, done.stderr
    result = json.loads(next(released.glob("sinusoid_maml*/result.json")).read_text())
    assert list(result["mse_by_num_updates"]) == ["0", "3"] and len(result["per_object"]) == 600
    np.testing.assert_allclose(result["mse_by_num_updates"]["3"], result["meta_test_mse"], rtol=1e-4)
    others = result["others"]
    assert [(name, len(numbers["per_object"])) for name, numbers in others.items()] == [
        ("10_shots", 600), ("notebook_5_shots", 100), ("notebook_10_shots", 100),
    ]  # fmt: skip
    table = [f"--logdir={released},{text}", f"--table1={tmp_path / 't'}", f"--bars={tmp_path / 't.png'}"]
    figures = [f"--figure5={tmp_path / '5.png'}", f"--figure6={tmp_path / '6.png'}"]
    done = run_script("sinusoid", "report", *table, *figures)
    assert done.returncode == 0, done.stderr
    rows = rows_of(tmp_path / "t.csv")
    used = ("protocol", "shots", "method", "trials", "diverged", "paper_mean")
    assert [tuple(row[name] for name in used) for row in rows] == [
        ("released", "5", "MAML", "1", "0", "0.46"), ("released", "5", "CNP", "1", "0", "0.91"),
        ("released", "10", "MAML", "1", "0", "0.13"), ("released", "10", "CNP", "1", "0", "0.92"),
        ("text", "5", "MR-MAML (W)", "2", "0", "0.16"), ("text", "10", "MAML", "2", "1", "0.13"),
    ]  # fmt: skip
    means = [result["meta_test_mse"], others["10_shots"]["meta_test_mse"], others["notebook_5_shots"]["meta_test_mse"]]
    for value, row, name in zip(
        means, (rows[0], rows[2], rows[0]), ("mean", "mean", "notebook_tasks_mean"), strict=True
    ):
        np.testing.assert_allclose(float(row[name]), value)
    np.testing.assert_allclose(float(rows[0]["standard_error"]), result["meta_test_se"], rtol=1e-6)
    lines = (tmp_path / "t.md").read_text().splitlines()
    assert lines[0] == "| shots | method | the paper | released protocol | ± | the text's protocol | ± |"
    assert lines[2].startswith("| 5 | MAML | 0.46 (0.04) | ") and lines[2].endswith(" | - | - |")
    assert "1 of 2 trials diverged" in lines[5] and "On the notebook's own 100 test tasks: MAML" in lines[-1]
    figure6 = rows_of(tmp_path / "6.csv")
    assert [(row["protocol"], row["shots"], row["method"]) for row in figure6] == [
        (row["protocol"], row["shots"], row["method"]) for row in rows
    ]
    assert (tmp_path / "t.md").read_text() in done.stdout and (tmp_path / "6.md").read_text() in done.stdout
    for name in ("t.png", "5.png", "6.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")

    done = run("maml", text, "--update_batch_size=10", "--metatrain_iterations=0", "--meta_lr=1")
    assert done.returncode == 0, done.stderr
    twice = run_script("sinusoid", "report", f"--logdir={text}", f"--table1={tmp_path / 't'}")
    assert twice.returncode == 1 and "MAML at 10 shots twice in a folder text" in twice.stderr


def test_only_the_encoder_s_adam_is_new_at_each_step(tmp_path):
    """After two steps at rate 1e-3 from the same weights: a first step of Adam is at most the rate, and so are both of
    a new Adam's; a lasting one's second step is larger where the gradient grows."""
    for iterations in (0, 2):
        done = run(
            "maml", tmp_path / str(iterations), f"--metatrain_iterations={iterations}", "--regularizer=activations",
            "--optimizer=fresh_adam_encoder", "--meta_batch_size=25",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    before, after = (arrays(next((tmp_path / str(iterations)).iterdir())) for iterations in (0, 2))
    steps = {
        module: np.concatenate([
            np.abs(after[name] - before[name]).ravel() for name in before if name.startswith(f"{module}/")
        ]) / 1e-3
        for module in ("encoder", "head")
    }  # fmt: skip
    whole = {
        module: np.isclose(step, 2.0, atol=0.01) | np.isclose(step, 0.0, atol=0.01) for module, step in steps.items()
    }
    assert whole["encoder"].mean() > 0.8 and whole["head"].mean() < 0.5


def test_a_cnp_without_encoder_and_lift_reads_pairs_and_queries_as_they_are(tmp_path):
    done = run("cnp", tmp_path, "--noencoder", "--nolift_y", "--num_updates=0")
    assert done.returncode == 0, done.stderr
    shapes = {name: array.shape for name, array in arrays(next(tmp_path.iterdir())).items() if "kernel" in name}
    assert {name: shape for name, shape in shapes.items() if not name.startswith("adam")} == {
        "decoder/pair0/kernel": (22, 100), "decoder/pair1/kernel": (100, 100), "decoder/pair2/kernel": (100, 10),
        "decoder/task0/kernel": (10, 5), "decoder/decoder0/kernel": (26, 100), "decoder/decoder1/kernel": (100, 100),
        "decoder/decoder2/kernel": (100, 1),
    }  # fmt: skip
    refused = run("cnp", tmp_path, "--noencoder", "--regularizer=weights")
    assert refused.returncode == 1 and "error: --noencoder: --regularizer=weights is on the encoder" in refused.stderr


def test_the_kl_of_a_code_is_summed_over_its_numbers_or_averaged(tmp_path):
    regularizers = {}
    for reduction in ("sum", "mean"):
        done = run(
            "cnp", tmp_path / reduction, "--regularizer=activations", "--num_updates=2", f"--kl_reduction={reduction}"
        )
        assert done.returncode == 0, done.stderr
        (row,) = rows_of(next((tmp_path / reduction).iterdir()) / "curve.csv")
        regularizers[reduction] = float(row["metatrain_regularizer"])
    np.testing.assert_allclose(regularizers["sum"], 5 * regularizers["mean"], rtol=1e-2)
    # beta 5 on N(0, softplus(0)^2) against N(0, 1), as the code starts, to some digits; MSE = 2 * 0.1^2 / K of the NLL
    start = 5 * (0.5 * (np.log(2) ** 2 - 1) - np.log(np.log(2)))
    np.testing.assert_allclose(regularizers["sum"], 5.0 * start * 2 * 0.1**2 / 5, rtol=0.1)


def test_a_run_from_before_the_flags_is_recognized(tmp_path):
    settings = [
        "--num_updates=0",
        "--train_one_hots=0-15",
        "--num_test_tasks=100",
        "--kl_reduction=mean",
        "--init=glorot",
    ]
    assert run("cnp", tmp_path, *settings).returncode == 0
    path = next(tmp_path.iterdir()) / "result.json"
    result = json.loads(path.read_text())
    for name in ("train_one_hots", "num_test_tasks", "kl_reduction", "init", "test_shots", "encoder"):
        del result["flags"][name]
    path.write_text(json.dumps(result | {"flags": result["flags"] | {"num_train_amplitudes": 16}}))
    assert "finished before" in run("cnp", tmp_path, *settings).stdout
    assert "finished before" not in run("cnp", tmp_path, *settings, "--num_test_tasks=7").stdout


def test_sgd_with_a_clipped_gradient_takes_a_step_of_the_clipped_norm_in_each_trial(tmp_path):
    for iterations in (0, 1):
        done = run(
            "maml", tmp_path / str(iterations), f"--metatrain_iterations={iterations}", "--num_trials=2",
            "--optimizer=sgd", "--meta_lr=2", "--clip_norm=0.01",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    for folder in (tmp_path / "0").iterdir():
        before, after = arrays(folder), arrays(tmp_path / "1" / folder.name)
        squares = [((after[name] - before[name]) ** 2).sum() for name in before if name.startswith("head")]
        assert len(squares) == 6
        np.testing.assert_allclose(np.sqrt(sum(squares)), 0.02, rtol=1e-3)


def test_weight_decay_halves_means_and_leaves_the_posterior_s_scale(tmp_path):
    settings = ["--regularizer=weights", "--metatrain_iterations=1", "--optimizer=sgd", "--meta_lr=1e-9"]
    for decay in (0, 0.5):
        done = run("maml", tmp_path / str(decay), f"--weight_decay={decay}", *settings)
        assert done.returncode == 0, done.stderr
    before, after = (arrays(next((tmp_path / str(decay)).iterdir())) for decay in (0, 0.5))
    before = {name: array for name, array in before.items() if name.startswith(("encoder", "head"))}
    rhos = [name for name in before if "rho" in name]
    assert 0 < len(rhos) < len(before)
    for name, array in before.items():
        np.testing.assert_allclose(after[name], array * (1.0 if name in rhos else 0.5), rtol=1e-4, atol=1e-6)


def test_a_meta_test_that_diverges_says_so(tmp_path):
    done = run("maml", tmp_path, "--metatrain_iterations=0", *DIVERGING)
    assert done.returncode == 0, done.stderr
    assert "meta_test_mse, " in done.stderr and "not finite; take smaller inner steps" in done.stderr


def test_a_trial_set_back_to_the_start_as_by_a_kill_between_two_checkpoints_goes_on_by_itself(tmp_path):
    settings = ["--regularizer=activations", "--meta_batch_size=2"]
    for iterations in (2, 4):
        together = run("cnp", tmp_path / "a", f"--num_updates={iterations}", "--num_trials=2", *settings)
        assert together.returncode == 0, together.stderr
        for checkpoint in (tmp_path / "a").glob("*trial-1/checkpoint*" if iterations == 2 else "none"):
            checkpoint.unlink()
    assert together.stdout.count("resuming") == 1 and "mean of 2 trials" not in together.stdout
    alone = run("cnp", tmp_path / "b", "--num_updates=4", "--trial=2", *settings)
    assert alone.returncode == 0, alone.stderr
    assert_trial_2_is_the_same(tmp_path / "a", tmp_path / "b")
