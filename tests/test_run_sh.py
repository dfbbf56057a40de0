"""The lists of runs that the experiments on poses and the sinusoid make, and what run.sh refuses."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import run_sh
from run_sh import REPO


@pytest.fixture
def run(tmp_path):
    return run_sh.in_a_copy(tmp_path)


def test_table2_is_every_trial_of_every_row_in_the_preset_s_settings_and_then_its_table(run):
    runs, commands = run("table2", TRIALS="2", PRESET="small", METHODS="np_bbb finetune", JOBS="3")
    rows = [(words[0], words[-2] if "weight_decay" in words[-2] else "", words[-1]) for words in runs]
    one_trial = [("pose_code.np_bbb", ""), ("pose_code.finetune", ""), ("pose_code.finetune", "--weight_decay")]
    assert rows == [(*row, f"--trial={trial}") for trial in (1, 2) for row in one_trial]
    assert "--flagfile=presets/small/np_bbb.cfg" in runs[0] and "--logdir=DATA/logs/small" in runs[0]
    assert commands[0].startswith("metalearn.sweep --jobs=3 ")
    assert commands[1].startswith("pose_code.summarize --out=") and "/tables/table2-small " in commands[1]
    assert "finetune+wd" in commands[1]


def test_trial_t_trains_on_split_t_unless_splits_are_fixed(run):
    runs, commands = run("table3", TRIALS="2")
    assert {(words[1], words[-1]) for words in runs} == {
        (f"--data_dir=DATA/split-{trial}", f"--trial={trial}") for trial in (1, 2)
    }
    assert "/tables/table3-paper --" in commands[-1]
    runs, commands = run("table3", TRIALS="2", SPLITS="fixed")
    assert "/tables/table3-paper-fixed --" in commands[-1]
    assert {words[1] for words in runs} == {"--data_dir=DATA"} and len(runs) == 8
    assert {words[2] for words in runs} == {"--logdir=DATA/logs/paper-fixed"}  # a run keeps to its data
    refused = run("table3", check=False, TRIALS="3")
    assert refused.returncode == 1 and "SPLITS=fixed" in refused.stderr


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_a_folder_s_name_reaches_the_launcher_as_it_is(run, tmp_path, locale):
    name = 'it\'s a "dat\u00e9" $HOME `x` & \\ *'
    folder = tmp_path / name
    folder.mkdir()
    for file in ("train_data.pkl", "val_data.pkl"):
        (folder / file).touch()
    variables = {"TRIALS": "1", "DATA_DIR": str(folder), "LC_ALL": locale, "SPLITS": "fixed"}
    runs, _ = run("table3", **variables)
    assert len(runs) == 4 and all(words[1] == f"--data_dir={folder}" for words in runs)
    runs, _ = run("figure2", **variables, METHODS="np_bbb")
    assert {words[2] for words in runs} == {f"--logdir={folder}/logs/paper-fixed"}
    of_table = "--flagfile=presets/paper/np_bbb.cfg"  # at the preset's own beta: no folder of the figure's
    assert {words[-2] for words in runs} == {f"--logdir={folder}/logs/paper-fixed-figure2", of_table}
    refused = run("figure9", check=False, LOG_DIR=str(tmp_path / "a\nb"), **variables)
    assert refused.returncode == 1 and "newline" in refused.stderr and "Traceback" not in refused.stderr


def test_figure2_uses_the_table_s_runs_at_the_preset_s_beta(run):
    runs, commands = run("figure2", TRIALS="1", PRESET="small", BETAS="0 1e-3", METHODS="np_bbb maml_bbb")
    folders = {
        (words[0], beta[-1] if (beta := [word for word in words if word.startswith("--beta")]) else "the preset's"): [
            word for word in words if word.startswith("--logdir")
        ][-1]
        for words in runs
    }
    assert folders == {
        ("pose_code.np_bbb", "--beta=0"): "--logdir=DATA/logs/small-figure2",
        ("pose_code.maml_bbb", "--beta=0"): "--logdir=DATA/logs/small-figure2",
        ("pose_code.np_bbb", "the preset's"): "--logdir=DATA/logs/small",
        ("pose_code.maml_bbb", "--beta=1e-3"): "--logdir=DATA/logs/small-figure2",
    }
    again, _ = run("figure2", TRIALS="1", PRESET="small", BETAS="0 0.001", METHODS="np_bbb")
    assert again == [words for words in runs if words[0] == "pose_code.np_bbb"]  # the same number
    assert "--against=beta" in commands[-1] and "/small-figure2 " in commands[-1]


def test_figure9_has_rho_learn_at_the_rate_of_the_means_and_more_iterations_at_the_smaller_rates(run):
    runs, commands = run("figure9", TRIALS="1", PRESET="small")
    assert all(words[-2] == "--logdir=DATA/logs/small-figure9" for words in runs)
    settings = [[word for word in words if re.match("--(var|rho_lr|update_lr|num_updates)=", word)] for words in runs]
    as_released = ["--var=-3", "--num_updates=100000"]
    assert settings == [
        *([*as_released, f"--update_lr={rate}", f"--rho_lr={rate}"] for rate in ("1e-3", "1e-4", "1e-5")),
        ["--update_lr=1e-5", "--num_updates=60000"],
        ["--update_lr=1e-4", "--num_updates=18000"],
        ["--update_lr=1e-3"],
    ]
    assert "--against=update_lr,rho_lr,num_updates" in commands[-1]


def test_table1_is_both_protocols_presets_and_the_text_s_with_its_own_shots(run, tmp_path):
    (tmp_path / "a clone/work_dir/sinusoid/text").mkdir(parents=True)
    runs, commands = run("table1", TRIALS="3")
    lists = {"released": [], "text": []}
    for module, trials, flagfile, logdir, *own in runs:
        protocol = logdir.removeprefix("--logdir=work_dir/sinusoid/")
        assert trials == "--num_trials=3" and flagfile.startswith(f"--flagfile=presets/sinusoid/{protocol}/")
        lists[protocol].append((module, Path(flagfile).stem, *own))
    methods = ["cnp_weights", "maml_weights", "cnp_activations", "maml_activations", "cnp_none", "maml_none"]
    assert lists["released"] == [(f"sinusoid.{method.partition('_')[0]}", method) for method in methods]
    text = [(script, method, f"--update_batch_size={k}") for script, method in lists["released"] for k in (10, 5)]
    text[text.index(("sinusoid.cnp", "cnp_activations", "--update_batch_size=10"))] = (
        "sinusoid.cnp", "cnp_activations_10", "--update_batch_size=10",
    )  # fmt: skip
    assert lists["text"] == text
    assert commands[-1] == (
        "sinusoid.report --logdir=work_dir/sinusoid/text --table1=work_dir/sinusoid/table1 "
        "--bars=work_dir/sinusoid/table1.png"
    )


def test_search_runs_the_grid_on_the_third_split(run):
    runs, commands = run("search", "np_vanilla --weight_decay", TRIALS="1", RATES="1e-4 1e-3", BETAS="0 1")
    assert [words[4:7] for words in runs] == [
        ["--weight_decay", f"--update_lr={rate}", f"--beta={beta}"] for rate in ("1e-4", "1e-3") for beta in (0, 1)
    ]
    assert all(words[1] == "--data_dir=DATA/search-1" for words in runs) and commands[-1].endswith("--best")
    runs, _ = run("search", "finetune", TRIALS="1", RATES="1e-4 1e-3")
    assert [words[-2] for words in runs] == ["--meta_lr=1e-4", "--meta_lr=1e-3"]  # it has no beta
    runs, _ = run("search", "maml_vanilla --noweight_decay", TRIALS="1", RATES="1e-4")
    assert [words[-3:-1] for words in runs] == [["--noweight_decay", "--meta_lr=1e-4"]]


def test_quick_is_one_trial_of_the_cure_and_methods_adds_maml(run):
    runs, _ = run("quick")
    assert [words[0] for words in runs] == ["pose_code.np_bbb", "pose_code.maml_bbb", "pose_code.np_vanilla"]
    assert all("--flagfile=presets/quick" in words[3] and words[-1] == "--trial=1" for words in runs)
    runs, _ = run("quick", METHODS="np_vanilla maml_vanilla")
    assert [words[0] for words in runs] == ["pose_code.np_vanilla", "pose_code.maml_vanilla"]


def test_what_did_not_fail_is_summarized_and_the_exit_status_says_that_something_did(run, tmp_path):
    stub = tmp_path / "a clone/.venv/bin/python"
    stub.write_text(stub.read_text() + "[[ $2 != metalearn.sweep ]] || exit 1\n")
    for words in (
        ["table3"],
        ["quick"],
        ["figure9"],
        ["search", "np_ib"],
        ["table1"],
        ["search_table1"],
        ["encoder"],
        ["label_noise"],
    ):
        (tmp_path / "a clone/work_dir/sinusoid/text").mkdir(parents=True, exist_ok=True)
        done = run(*words, check=False, TRIALS="1")
        assert done.returncode == 1, words
        assert "PYTHON -m pose_code.summarize" in done.stdout or "PYTHON -m sinusoid.report" in done.stdout, words


def test_an_interrupted_list_ends_all_of_it(run, tmp_path):
    stub = tmp_path / "a clone/.venv/bin/python"
    stub.write_text(stub.read_text() + "[[ $2 != metalearn.sweep ]] || exit 130\n")
    (tmp_path / "a clone/work_dir/sinusoid/text").mkdir(parents=True)
    for words in (["table3"], ["figure9"], ["search", "np_ib"], ["table1"], ["search_table1"], ["encoder"]):
        done = run(*words, check=False, TRIALS="1")
        assert done.returncode == 130 and not done.stderr, words
        assert "summarize" not in done.stdout and "report" not in done.stdout, words


def test_flags_that_would_be_ignored_are_refused_and_nothing_is_done(run, tmp_path):
    kept = tmp_path / "a clone/work_dir/kept"
    kept.mkdir(parents=True)
    for name in ("clean", "setup", "smoke", "omniglot", "figure5", "figure6", "figure7", "figure8"):
        failed = run(name, "--dry_run", check=False)
        assert failed.returncode == 1 and f"error: {name} takes no flags; leave out --dry_run" in failed.stderr
        assert kept.is_dir() and "PYTHON" not in failed.stdout
    assert run("clean", check=False).returncode == 0 and not kept.exists()


def test_trials_reach_the_search_of_table_1(run):
    assert {words[2] for words in run("search_table1")[0]} == {"--num_trials=3"}
    assert {words[2] for words in run("search_table1", TRIALS="2")[0]} == {"--num_trials=2"}


def test_a_dry_run_goes_to_the_launcher_and_makes_no_table(run):
    for command in (
        ["quick"],
        ["table2"],
        ["table3"],
        ["figure2"],
        ["figure9"],
        ["search", "np_ib"],
        ["table1"],
        ["encoder"],
        ["label_noise"],
    ):
        _, commands = run(*command, "--dry_run", TRIALS="1")
        assert len(commands) == 1 and " --dry_run" in commands[0], command


@pytest.mark.parametrize(
    "command",
    ["encoder", "label_noise", "search np_ib", "table1", "search_table1", "search_table4", "figure10"],
)
def test_methods_are_refused_by_a_list_that_trains_all_of_it(command, run):
    failed = run(*command.split(), check=False, METHODS="np_bbb", TRIALS="1")
    name = command.split()[0]
    assert failed.returncode == 1 and f"error: METHODS=np_bbb: {name} trains all of its list" in failed.stderr
    assert "PYTHON" not in failed.stdout and "RUN" not in failed.stdout


def test_wrong_presets_and_methods_are_named(run):
    for words, message in (
        (["table2"], "error: PRESET=tiny: there is no presets/tiny/np_ib.cfg; give one of paper small"),
        (["search", "np_bb"], "error: search: give one of"),
        (["table3"], "error: METHODS: no method np_bbb,np_ib"),
        (["data", "--seed=1"], "has its data; another DATA_DIR"),
    ):
        methods = {"METHODS": "np_bbb,np_ib"} if words == ["table3"] else {}
        failed = run(*words, check=False, PRESET="tiny", **methods)
        assert failed.returncode == 1 and message in failed.stderr


def test_every_experiment_names_scripts_and_presets_that_exist(run, tmp_path):
    (tmp_path / "a clone/work_dir/sinusoid/text").mkdir(parents=True)
    for script in sorted((REPO / "experiments").glob("*.sh")):
        name = script.stem
        if name in ("env", "smoke", "predict", "omniglot", "figure1", "figure5", "figure6", "figure7", "figure8"):
            continue
        runs, _ = run(*([name, "np_bbb"] if name == "search" else [name]), TRIALS="1")
        assert runs, name
        for module, *words in runs:
            assert (REPO / f"{module.replace('.', '/')}.py").is_file(), name
            flagfiles = [word.removeprefix("--flagfile=") for word in words if word.startswith("--flagfile=")]
            assert all((REPO / path).is_file() for path in flagfiles), name


def test_the_scripts_own_list_runs_every_method_with_the_paper_s_preset(tmp_path):
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    environment = {**os.environ, "PYTHON": str(python), "DATA_DIR": "D", "LOG_DIR": "L"}
    done = subprocess.run(["bash", REPO / "pose_code/run.sh"], env=environment, capture_output=True, text=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert done.returncode == 0 and {line[0] for line in lines} == {
        f"{path.stem}.py" for path in (REPO / "presets/paper").glob("*.cfg")
    }
    for script, flagfile, *_ in lines:
        assert flagfile == f"--flagfile=../presets/paper/{Path(script).stem}.cfg"
        assert (REPO / "pose_code" / script).is_file()


def test_a_list_of_one_s_own_as_documented_is_a_command(run, tmp_path):
    text = (REPO / "docs/extending.md").read_text()
    (lines,) = re.findall(r"```bash\n(# MR-CNP\(W\) with other widths.*?)```", text, re.DOTALL)
    (tmp_path / "a clone/experiments/mine.sh").write_text(lines)
    runs, commands = run("mine", PRESET="small", TRIALS="2")
    assert len(runs) == 8 and [words[-2] for words in runs[:4]][2:] == ["--dim_w=10", "--init=glorot"]
    assert {words[1] for words in runs} == {"--data_dir=DATA/split-1", "--data_dir=DATA/split-2"}
    assert "/tables/mine-small " in commands[-1] and commands[-1].endswith("--methods=np_vanilla,np_bbb")
    assert "MR-CNP(W) with other widths and initial weights" in run("help", check=False).stdout


def test_a_figure_of_some_methods_draws_these(run):
    _, commands = run("figure2", PRESET="small", TRIALS="1", METHODS="np_bbb")
    assert "--methods=np_bbb " in commands[-1]
    _, commands = run("figure2", PRESET="small", TRIALS="1")
    assert "--methods=np_bbb,maml_bbb " in commands[-1] or "--methods=maml_bbb,np_bbb " in commands[-1]


def test_a_refused_list_is_the_last_thing_said(run):
    done = run("table2", check=False, PRESET="small", TRIALS="1", METHODS="np_all_bbb")
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith("error: runs of the list failed or were")


def test_predict_takes_models_or_rendered_views_and_a_place_for_its_picture(run, tmp_path):
    here, command = os.getcwd(), "pose_code.predict --run={} {}"
    _, commands = run("predict", "--support=a", "--query=/b", RUN="runs/mine")
    rendered = f"--support={here}/a --query=/b --out=work_dir/predict/views.png"
    assert commands == [command.format(f"{here}/runs/mine", rendered)]
    _, commands = run("predict", "my chair.off", "--out=there/z.png")
    assert commands == [command.format("pretrained/maml_bbb", f"--out={here}/there/z.png --CAD={here}/my chair.off")]
    _, commands = run("predict", "a.off", "b.off")
    assert commands[-1].endswith(f"--out=work_dir/predict/a.json --CAD={here}/a.off,{here}/b.off")
    _, commands = run("predict", "a folder", WORK_DIR=str(tmp_path / "w.1/x"))
    assert f"--out={tmp_path}/w.1/x/predict/a folder.png " in commands[0]
    _, commands = run("predict", "a.off", "--CAD=b.off,/c.off", "--run=mine")
    assert f"--run={here}/mine --out=" in commands[0] and commands[0].endswith(
        f"--CAD={here}/a.off,{here}/b.off,/c.off"
    )
    _, commands = run("predict")
    assert commands[0].startswith("pose_data.cad_models ") and commands[1].endswith("/predict/CAD/chair/01.off")


def test_variables_that_a_list_has_no_use_for_are_refused(run, tmp_path):
    for name, variables, message in (
        ("figure10", {"SHOTS": "5"}, "SHOTS=5: figure10 has one shot"),
        ("table4", {"DATA": "mini_imagenet", "PRESET": "small"}, "PRESET=small: DATA=mini_imagenet has one"),
        ("table2", {"LOG_DIR": f"{tmp_path}/a,b"}, "its name may not have a newline or a comma"),
        ("quick", {"PRESET": "small"}, "PRESET=small: quick has its own"),
        ("search_table4", {"PRESET": "paper"}, "PRESET=paper: search_table4 has its own"),
        ("search finetune", {"BETAS": "1"}, "BETAS=1: search finetune has no beta"),
        ("figure2", {"BETAS": "1e-3,1e-2"}, "BETAS=1e-3,1e-2: 1e-3,1e-2 is no number"),
        ("figure2", {"BETAS": "1 1e-3x"}, "BETAS=1 1e-3x: 1e-3x is no number"),
        ("search np_bbb", {"RATES": "fast"}, "RATES=fast: fast is no number"),
        ("table4", {"SHOTS": "1-5"}, "SHOTS=1-5: give numbers from 1 on"),
    ):
        failed = run(*name.split(), check=False, **variables)
        assert failed.returncode == 1 and message in failed.stderr, failed.stderr
        assert "PYTHON" not in failed.stdout


def test_a_method_that_a_list_lacks_is_refused_and_blanks_do_not_matter(run):
    done = run("table3", check=False, PRESET="small", TRIALS="1", METHODS="np_bbb maml_vanilla")
    assert done.returncode == 1 and "RUN" not in done.stdout
    assert "--methods=maml_vanilla: not in this list; give some of np_bbb, np_all_bbb, np_vanilla" in done.stderr
    runs, commands = run("figure2", PRESET="small", TRIALS="1", BETAS="1e-2  0.01", METHODS=" np_bbb \n maml_bbb ")
    assert [words[0] for words in runs] == ["pose_code.np_bbb", "pose_code.maml_bbb"]
    assert "--methods=np_bbb,maml_bbb " in commands[-1]


def test_a_relative_path_in_a_flag_starts_where_the_command_was_given(run, tmp_path):
    here = os.getcwd()
    _, commands = run("train", "np_bbb", "--logdir=my logs", "--data_dir=d", "--dim_w=10", PRESET="small")
    assert commands[-1].endswith(f" --logdir={here}/my logs --data_dir={here}/d --dim_w=10")
    _, commands = run("train", "np_bbb", "--logdir=~/logs", "--data_dir=", PRESET="small")
    assert commands[-1].endswith(" --logdir=~/logs --data_dir=")  # which the script refuses
    done = run("figure1", "--out=x.png", check=False)
    assert f"--out={here}/x.png --out={here}/x.png" in done.stdout
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == f"== {here}/x.png"
