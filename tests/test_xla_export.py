"""A training step goes to a machine that has JAX and no TensorFlow, and the trained weights come back."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny
from scripts import error_line, training_losses

from metalearn import checkpoints
from pose_code.pose_dataset import PoseSplit

REPO = Path(__file__).resolve().parents[1]


def xla_export(what, tmp_path, data_dir, script, *flags):
    command = [sys.executable, "-m", "bench.xla_export", what, tmp_path / "runs", f"pose_code.{script}"]
    command += [f"--data_dir={data_dir}", f"--logdir={tmp_path}/logs", *tiny.of_script(script, 4), *flags]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True)


def test_what_comes_back_is_evaluated_and_recorded_as_if_trained_here(tmp_path, data_dir):
    done = xla_export("export", tmp_path, data_dir, "np_vanilla", "--steps_per_call=2", "--summary_every=2")
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "runs").iterdir()
    about, start = json.loads((run / "about.json").read_text()), np.load(run / "start.npz")
    assert about["inputs"]["train"][:5] == ["0", "1", "2", "3", "4"]  # a meta-batch and the seeds
    rate = set(about["inputs"]["train"][5:]) - set(about["updated"])
    assert rate == {"adam_mean/1"} and start["variable/adam_mean/1"] == np.float32(1e-3)
    weights = {f"variable/{name}": start[f"variable/{name}"] + 1.0 for name in about["weights"]}
    metrics = np.arange(4.0)[:, None] + np.zeros(len(about["metrics"]))
    curve = {"metrics": metrics, "seconds": [1.0, 2.0], "val_error": [8.0, 6.0], "devices": ["NVIDIA H200"]}
    np.savez(run / "trained.npz", **weights, **curve)
    done = xla_export("import", tmp_path, data_dir, "np_vanilla", "--steps_per_call=2", "--summary_every=2")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "logs" / run.name
    result = json.loads((folder / "result.json").read_text())
    assert (result["iterations"], result["script"]) == (4, "pose_code.np_vanilla") and result["meta_test_mse"] > 0
    assert result["trained_on"] == ["NVIDIA H200"] and result["versions"]["device"] == "CPU"
    held = checkpoints.load(folder / "checkpoint-final.npz")
    assert all(np.array_equal(held[name], weights[f"variable/{name}"][0]) for name in about["weights"])
    with open(folder / "curve.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["metatrain_mse"]) for row in rows] == [0.5, 2.5]
    assert [float(row["metaval_mse"]) for row in rows] == [8.0, 6.0]


@pytest.mark.parametrize("flag", ["--num_classes=2", "--summary_every=3"])
def test_what_the_other_machine_cannot_do_is_refused(tmp_path, data_dir, flag):
    assert flag.split("=")[0] in error_line(xla_export("export", tmp_path, data_dir, "np_vanilla", flag))


def xla_run(tmp_path, data_dir, *runs):
    splits = [PoseSplit(data_dir / f"{part}_data.pkl", 16, 1, 1, 3) for part in ("train", "val")]
    names = [name for split in splits for name in split.names]
    np.savez(tmp_path / "images.npz", images=np.concatenate([split.images for split in splits]), names=names)
    command = [sys.executable, REPO / "bench/xla_run.py", tmp_path / "images.npz", "1000", *runs]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_runs_of_one_program_have_labels_of_their_own(tmp_path, data_dir):
    pytest.importorskip("jax")
    for noise in ("none", "quarters"):
        done = xla_export("export", tmp_path, data_dir, "np_vanilla", f"--label_noise={noise}")
        assert done.returncode == 0, done.stderr
    runs = sorted((tmp_path / "runs").iterdir())
    assert len({(run / "train.mlir.xz").read_bytes() for run in runs}) == 1
    xla_run(tmp_path, data_dir, *runs)
    plain, turned = (np.load(run / "trained.npz") for run in runs)
    assert (plain["metrics"][:, 0] != turned["metrics"][:, 0]).all() and list(plain["devices"]) == ["CPU"]


@pytest.mark.parametrize("script, noise", [("np_bbb", "quarters"), ("maml_vanilla", "none"), ("np_vanilla", "uniform")])
def test_jax_trains_as_tensorflow_does(tmp_path, data_dir, script, noise):
    pytest.importorskip("jax")
    done = xla_export("export", tmp_path, data_dir, script, f"--label_noise={noise}")
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "runs").iterdir()
    xla_run(tmp_path, data_dir, run)
    form = [f"--label_noise={noise}", *["--inner_loop=vectorized"] * script.startswith("maml")]
    tiny.trained(script, data_dir, tmp_path / "here", "--jit_compile", *form)
    losses = training_losses(tmp_path / "here")
    assert np.load(run / "trained.npz")["metrics"][: len(losses), 0] == pytest.approx(losses, rel=1e-3)
