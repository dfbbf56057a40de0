"""Losses that are not finite stop a run; hash seed, locale, time zone, folder order change nothing; nothing grows."""

import csv
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from cad_folder import REPO, lopsided_mesh
from scripts import run_script, start_script
from tiny import TINY_MAML, TINY_NP
from tiny_runs import all_files, records, wait_for

from metalearn import checkpoints


@pytest.mark.parametrize(
    "script, flags",
    [
        ("np_vanilla", [*TINY_NP, "--num_updates=1000", "--update_lr=1e25"]),
        ("np_bbb", [*TINY_NP, "--num_updates=1000", "--update_lr=1e18"]),
        ("maml_vanilla", [*TINY_MAML, "--metatrain_iterations=1000", "--update_lr=1e30"]),
    ],
)
def test_a_loss_that_is_not_finite_stops_the_run_and_leaves_finite_checkpoints(
    script, flags, data_dir, tmp_path, record_property
):  # fmt: skip
    failed = run_script("pose_code", script, *flags, f"--data_dir={data_dir}", f"--logdir={tmp_path}")
    (line,) = [line for line in failed.stderr.splitlines() if line.startswith("error: ")]
    assert failed.returncode == 1 and "Traceback" not in failed.stderr and "--update_lr" in line
    assert "iteration" in line and ("the last ones before it: " in line or "weights after iteration" in line)
    for path in tmp_path.rglob("checkpoint-*.npz"):
        for name, array in checkpoints.load(path).items():
            assert np.isfinite(array).all(), f"{path}: {name}"
    record_property("inputs", 1)


@pytest.fixture(scope="module")
def road(request):
    """A function: the road from meshes to results in an environment; returns all files and what was printed. MAML goes
    along with --rounds=2 and more."""
    maml = "python -W always -m pose_code.maml_bbb" if request.config.getoption("rounds") > 1 else "true"

    def run(folder, **variables):
        lines = f"""
            set -e
            python -W always -m pose_data.mujoco_render --CAD_dir=CAD --data_dir=data --num_views=6 --image_size=64
            cp -r data/rotate data/rotate_resize
            python -W always -m pose_data.resize_images --data_dir=data/rotate_resize
            python -W always -m pose_data.data_gen --data_dir=data/rotate_resize --out_dir=data --num_val_objects=2
            python -W always -m pose_code.np_bbb {" ".join(TINY_NP)} --data_dir=data --logdir=logs --num_updates=3
            {maml} {" ".join(TINY_MAML)} --data_dir=data --logdir=logs \
              --metatrain_iterations=3
            python -W always -m pose_code.summarize --logdir=logs --out=table
        """
        path = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
        env = {**os.environ, "PATH": path, "PYTHONPATH": str(REPO), **variables}
        done = subprocess.run(["bash", "-c", lines], cwd=folder, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return all_files(folder), done.stdout + done.stderr

    return run


def test_hash_seed_locale_time_zone_and_folder_order_change_nothing_and_no_warning_is_ours(road, tmp_path):
    names = ["car/01", "car/02", "chair/01", "Bus/01", "\u00e9tag\u00e8re/01"]
    settings = [
        (names, {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "TZ": "UTC"}),
        (names[::-1], {"PYTHONHASHSEED": "12345", "LC_ALL": "C", "TZ": "Asia/Kathmandu"}),
    ]
    found = []
    for number, (order, variables) in enumerate(settings):
        folder = tmp_path / str(number)
        for name in order:  # one at a time: folders list what was made first first, on some disks
            path = folder / "CAD" / f"{name}.off"
            path.parent.mkdir(parents=True, exist_ok=True)
            lopsided_mesh().apply_scale((1, 1 + 0.1 * names.index(name), 1)).export(path)
        files, printed = road(folder, **variables)
        logs = {path.name: records(path)[1:4] for path in (folder / "logs").iterdir()}
        found.append((logs, {name: data for name, data in files.items() if name.endswith((".png", ".pkl", ".csv"))}))
        warnings = [line for line in printed.splitlines() if "Warning" in line]
        ours = [line for line in warnings if str(REPO) in line and ".venv" not in line]
        assert not ours, ours
    curves = [name for name in found[0][1] if name.endswith("curve.csv")]  # with seconds; `records` has the rest
    for _, files in found:
        for name in curves:
            del files[name]
    assert found[0][0] == found[1][0] and found[0][1].keys() == found[1][1].keys()
    assert {name for name in found[0][1] if found[0][1][name] != found[1][1][name]} <= {"table.csv"}  # has the minutes


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads /proc")
def test_memory_files_and_threads_stay_as_they_are_in_a_long_run(data_dir, tmp_path, rounds):
    """At 1,000 and at 20,000 steps; with less than --rounds=10 at 500 and at 1,000."""
    first, last = (1000, 20_000) if rounds >= 10 else (500, 1000)
    sizes = {}
    # A checkpoint is a file that is open: none is written at `first` and `last`, or just afterwards all the time.
    flags = [*TINY_NP, "--summary_every=100", "--checkpoint_every=300", f"--num_updates={last + 2000}"]
    run = start_script("pose_code", "np_bbb", *flags, f"--data_dir={data_dir}", f"--logdir={tmp_path}", seconds=900)
    for step in (first, last):
        wait_for(lambda step=step: last_step(tmp_path) >= step or not run.alive(), seconds=600)
        samples = [run.sizes() for _ in range(10) if time.sleep(0.03) is None]
        sizes[step] = samples[-1] | {"files": min(sample["files"] for sample in samples)}
    run.send_signal(signal.SIGKILL)
    run.wait()
    before, after = sizes.values()
    assert after["files"] == before["files"] and after["threads"] <= before["threads"], sizes
    assert after["memory"] <= 1.05 * before["memory"], sizes


def last_step(logdir):
    for path in logdir.glob("*/curve.csv"):
        with open(path, newline="") as file:
            rows = [row["iteration"] for row in csv.DictReader(file) if row["metatrain_kl"]]
        return int(rows[-1]) if rows else 0
    return 0
