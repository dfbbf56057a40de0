"""The eight training scripts as a user runs them: flags, run folder, resume, evaluation, errors. Tiny numbers."""

import csv
import fcntl
import importlib
import json
import os
import subprocess
import sys

import learners
import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver
from scripts import REPO, error_line, run_script
from tiny import load, of_script, run

from metalearn import sweep

SCRIPTS = ("maml_vanilla", "maml_bbb", "maml_ib", "finetune", "np_vanilla", "np_bbb", "np_ib", "np_all_bbb")
DECAY = {"np_vanilla": ["--weight_decay"]}  # optimizer state of its own to come back
RUN_NAMES = {
    "maml_vanilla": "maml_vanilla.meta_lr-0.0005.update_lr-0.002.beta-0.001.trial-1",
    "maml_bbb": "maml_bbb.beta-0.001.meta_lr-0.002.update_lr-0.002.trial-1",
    "maml_ib": "maml_ib.beta-0.01.meta_lr-0.002.update_lr-0.002.trial-1",
    "finetune": "finetune.meta_lr-0.002.update_lr-0.002.trial-1",
    "np_vanilla": "np_vanilla.update_lr-0.001.beta-0.001.trial-1",
    "np_bbb": "np_bbb.beta-0.001.update_lr-0.0005.trial-1",
    "np_ib": "np_ib.beta-0.01.update_lr-0.0005.trial-1",
    "np_all_bbb": "np_bbb_all.beta-0.001.update_lr-0.0005.trial-1",
}
RESULT_KEYS = {
    "method", "trial", "iterations", "meta_test_mse", "meta_test_se", "meta_train_mse", "meta_train_pre_mse", "pre_mse",
    "shuffled_support_mse", "per_object", "median_degrees", "within_30_degrees", "objects", "flags", "data", "script",
    "command", "versions", "wall_time_s", "trained_on",
}  # fmt: skip


def read_curve(folder):
    with open(folder / "curve.csv", newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_trains_and_evaluates(script, data_dir, tmp_path):
    whole = run(script, data_dir, tmp_path, *DECAY.get(script, []))
    assert whole.returncode == 0, whole.stderr
    folder = tmp_path / RUN_NAMES[script]
    result = json.loads((folder / "result.json").read_text())
    assert result["script"] == f"pose_code.{script}"
    assert set(result) == RESULT_KEYS and result["iterations"] == 4 and len(result["per_object"]) == 3
    assert np.isfinite([result["meta_test_mse"], result["meta_train_mse"], result["shuffled_support_mse"]]).all()
    assert (result["pre_mse"] is None) == script.startswith("np")
    np.testing.assert_allclose(result["meta_test_mse"], np.mean(result["per_object"]), rtol=1e-6)
    with np.load(folder / "examples.npz") as examples:
        shapes = {name: examples[name].shape for name in examples.files}
    before = {} if script.startswith("np") else {"prediction_before": (2, 3, 1)}
    assert shapes == {"query_x": (2, 3, 16, 16, 1), "query_y": (2, 3, 1), "prediction": (2, 3, 1), **before}
    assert list(folder.glob("events.out.tfevents.*")) and (folder / "flags.cfg").exists()
    assert "iteration 4/4" in whole.stdout and sweep._PROGRESS.search(whole.stdout)  # which estimates by these lines
    assert len(read_curve(folder)) == 4
    if script in ("maml_bbb", "np_vanilla"):
        assert_a_run_in_two_parts_has_the_same_weights_and_curve(folder, script, data_dir, tmp_path / "parts")


def assert_a_run_in_two_parts_has_the_same_weights_and_curve(whole, script, data_dir, logdir):
    iterations = "num_updates" if script.startswith("np") else "metatrain_iterations"
    looked_at = [f"--{iterations}=4", "--train=False"]  # a run that was cut short is not finished by being looked at
    parts = [
        run(script, data_dir, logdir, *more, *DECAY.get(script, []))
        for more in ([f"--{iterations}=2"], looked_at, looked_at[:1])
    ]
    assert all(part.returncode == 0 for part in parts), parts[-1].stderr
    assert "resuming" in parts[2].stdout and "iteration 1/4" not in parts[2].stdout
    (resumed,) = logdir.iterdir()
    assert whole.name == resumed.name
    with np.load(whole / "checkpoint-final.npz") as a, np.load(resumed / "checkpoint-final.npz") as b:
        assert set(a.files) == set(b.files)
        for name in set(a.files) - {"note"}:
            np.testing.assert_array_equal(a[name], b[name], err_msg=name)
    assert read_curve(whole) == read_curve(resumed) and len(read_curve(whole)) == 4


def test_a_flagfile_replays_a_run_with_one_change_and_train_false_only_evaluates(data_dir, tmp_path):
    first = run("np_bbb", data_dir, tmp_path)
    folder = tmp_path / RUN_NAMES["np_bbb"]
    assert first.returncode == 0, first.stderr
    result = json.loads((folder / "result.json").read_text())
    del result["flags"]["facto"]  # as if --facto were new since: at its default it changes nothing
    (folder / "result.json").write_text(json.dumps(result))
    again = run("np_bbb", data_dir, tmp_path, "--num_threads=2")  # nothing that its numbers depend on
    assert "finished before" in again.stdout and "iteration" not in again.stdout.replace("iterations", "")
    before = (folder / "checkpoint-final.npz").read_bytes()
    kept = tmp_path / "kept" / folder.name  # a result that was kept without its checkpoints
    kept.mkdir(parents=True)
    (kept / "result.json").write_bytes((folder / "result.json").read_bytes())
    assert "finished before" in run("np_bbb", data_dir, tmp_path / "kept").stdout
    evaluated = run("np_bbb", data_dir, tmp_path, "--train=False", "--eval_episodes=3")
    assert evaluated.returncode == 0 and "iteration 1/" not in evaluated.stdout
    assert (folder / "checkpoint-final.npz").read_bytes() == before
    written = json.loads((folder / "result.json").read_text())
    assert written["flags"]["eval_episodes"] == 3
    assert written["command"] == result["command"] and "--train=False" in written["evaluated_with"]
    replay = run_script("pose_code", "np_bbb", f"--flagfile={folder / 'flags.cfg'}", "--beta=0.5")
    assert replay.returncode == 0, replay.stderr
    other = json.loads((tmp_path / "np_bbb.beta-0.5.update_lr-0.0005.trial-1" / "result.json").read_text())["flags"]
    same = json.loads((folder / "result.json").read_text())["flags"]
    assert {name for name in same if same[name] != other[name]} == {"beta", "eval_episodes"}
    more = ["--eval_shots=2", "--eval_label_noise=uniform", "--eval_episodes=3"]
    shown = run("np_bbb", data_dir, tmp_path, "--train=False", *more).stdout
    assert "\non 2_shots: meta-test MSE " in shown and "\non label_noise_uniform: meta-test MSE " in shown
    others = json.loads((folder / "result.json").read_text())["others"]
    assert set(others) == {"2_shots", "label_noise_uniform"}  # which a list that does not ask for them leaves
    assert "finished before" in run("np_bbb", data_dir, tmp_path, "--eval_episodes=3").stdout
    assert "finished before" not in run("np_bbb", data_dir, tmp_path, "--eval_shots=1", "--eval_episodes=3").stdout


def test_another_keras_backend_of_the_user_s_is_not_taken(data_dir, tmp_path):
    command = [sys.executable, "-m", "pose_code.np_vanilla", f"--data_dir={data_dir}", f"--logdir={tmp_path}"]
    command += ["--dim_im=16", "--update_batch_size=3", "--num_updates=0", "--eval_episodes=1"]
    environment = {**os.environ, "KERAS_BACKEND": "torch"}
    done = subprocess.run(command, cwd=REPO, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "meta-test MSE" in done.stdout, done.stderr


def test_flags_that_do_nothing_are_accepted_in_one_line(data_dir, tmp_path):
    done = run("maml_vanilla", data_dir, tmp_path, "--conv=False", "--extra=x", "--metatrain_iterations=0")
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines() if "without effect" in line] == ["--conv, --extra"]


def test_the_released_encoder_and_batch_norm_gradient_change_maml_s_training():
    losses = {}
    for flag in ("--trial=1", "--encoder=released", "--batch_norm_gradient=released"):
        settings = [*of_script("maml_vanilla", 2), "--num_threads=0", "--update_lr=0.1", flag]
        with learners.script("maml_vanilla", *settings) as module:
            trainer = learners.trainer(module)
            steps = [trainer.train_steps(*learners.batch())[0] for _ in range(3)]
        losses[flag] = [float(metrics[trainer.metric_names.index("mse"), 0]) for metrics in steps]
    plain, encoder, gradient = losses.values()
    assert encoder[0] != plain[0] and gradient[0] == plain[0] and gradient[1:] != plain[1:]


def test_np_ib_s_aggregator_learns_at_its_own_rate(data_dir, tmp_path):
    for iterations in (0, 1):
        flags = [f"--num_updates={iterations}", "--update_lr=1e-2", "--aggregator_lr=1e-3"]
        assert run("np_ib", data_dir, tmp_path / str(iterations), *flags).returncode == 0
    before, after = (load(next((tmp_path / str(iterations)).iterdir())) for iterations in (0, 1))
    for name, array in before.items():
        if name.startswith(("encoder/", "decoder/")):  # Adam's first step is the rate wherever there is a gradient
            rate = 1e-3 if name.startswith(("decoder/lift", "decoder/pair", "decoder/task")) else 1e-2
            np.testing.assert_allclose(np.abs(after[name] - array).max(), rate, rtol=1e-2, err_msg=name)
    assert {name.split("/")[0] for name in after} == {"encoder", "decoder", "adam_mean", "adam_aggregator"}


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--data=a.pkl,b.pkl"], "a.pkl: no such file"),
        (["--n_hidden_units_r=100,x"], "--n_hidden_units_r=100,x"),
        (["--update_batch_size=4"], "--update_batch_size=4"),
        (["--train=False"], "no checkpoint"),
        (["--train", "False"], "False"),
    ],
)
def test_a_wrong_flag_gets_one_line(flags, message, data_dir, tmp_path):
    failed = run("np_bbb", data_dir, tmp_path, *flags)
    assert message in error_line(failed)


def test_other_settings_damaged_checkpoints_and_a_second_run_are_refused(data_dir, tmp_path):
    folder = tmp_path / "np_vanilla.update_lr-0.001.trial-1"
    assert run("np_vanilla", data_dir, tmp_path).returncode == 0
    other = run("np_vanilla", data_dir, tmp_path, "--meta_batch_size=3")
    assert other.returncode == 1 and "--meta_batch_size was 2" in other.stderr
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = run("np_vanilla", data_dir, tmp_path, "--num_updates=6")
    assert second.returncode == 1 and "another run" in second.stderr
    final = folder / "checkpoint-final.npz"
    final.write_bytes(final.read_bytes()[:500])
    damaged = run("np_vanilla", data_dir, tmp_path, "--num_updates=6")
    assert damaged.returncode == 1 and "damaged checkpoint" in damaged.stderr and "Traceback" not in damaged.stderr


SHARED = {
    "data": ["train_data.pkl", "val_data.pkl"], "data_dir": None, "logdir": "/tmp/data", "trial": 1,
    "update_batch_size": 15, "meta_batch_size": 10, "num_classes": 1, "dim_im": 128, "dim_y": 1, "train": True,
}  # fmt: skip
MAML = {
    "dim_w": 196, "num_updates": 5, "test_num_updates": 20, "update_lr": 0.002, "num_filters": 64, "stop_grad": False,
    "norm": "batch_norm", "max_pool": False, "beta": 1e-3, "conv": True, "datasource": "pose",
}  # fmt: skip
NP = {"n_hidden_units_g": ["100", "100"], "n_hidden_units_r": ["100", "100"], "deterministic": True, "facto": 1.0}
NP_64 = {**NP, "dim_w": 64, "dim_z": 64, "dim_r": 100}
NP_BBB = {
    **NP, "dim_w": 20, "dim_z": 200, "dim_r": 200, "beta": 1e-3, "num_updates": 100000, "update_lr": 5e-4, "var": -3.0,
}  # fmt: skip
UPSTREAM_DEFAULTS = {
    "maml_bbb": {**SHARED, **MAML, "meta_lr": 0.002, "metatrain_iterations": 30000, "var": -20.0},
    "maml_vanilla": {
        **SHARED, **MAML, "update_batch_size": 10, "weight_decay": True, "meta_lr": 5e-4, "metatrain_iterations": 10000,
        "extra": "exp",
    },
    "np_vanilla": {**SHARED, **NP_64, "beta": 1e-3, "weight_decay": False, "num_updates": 140000, "update_lr": 1e-3},
    "np_bbb": {**SHARED, **NP_BBB},
    "np_all_bbb": {**SHARED, **NP_BBB},
    "np_ib": {**SHARED, **NP_64, "beta": 0.01, "num_updates": 120000, "update_lr": 5e-4},
}  # fmt: skip


def test_two_scripts_share_a_process_as_in_a_notebook():
    for script in ("pose_code.maml_bbb", "pose_code.maml_vanilla", "pose_code.np_ib", "sinusoid.maml", "sinusoid.cnp"):
        importlib.import_module(script)  # defines no flag that another one has


@pytest.mark.parametrize("script", UPSTREAM_DEFAULTS)
def test_flags_have_upstream_s_names_and_defaults(script):
    importlib.import_module(f"pose_code.{script}")  # the library's flags stay; those that the script defines are undone
    with flagsaver.flagsaver():
        importlib.import_module(f"pose_code.{script}").define_flags()
        defaults = {name: flags.FLAGS[name].default for name in UPSTREAM_DEFAULTS[script] if name in flags.FLAGS}
    assert defaults == UPSTREAM_DEFAULTS[script]
