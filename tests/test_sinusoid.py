"""The sinusoid: its tasks, its two scripts as a user runs them, and the report of their runs."""

import csv
import json

import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver
from scripts import run_script

from metalearn.cli import UserError
from sinusoid import tasks
from sinusoid.tasks import AMPLITUDES, U_GRID, SinusoidTasks, train_and_test_tasks


def amplitude(y, u):
    """Least-squares A of y = A sin u, over the last axis."""
    return (y * np.sin(u)).sum(axis=-1) / (np.sin(u) ** 2).sum(axis=-1)


def test_training_points_are_noisy_sines_of_the_one_hot_s_amplitude():
    batch = SinusoidTasks(AMPLITUDES, np.arange(20), 200, 0.1).sample(np.random.default_rng(0), 30)
    assert batch.context_x.shape == batch.target_x.shape == (30, 200, 21) and batch.context_y.shape == (30, 200, 1)
    for x, y in ((batch.context_x, batch.context_y[..., 0]), (batch.target_x, batch.target_y[..., 0])):
        u, one_hot = x[..., 0], x[..., 1:]
        assert (one_hot.sum(axis=-1) == 1).all() and (one_hot == one_hot[:, :1]).all() and (np.abs(u) <= 5).all()
        expected = AMPLITUDES[one_hot[:, 0].argmax(axis=-1)]
        np.testing.assert_allclose(amplitude(y, u), expected, atol=0.05)
        np.testing.assert_allclose((y - expected[:, None] * np.sin(u)).std(), 0.1, rtol=0.05)
    assert (batch.context_x[..., 0] != batch.target_x[..., 0]).all()  # the query points are new ones
    assert len(np.unique(batch.context_x[:, 0, 1:].argmax(axis=-1))) > 10


def test_evaluation_has_noisy_support_and_the_grid_without_noise():
    of = SinusoidTasks([0.5, 1.0, 3.0], [4, 4, 7], 5, 0.1)
    first, again, other = (list(of.evaluation_batches(seed, 2, 4)) for seed in (1, 1, 2))
    assert [list(indices) for indices, _ in first] == [[0, 1, 2, 0], [1, 2]]
    for (indices, batch), (_, same) in zip(first, again, strict=True):
        assert batch.context_x.shape == (4, 5, 21) and batch.target_x.shape == (4, 201, 21)
        np.testing.assert_array_equal(batch.context_y, same.context_y)
        for i, task in enumerate(indices):
            np.testing.assert_allclose(batch.target_y[i, :, 0], of.amplitudes[task] * np.sin(U_GRID), atol=1e-6)
            noise = batch.context_y[i, :, 0] - of.amplitudes[task] * np.sin(batch.context_x[i, :, 0])
            assert 1e-4 < np.abs(noise).max() < 0.6
    assert (other[0][1].context_x[..., 0] != first[0][1].context_x[..., 0]).all()


@pytest.fixture
def values():
    with flagsaver.flagsaver():
        if not flags.FLAGS.is_parsed():
            flags.FLAGS.mark_as_parsed()
        yield flags.FLAGS


def test_test_tasks_are_a_hundred_fixed_ones_whose_one_hot_says_nothing(values):
    train, test = train_and_test_tasks(5, 0)
    _, again = train_and_test_tasks(5, 0)
    np.testing.assert_allclose(train.amplitudes, np.linspace(0.1, 4.0, 20))
    np.testing.assert_array_equal(train.one_hots, np.arange(20))
    assert len(test) == 100 and test.amplitudes.min() >= 0.1 and test.amplitudes.max() <= 4.0
    np.testing.assert_array_equal(test.amplitudes, again.amplitudes)
    np.testing.assert_array_equal(test.one_hots, again.one_hots)
    assert set(test.one_hots) == set(range(20))
    assert abs(np.corrcoef(test.amplitudes, test.one_hots)[0, 1]) < 0.25


def test_amplitudes_held_out_for_choosing_settings_are_not_trained_on(values):
    values.num_heldout_amplitudes = 4
    train, held_out = train_and_test_tasks(5, 0)
    assert len(train) == 16 and len(held_out) == 100
    assert set(held_out.amplitudes) | set(train.amplitudes) == set(AMPLITUDES) and len(set(held_out.amplitudes)) == 4
    np.testing.assert_allclose(train.amplitudes, AMPLITUDES[train.one_hots])
    values.num_heldout_amplitudes, values.num_train_amplitudes = 0, 16
    assert list(train_and_test_tasks(5, 0)[0].one_hots) == list(range(16))
    values.num_train_amplitudes = 21
    with pytest.raises(UserError, match="--num_train_amplitudes=21"):
        train_and_test_tasks(5, 0)
    values.num_train_amplitudes, values.num_heldout_amplitudes = 16, 16
    with pytest.raises(UserError, match="--num_heldout_amplitudes=16"):
        train_and_test_tasks(5, 0)


def run(script, logdir, *arguments):
    evaluation = ["--eval_num_updates=0,3", "--test_num_updates=3"] if script == "maml" else []
    return run_script(
        "sinusoid", script, f"--logdir={logdir}", "--summary_every=2", "--steps_per_call=2", "--checkpoint_every=2",
        "--num_theta_samples=2", *evaluation, *arguments,
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

    plain = run("maml", tmp_path / "a", "--metatrain_iterations=2", "--update_batch_size=10", "--weight_decay=0.5")
    assert plain.returncode == 0, plain.stderr
    result = json.loads(next((tmp_path / "a").glob("sinusoid_maml.*/result.json")).read_text())
    assert list(result["mse_by_num_updates"]) == ["0", "3"] and len(result["per_object"]) == 100
    np.testing.assert_allclose(result["mse_by_num_updates"]["3"], result["meta_test_mse"], rtol=1e-4)
    table = [f"--logdir={tmp_path / 'a'}", f"--table1={tmp_path / 't'}", f"--bars={tmp_path / 't.png'}"]
    figures = [f"--figure5={tmp_path / '5.png'}", f"--figure6={tmp_path / '6.png'}"]
    done = run_script("sinusoid", "report", *table, *figures)
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "t.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["shots", "method", "mean", "std", "trials", "paper_mean", "paper_std", "minutes"]
    assert [(row["shots"], row["method"], row["trials"], row["paper_mean"]) for row in rows] == [
        ("5", "MR-MAML (W)", "2", "0.16"), ("10", "MAML", "1", "0.13"),
    ]  # fmt: skip
    assert "norm of the one-hot's rows" in done.stdout and (tmp_path / "t.md").read_text() in done.stdout
    assert (tmp_path / "6.md").read_text() in done.stdout
    with open(tmp_path / "6.csv", newline="") as file:
        assert [(row["method"], row["weight_decay"]) for row in csv.DictReader(file)] == [
            ("MR-MAML (W)", "0.0"), ("MAML", "0.5"),
        ]  # fmt: skip
    for name in ("t.png", "5.png", "6.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


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
    done = run("maml", tmp_path, "--metatrain_iterations=0", "--test_num_updates=50", "--test_update_lr=1e6")
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


def test_the_dense_grid_covers_the_range_of_u():
    assert (U_GRID[0], U_GRID[-1]) == tasks.U_RANGE and np.allclose(np.diff(U_GRID), 0.05)
