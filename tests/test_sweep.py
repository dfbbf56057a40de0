"""The launcher: a list of runs, some at a time, killed and resumed, with failures, timed, and as a job array."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from pose_code import sweep
from pose_data import pickles

TINY = "--dim_im=16 --update_batch_size=3 --meta_batch_size=2 --eval_episodes=1 --dim_w=8 --dim_z=8 --summary_every=5"


@pytest.fixture
def data_dir(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("train", "val"):
        images = rng.integers(256, size=(3, 6, 16, 16)).astype(np.uint8)
        pickles.dump([images, rng.random((3, 6, 3))], tmp_path / f"{name}_data.pkl")
    return tmp_path


def line(data_dir, trial=1, iterations=10, script="np_vanilla"):
    where = f"--data_dir={data_dir} --logdir={data_dir}/logs"
    return f"pose_code.{script} {where} {TINY} --num_updates={iterations} --trial={trial}\n"


def start(text, *flags):
    process = subprocess.Popen(
        [sys.executable, "-m", "pose_code.sweep", *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    process.stdin.write(text)
    process.stdin.close()
    process.stdin = None
    return process


def run(text, *flags):
    process = start(text, *flags)
    stdout, stderr = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def results(data_dir):
    return sorted(json.loads(path.read_text())["trial"] for path in data_dir.glob("logs/*/result.json"))


def test_runs_side_by_side_go_on_after_a_failed_one_which_is_named_at_the_end(data_dir):
    bad = line(data_dir, 2).replace(f"--data_dir={data_dir}", f"--data_dir={data_dir}/none")
    done = run(line(data_dir, 1) + bad + line(data_dir, 3), "--jobs=2")
    assert done.returncode == 1 and results(data_dir) == [1, 3]
    name = f"2/3 np_vanilla data_dir={data_dir}/none trial=2"
    assert f"failed: {name}: {data_dir}/none/train_data.pkl: no such file" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: 1 of 3 runs failed") and "Traceback" not in done.stderr
    assert "3 of 3 runs done, 1 failed" in done.stdout and "[3/3 np_vanilla" in done.stdout
    threads = max(1, len(os.sched_getaffinity(0)) // 2)
    flags = json.loads(next(data_dir.glob("logs/*.trial-1/result.json")).read_text())["flags"]
    assert flags["num_threads"] == threads


def test_a_killed_sweep_ends_its_runs_and_goes_on_where_it_was(data_dir):
    text = line(data_dir, 1) + line(data_dir, 2, iterations=10**6).replace("--trial", "--checkpoint_every=5 --trial")
    process = start(text, "--jobs=2")
    folder = data_dir / "logs/np_vanilla.update_lr-0.001.trial-2"
    while results(data_dir) != [1] or not (folder / "checkpoint-last.npz").exists():
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with np.load(folder / "checkpoint-last.npz") as checkpoint:
        step = json.loads(str(checkpoint["note"]))["step"]
    resumed = run(text.replace(str(10**6), str(step + 1000)), "--jobs=2")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert results(data_dir) == [1, 2] and "finished before" in resumed.stdout and "resuming" in resumed.stdout


def test_a_dry_run_prints_commands_and_hours_and_trains_nothing(data_dir, monkeypatch, capsys):
    monkeypatch.setattr(sweep, "_TIMED_SECONDS", 0.5)
    commands = [shlex.split(line(data_dir, trial, 10**6)) for trial in (1, 2)]
    sweep.estimate(commands, 2)
    printed = capsys.readouterr().out.splitlines()
    assert shlex.split(printed[0])[:3] == ["python", "-m", "pose_code.np_vanilla"] and "--trial=2" in printed[1]
    seconds = float(printed[2].split()[1])
    hours = float(printed[3].split("about ")[1].split()[0])
    assert printed[2].startswith("pose_code.np_vanilla: ") and "1,000,000 steps, 2 runs" in printed[2]
    assert hours == pytest.approx(seconds * 1e6 / 3600, abs=0.06)
    assert not (data_dir / "logs").exists()
    with pytest.raises(sweep.UserError, match=r"none/train_data\.pkl: no such file"):
        sweep.estimate([[*commands[0], f"--data_dir={data_dir}/none"]], 2)


def test_the_same_list_as_a_job_array(data_dir):
    text = line(data_dir, 1) + line(data_dir, 2).replace("--dim_im=16", "--dim_im=5")
    done = run(text, "--slurm", "--slurm_cluster=local", f"--slurm_folder={data_dir}/jobs")
    assert done.returncode == 1 and results(data_dir) == [1]
    assert "1/2 np_vanilla dim_im=16 trial=1: done" in done.stdout
    assert "failed: 2/2 np_vanilla dim_im=5 trial=2: --dim_im=5" in done.stderr and list((data_dir / "jobs").iterdir())


def test_an_empty_list_is_an_error():
    done = run("\n# nothing\n")
    assert done.returncode == 1 and done.stderr.startswith("error: no runs on standard input")
