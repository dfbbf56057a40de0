"""docs/extending.md: its diffs apply, and what they add trains."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tiny
from scripts import REPO

EXTENDING = (REPO / "docs/extending.md").read_text()
DIFFS = re.findall(r"```diff\n(.*?)```", EXTENDING, re.DOTALL)
POSES = ["--data_dir=.", "--logdir=l"]


@pytest.fixture
def copy(tmp_path):
    """A copy of the packages, with pickles of tiny images."""
    for name in ("metalearn", "pose_code", "experiments", "presets"):
        shutil.copytree(REPO / name, tmp_path / name)
    for name in ("pyproject.toml", "run.sh"):
        shutil.copy(REPO / name, tmp_path)
    shutil.copytree(REPO / "pose_data", tmp_path / "pose_data", ignore=shutil.ignore_patterns("cad_*", "mesh*"))
    tiny.write_data(tmp_path)
    return tmp_path


def applied(diff, folder):
    done = subprocess.run(["git", "apply", "-"], input=diff, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def trained(folder, script, *arguments):
    """The only result.json of the script."""
    command = [sys.executable, "-m", script, "--num_threads=1", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = (folder / "l").rglob("result.json")
    return path.parent.name, json.loads(path.read_text()), done.stderr


def test_the_regularizer(copy):
    applied(DIFFS[0], copy)
    flags = [*tiny.TINY, *POSES, "--num_updates=2", "--free_nats=1e9"]
    name, _, _ = trained(copy, "pose_code.np_bbb", f"--flagfile={copy}/presets/quick/np_bbb.cfg", *flags)
    assert "free_nats-1e+09" in name
    curve = (copy / "l" / name / "curve.csv").read_text().splitlines()
    columns = dict(zip(curve[0].split(","), curve[-1].split(","), strict=True))
    assert float(columns["metatrain_regularizer"]) == 0.0  # all of the KL is free


def test_the_method(copy):
    applied(DIFFS[1], copy)
    name, result, errors = trained(copy, "pose_code.reptile", *POSES, *tiny.of_script("reptile", 2))
    assert name == "reptile.meta_lr-0.5.update_lr-0.002.trial-1" and np.isfinite(result["meta_test_mse"])
    assert "no gradient" not in errors


def test_the_domain(copy):
    applied(DIFFS[2], copy)
    _, result, _ = trained(copy, "lines.cnp", "--logdir=l", "--num_updates=300", "--steps_per_call=100")
    assert result["meta_test_mse"] < 0.1 < result["shuffled_support_mse"]
    code = re.search(r"```python\n(.*?)```", EXTENDING, re.DOTALL)[1].replace("LOGDIR", "l")
    check = "assert predictions.shape == (5, 5, 1) and abs(predictions - batch.query_y).numpy().mean() < 0.5"
    done = subprocess.run([sys.executable, "-c", code + check], cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0 and "| CNP |" in done.stdout, done.stderr
