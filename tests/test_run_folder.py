"""What a run folder keeps to: its name, data, settings and records, those of earlier versions too."""

import errno
import fcntl
import json
import os
import shutil
import types
from unittest.mock import Mock

import learners
import numpy as np
import pytest
from scripts import error_line
from tiny import load, run

from metalearn import checkpoints
from metalearn.cli import UserError
from metalearn.curve import Curve
from metalearn.restore import restore
from metalearn.run_folder import RunFolder
from pose_data import pickles


def test_names_that_would_lead_to_other_folders_are_refused(data_dir, tmp_path):
    refused = run("np_vanilla", data_dir, tmp_path, "--logdir=~/logs")
    assert "--logdir=~/logs: a shell expands ~" in error_line(refused)
    assert "--tag=a/b: give one without a slash" in error_line(run("np_vanilla", data_dir, tmp_path, "--tag=a/b"))


def test_a_curve_is_measured_alike_to_its_end(data_dir, tmp_path):
    flags = ["--test_num_updates=2", "--metatrain_iterations=0"]
    assert run("maml_vanilla", data_dir, tmp_path, *flags).returncode == 0
    other = ["--test_num_updates=3", "--metatrain_iterations=4"]
    assert "--test_num_updates was 2" in error_line(run("maml_vanilla", data_dir, tmp_path, *other))
    evaluated = run("maml_vanilla", data_dir, tmp_path, "--test_num_updates=3", flags[1], "--train=False")
    assert evaluated.returncode == 0, evaluated.stderr


def test_the_seed_of_an_evaluation_is_kept_until_a_run_is_finished(data_dir, tmp_path):
    assert run("np_vanilla", data_dir, tmp_path, "--num_updates=1").returncode == 0
    assert "--eval_seed was 0" in error_line(run("np_vanilla", data_dir, tmp_path, "--num_updates=2", "--eval_seed=7"))
    other = run("np_vanilla", data_dir, tmp_path, "--num_updates=1", "--eval_seed=7")
    assert other.returncode == 0 and "finished before" not in other.stdout, other.stderr


def test_an_evaluation_of_no_run_leaves_nothing_behind(data_dir, tmp_path):
    refused = run("np_vanilla", data_dir, tmp_path, "--train=False", "--update_lr=7")
    assert "no checkpoint to evaluate" in error_line(refused) and not list(tmp_path.iterdir())


def test_a_disk_without_locks_is_named_as_such(tmp_path, monkeypatch):
    for error, told in (
        (OSError(errno.ENOLCK, os.strerror(errno.ENOLCK)), "lock: No locks available: files cannot be locked"),
        (BlockingIOError(), "another run is working there"),
    ):
        monkeypatch.setattr(fcntl, "flock", Mock(side_effect=error))
        with pytest.raises(UserError, match=told), RunFolder.lock(types.SimpleNamespace(folder=tmp_path)):
            pass


@pytest.mark.parametrize("name", ["logs\n", " logs", "logs\udcff"])
def test_a_folder_that_no_flag_file_or_tensorboard_can_name_is_refused(name, data_dir, tmp_path):
    refused = run("np_vanilla", data_dir, tmp_path / "a", f"--logdir={tmp_path}/{name}")
    if name == " logs":  # a blank within is nothing special
        assert refused.returncode == 0 and (tmp_path / name).is_dir()
        refused = run("np_vanilla", data_dir, tmp_path / "a", f"--logdir={tmp_path}/logs ")
    (line,) = refused.stderr.splitlines()
    assert refused.returncode == 1 and line.startswith("error: --logdir='") and "without a newline" in line


def test_a_run_keeps_to_its_data(data_dir, tmp_path):
    home, other, moved = (tmp_path / name for name in ("home", "other", "moved"))
    for copy in (home, other, moved):
        shutil.copytree(data_dir, copy)
        for name, objects in (("train", 5), ("val", 3)):
            (copy / f"{name}_names.json").write_text(json.dumps([f"car/{i}" for i in range(objects)]))
    assert run("np_vanilla", home, tmp_path / "logs").returncode == 0
    (folder,) = (tmp_path / "logs").iterdir()
    before = (folder / "result.json").read_bytes()
    images, labels = pickles.load(other / "train_data.pkl")
    for changed, more in (
        ([images, np.roll(labels, 1)], []),
        ([images, np.roll(labels, 1)], ["--train=False"]),
        ([255 - images, labels], ["--num_updates=6"]),  # other renders of the same objects and angles
    ):
        pickles.dump(changed, other / "train_data.pkl")
        refused = run("np_vanilla", other, tmp_path / "logs", *more)
        assert f"of other objects or images, those of --data_dir={home};" in error_line(refused)
    for checkpoint in folder.glob("checkpoint*"):
        checkpoint.unlink()  # as in results/
    assert "of other objects" in run("np_vanilla", other, tmp_path / "logs").stderr
    assert (folder / "result.json").read_bytes() == before
    assert run("np_vanilla", other, tmp_path / "logs", "--allow_new_data").returncode == 0
    assert run("np_vanilla", other, tmp_path / "logs").returncode == 0  # now these are the run's
    assert run("np_bbb", home, tmp_path / "moves").returncode == 0
    assert run("np_bbb", moved, tmp_path / "moves", "--train=False").returncode == 0  # the same data elsewhere
    (result,) = (tmp_path / "moves").glob("*/result.json")
    for checkpoint in result.parent.glob("checkpoint*"):
        checkpoint.unlink()
    written = json.loads(result.read_text())
    assert written["versions"]["device"] and set(written["versions"]) >= {"commit", "tensorflow"}
    result.write_text(json.dumps(written | {"data": [part.partition("-")[0] for part in written["data"]]}))
    again = run("np_bbb", home, tmp_path / "moves")  # whose result is as one from before images counted
    assert "finished before" in again.stdout
    result.write_text(json.dumps(written | {"data": ["one"]}))
    assert "of other objects" in error_line(run("np_bbb", home, tmp_path / "moves"))


def as_if_from_before(folder):
    """Take out of a run's records what runs from before --init, --distinct_tasks and --aggregator_lr do not have."""
    new = ("init", "distinct_tasks", "aggregator_lr")
    (folder / "checkpoint-last.npz").unlink(missing_ok=True)
    path = folder / "checkpoint-final.npz"
    note = checkpoints.load_note(path)
    note["flags"] = {name: value for name, value in note["flags"].items() if name not in new}
    note.pop("trained_on", None)
    arrays = {name: array for name, array in load(folder).items() if not name.startswith("adam_aggregator")}
    checkpoints.save(path, arrays, note)
    result = json.loads((folder / "result.json").read_text())
    result["flags"] = {name: value for name, value in result["flags"].items() if name not in new}
    (folder / "result.json").write_text(json.dumps(result))


def test_a_run_from_before_is_evaluated_as_what_it_was_and_not_taken_for_one_of_today_s_defaults(data_dir, tmp_path):
    flags = ["--init=glorot", "--distinct_tasks"]
    assert run("np_ib", data_dir, tmp_path, *flags).returncode == 0
    (folder,) = tmp_path.iterdir()
    before = json.loads((folder / "result.json").read_text())
    as_if_from_before(folder)
    assert restore(folder).weights["decoder"].mean
    evaluated = run("np_ib", data_dir, tmp_path, "--train=False")
    assert evaluated.returncode == 0, evaluated.stderr
    result = json.loads((folder / "result.json").read_text())
    assert result["meta_test_mse"] == before["meta_test_mse"]
    assert (before["trained_on"], result["trained_on"]) == (["CPU"], ["an unknown device"])
    assert [result["flags"][name] for name in ("init", "distinct_tasks", "aggregator_lr")] == ["glorot", True, None]
    as_if_from_before(folder)
    other = run("np_ib", data_dir, tmp_path)
    assert other.returncode == 1 and "--init was glorot" in other.stderr and "--distinct_tasks was True" in other.stderr


def test_a_curve_from_before_a_metric_existed_goes_on_without_it(tmp_path):
    path = tmp_path / "curve.csv"
    path.write_text("iteration,seconds,metatrain_kl\n1,0.1,7\n2,0.2,6\n")
    curve = Curve(path, 1)
    curve.write(2, 0.3, {"metatrain_kl": 5.0, "metatrain_kl_sigma": 4.0})
    assert path.read_text().splitlines() == ["iteration,seconds,metatrain_kl", "1,0.1,7", "2,0.3,5"]


def test_random_streams_depend_on_seed_trial_purpose_and_step():
    def first_number(seed, trial, purpose, step):
        with learners.script("np_vanilla", f"--seed={seed}"):
            return RunFolder.rng(types.SimpleNamespace(number=trial), purpose, step).random()

    streams = [(0, 1, "train", 0), (1, 1, "train", 0), (0, 2, "train", 0), (0, 1, "val", 0), (0, 1, "train", 1)]
    assert len({first_number(*stream) for stream in streams}) == len(streams)
    assert first_number(*streams[0]) == first_number(*streams[0])
