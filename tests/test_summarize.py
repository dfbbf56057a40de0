"""The table of runs: grouping over trials, the paper's numbers, files, errors."""

import csv
import json
import re
import subprocess
import sys

import numpy as np
import pytest

from classification import paper as class_paper
from metalearn import figures, results
from metalearn.cli import UserError
from pose_code import paper


def write_run(folder, name, trial, mse, method, iterations=1000, curve=True, error="mse", **flags):
    run = folder / f"{name}.trial-{trial}"
    run.mkdir(parents=True)
    result = {
        "method": method, "trial": trial, "iterations": iterations, f"meta_test_{error}": mse,
        f"meta_train_{error}": 1.0, f"shuffled_support_{error}": 8.0, "per_object": [mse - 1, mse + 1],
        "flags": flags, "wall_time_s": 60.0,
    }  # fmt: skip
    (run / "result.json").write_text(json.dumps(result))
    (run / "flags.cfg").write_text("")
    if curve:
        (run / "curve.csv").write_text("iteration,metatrain_mse,metaval_mse\n10,8,9\n20,4,8\n30,2,8\n")


@pytest.fixture
def logdir(tmp_path):
    write_run(tmp_path, "np_bbb.beta-0.001", 1, 3.0, "np_bbb")
    write_run(tmp_path, "np_bbb.beta-0.001", 2, 5.0, "np_bbb", iterations=500)
    write_run(tmp_path, "np_vanilla.update_lr-0.001", 1, 9.0, "np_vanilla", weight_decay=False)
    write_run(tmp_path, "np_vanilla.update_lr-0.001.beta-0.001", 1, 7.0, "np_vanilla", weight_decay=True)
    return tmp_path


def test_rows_are_runs_over_trials_in_the_paper_s_order(logdir):
    rows = results.table(results.load_results([logdir], paper))
    assert [row["method"] for row in rows] == ["CNP", "CNP + weight decay", "MR-CNP (W)"]
    last = rows[-1]
    assert (last["trials"], last["mean"], last["iterations"]) == (2, 4.0, 500)
    assert last["std"] == pytest.approx(2**0.5) and (last["paper_mean"], last["paper_std"]) == (2.89, 0.18)
    assert rows[0]["std"] is None and rows[0]["paper_mean"] == 8.48 and rows[1]["paper_mean"] == 6.86


def test_runs_with_other_settings_are_other_rows(logdir):
    write_run(logdir, "np_bbb.beta-0.1", 1, 8.0, "np_bbb")
    rows = results.table(results.load_results([logdir], paper))
    assert [row["trials"] for row in rows] == [1, 1, 2, 1]
    text = results.markdown(results.load_results([logdir], paper))
    assert f"| MR-CNP (W) `{logdir.name}/np_bbb.beta-0.1` | 8.00 |" in text and "| CNP | 9.00 |" in text


def test_the_command_says_what_it_leaves_out_and_where_trials_differ(tmp_path):
    for trial, episodes in ((1, 10), (2, 3)):
        write_run(tmp_path, "np_bbb", trial, 5.0, "np_bbb", eval_episodes=episodes)
    write_run(tmp_path, "np_vanilla", 1, 5.0, "np_vanilla", weight_decay=True)
    command = [sys.executable, "-m", "pose_code.summarize", f"--logdir={tmp_path}", "--methods=np_bbb"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[0] == "left out by --methods: np_vanilla+wd"
    assert "\nThe trials of MR-CNP (W) differ in --eval_episodes.\n" in done.stdout


def test_minutes_of_another_device_are_told_apart(logdir):
    for trial, seconds, devices in ((1, 3000, ["CPU"]), (2, 480, ["NVIDIA H200"]), (3, 360, ["NVIDIA H200"])):
        write_run(logdir, "maml_bbb", trial, 2.0, "maml_bbb")
        path = logdir / f"maml_bbb.trial-{trial}/result.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"wall_time_s": seconds, "trained_on": devices}))
    cells = dict(
        re.findall(r"^\| (MR-.*?) \|.* \| (.*) \|$", results.markdown(results.load_results([logdir], paper)), re.M)
    )
    assert cells == {"MR-MAML (W)": "50.0, 7.0 on NVIDIA H200 and CPU", "MR-CNP (W)": "1.0"}


def test_settings_are_in_the_order_of_their_numbers(tmp_path):
    values = ["0", "1e-05", "0.001", "0.01", "1", "10"]
    for value in reversed(values):
        write_run(tmp_path, f"np_bbb.beta-{value}.update_lr-0.0005.dim_w-10", 1, 5.0, "np_bbb", beta=float(value))
    names = [name for name, _ in results.group(results.load_results([tmp_path], paper))]
    assert names == [f"np_bbb.beta-{value}.update_lr-0.0005.dim_w-10" for value in values]


def test_a_method_that_the_paper_s_tables_do_not_know_is_a_row_with_its_own_name(logdir):
    write_run(logdir, "reptile.lr-0.1", 1, 4.0, "reptile")
    runs = results.load_results([logdir], paper)
    assert results.markdown(runs).split("\n\n")[0].splitlines()[-1].startswith("| reptile | 4.00 | - |")
    figures.draw_curves(runs)


def test_a_plain_and_a_regularized_row_are_compared_object_by_object(logdir):
    write_run(logdir, "np_vanilla.update_lr-0.001", 2, 11.0, "np_vanilla", weight_decay=False)
    text = results.markdown(results.load_results([logdir], paper))
    # objects: 9 and 11 of the CNP, 3 and 5 of MR-CNP(W), means over two trials each
    assert "\nMR-CNP (W) is 6.00 below CNP: 95 % interval 6.00 to 6.00 over 2 objects." in text


def test_a_regularized_row_that_is_worse_is_above_the_plain_one_with_its_interval_in_order(tmp_path):
    for method, errors in (("np_vanilla", [1.0, 2.0, 3.0]), ("np_bbb", [2.0, 4.0, 6.0])):
        write_run(tmp_path, method, 1, np.mean(errors), method)
        path = tmp_path / f"{method}.trial-1/result.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"per_object": errors}))
    (line,) = results.notes(results.load_results([tmp_path], paper))
    assert line.strip() == "MR-CNP (W) is 2.00 above CNP: 95 % interval 1.00 to 3.00 over 3 objects."


def test_the_best_run_is_the_one_of_the_largest_accuracy(tmp_path):
    for beta, accuracy in ((0.0, 50.0), (1e-5, 80.0), (1e-4, 70.0)):
        used = {"beta": beta, "ways": 20, "update_batch_size": 1}
        name, method = f"class_maml_weights.beta-{beta:g}", "class_maml_weights"
        write_run(tmp_path, name, 1, accuracy, method, error="accuracy", **used)
    command = [sys.executable, "-m", "classification.summarize", f"--logdir={tmp_path}", "--best"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "\nbest: class_maml_weights.beta-1e-05: 80.00, 1 trials" in done.stdout, done.stderr


def test_trials_on_splits_of_their_own_are_a_row_of_one_data_set(tmp_path):
    for trial in (1, 2):
        for method, error in (("np_vanilla", 9.0), ("np_bbb", 3.0)):
            write_run(tmp_path, method, trial, error + trial, method, data_dir=f"/data/cars/split-{trial}")
    runs = results.load_results([tmp_path], paper)
    assert [(row["data"], row["trials"], row["splits"]) for row in results.table(runs)] == [("cars", 2, 2)] * 2
    text = results.markdown(runs)
    assert "| 2, 2 splits |" in text and "Data: cars;" in text
    assert "over 4 objects of 2 splits (by split 6.00, 6.00)." in text


def test_the_error_against_the_number_of_support_views_is_drawn_for_runs_that_have_it(logdir, tmp_path):
    runs = results.load_results([logdir], paper)
    assert figures.draw_shots(runs) is None and results.by_shots(runs[:1]) == {}
    for run, error in zip(runs, (4.0, 5.0, 6.0, 7.0), strict=False):
        run["others"] = {"30_shots": {"meta_test_mse": error - 1}, "label_noise_quarters": {"meta_test_mse": 9.0}}
        run["others"]["15_shots"] = {"meta_test_mse": run["test"]}  # its own, which is not to be counted twice
        run["flags"]["update_batch_size"] = 15
    first = results.group(runs)[0][1]
    found = results.by_shots(first)
    assert list(found) == [15, 30] and found[15] == [trial["test"] for trial in first]
    two_trials = results.group(runs)[-1][1]
    two_trials[0]["others"]["50_shots"] = {"meta_test_mse": 1.0}  # the other trial has none
    assert list(results.by_shots(two_trials)) == [15, 30] and len(results.by_shots(two_trials)[30]) == 2
    figures.save_figure(figures.draw_shots(runs), tmp_path / "shots.png")
    assert (tmp_path / "shots.png").read_bytes().startswith(b"\x89PNG")


def test_the_error_on_other_held_out_tasks_has_a_column(logdir):
    for trial, error in ((1, 6.0), (2, 7.0)):
        path = logdir / f"np_bbb.beta-0.001.trial-{trial}" / "result.json"
        others = {"label_noise_uniform": {"meta_test_mse": error}, "5_shots": {"meta_test_mse": 9.0}}
        path.write_text(json.dumps(json.loads(path.read_text()) | {"others": others}))
    rows = results.markdown(results.load_results([logdir], paper)).splitlines()
    place = rows[0].split(" | ").index("on label noise uniform")
    assert [row.split(" | ")[place] for row in rows[2:5]] == ["-", "-", "6.50"] and "shots" not in rows[0]


def test_methods_flag_and_label_noise_choose_rows(logdir):
    write_run(logdir, "np_bbb.beta-0.001.label_noise", 1, 2.0, "np_bbb", label_noise="uniform", data_dir="/x/pascal3d")
    rows = results.table(results.load_results([logdir], paper))
    noisy = rows[-1]
    assert noisy["method"] == "MR-CNP (W) + label noise" and noisy["paper_mean"] is None
    assert noisy["data"] == "pascal3d" and noisy["preset"] == logdir.name
    command = [sys.executable, "-m", "pose_code.summarize", f"--logdir={logdir}", "--best"]
    kept = subprocess.run([*command, "--methods=np_vanilla,np_vanilla+wd"], capture_output=True, text=True)
    assert [line.split(" | ")[0] for line in kept.stdout.splitlines()[2:4]] == ["| CNP", "| CNP + weight decay"]
    assert "best: np_vanilla.update_lr-0.001.beta-0.001: 7.00, 1 trials" in kept.stdout
    unknown = subprocess.run([*command, "--methods=np_vanila"], capture_output=True, text=True)
    assert unknown.returncode == 1 and "error: --methods: no method np_vanila" in unknown.stderr


def test_a_picture_s_name_that_is_of_no_image_is_refused(tmp_path):
    for name in ("a.foo", "a"):
        with pytest.raises(UserError, match=rf"{name}: no image format; give a name that ends in .*\.png"):
            figures.save_figure(figures.pyplot().figure(), tmp_path / name)
    assert not list(tmp_path.iterdir())


def against_beta(folder):
    return results.against(results.load_results([folder], paper), "beta", paper)


def test_error_against_a_flag_is_drawn(logdir, tmp_path):
    folder = tmp_path / "figure2"
    for trial, beta, error in ((1, 0.0, 8.0), (1, 1e-3, 3.0), (2, 1e-3, 4.0), (1, 1.0, 9.0)):
        data = f"/data/cars/split-{trial}"  # trials on splits of their own are still trials of one setting
        write_run(folder, f"maml_bbb.beta-{beta:g}", trial, error, "maml_bbb", beta=beta, data_dir=data)
    (axis,) = figures.draw_against(against_beta(folder), "beta").axes
    (held_out,) = [bars for bars in axis.containers if bars.get_label() == "held-out objects"]
    np.testing.assert_allclose(held_out.lines[0].get_xydata(), [[0, 8], [1e-3, 3.5], [1, 9]])
    (of_the_paper,) = [line for line in axis.lines if line.get_label() == "the paper"]
    assert dict(of_the_paper.get_xydata()) == {0: 4.63, 1e-4: 2.75, 1e-3: 2.93, 1e-2: 2.55, 0.1: 2.27, 1: 5.01}
    with pytest.raises(UserError, match=r"--against=beta: .*np_bbb.* has no such flag"):
        against_beta(logdir)
    for value in ("glorot", None, True):
        write_run(tmp_path / f"{value}", "maml_bbb", 1, 4.0, "maml_bbb", beta=value)
        with pytest.raises(UserError, match=rf"--against=beta: .* has {value!r}; give a flag that is a number"):
            against_beta(tmp_path / f"{value}")


def test_figure_10_has_maml_as_a_level_whatever_the_task_and_the_number_of_trials(tmp_path):
    for ways, folder in ((20, "omniglot"), (5, "mini_imagenet")):
        used = {"ways": ways, "update_batch_size": 1, "mutually_exclusive": True}
        for trial, beta, accuracy in ((1, 1e-6, 80.0), (2, 1e-6, 82.0), (1, 1e-5, 70.0), (1, 0.0, 60.0)):
            name, method = f"class_maml_weights.beta-{beta:g}", "class_maml_weights"
            write_run(tmp_path / folder, name, trial, accuracy, method, error="accuracy", beta=beta, **used)
        write_run(tmp_path / folder, "class_maml_none", 1, 50.0, "class_maml_none", error="accuracy", beta=1e-5, **used)
        runs = results.against(results.load_results([tmp_path / folder], class_paper), "beta", class_paper)
        (axis,) = figures.draw_against(runs, "beta").axes
        (held_out,) = [bars for bars in axis.containers if bars.get_label() == "held-out tasks"]
        np.testing.assert_allclose(held_out.lines[0].get_xydata(), [[0, 60], [1e-6, 81], [1e-5, 70]])
        lines = {line.get_label(): line.get_ydata() for line in axis.lines}
        assert list(lines["MAML, mutually exclusive"]) == [50, 50] and axis.get_title().startswith("MR-MAML (W)")
        assert ("the paper" in lines) == ("MAML, mutually exclusive, the paper" in lines) == (ways == 20)


def test_curves_show_every_held_out_error_and_name_a_damaged_file(tmp_path):
    write_run(tmp_path, "np_vanilla", 1, 9.0, "np_vanilla", weight_decay=False)
    curve = tmp_path / "np_vanilla.trial-1" / "curve.csv"
    curve.write_text("iteration,metatrain_mse,metaval_mse\n10,8,9\n20,4,18\n30,2,21\n")
    runs = results.load_results([tmp_path], paper)
    (axis,) = figures.draw_curves(runs).axes
    assert axis.get_ylim()[1] > max(figures.running_mean([9, 18, 21])) > 1.56 * 100 / 12
    whole = curve.read_text()
    curve.write_text("")  # of a run that was stopped before its first row
    figures.draw_curves(runs)
    for damaged in (whole + "40,1", whole.partition("\n")[2]):
        curve.write_text(damaged)
        with pytest.raises(UserError, match=r"np_vanilla\.trial-1/curve\.csv: damaged"):
            figures.draw_curves(runs)


def test_the_table_s_picture_averages_the_same_objects_only(tmp_path):
    for trial, split in ((1, 1), (2, 1), (3, 2)):
        write_run(tmp_path, "np_bbb", trial, float(trial), "np_bbb", data_dir=f"/data/cars/split-{split}")
    (axis,) = figures.draw_table(results.load_results([tmp_path], paper)).axes
    (points,) = [line for line in axis.lines if line.get_marker() == "." and len(line.get_ydata()) > 1]
    assert sorted(points.get_ydata()) == [0.5, 2.0, 2.5, 4.0]  # 0, 2 and 1, 3 of split 1; 2, 4 of split 2


def test_runs_that_differ_in_more_than_the_flag_have_panels_of_their_own_unless_it_is_named(tmp_path):
    for beta, var in ((0.5, -3), (0.6, -5)):
        write_run(tmp_path, f"maml_bbb.beta-{beta}", 1, 5.0, "maml_bbb", beta=beta, var=var, data_dir="/data/cars")
    axes = figures.draw_against(against_beta(tmp_path), "beta").axes
    assert [axis.get_title() for axis in axes] == ["MR-MAML (W)\n--var=-3", "MR-MAML (W)\n--var=-5"]
    assert [axis.containers[0].lines[0].get_xydata().tolist() for axis in axes] == [[[0.5, 1]], [[0.6, 1]]]
    (axis,) = figures.draw_against(against_beta(tmp_path), "beta", "var").axes
    (of_training, _) = [bars.lines[0] for bars in axis.containers]
    np.testing.assert_allclose(of_training.get_xydata(), [[0.5, 1], [0.6, 1]])
    assert axis.get_title() == "MR-MAML (W)"
    write_run(tmp_path, "maml_bbb.beta-0.7", 1, 5.0, "maml_bbb", beta=0.7, var=-3, data_dir="/data/chairs/split-1")
    axes = figures.draw_against(against_beta(tmp_path), "beta", "var").axes
    assert [axis.get_title() for axis in axes] == ["MR-MAML (W)\n--data_dir=cars", "MR-MAML (W)\n--data_dir=chairs"]
    assert [len(axis.containers[0].lines[0].get_xydata()) for axis in axes] == [2, 1]


def test_the_command_draws_figure_2_of_trials_on_splits_of_their_own_beside_the_paper_s(tmp_path):
    for trial in (1, 2):
        for beta in (0.0, 1e-3):
            data = f"/data/cars/split-{trial}"
            write_run(tmp_path, f"np_bbb.beta-{beta:g}", trial, 3.0 + trial, "np_bbb", beta=beta, data_dir=data)
    command = [sys.executable, "-m", "pose_code.summarize", f"--logdir={tmp_path}", "--against=beta"]
    done = subprocess.run([*command, f"--figure={tmp_path}/f.png"], capture_output=True, text=True)
    assert done.returncode == 0 and (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    numbers = [line.split(" | ")[1:3] for line in done.stdout.splitlines() if line.startswith("| MR-CNP")]
    assert numbers == [["4.50 (0.71)", "8.12"], ["4.50 (0.71)", "2.89"]]


def test_the_command_prints_and_writes_the_same_table(logdir):
    (logdir / "maml_bbb.beta-1.trial-1").mkdir()
    (logdir / "maml_bbb.beta-1.trial-1" / "flags.cfg").write_text("")
    out = logdir / "tables" / "quick"
    command = [
        sys.executable, "-m", "pose_code.summarize", f"--logdir={logdir}", f"--out={out}", f"--figure={logdir}/c.png",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert out.with_suffix(".md").read_text() == done.stdout
    assert (
        "| MR-CNP (W) | 4.00 (1.41) | 2.89 (0.18) | 1.00 | 8.00 | 2 | 500 (0.5% of upstream's) | 1.0 |" in done.stdout
    )
    assert "unfinished" in done.stderr and "maml_bbb.beta-1.trial-1" in done.stderr
    with open(out.with_suffix(".csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["mean"] for row in rows] == ["9.0", "7.0", "4.0"]
    assert (logdir / "c.png").read_bytes().startswith(b"\x89PNG")


def test_missing_and_damaged_results_are_named(tmp_path, logdir):
    with pytest.raises(UserError, match="no such folder"):
        results.load_results([tmp_path / "none"], paper)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no result\.json"):
        results.load_results([tmp_path / "empty"], paper)
    bad = logdir / "np_bbb.beta-0.001.trial-1" / "result.json"
    whole = json.loads(bad.read_text())
    untimed = {name: value for name, value in whole.items() if name != "wall_time_s"}
    apart = {name: value for name, value in whole.items() if name != "per_object"}
    for damaged in (
        json.dumps(whole)[:50], json.dumps(untimed), json.dumps(whole | {"flags": ["beta"]}), "[]", json.dumps(apart),
        json.dumps(whole | {"meta_test_mse": None}), json.dumps(whole | {"meta_train_mse": "low"}),
    ):  # fmt: skip
        bad.write_text(damaged)
        with pytest.raises(UserError, match=r"trial-1/result\.json"):
            results.load_results([logdir], paper)


def test_a_result_of_another_domain_and_a_run_that_is_unfinished_are_named(tmp_path):
    write_run(tmp_path / "all", "class_maml_none", 1, 50.0, "class_maml_none", error="accuracy", ways=20)
    with pytest.raises(UserError, match=r"class_maml_none\.trial-1/result\.json: no result with a meta_test_mse"):
        results.load_results([tmp_path / "all"], paper)
    begun = tmp_path / "begun/np_bbb.trial-1"
    begun.mkdir(parents=True)
    (begun / "flags.cfg").touch()
    with pytest.raises(UserError, match=rf"no result\.json below; {begun} is unfinished; give its command again"):
        results.load_results([tmp_path / "begun"], paper)
    begun.joinpath("flags.cfg").unlink()
    with pytest.raises(UserError, match=r"no result\.json below; train something first"):
        results.load_results([tmp_path / "begun"], paper)
