"""The lists of runs that the experiments on classification make."""

import pytest
import run_sh


@pytest.fixture
def run(tmp_path):
    return run_sh.in_a_copy(tmp_path)


def preset_of(words):
    return next(word for word in words if word.startswith("--flagfile=")).removeprefix(
        "--flagfile=presets/classification/"
    )


def shots_of(words):
    return next(word for word in words if word.startswith("--update_batch_size=")).partition("=")[2]


def test_table4_is_the_preset_s_methods_at_both_shots_each_trial_with_its_own_choice_of_classes(run, tmp_path):
    runs, commands = run(
        "table4", WORK_DIR=str(tmp_path / "w"), DATA="omniglot", TRIALS="2", METHODS="maml_none joint_nearest"
    )
    second = [words for words in runs if "--data_seed=2" in words and "--trial=2" in words]
    assert [(words[0], preset_of(words), shots_of(words)) for words in second] == [
        (f"classification.{method.split('_')[0]}", f"small/{method}.cfg", shots)
        for shots in ("1", "5") for method in ("maml_none", "joint_nearest")
    ]  # fmt: skip
    assert [shots_of(words) for words in runs if "--meta_batch_size=4" in words] == ["5"] * 4
    assert all("--num_train_classes=1200" in words for words in runs)
    assert commands[0].startswith("classification.omniglot --data_dir=") and commands[0].endswith(" --download")
    assert commands[-1].startswith("classification.summarize --logdir=") and "/tables/table4-small " in commands[-1]


def test_table4_s_default_is_a_quick_contrast_on_characters_from_fonts(run, tmp_path):
    runs, commands = run("table4", WORK_DIR=str(tmp_path / "w"))
    assert [(preset_of(words), shots_of(words)) for words in runs] == [
        ("quick/maml_weights.cfg", "1"), ("quick/maml_none.cfg", "1"),
    ]  # fmt: skip
    assert commands[0].startswith("classification.fonts --out=")


def test_figure10_is_maml_and_mr_maml_at_each_beta_on_mutually_exclusive_tasks(run, tmp_path):
    runs, commands = run("figure10", WORK_DIR=str(tmp_path / "w"), BETAS="1e-6 1e-5", PRESET="small")
    assert all("--mutually_exclusive" in words for words in runs)
    assert [[word for word in words if "beta" in word] for words in runs] == [[], ["--beta=1e-6"], ["--beta=1e-5"]]
    assert "--against=beta --figure=" in commands[-1]


def test_classes_of_another_source_than_the_one_named_are_refused(run, tmp_path):
    classes = tmp_path / "w/classes-omniglot"
    settings = {"WORK_DIR": str(tmp_path / "w"), "DATA": "omniglot"}
    run("omniglot", SOURCE_DIR=str(tmp_path / "a"), **settings)
    assert (classes / "source").read_text() == f"{tmp_path}/a\n"
    (classes / "classes.npz").touch()
    refused = run("table4", check=False, SOURCE_DIR=str(tmp_path / "b"), **settings)
    assert refused.returncode == 1 and "RUN" not in refused.stdout
    assert f"SOURCE_DIR={tmp_path}/b: {classes} has its classes, of {tmp_path}/a; leave it out" in refused.stderr
    for source in ({}, {"SOURCE_DIR": str(tmp_path / "a")}):
        assert run("table4", **settings, **source)[0]


@pytest.mark.parametrize("variables, message", [
    ({"SOURCE_DIR": "/a"}, "SOURCE_DIR=/a: DATA=fonts has none"),
    ({"DATA": "mnist"}, "DATA=mnist: give fonts, omniglot or mini_imagenet"),
    ({"DATA": "mini_imagenet"}, "SOURCE_DIR: give MiniImagenet's folder"),
    ({"PRESET": "tiny"}, "PRESET=tiny: there is no presets/classification/tiny"),
    ({"TRIALS": "two"}, "TRIALS=two: give a number from 1 on"),
    ({"TRIALS": "0"}, "TRIALS=0: give a number from 1 on"),
    ({"JOBS": "x"}, "JOBS=x: give a number from 1 on"),
    (
        {"METHODS": "maml_none maml_taml"},
        "METHODS: presets/classification/quick has no maml_taml; give some of maml_none maml_weights",
    ),
    ({"SPLITS": "fixd"}, "SPLITS=fixd: give trial or fixed"),
])  # fmt: skip
def test_table4_says_in_a_line_what_it_cannot_do(variables, message, run, tmp_path):
    done = run("table4", check=False, WORK_DIR=str(tmp_path / "w"), **variables)
    assert done.returncode == 1 and message in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("data", ["fonts", "omniglot"])
@pytest.mark.parametrize("preset", ["quick", "small", "paper"])
@pytest.mark.parametrize("name", ["table4", "figure10"])
def test_what_all_runs_of_a_list_are_given_is_in_none_of_its_presets(name, preset, data, run, tmp_path):
    """A flag before a --flagfile that has it, too, is refused by the scripts."""
    runs, _ = run(name, WORK_DIR=str(tmp_path / "w"), DATA=data, PRESET=preset)
    assert runs
    for words in runs:
        index = next(i for i, word in enumerate(words) if word.startswith("--flagfile="))
        given = {word.partition("=")[0] for word in words[1:index]}
        preset_file = run_sh.REPO / words[index].removeprefix("--flagfile=")
        assert {"--data_dir", "--data_seed", "--logdir"} <= given
        assert not given & {line.partition("=")[0] for line in preset_file.read_text().splitlines()}
