"""What tells rows of one method apart: the flags in which their runs differ."""

from test_summarize import write_run

from metalearn import figures, results
from pose_code import paper


def test_rows_of_one_method_are_told_apart_by_the_flags_in_which_they_differ(tmp_path):
    for i, (beta, decay) in enumerate(((0.0, 0.0), (0.0, 1e-3), (1e-4, 0.0))):
        same = {"dim_im": 64, "data_dir": "/data/cars/split-1", "num_threads": i, "seed": i, "tag": f"{i}"}
        same["jit_compile"] = i > 0
        write_run(tmp_path, f"maml_bbb.{i}", 1, 2.0, "maml_bbb", beta=beta, decay=decay, **same)
        write_run(tmp_path, f"maml_bbb.{i}", 2, 3.0, "maml_bbb", beta=beta, decay=decay, **same)
    write_run(tmp_path, "np_bbb.beta-0", 1, 5.0, "np_bbb", beta=0.0, theta_per="set", data_dir="/data/cars")
    runs = results.load_results([tmp_path], paper)
    expected = ["--beta=0 --decay=0", "--beta=0 --decay=0.001", "--beta=0.0001 --decay=0", ""]
    assert [row["settings"] for row in results.table(runs)] == expected
    names = [line.split(" | ")[0] for line in results.markdown(runs).splitlines()[2:6]]
    assert names == [*(f"| MR-MAML (W) `{text}`" for text in expected[:3]), "| MR-CNP (W)"]
    bars = [label.get_text() for label in figures.draw_table(runs).axes[0].get_xticklabels()]
    panels = [axis.get_title() for axis in figures.draw_curves(runs).axes]
    assert bars == panels == [*(f"MR-MAML (W)\n{text}" for text in expected[:3]), "MR-CNP (W)"]


def test_runs_that_differ_in_no_flag_are_told_apart_by_their_folders(tmp_path):
    for folder in ("before", "after"):
        write_run(tmp_path / folder, "maml_bbb.beta-0", 1, 5.0, "maml_bbb", beta=0.0)
    write_run(tmp_path / "after", "maml_bbb.beta-1", 1, 5.0, "maml_bbb", beta=1.0)
    rows = results.table(results.load_results([tmp_path], paper))
    assert [row["settings"] for row in rows] == ["after/maml_bbb.beta-0", "before/maml_bbb.beta-0", "--beta=1"]
    for folder in ("one/small", "other/small"):
        write_run(tmp_path / folder, "np_bbb.beta-0", 1, 5.0, "np_bbb", beta=0.0)
    rows = results.table(results.load_results([tmp_path / "one", tmp_path / "other"], paper))
    assert [row["settings"] for row in rows] == ["one/small/np_bbb.beta-0", "other/small/np_bbb.beta-0"]


def test_of_many_ablations_each_row_shows_its_own(tmp_path):
    base = {"dim_w": 20, "update_lr": 0.001, "init": "released", "theta_per": "meta_batch", "num_theta_samples": 5}
    changes = [{}, {"dim_w": 10}, {"update_lr": 0.01}, {"init": "glorot"}, {"theta_per": "set"}]
    changes += [{"num_theta_samples": 1, "init": "glorot"}, {"free_nats": 100.0}]  # the last a flag that is new
    for i, change in enumerate(changes):
        asked = {"eval_shots": [str(i)], "eval_label_noise": "uniform" if i else "none"}  # no number of the table
        write_run(tmp_path, f"np_bbb.{i}", 1, 5.0, "np_bbb", **base | change | asked)
    assert [row["settings"] for row in results.table(results.load_results([tmp_path], paper))] == [
        "", "--dim_w=10", "--update_lr=0.01", "--init=glorot", "--theta_per=set", "--init=glorot --num_theta_samples=1",
        "--free_nats=100",
    ]  # fmt: skip


def test_an_adapted_encoder_is_a_row_of_its_own_compared_with_the_same_run_without(tmp_path):
    for adapted, error in ((False, 2.0), (True, 3.0)):
        for beta in (0.0, 1e-4):
            used = {"beta": beta, "adapt_encoder": adapted, "data_dir": "/data/cars/split-1"}
            write_run(tmp_path, f"maml_bbb.beta-{beta:g}.{adapted}", 1, error + beta, "maml_bbb", **used)
    runs = results.load_results([tmp_path], paper)
    rows = [(row["method"], row["settings"], row["paper_mean"]) for row in results.table(runs)]
    assert rows == [
        ("MR-MAML (W)", "--beta=0", None), ("MR-MAML (W)", "--beta=0.0001", 2.26),
        ("MR-MAML (W), encoder adapted", "--beta=0", None), ("MR-MAML (W), encoder adapted", "--beta=0.0001", None),
    ]  # fmt: skip
    assert [line.split(":")[0].strip() for line in results.notes(runs)] == [
        f"MR-MAML (W) `{beta}` is 1.00 below MR-MAML (W), encoder adapted `{beta}`"
        for beta in ("--beta=0", "--beta=0.0001")
    ]


def test_what_the_paper_has_no_number_for_has_none_beside_it(tmp_path):
    for name, changes in {
        "its-own": {}, "no-kl": {"beta": 0.0}, "decay": {"decay": 1e-3}, "noise": {"label_noise": "quarters"},
        "validation": {"data_dir": "/d/cars/search-2"}, "classes": {"held_out": "validation"},
        "amplitudes": {"num_heldout_amplitudes": 4},
    }.items():  # fmt: skip
        used = {"beta": 1e-4, "data_dir": "/d/cars/split-2", "ema_decay": None} | changes
        write_run(tmp_path / name, "maml_bbb", 1, 3.0, "maml_bbb", **used)
    runs = results.load_results([tmp_path], paper)
    numbers = {run["folder"].parent.name: run["paper"] for run in runs}
    assert numbers.pop("its-own") == (2.26, 0.09)
    assert set(numbers.values()) == {None} and len(numbers) == 6
    placed = {run["folder"].parent.name: run["paper"] for run in results.against(runs, "beta", paper)}
    assert (placed.pop("its-own"), placed.pop("no-kl")) == ((2.75, None), (4.63, None))
    assert set(placed.values()) == {None}
    assert {run["folder"].parent.name for run in runs if run["label"].endswith("(W), validation")} == {
        "validation", "classes", "amplitudes",
    }  # fmt: skip
    assert "Data: cars (validation); run folders: validation;" in results.markdown(runs)
    write_run(tmp_path / "averaged", "maml_bbb", 1, 3.0, "maml_bbb", ema_decay=0.99)
    (averaged,) = results.load_results([tmp_path / "averaged"], paper)
    assert averaged["label"] == "MR-MAML (W), averaged weights"
