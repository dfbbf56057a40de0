"""Figures 7 and 8: what a restored sinusoid learner predicts for tasks of one one-hot."""

import shutil

import numpy as np
import pytest
from scripts import Fork, run_script

from metalearn.cli import UserError
from sinusoid import AMPLITUDES, predictions


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Untrained runs of the three MAML methods."""
    folder = tmp_path_factory.mktemp("released")
    for regularizer in ("none", "activations", "weights"):
        done = run_script(
            "sinusoid", "maml", f"--logdir={folder}", f"--regularizer={regularizer}", "--metatrain_iterations=0",
            "--num_test_tasks=5", "--eval_batch_size=5", "--num_theta_samples=1", "--eval_num_updates=0",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    return folder


def restored_predictions(folder):
    batch = predictions.batch_of_tasks()
    x, y = batch.query_x, batch.query_y[..., 0]
    np.testing.assert_allclose(y, np.outer(predictions.TEST_AMPLITUDES, np.sin(x[0, :, 0])), atol=1e-5)
    assert (x[..., 1:].argmax(-1) == predictions.ONE_HOT).all() and (batch.support_x[..., 1:].argmax(-1) == 9).all()
    assert AMPLITUDES[predictions.ONE_HOT] == pytest.approx(1.947, abs=1e-3)
    runs = predictions.restored([str(folder)], "maml")
    assert [label for label, _ in runs] == ["MAML", "MR-MAML (A)", "MR-MAML (W)"]
    for label, run in runs:
        before, after = (predictions.predictions(run, batch, steps) for steps in (0, 5))
        if label != "MR-MAML (A)":  # whose code has noise of its own for each task
            np.testing.assert_allclose(
                before, np.broadcast_to(before[0], before.shape), atol=1e-5
            )  # one input, one guess
        assert np.abs(after - after[0]).max() > 0.01  # the support sets differ


def test_tasks_of_one_one_hot_get_one_prediction_before_adapting_and_several_after(folder):
    done = Fork(restored_predictions, folder).wait()
    assert done.returncode == 0, done.stderr


def test_figure_8_is_drawn_and_figure_7_asks_for_its_runs(folder, tmp_path):
    done = run_script("sinusoid", "predictions", f"--logdir={folder}", f"--figure8={tmp_path / '8.png'}")
    assert done.returncode == 0 and (tmp_path / "8.png").read_bytes().startswith(b"\x89PNG"), done.stderr
    with pytest.raises(UserError, match="not the three CNP methods"):
        predictions.restored([str(folder)], "cnp")
    twice = shutil.copytree(folder, tmp_path / "twice")
    (run,) = twice.glob("sinusoid_maml_none*")
    shutil.copytree(run, twice / run.name.replace(".trial-", ".tag.trial-"))
    with pytest.raises(
        UserError, match=r"MAML has two settings, .*twice/.* and .*twice/.*; give a folder with one of them"
    ):
        predictions.restored([str(twice)], "maml")
