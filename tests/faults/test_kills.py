"""Kill anything, at any moment: run again, it ends as if it had never been killed.

Moments are uniform over the time that an uninterrupted run takes; --rounds=N for N times as many.
"""

import csv
import dataclasses
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from cad_folder import REPO, command, write_models, write_views
from scripts import run_script, start_script
from tiny_runs import (
    TRAINING,
    all_files,
    assert_same_records,
    records,
    tensorboard_steps,
    training,
    wait_for,
)

SIGNALS = (signal.SIGKILL, signal.SIGTERM)


def kill_until_done(start, seconds, rng, times):
    """Start a run and kill it at a random moment, `times` times; then let it end. Returns the number of kills.

    start: -> something with send_signal and wait; a run that was done before its kill is no kill. Each start has its
    moment in (0, seconds).
    """
    kills = 0
    for _ in range(times):
        run, moment, how = start(), rng.uniform(0, seconds), rng.choice(SIGNALS)
        time.sleep(moment)
        run.send_signal(how)
        status = run.wait()
        kills += status in (-how, 128 + how, 130)  # 130: who hears SIGTERM as an interruption
        assert status in (-how, 128 + how, 130, 0), f"killed by {how} after {moment:.3f} s: exit status {status}"
    status = start().wait()
    assert status == 0, status
    return kills


class Command:
    """A command line as what `kill_until_done` starts."""

    def __init__(self, arguments, log, **kwargs):
        with open(log, "a") as file:
            self._process = subprocess.Popen(arguments, stdout=file, stderr=file, cwd=REPO, **kwargs)
        self.send_signal = self._process.send_signal

    def wait(self):
        return self._process.wait(timeout=300)


class Script:
    """A training script as what `kill_until_done` starts."""

    def __init__(self, *arguments):
        self._fork = start_script(*arguments, seconds=300)
        self.send_signal = self._fork.send_signal

    def wait(self):
        done = self._fork.wait()
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode


def write_input(step, folder):
    """The input of a step of the pose data."""
    if step in ("mujoco_render", "off_to_stl"):
        write_models(folder / "CAD", ["car/01", "car/02", "chair/01"])
    elif step in ("resize_images", "data_gen", "data_gen shards"):
        write_views(folder / "views", ["car/01", "car/02", "chair/01"], 20, 128 if "data_gen" in step else 200)


def step_command(step, folder):
    if step == "mujoco_render":
        sizes = {"num_views": 40, "image_size": 64, "num_workers": 2}
        return command("mujoco_render", CAD_dir=folder / "CAD", data_dir=folder / "out", **sizes)
    if step == "off_to_stl":
        return command("off_to_stl", CAD_dir=folder / "CAD")
    if step == "resize_images":
        return command("resize_images", data_dir=folder / "views", num_workers=2)
    if step == "cad_models":
        return command("cad_models", out_dir=folder / "CAD", objects_per_class=1)
    kind = "shards" if step == "data_gen shards" else "pickle"
    return command("data_gen", data_dir=folder / "views", out_dir=folder, num_val_objects=1, format=kind)


@pytest.mark.parametrize(
    "step", ["mujoco_render", "resize_images", "data_gen", "data_gen shards", "off_to_stl", "cad_models"]
)
def test_a_killed_step_of_the_pose_data_ends_in_the_same_bytes(step, tmp_path, rounds, record_property):
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    write_input(step, whole)
    begun = time.monotonic()
    subprocess.run(step_command(step, whole), check=True, capture_output=True, cwd=REPO)
    seconds, kills = time.monotonic() - begun, 0
    expected = all_files(whole)
    for number in range(rounds):
        write_input(step, folder)
        kills += kill_until_done(
            lambda: Command(step_command(step, folder), tmp_path / "log"), seconds, np.random.default_rng(number), 2
        )
        found = all_files(folder)
        settings = "out/render_settings.json"  # it has the folder's name in it
        if settings in expected:
            found[settings] = found[settings].replace(str(folder).encode(), str(whole).encode())
        assert found.keys() == expected.keys() and found == expected, f"round {number}"
        shutil.rmtree(folder)
    assert "Traceback" not in (tmp_path / "log").read_text()
    record_property("kills", kills)


@pytest.fixture
def script(request, rounds):
    """One of TRAINING; with --rounds=1 the first alone."""
    if rounds == 1 and request.param != next(iter(TRAINING)):
        pytest.skip("with --rounds=2 and more")
    return request.param


@pytest.mark.parametrize("script", TRAINING, indirect=True)
def test_a_killed_training_run_ends_in_the_same_weights_and_records(
    script, data_dir, tmp_path, rounds, record_property
):
    begun = time.monotonic()
    assert run_script(*training(script, data_dir, tmp_path / "whole")).returncode == 0
    seconds, kills = time.monotonic() - begun, 0
    whole = sorted((tmp_path / "whole").iterdir())
    expected = [records(folder) for folder in whole]
    for number in range(rounds):
        logdir = tmp_path / str(number)
        kills += kill_until_done(
            lambda logdir=logdir: Script(*training(script, data_dir, logdir)), seconds, np.random.default_rng(number), 2
        )
        for folder, one in zip(whole, expected, strict=True):
            assert_same_records(logdir / folder.name, one)
        shutil.rmtree(logdir)
    record_property("kills", kills)


@dataclasses.dataclass
class Changes:
    """Prints "change" for each change of a file below `folder` by this process; kills it in place of the `last`th."""

    folder: str
    last: int = 0
    number: int = 0

    def __call__(self):
        sys.addaudithook(self._hook)

    def _hook(self, event, arguments):
        if event not in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"):
            return
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)):
            return
        if isinstance(arguments[0], str | os.PathLike) and os.path.abspath(arguments[0]).startswith(self.folder):
            self.number += 1
            if self.number == self.last:
                os.kill(os.getpid(), signal.SIGKILL)
            os.write(1, b"change\n")


def kill_at_changes(script, folder, rng, times, whole, before=lambda: None, after=lambda: None):
    """Run a script killed before a change of a file, then to its end, `times` times, for different changes.

    script: arguments of start_script, which writes below `folder`; whole: called after each time; before, after: called
    around each kill. Returns the kills.
    """
    counted = run_script(*script, before=Changes(str(folder)))
    assert counted.returncode == 0, counted.stderr
    number = counted.stdout.count("change\n")
    assert number
    whole()
    for last in rng.permutation(number)[:times] + 1:
        shutil.rmtree(folder)
        before()
        killed = run_script(*script, before=Changes(str(folder), int(last)))
        assert killed.returncode == -signal.SIGKILL, killed
        after()
        done = run_script(*script)
        assert done.returncode == 0 and "Traceback" not in done.stderr, f"change {last} of {number}: {done.stderr}"
        try:
            whole()
        except AssertionError as error:
            raise AssertionError(f"killed before change {last} of {number}: {error}") from error
    return min(times, number)


@pytest.mark.parametrize(
    "script, flags",
    [
        ("data_gen", ["--num_val_objects=1", "--num_test_objects=1"]),
        ("data_gen", ["--num_val_objects=1", "--num_test_objects=1", "--format=shards"]),
        ("create_fake_data", ["--num_views=2", "--dim_im=4", "--format=shards"]),
        ("cad_models", ["--objects_per_class=1"]),
    ],
)
def test_a_step_killed_before_any_change_of_a_file_ends_in_the_same_bytes(
    script, flags, tmp_path, rounds, record_property
):
    write_views(tmp_path / "views", ["car/01", "car/02", "chair/01"], 2)
    data = [f"--data_dir={tmp_path}/views"] if script == "data_gen" else []
    out, files = tmp_path / "out", []
    command_line = ("pose_data", script, *data, *flags, f"--out_dir={out}")
    if script == "data_gen":  # in place of an earlier split
        assert run_script(*command_line, "--seed=4", "--format=pickle").returncode == 0
        earlier = all_files(out)

    def whole():
        files.append(all_files(out))
        assert files[-1] == files[0]

    def before():
        for name, data in earlier.items() if script == "data_gen" else ():
            out.mkdir(exist_ok=True)
            (out / name).write_bytes(data)

    def after():
        if script == "data_gen":  # never some objects of one split beside others of another
            found = {name: data for name, data in all_files(out).items() if not name.startswith(".")}
            assert found.items() <= earlier.items() or found.items() <= files[0].items()
            assert earlier != files[0]

    steps = {"whole": whole, "before": before, "after": after}
    kills = kill_at_changes(command_line, out, np.random.default_rng(0), 10 * rounds, **steps)
    record_property("kills", kills)


@pytest.mark.parametrize("script", TRAINING, indirect=True)
def test_a_training_run_killed_before_any_change_of_a_file_ends_in_the_same_weights_and_records(
    script, data_dir, tmp_path, rounds, record_property
):
    found = {}

    def whole():
        for folder in (tmp_path / "logs").iterdir():
            assert_same_records(folder, found.setdefault(folder.name, records(folder)))

    command_line = training(script, data_dir, tmp_path / "logs")
    kills = kill_at_changes(command_line, tmp_path / "logs", np.random.default_rng(0), rounds, whole)
    record_property("kills", kills)


def test_what_a_checkpoint_holds_is_in_the_curve_and_in_tensorboard_when_the_run_is_killed(data_dir, tmp_path, rounds):
    script, checkpoints = training("pose_code/np_bbb", data_dir, tmp_path), []
    for number in range(rounds):
        run = start_script(*script, "--num_updates=1000000", f"--trial={number}", seconds=300)
        (folder,) = wait_for(lambda number=number: list(tmp_path.glob(f"*trial-{number}")))
        wait_for((folder / "checkpoint-last.npz").exists)
        time.sleep(np.random.default_rng(number).uniform(0, 0.1))
        run.send_signal(signal.SIGKILL)
        assert run.wait().returncode == -signal.SIGKILL
        with np.load(folder / "checkpoint-last.npz") as file:
            checkpoints.append(json.loads(str(file["note"]))["step"])
        with open(folder / "curve.csv", newline="") as file:
            rows = [int(row["iteration"]) for row in csv.DictReader(file)]
        assert rows[: checkpoints[-1]] == list(range(1, checkpoints[-1] + 1))
        assert tensorboard_steps(folder) >= set(rows[: checkpoints[-1]])
    assert min(checkpoints) >= 1


def test_a_killed_sweep_ends_in_the_same_weights_and_records(data_dir, tmp_path, rounds, record_property):
    if rounds == 1:
        pytest.skip("with --rounds=2 and more; tests/test_sweep.py kills sweeps of a script that needs no TensorFlow")
    scripts = ("pose_code/np_bbb", "pose_code/maml_bbb")
    expected = []
    begun = time.monotonic()
    for script in scripts:
        assert run_script(*training(script, data_dir, tmp_path / "whole")).returncode == 0
    seconds, kills = time.monotonic() - begun + 8, 0  # TensorFlow's import comes on top
    for folder in sorted((tmp_path / "whole").iterdir()):
        expected.append((folder.name, records(folder)))
    sweep = [sys.executable, "-m", "metalearn.sweep", "--jobs=2"]
    for number in range(rounds):
        logdir = tmp_path / str(number)
        text = ""
        for script in scripts:
            folder, name, *flags = training(script, data_dir, logdir)
            text += f"{folder}.{name} {shlex.join(flags)}\n"
        (tmp_path / "list").write_text(text)

        def start():
            with open(tmp_path / "list") as file:
                return Command(sweep, tmp_path / "log", stdin=file)

        kills += kill_until_done(start, seconds, np.random.default_rng(number), 1)
        for name, one in expected:
            assert_same_records(logdir / name, one)
        shutil.rmtree(logdir)
    assert "Traceback" not in (tmp_path / "log").read_text()
    record_property("kills", kills)
