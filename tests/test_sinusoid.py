"""The sinusoid's two scripts as a user runs them, and the report of their runs."""

import csv
import json
import types

import numpy as np
import pytest
from scripts import REPO, run_script

from metalearn.cli import UserError
from metalearn.trials import Trials
from sinusoid import report

GRID = np.linspace(-5.0, 5.0, 201)


def run(script, logdir, *arguments):
    steps = next((word for word in arguments if word.startswith("--test_num_updates")), "--test_num_updates=3")
    evaluation = ["--eval_num_updates=0,3", steps] if script == "maml" else []
    return run_script(
        "sinusoid", script, f"--logdir={logdir}", *arguments, "--summary_every=2", "--steps_per_call=2",
        "--checkpoint_every=2", "--num_theta_samples=2", *evaluation,
    )  # fmt: skip


def arrays(folder):
    with np.load(folder / "checkpoint-final.npz") as stored:
        return {name: stored[name] for name in stored.files if name != "note"}


def assert_trial_2_is_the_same(together, alone):
    """Trial 2 of the runs in one log folder against the only run in another."""
    (folder,) = alone.iterdir()
    second = together / folder.name
    for name, array in arrays(folder).items():
        np.testing.assert_allclose(arrays(second)[name], array, rtol=1e-3, atol=1e-5, err_msg=name)
    other = arrays(together / folder.name.replace("trial-2", "trial-1"))
    assert any(np.abs(other[name] - array).max() > 0.1 for name, array in arrays(folder).items() if "kernel" in name)
    results = [json.loads((path / "result.json").read_text()) for path in (folder, second)]
    np.testing.assert_allclose(results[0]["per_object"], results[1]["per_object"], rtol=1e-2)
    assert results[0]["flags"] | {"logdir": ""} == results[1]["flags"] | {"logdir": ""}
    flagfile = (second / "flags.cfg").read_text()
    assert "--trial=2\n" in flagfile and "num_trials" not in flagfile


def test_trials_side_by_side_and_resumed_are_those_trained_alone_and_the_report_draws_them(tmp_path):
    settings = ["--regularizer=weights", "--var=-2", "--meta_batch_size=2"]
    for iterations in (2, 4):
        together = run("maml", tmp_path / "a", f"--metatrain_iterations={iterations}", "--num_trials=2", *settings)
        assert together.returncode == 0 and "Stateless" not in together.stderr, together.stderr
        assert "mean of 2 trials" in together.stdout
        assert together.stdout.count("resuming") == (2 if iterations == 4 else 0)
    alone = run("maml", tmp_path / "b", "--metatrain_iterations=4", "--trial=2", *settings)
    assert alone.returncode == 0, alone.stderr
    assert_trial_2_is_the_same(tmp_path / "a", tmp_path / "b")


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


DIVERGING = ("--test_num_updates=50", "--test_update_lr=1e6")


def test_the_report_sets_both_protocols_beside_the_paper(tmp_path):
    released, text = tmp_path / "released", tmp_path / "text"
    flagfile, untrained = f"--flagfile={REPO}/presets/sinusoid/released", "--metatrain_iterations=0"
    for done in (
        run("maml", released, f"{flagfile}/maml_none.cfg", untrained),
        run("cnp", released, f"{flagfile}/cnp_none.cfg", "--num_updates=0"),
        run("maml", text, "--regularizer=weights", untrained, "--num_trials=2"),
        run("maml", text, "--update_batch_size=10", untrained),
        run("maml", text, "--update_batch_size=10", untrained, "--trial=2", *DIVERGING),
    ):
        assert done.returncode == 0, done.stderr
    result = json.loads(next(released.glob("sinusoid_maml*/result.json")).read_text())
    assert list(result["mse_by_num_updates"]) == ["0", "3"] and len(result["per_object"]) == 600
    np.testing.assert_allclose(result["mse_by_num_updates"]["3"], result["meta_test_mse"], rtol=1e-4)
    others = result["others"]
    assert [(name, len(numbers["per_object"])) for name, numbers in others.items()] == [
        ("10_shots", 600), ("notebook_5_shots", 100), ("notebook_10_shots", 100),
    ]  # fmt: skip
    table = [f"--logdir={released},{text}", f"--table1={tmp_path / 't'}", f"--bars={tmp_path / 't.png'}"]
    figures = [f"--figure5={tmp_path / '5.png'}", f"--figure6={tmp_path / '6.png'}"]
    done = run_script("sinusoid", "report", *table, *figures)
    assert done.returncode == 0, done.stderr
    rows = rows_of(tmp_path / "t.csv")
    used = ("protocol", "shots", "method", "trials", "diverged", "paper_mean")
    assert [tuple(row[name] for name in used) for row in rows] == [
        ("released", "5", "MAML", "1", "0", "0.46"), ("released", "5", "CNP", "1", "0", "0.91"),
        ("released", "10", "MAML", "1", "0", "0.13"), ("released", "10", "CNP", "1", "0", "0.92"),
        ("text", "5", "MR-MAML (W)", "2", "0", "0.16"), ("text", "10", "MAML", "2", "1", "0.13"),
    ]  # fmt: skip
    means = [result["meta_test_mse"], others["10_shots"]["meta_test_mse"], others["notebook_5_shots"]["meta_test_mse"]]
    for value, row, name in zip(
        means, (rows[0], rows[2], rows[0]), ("mean", "mean", "notebook_tasks_mean"), strict=True
    ):
        np.testing.assert_allclose(float(row[name]), value)
    np.testing.assert_allclose(float(rows[0]["standard_error"]), result["meta_test_se"], rtol=1e-6)
    lines = (tmp_path / "t.md").read_text().splitlines()
    assert lines[0] == "| shots | method | the paper | released protocol | ± | the text's protocol | ± |"
    assert lines[2].startswith("| 5 | MAML | 0.46 (0.04) | ") and lines[2].endswith(" | - | - |")
    assert "1 of 2 trials diverged" in lines[5] and "with this protocol's one-hots: MAML" in lines[-1]
    figure5 = rows_of(tmp_path / "5.csv")
    assert [(row["protocol"], row["shots"], row["method"]) for row in figure5] == [
        ("the paper", "5", "MAML"), ("the paper", "5", "MR-MAML"), ("released", "5", "MAML"),
        ("released", "10", "MAML"), ("text", "5", "MR-MAML (W)"), ("text", "10", "MAML"),
    ]  # fmt: skip
    assert (figure5[0]["0"], figure5[0]["3"], figure5[0]["200"]) == ("0.84", "", "0.46")
    np.testing.assert_allclose([float(figure5[2][n]) for n in "03"], [result["mse_by_num_updates"][n] for n in "03"])
    figure6 = rows_of(tmp_path / "6.csv")
    assert [(row["protocol"], row["shots"], row["method"]) for row in figure6] == [
        (row["protocol"], row["shots"], row["method"]) for row in rows
    ]
    assert all((tmp_path / name).read_text() in done.stdout for name in ("t.md", "5.md", "6.md"))
    for name in ("t.png", "5.png", "6.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")

    done = run("maml", text, "--update_batch_size=10", "--metatrain_iterations=0", "--meta_lr=1")
    assert done.returncode == 0, done.stderr
    twice = run_script("sinusoid", "report", f"--logdir={text}", f"--table1={tmp_path / 't'}")
    assert twice.returncode == 1 and "MAML at 10 shots twice in a folder text" in twice.stderr
    for figure in (5, 6):
        twice = run_script("sinusoid", "report", f"--logdir={text}", f"--figure{figure}={tmp_path / 'twice.png'}")
        assert twice.returncode == 1 and "MAML at 10 shots twice in a folder text" in twice.stderr
    assert not (tmp_path / "twice.png").exists()


def test_one_test_task_has_no_standard_error_and_runs_of_another_domain_are_none_of_the_report_s(tmp_path):
    done = run("cnp", tmp_path / "text", "--num_updates=0", "--num_test_tasks=1")
    assert done.returncode == 0, done.stderr
    done = run_script("sinusoid", "report", f"--logdir={tmp_path / 'text'}", f"--table1={tmp_path / 't'}")
    assert done.returncode == 0 and "Warning" not in done.stderr and done.stdout.splitlines()[2].endswith(" | - |")
    (folder,) = (tmp_path / "text").iterdir()
    result = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps(result | {"method": "np_vanilla"}))
    done = run_script("sinusoid", "report", f"--logdir={tmp_path / 'text'}", f"--table1={tmp_path / 't'}")
    assert done.returncode == 1 and done.stderr.splitlines()[-1].endswith(
        "no run of sinusoid/; train with bash run.sh table1"
    )


def test_rows_are_in_the_order_of_the_methods_whatever_a_label_adds_to_their_names():
    labels = ["MR-CNP (A), K=20", "CNP, averaged weights", "MR-MAML (W)", "MR-MAML (A), validation", "MAML, K=20"]
    assert [report.place(label) for label in labels] == [4, 3, 2, 1, 0]


def test_only_the_encoder_s_adam_is_new_at_each_step(tmp_path):
    """After two steps at rate 1e-3 from the same weights: a first step of Adam is at most the rate, and so are both of
    a new Adam's; a lasting one's second step is larger where the gradient grows."""
    for iterations in (0, 2):
        done = run(
            "maml", tmp_path / str(iterations), f"--metatrain_iterations={iterations}", "--regularizer=activations",
            "--optimizer=fresh_adam_encoder", "--meta_batch_size=25",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    before, after = (arrays(next((tmp_path / str(iterations)).iterdir())) for iterations in (0, 2))
    steps = {
        module: np.concatenate([
            np.abs(after[name] - before[name]).ravel() for name in before if name.startswith(f"{module}/")
        ]) / 1e-3
        for module in ("encoder", "head")
    }  # fmt: skip
    whole = {
        module: np.isclose(step, 2.0, atol=0.01) | np.isclose(step, 0.0, atol=0.01) for module, step in steps.items()
    }
    assert whole["encoder"].mean() > 0.7 and whole["head"].mean() < 0.5


def test_a_cnp_without_encoder_and_lift_reads_pairs_and_queries_as_they_are(tmp_path):
    done = run("cnp", tmp_path, "--noencoder", "--nolift_y", "--num_updates=0")
    assert done.returncode == 0, done.stderr
    shapes = {name: array.shape for name, array in arrays(next(tmp_path.iterdir())).items() if "kernel" in name}
    assert {name: shape for name, shape in shapes.items() if not name.startswith("adam")} == {
        "decoder/pair0/kernel": (22, 100), "decoder/pair1/kernel": (100, 100), "decoder/pair2/kernel": (100, 10),
        "decoder/task0/kernel": (10, 5), "decoder/decoder0/kernel": (26, 100), "decoder/decoder1/kernel": (100, 100),
        "decoder/decoder2/kernel": (100, 1),
    }  # fmt: skip
    refused = run("cnp", tmp_path, "--noencoder", "--regularizer=weights")
    assert refused.returncode == 1 and "error: --noencoder: --regularizer=weights is on the encoder" in refused.stderr


def test_the_kl_of_a_code_is_summed_over_its_numbers_or_averaged(tmp_path):
    regularizers = {}
    for reduction in ("sum", "mean"):
        done = run(
            "cnp", tmp_path / reduction, "--regularizer=activations", "--num_updates=2", f"--kl_reduction={reduction}"
        )
        assert done.returncode == 0, done.stderr
        (row,) = rows_of(next((tmp_path / reduction).iterdir()) / "curve.csv")
        regularizers[reduction] = float(row["metatrain_regularizer"])
    np.testing.assert_allclose(regularizers["sum"], 5 * regularizers["mean"], rtol=1e-2)
    # beta 5 on N(0, softplus(0)^2) against N(0, 1), as the code starts, to some digits; MSE = 2 * 0.1^2 / K of the NLL
    start = 5 * (0.5 * (np.log(2) ** 2 - 1) - np.log(np.log(2)))
    np.testing.assert_allclose(regularizers["sum"], 5.0 * start * 2 * 0.1**2 / 5, rtol=0.1)


def test_a_run_from_before_the_flags_is_recognized(tmp_path):
    settings = [
        "--num_updates=0",
        "--train_one_hots=0-15",
        "--num_test_tasks=100",
        "--kl_reduction=mean",
        "--init=glorot",
    ]
    assert run("cnp", tmp_path, *settings).returncode == 0
    path = next(tmp_path.iterdir()) / "result.json"
    result = json.loads(path.read_text())
    for name in ("train_one_hots", "num_test_tasks", "kl_reduction", "init", "test_shots", "encoder"):
        del result["flags"][name]
    path.write_text(json.dumps(result | {"flags": result["flags"] | {"num_train_amplitudes": 16}}))
    assert "finished before" in run("cnp", tmp_path, *settings).stdout
    assert "finished before" not in run("cnp", tmp_path, *settings, "--num_test_tasks=7").stdout


def test_sgd_with_a_clipped_gradient_takes_a_step_of_the_clipped_norm_in_each_trial(tmp_path):
    for iterations in (0, 1):
        done = run(
            "maml", tmp_path / str(iterations), f"--metatrain_iterations={iterations}", "--num_trials=2",
            "--optimizer=sgd", "--meta_lr=2", "--clip_norm=0.01",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    for folder in (tmp_path / "0").iterdir():
        before, after = arrays(folder), arrays(tmp_path / "1" / folder.name)
        squares = [((after[name] - before[name]) ** 2).sum() for name in before if name.startswith("head")]
        assert len(squares) == 6
        np.testing.assert_allclose(np.sqrt(sum(squares)), 0.02, rtol=1e-3)


def test_weight_decay_halves_means_and_leaves_the_posterior_s_scale(tmp_path):
    settings = ["--regularizer=weights", "--metatrain_iterations=1", "--optimizer=sgd", "--meta_lr=1e-9"]
    for decay in (0, 0.5):
        done = run("maml", tmp_path / str(decay), f"--weight_decay={decay}", *settings)
        assert done.returncode == 0, done.stderr
    before, after = (arrays(next((tmp_path / str(decay)).iterdir())) for decay in (0, 0.5))
    before = {name: array for name, array in before.items() if name.startswith(("encoder", "head"))}
    rhos = [name for name in before if "rho" in name]
    assert 0 < len(rhos) < len(before)
    for name, array in before.items():
        np.testing.assert_allclose(after[name], array * (1.0 if name in rhos else 0.5), rtol=1e-4, atol=1e-6)


def test_a_trial_that_diverges_says_how_the_others_go_on():
    together = Trials.__new__(Trials)
    together.folders = [types.SimpleNamespace(folder=f"trial-{number}") for number in (1, 2)]
    with pytest.raises(UserError, match=r"trial-2: the loss of iteration 4 is nan.*; --num_trials=1 --trial=N trains"):
        together.require_finite(np.array([[1.0, 2.0], [1.0, np.nan]]), [2, 3], [])
    together.folders = together.folders[:1]
    with pytest.raises(UserError, match=r"the last checkpoint stays$"):
        together.require_finite(np.array([[np.nan]]), [2], [])


def test_a_meta_test_that_diverges_says_so(tmp_path):
    done = run("maml", tmp_path, "--metatrain_iterations=0", *DIVERGING)
    assert done.returncode == 0, done.stderr
    assert "meta_test_mse, " in done.stderr and "not finite; take smaller inner steps" in done.stderr


def test_a_trial_set_back_to_the_start_as_by_a_kill_between_two_checkpoints_goes_on_by_itself(tmp_path):
    settings = ["--regularizer=activations", "--meta_batch_size=2"]
    for iterations in (2, 4):
        together = run("cnp", tmp_path / "a", f"--num_updates={iterations}", "--num_trials=2", *settings)
        assert together.returncode == 0, together.stderr
        for checkpoint in (tmp_path / "a").glob("*trial-1/checkpoint*" if iterations == 2 else "none"):
            checkpoint.unlink()
    assert together.stdout.count("resuming") == 1 and "mean of 2 trials" not in together.stdout
    alone = run("cnp", tmp_path / "b", "--num_updates=4", "--trial=2", *settings)
    assert alone.returncode == 0, alone.stderr
    assert_trial_2_is_the_same(tmp_path / "a", tmp_path / "b")


def test_each_step_has_noise_of_its_own_however_many_are_in_a_call(tmp_path):
    weights = {}
    for number in ("1", "3"):
        done = run_script(
            "sinusoid", "cnp", f"--logdir={tmp_path / number}", "--regularizer=weights", "--num_updates=3",
            f"--steps_per_call={number}", "--num_test_tasks=5", "--num_theta_samples=1",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        weights[number] = arrays(next((tmp_path / number).iterdir()))
    for name, array in weights["1"].items():
        np.testing.assert_allclose(weights["3"][name], array, rtol=1e-3, atol=1e-5, err_msg=name)
