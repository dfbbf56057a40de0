"""The lists that run.sh makes of tables, figures and searches: a stub in place of Python prints what it is given."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
STUB = """#!/bin/bash
[[ $1 == -m ]] || exit 0
echo "PYTHON $*"
[[ $2 != pose_code.sweep ]] || sed 's/^/RUN /'
"""


@pytest.fixture
def run(tmp_path):
    """run(sub-command, variables) -> (runs as lists of words, other commands), with data in DATA_DIR."""
    clone, data = tmp_path / "a clone", tmp_path / "the data"
    (clone / ".venv/bin").mkdir(parents=True)
    (data / "search").mkdir(parents=True)
    for name in ("run.sh", "requirements.txt", "pyproject.toml"):
        (clone / name).write_bytes((REPO / name).read_bytes())
    (clone / ".venv/bin/python").write_text(STUB)
    (clone / ".venv/bin/python").chmod(0o755)
    sums = subprocess.run("cat requirements.txt pyproject.toml | cksum", shell=True, cwd=clone, capture_output=True)
    (clone / ".venv/installed").write_text(f"{sums.stdout.decode().strip()} \n")
    for name in ("train_data.pkl", "val_data.pkl", "search/test_data.pkl"):
        (data / name).touch()

    def run(*words, check=True, **variables):
        done = subprocess.run(
            ["bash", clone / "run.sh", *words], env={**os.environ, "DATA_DIR": str(data), **variables},
            capture_output=True, text=True,
        )  # fmt: skip
        if not check:
            return done
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        runs = [shlex.split(line.removeprefix("RUN ")) for line in lines if line.startswith("RUN ")]
        commands = [line.removeprefix("PYTHON -m ") for line in lines if line.startswith("PYTHON ")]
        return [[word.replace(str(data), "DATA") for word in words] for words in runs], commands

    return run


def test_table2_is_every_trial_of_every_row_in_the_preset_s_settings_and_then_its_table(run):
    runs, commands = run("table2", TRIALS="2", PRESET="small", METHODS="np_bbb finetune", JOBS="3")
    rows = [(words[0], words[-2] if "weight_decay" in words[-2] else "", words[-1]) for words in runs]
    one_trial = [("pose_code.np_bbb", ""), ("pose_code.finetune", ""), ("pose_code.finetune", "--weight_decay")]
    assert rows == [(*row, f"--trial={trial}") for trial in (1, 2) for row in one_trial]
    assert {"--beta=1e-3", "--dim_im=64", "--num_updates=20000"} <= set(runs[0])
    assert commands[0] == "pose_code.sweep --jobs=3"
    assert commands[1].startswith("pose_code.summarize --out=results/table2") and "finetune+wd" in commands[1]


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_a_folder_s_name_reaches_the_launcher_as_it_is(run, tmp_path, locale):
    name = 'it\'s a "dat\u00e9" $HOME `x` & \\ *'
    folder = tmp_path / name
    folder.mkdir()
    for file in ("train_data.pkl", "val_data.pkl"):
        (folder / file).touch()
    runs, _ = run("table3", TRIALS="1", DATA_DIR=str(folder), LC_ALL=locale)
    assert len(runs) == 4 and all(words[1] == f"--data_dir={folder}" for words in runs)
    refused = run("table3", check=False, LOG_DIR=str(tmp_path / "a\nb"))
    assert refused.returncode == 1 and "newline" in refused.stderr and "Traceback" not in refused.stderr


def test_the_paper_s_preset_changes_upstream_s_defaults_in_a_few_flags_only(run):
    runs, _ = run("table3", TRIALS="1")
    own = {words[0].removeprefix("pose_code."): words[3:-1] for words in runs}
    assert own["np_bbb"] == ["--beta=1e-3"] and own["np_all_bbb"] == ["--beta=1e-3"]
    assert [words[3:-1] for words in runs if words[0] == "pose_code.np_vanilla"] == [[], ["--weight_decay"]]


def test_figure2_uses_the_table_s_runs_at_the_preset_s_beta(run):
    runs, commands = run("figure2", TRIALS="1", PRESET="small", BETAS="0 1e-3", METHODS="np_bbb maml_bbb")
    folders = {(words[0], [word for word in words if word.startswith("--beta")][-1]): words[2] for words in runs}
    assert folders == {
        ("pose_code.np_bbb", "--beta=0"): "--logdir=DATA/logs/small-figure2",
        ("pose_code.maml_bbb", "--beta=0"): "--logdir=DATA/logs/small-figure2",
        ("pose_code.np_bbb", "--beta=1e-3"): "--logdir=DATA/logs/small",
        ("pose_code.maml_bbb", "--beta=1e-3"): "--logdir=DATA/logs/small-figure2",
    }
    assert "--against=beta" in commands[-1] and "/small-figure2 " in commands[-1]


def test_table1_is_both_protocols_presets_and_the_text_s_with_its_own_shots(run, tmp_path):
    shutil.copytree(REPO / "presets", tmp_path / "a clone/presets")
    (tmp_path / "a clone/work_dir/sinusoid/text").mkdir(parents=True)
    runs, commands = run("table1", TRIALS="3")
    lists = {"released": [], "text": []}
    for words in runs:
        protocol = words[-2].removeprefix("--logdir=work_dir/sinusoid/")
        assert words[-1] == "--num_trials=3" and words[1].startswith(f"--flagfile=presets/sinusoid/{protocol}/")
        lists[protocol].append((words[0], words[1].rpartition("/")[2].removesuffix(".cfg"), *words[2:-2]))
    methods = ["cnp_weights", "maml_weights", "cnp_activations", "maml_activations", "cnp_none", "maml_none"]
    assert lists["released"] == [(f"sinusoid.{method.partition('_')[0]}", method) for method in methods]
    text = [(script, method, f"--update_batch_size={k}") for script, method in lists["released"] for k in (10, 5)]
    text[text.index(("sinusoid.cnp", "cnp_activations", "--update_batch_size=10"))] = (
        "sinusoid.cnp", "cnp_activations_10", "--update_batch_size=10",
    )  # fmt: skip
    assert lists["text"] == text
    assert commands[-1] == (
        "sinusoid.report --logdir=work_dir/sinusoid/text --table1=results/table1 --bars=results/table1.png"
    )


def test_search_runs_the_grid_on_the_third_split(run):
    runs, commands = run("search", "np_vanilla --weight_decay", TRIALS="1", RATES="1e-4 1e-3", BETAS="0 1")
    assert [words[3:6] for words in runs] == [
        ["--weight_decay", f"--update_lr={rate}", f"--beta={beta}"] for rate in ("1e-4", "1e-3") for beta in (0, 1)
    ]
    assert all(words[1] == "--data_dir=DATA/search" for words in runs) and commands[-1].endswith("--best")
    runs, _ = run("search", "finetune", TRIALS="1", RATES="1e-4 1e-3")
    assert [words[-2] for words in runs] == ["--meta_lr=1e-4", "--meta_lr=1e-3"]  # it has no beta
    runs, _ = run("search", "maml_vanilla --noweight_decay", TRIALS="1", RATES="1e-4")
    assert [words[-3:-1] for words in runs] == [["--noweight_decay", "--meta_lr=1e-4"]]


def test_what_did_not_fail_is_summarized_and_the_exit_status_says_that_something_did(run, tmp_path):
    stub = tmp_path / "a clone/.venv/bin/python"
    stub.write_text(STUB + "[[ $2 != pose_code.sweep ]] || exit 1\n")
    for words in (["table3"], ["quick"], ["figure9"], ["search", "np_ib"], ["table1"], ["search_table1"]):
        (tmp_path / "a clone/work_dir/sinusoid/released").mkdir(parents=True, exist_ok=True)
        (tmp_path / "a clone/sinusoid").mkdir(exist_ok=True)
        (tmp_path / "a clone/sinusoid/search.txt").write_text("maml --beta=1\n")
        done = run(*words, check=False, TRIALS="1")
        assert done.returncode == 1, words
        assert "PYTHON -m pose_code.summarize" in done.stdout or "PYTHON -m sinusoid.report" in done.stdout, words


def test_a_dry_run_goes_to_the_launcher_and_makes_no_table(run):
    for command in (["quick"], ["table2"], ["table3"], ["figure2"], ["figure9"], ["search", "np_ib"], ["table1"]):
        _, commands = run(*command, "--dry_run")
        assert len(commands) == 1 and commands[0].endswith(" --dry_run"), command


def test_wrong_presets_and_methods_are_named(run):
    for words, message in (
        (["table2"], "error: PRESET=tiny: no such preset; give paper or small"),
        (["search", "np_bb"], "error: search: give one of"),
        (["table3"], "error: METHODS: no method np_bbb,np_ib"),
        (["data", "--seed=1"], "has its data; another DATA_DIR"),
    ):
        methods = {"METHODS": "np_bbb,np_ib"} if words == ["table3"] else {}
        failed = run(*words, check=False, PRESET="tiny", **methods)
        assert failed.returncode == 1 and message in failed.stderr
