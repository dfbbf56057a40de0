"""The launcher: a list of runs, some at a time, killed and resumed, with failures, timed, and as a job array."""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from metalearn import slurm, sweep, workers

REPO = Path(__file__).resolve().parents[1]


def line(folder, trial=1, iterations=10, more=""):
    return f"tests.fake_training --folder={folder} --iterations={iterations} --trial={trial} {more}\n"


def start(text, *flags):
    process = subprocess.Popen(
        [sys.executable, "-m", "metalearn.sweep", *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, cwd=REPO,
    )  # fmt: skip
    process.stdin.write(text)
    process.stdin.close()
    process.stdin = None
    return process


def run(text, *flags):
    process = start(text, *flags)
    stdout, stderr = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def steps(folder):
    """{trial: the steps it took}"""
    taken = {path.parent.name: path.read_text().splitlines() for path in folder.glob("*/steps")}
    return {int(name[6:]): [int(line.split()[0]) for line in lines] for name, lines in taken.items()}


def assert_it_stands_still(folder):
    """Trial 1 is ended, within some seconds."""
    before, now, deadline = -1, len(steps(folder).get(1, [])), time.monotonic() + 20
    while before != now and time.monotonic() < deadline:
        time.sleep(0.5)
        before, now = now, len(steps(folder).get(1, []))
    assert before == now


def test_each_line_is_run_per_trial_after_the_common_flags_which_it_may_override():
    lines = ["a.np_bbb --beta=1  # a comment", "", "a.np_ib '--logdir=my logs'"]
    assert sweep.read_list(lines, ["--data_dir=split-{trial}", "--logdir=logs"], None, 2) == [
        ["a.np_bbb", "--data_dir=split-1", "--logdir=logs", "--beta=1", "--trial=1"],
        ["a.np_ib", "--data_dir=split-1", "--logdir=logs", "--logdir=my logs", "--trial=1"],
        ["a.np_bbb", "--data_dir=split-2", "--logdir=logs", "--beta=1", "--trial=2"],
        ["a.np_ib", "--data_dir=split-2", "--logdir=logs", "--logdir=my logs", "--trial=2"],
    ]
    assert sweep.read_list(lines, [], ["np_ib"], None) == [["a.np_ib", "--logdir=my logs"]]


def test_a_list_without_the_methods_asked_for_or_a_stray_argument_is_refused():
    for flags, why in (
        ("--methods=np_x", "--methods=np_x: not in this list"),
        ("--methods=", "--methods=: not in this list; give some of np_bbb"),
        ("--methods=np_bbb,np_x", "--methods=np_x: not in this list; give some of np_bbb"),
        ("beta=1", "unexpected argument 'beta=1'"),
    ):
        refused = run("pose_code.np_bbb\n", flags)
        assert refused.returncode == 1 and refused.stderr.startswith(f"error: {why}"), refused.stderr


def test_runs_side_by_side_go_on_after_a_failed_one_which_is_named_at_the_end(tmp_path):
    done = run(line(tmp_path, 1) + line(tmp_path, 2, more="--broken=yes") + line(tmp_path, 3), "--jobs=2")
    assert done.returncode == 1 and set(steps(tmp_path)) == {1, 3}
    assert "failed: 2/3 fake_training trial=2 broken=yes: --broken=yes: as asked" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: 1 of 3 runs failed") and "Traceback" not in done.stderr
    assert "3 of 3 runs done, 1 failed" in done.stdout and "[3/3 fake_training trial=3] iteration 10/10" in done.stdout
    threads = max(1, workers.default_num_workers() // 2)
    assert (tmp_path / "trial-1/steps").read_text().startswith(f"1 {threads}\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_launcher_that_cannot_print_ends_its_runs_in_one_line(tmp_path):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "metalearn.sweep", "--jobs=2"], input=line(tmp_path, 1, 6000) + line(tmp_path, 2),
            stdout=full, stderr=subprocess.PIPE, text=True, cwd=REPO, timeout=60,
        )  # fmt: skip
    (told,) = done.stderr.splitlines()
    assert done.returncode == 1 and told.startswith("error: standard output: No space left on device; the runs are")
    assert_it_stands_still(tmp_path)


def test_a_run_that_cannot_be_started_is_the_error(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(FileNotFoundError, match="/nowhere/python"):
        sweep.run_all([["tests.fake_training"]], 1)


def test_jobs_run_side_by_side_and_no_more_than_asked(tmp_path):
    text = "".join(line(tmp_path, trial, 100) for trial in range(4))
    stdout = run(text, "--jobs=2").stdout
    order = [line.split()[2] for line in stdout.splitlines() if "iteration" in line]
    begun = [order.index(f"trial={trial}]") for trial in range(4)]
    ended = [len(order) - order[::-1].index(f"trial={trial}]") for trial in range(4)]
    assert begun[1] < ended[0] and min(ended[:2]) <= min(begun[2:])


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_sweep_ends_its_runs_and_goes_on_where_it_was(how, tmp_path):
    text = line(tmp_path, 1, 10) + line(tmp_path, 2, 10**6)
    process = start(text, "--jobs=2")
    while len(steps(tmp_path).get(1, [])) < 10 or len(steps(tmp_path).get(2, [])) < 20:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(how)
    process.communicate()  # both pipes closed: no run has outlived it
    taken = len(steps(tmp_path)[2])
    resumed = run(text.replace(str(10**6), str(taken + 50)), "--jobs=2")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert "finished before" in resumed.stdout and f"resuming at {taken}" in resumed.stdout
    assert steps(tmp_path)[2] == list(range(1, taken + 51))


def test_a_dry_run_prints_commands_and_hours_and_trains_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sweep, "_TIMED_SECONDS", 0.5)
    monkeypatch.chdir(REPO)
    commands = [shlex.split(line(tmp_path, trial, 10**7)) for trial in (1, 2)]
    sweep.estimate(commands, 2)
    printed = capsys.readouterr().out.splitlines()
    assert shlex.split(printed[0])[:3] == ["python", "-m", "tests.fake_training"] and "--trial=2" in printed[1]
    assert printed[2].startswith("tests.fake_training: ") and "10,000,000 steps, 2 runs" in printed[2]
    seconds, hours = float(printed[2].split()[1]), float(printed[3].split("about ")[1].split()[0])
    assert 0.01 <= seconds < 0.1 and hours == pytest.approx(seconds * 1e7 / 3600, rel=0.01)
    assert not steps(tmp_path)
    on_splits = [[*argv, f"--data_dir=split-{trial}"] for trial, argv in enumerate(commands)]  # of the same kind
    assert len({sweep.kind_of(argv) for argv in on_splits}) == 1 and sweep.kind_of(commands[0]) != commands[0]
    monkeypatch.setattr(sweep, "_OWN_SUMMARIES", 10.0)
    sweep.estimate([shlex.split(line(tmp_path, 1, 10**7, "--every=100 --summary_seconds=0.2"))], 1)
    (told,) = [text for text in capsys.readouterr().out.splitlines() if text.startswith("tests.fake_training: ")]
    assert 0.01 <= float(told.split()[1]) < 0.018  # 0.02 with a summary every 20 steps
    sweep.estimate([shlex.split(line(tmp_path, 1, 30))], 1)  # shorter than what it is timed for
    assert "30 steps, 1 runs" in capsys.readouterr().out
    with pytest.raises(sweep.UserError, match="ended before it could be timed: --broken=yes: as asked"):
        sweep.estimate([[*commands[0], "--broken=yes"]], 2)


def test_the_same_list_as_a_job_array(tmp_path):
    text = line(tmp_path, 1, more="--num_threads=1") + line(tmp_path, 2, more="--broken=yes")
    done = run(text, "--slurm", "--slurm_cluster=local", f"--slurm_folder={tmp_path}/jobs")
    assert done.returncode == 1 and steps(tmp_path) == {1: list(range(1, 11))}
    assert "1/2 fake_training trial=1 num_threads=1: done" in done.stdout
    assert "failed: 2/2 fake_training trial=2 broken=yes: --broken=yes: as asked" in done.stderr
    assert list((tmp_path / "jobs").iterdir())


SBATCH = """#!/bin/sh
echo "sbatch: error: invalid partition specified: gpuu" >&2
exit 1
"""


def test_what_slurm_refuses_is_one_line(tmp_path, monkeypatch):
    for name, text in (("sbatch", SBATCH), ("srun", SBATCH), ("sacct", SBATCH)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    flags = ["--slurm", "--slurm_parameters=slurm_partition=gpuu", f"--slurm_folder={tmp_path}/jobs"]
    done = run(line(tmp_path / "runs"), *flags)
    (told,) = [text for text in done.stderr.splitlines() if "sbatch: error" not in text or text.startswith("error: ")]
    assert done.returncode == 1 and told.startswith("error: --slurm, --slurm_parameters: ") and "gpuu" in told


@pytest.mark.parametrize("interrupted", [KeyboardInterrupt, SystemExit])
def test_interrupted_a_job_array_is_cancelled(interrupted, tmp_path, monkeypatch):
    cancelled = []

    class Job:
        job_id = "1_0"

        def result(self):
            raise interrupted

        def cancel(self, check=True):
            assert not check  # one that has ended already must not save the others
            cancelled.append(self)

    class Executor:
        def __init__(self, folder, cluster):
            assert (folder, cluster) == (tmp_path, "slurm")

        def update_parameters(self, **parameters):
            assert parameters["slurm_array_parallelism"] == 2

        def map_array(self, function, commands):
            self.jobs = [Job() for _ in commands]
            return self.jobs

    monkeypatch.setattr("submitit.AutoExecutor", Executor)
    with pytest.raises(interrupted):
        slurm.run_all([["a.b"], ["a.c"]], ["b", "c"], 2, "slurm", tmp_path, [])
    assert len(cancelled) == 2


def test_a_list_that_is_empty_or_not_quoted_is_an_error():
    for text, why in (("\n# nothing\n", "no runs on standard input"), ("a.b '--logdir=x\n", "in the list: a.b '--log")):
        done = run(text)
        assert done.returncode == 1 and done.stderr.startswith(f"error: {why}"), done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_line_s_own_number_of_threads_wins(tmp_path):
    assert run(line(tmp_path, 1, more="--num_threads=7"), "--jobs=1").returncode == 0
    assert (tmp_path / "trial-1/steps").read_text().startswith("1 7\n")


def test_slurm_s_absence_and_a_parameter_that_it_lacks_are_one_line(tmp_path):
    for flags in (["--slurm"], ["--slurm", "--slurm_cluster=local", "--slurm_parameters=no_such=1"]):
        done = run(line(tmp_path), *flags, f"--slurm_folder={tmp_path}/jobs")
        assert done.returncode == 1 and done.stderr.startswith("error: --slurm, --slurm_parameters: "), done.stderr
        assert len(done.stderr.splitlines()) == 1
