"""The numbers of results/README.md about Figures 2 and 9, the ablation and other settings are those that are kept."""

import collections
import csv
import re
import statistics

from test_readme import README, REPO, RESULTS, assert_files_are_kept

from metalearn import comparison, results
from pose_code import paper


def curve_of(run):
    """{iteration: (error on training objects, on held-out objects)}"""
    with (run["folder"] / "curve.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {int(row["iteration"]): (float(row["metatrain_mse"]), float(row["metaval_mse"])) for row in rows}


def test_what_the_kl_weight_decay_and_adapting_change_is_that_of_the_kept_runs():
    runs = results.load_results([REPO / "results/pascal3d/encoder"], paper)
    names = "adapt_encoder", "beta", "decay"
    cells, corners = (
        {
            tuple(bool(run["flags"][name]) for name in names): run
            for run in runs
            if run["flags"]["metatrain_iterations"] == iterations
        }
        for iterations in (3_000, 10_000)
    )
    assert (len(cells), len(corners), len(runs)) == (8, 2, 10)
    text = re.sub(r"\s+", " ", RESULTS)
    means, without_collapse = [], []
    for name, start, sign in (("decay", "costs", 1), ("adapt_encoder", "the encoder**", 1), ("beta", "takes off", -1)):
        without = [cell for cell in sorted(cells) if not cell[names.index(name)]]
        pairs = [
            (cells[tuple(other == name or value for other, value in zip(names, cell, strict=True))], cells[cell])
            for cell in without
        ]
        each = [f"{sign * comparison.paired([one], [other]).mean:.2f}" for one, other in pairs]
        assert f"{start} {', '.join(each[:3])} and {each[3]}" in text
        rest = [(one, other) for one, other in pairs if cells[True, True, True] not in (one, other)]
        without_collapse.append(f"{sign * sum(one['test'] - other['test'] for one, other in rest) / 3:.2f}")
        found = comparison.paired(*map(list, zip(*pairs, strict=True)))
        low, high = sorted(sign * bound for bound in found[1:3])
        means.append(f"{sign * found.mean:.2f} ({low:.2f} to {high:.2f})")
    assert "On average, with 95 % intervals over the 15 objects: {}, {} and {}.".format(*means) in text
    path = [(True, False, True), (True, False, False), (False, False, False), (False, True, False)]
    maml, undecayed, not_adapted, mr_maml = (f"{cells[cell]['test']:.2f}" for cell in path)
    assert f"{maml} to {mr_maml}, by turning off first the decay (to {undecayed})" in text
    assert f"adapting the encoder (to {not_adapted}), then turning on the KL" in text
    assert "without it they are {}, {} and {} on average".format(*without_collapse) in text
    curve = curve_of(cells[True, True, True])
    before, after, end = curve[1850][0], curve[1950][0], cells[True, True, True]["train"]
    assert (
        f"{before:.2f} on training objects at iteration 1,850 and {after:.2f} at 1,950, and ends at {end:.2f}" in text
    )
    assert f"**MAML's gap** to MR-MAML (W), {maml} to {mr_maml} (10,000" in re.sub(r"\s+", " ", README)
    errors = {"test": [], "train": []}
    for cell in ((False, True, False), (True, False, True)):  # MR-MAML (W), MAML
        for name, numbers in errors.items():
            numbers += [f"{run[cell][name]:.2f}" for run in (corners, cells)]
    form = "MR-MAML (W) has {} for {}, MAML {} for {}; on training objects {} for {} and {} for {}."
    assert form.format(*errors["test"], *errors["train"]) in text
    maml, mr_maml = (curve_of(corners[cell]) for cell in ((True, False, True), (False, True, False)))
    jumps = [f"{maml[step][0]:.2f}" for step in (4600, 4650, 9850, 9900)]
    assert "from {} to {} at iteration 4,650, and from {} to {} at 9,900".format(*jumps) in text
    short = curve_of(cells[True, False, True])
    averages = [
        f"{statistics.mean(curve[step][column] for step in range(last - 950, last + 50, 50)):.2f}"
        for curve, last in ((maml, 9800), (mr_maml, 9800), (maml, 3000), (short, 3000)) for column in (1, 0)
    ]  # fmt: skip
    assert "up to 9,800 it has {} on held-out objects and {} on training objects".format(*averages[:2]) in text
    assert "MR-MAML (W) has {} and {} up to 9,800".format(*averages[2:4]) in text
    assert "MAML's run of 10,000 has {} and {}, that of 3,000 {} and {}".format(*averages[4:]) in text
    assert f"(10,000 iterations: {errors['test'][2]}, {errors['test'][0]})" in re.sub(r"\s+", " ", README)
    assert all(run["shuffled"] > 8.33 for run in runs)


def test_what_the_outer_rate_changes_under_weight_decay_is_that_of_the_kept_runs():
    runs = results.load_results([REPO / "results/pascal3d/inner_rate"], paper)
    (run,) = (run for run in runs if run["flags"]["meta_lr"] == 0.002)
    by_step = {step: errors[0] for step, errors in curve_of(run).items()}
    text = re.sub(r"\s+", " ", RESULTS)
    assert f"{by_step[1300]:.2f} on training objects at iteration 1,300 to {by_step[1400]:.2f} at 1,400" in text
    assert by_step[1500] < by_step[1400]
    assert f"`maml_vanilla` has {run['test']:.2f} after 1,500 iterations" in text
    (encoder,) = (
        run for run in results.load_results([REPO / "results/pascal3d/encoder"], paper)
        if run["flags"]["adapt_encoder"] and not run["flags"]["beta"] and run["flags"]["decay"]
        and run["flags"]["metatrain_iterations"] == 3000
    )  # fmt: skip
    flags = "meta_lr", "update_lr", "num_updates", "update_batch_size", "dim_im", "batch_norm_gradient"
    assert [encoder["flags"][name] for name in flags] == [run["flags"][name] for name in flags]
    assert run["flags"]["beta"] == encoder["flags"]["decay"] and run["flags"]["weight_decay"]


def test_figure_2_is_that_of_the_kept_runs():
    assert "--logdir=results/pascal3d/figure2 --against=beta --out=results/figure2" in RESULTS
    runs = results.against(results.load_results([REPO / "results/pascal3d/figure2"], paper), "beta", paper)
    assert_files_are_kept(runs, "results/figure2")
    assert results.markdown(runs).split("\n\n")[0] in RESULTS
    error = {(run["key"], run["flags"]["beta"]): f"{run['test']:.2f}" for run in runs}
    assert f"less than in the paper ({error['np_bbb', 0.01]}; {paper.FIGURES['beta', 'np_bbb'][0.01]})" in re.sub(
        r"\s+", " ", RESULTS
    )
    text, of_paper = re.sub(r"\s+", " ", RESULTS), paper.FIGURES["beta", "maml_bbb"]
    for form, betas in (
        ("{} at β = 0, {} at 1e-4, {} at 1e-3, where the paper has {}, {} and {}", (0.0, 1e-4, 1e-3)),
        ("1e-2 to 0.1 ({}, {}; the paper {}, {})", (1e-2, 0.1)),
        ("its rise at 1, to {} ({})", (1.0,)),
    ):
        assert form.format(*(error["maml_bbb", beta] for beta in betas), *(of_paper[beta] for beta in betas)) in text
    outlier, *neighbours = (error["maml_bbb", beta] for beta in (1e-5, 1e-6, 1e-4))
    assert "{} at 1e-5, between {} at 1e-6 and {} at 1e-4, may be chance".format(outlier, *neighbours) in text
    assert float(outlier) > max(map(float, [*neighbours, error["maml_bbb", 0.0]]))
    assert {key for key, _ in error} == {"maml_bbb", "np_bbb"} and len(error) == 16
    assert f"1e-6 and 1e-5 are too little ({error['np_bbb', 1e-6]}, {error['np_bbb', 1e-5]})" in text
    assert {("np_bbb", beta) for beta in paper.FIGURES["beta", "np_bbb"]} <= set(error)
    of_cnp = {beta: float(error[key, beta]) for key, beta in error if key == "np_bbb"}
    assert sorted(of_cnp, key=of_cnp.get)[:2] == [1e-3, 1e-4]
    search = {
        run["flags"]["beta"]: run
        for run in results.load_results([REPO / "results/pascal3d/search"], paper)
        if run["key"] == "np_all_bbb"
    }
    for beta in (1e-6, 1e-5, 1e-4):
        assert all(f"{search[beta][name]:.2f}" in RESULTS for name in ("test", "train", "shuffled"))


def test_figure_9_is_that_of_the_kept_runs():
    assert "--logdir=results/pascal3d/figure9 --against=update_lr,rho_lr,num_updates --out=results/figure9" in RESULTS
    runs = results.load_results([REPO / "results/pascal3d/figure9"], paper)
    placed = results.against(runs, "update_lr", paper)
    assert_files_are_kept(placed, "results/figure9")
    assert results.markdown(placed).split("\n\n")[0] in RESULTS
    text, rates = re.sub(r"\s+", " ", RESULTS), (1e-5, 1e-4, 1e-3)
    for key, form, in_paper in (
        ("np_bbb", "{}, {} and {} at 1e-5, 1e-4 and 1e-3", "the paper has {}, {} and {}."),
        ("np_ib", "{}, {}, {} and {} at 1e-5, 1e-4, 5e-4 and 1e-3", "the paper has {}, {} and {} at 1e-5"),
    ):
        by_rate = sorted((run for run in runs if run["key"] == key), key=lambda run: run["flags"]["update_lr"])
        of_paper = in_paper.format(*(paper.FIGURES["update_lr", key][rate] for rate in rates))
        errors = form.format(*(f"{run['test']:.2f}" for run in by_rate))
        assert f"{errors}; {of_paper}" in text
    small_rate, *memorized = sorted(
        (run for run in runs if run["key"] == "np_ib"), key=lambda run: run["flags"]["update_lr"]
    )
    assert all(run["train"] < 1 and run["shuffled"] - run["test"] < 1 for run in memorized)
    assert small_rate["test"] < 8.33 < small_rate["shuffled"]
    assert f"it uses its support set ({small_rate['shuffled']:.2f} when the labels are shuffled)" in text
    weights = [run for run in runs if run["key"] == "np_bbb"]
    assert {(run["flags"]["var"], run["flags"]["num_updates"]) for run in weights} == {(-3.0, 100_000)}
    assert all(run["flags"]["rho_lr"] == run["flags"]["update_lr"] for run in weights)
    slowest = min(weights, key=lambda run: run["flags"]["update_lr"])
    assert f"({slowest['shuffled']:.2f} when they are shuffled) and still has {slowest['train']:.2f} on" in text


def test_what_both_forms_of_the_released_code_change_is_that_of_the_kept_runs():
    error = {}
    for run in results.load_results([REPO / "results/pascal3d/forms"], paper):
        error[run["key"], run["flags"].get("batch_norm_gradient"), run["flags"]["init"]] = f"{run['test']:.2f}"
    assert len(error) == 8
    text = re.sub(r"\s+", " ", RESULTS)
    for key, start in (("maml_vanilla", "MAML at"), ("maml_bbb", "MR-MAML (W) at")):
        values = (error[key, form, "released"] for form in ("released", "exact"))
        assert "{} {} for {}".format(start, *values) in text
    cost = float(error["maml_bbb", "released", "released"]) - float(error["maml_bbb", "exact", "released"])
    assert f"the released gradient costs {cost:.2f} there (below)" in text
    forms = {key: [error[key, None, init] for init in ("released", "glorot")] for key in ("np_vanilla", "np_bbb")}
    assert (
        "the paper's 8.48, {} for {} from Glorot's; MR-CNP (W) has {} for {} (2.89)".format(
            *forms["np_vanilla"], *forms["np_bbb"]
        )
        in text
    )


def test_what_label_noise_changes_is_that_of_the_kept_runs():
    def offset(run):
        return run["others"]["label_noise_quarters"]["meta_test_mse"]

    runs = results.load_results([REPO / "results/pascal3d/label_noise"], paper)
    assert all(run["flags"]["ema_decay"] == 0.99 for run in runs)
    validation = {run["flags"]["label_noise"]: run for run in runs if run["label"].endswith(", validation")}
    assert set(validation) == {"none", "quarters", "uniform"}
    none, quarters = validation["none"], validation["quarters"]
    text = re.sub(r"\s+", " ", RESULTS)
    assert (
        f"without noise has {none['test']:.2f} on plain labels and {offset(none):.2f} on labels with an offset, the "
        f"one with quarters {quarters['test']:.2f} and {offset(quarters):.2f}" in text
    )
    assert f"its training tasks, {validation['uniform']['train']:.2f}, after 1,500 iterations" in text
    tested = collections.defaultdict(list)
    for run in sorted(runs, key=lambda run: run["trial"]):
        if run not in validation.values():
            tested[run["flags"]["label_noise"]].append(run)
    assert set(tested) == {"none", "quarters"}
    assert [run["trial"] for run in tested["none"]] == [1, 2, 3]
    assert [run["trial"] for run in tested["quarters"]] == [1, 2, 3]
    for start, errors in (
        ("plain labels, trained without noise, ", [run["test"] for run in tested["none"]]),
        ("labels with an offset, trained with quarters, ", [offset(run) for run in tested["quarters"]]),
    ):
        mean = results.mean_std(statistics.mean(errors), results.std(errors))
        *first, last = (f"{error:.2f}" for error in errors)
        assert f"{start}{mean}, by split {', '.join(first)} and {last}" in text
    means = (statistics.mean(run["train"] for run in tested[noise]) for noise in ("quarters", "none"))
    assert "not learned to the end: {:.2f} on them, {:.2f} without noise".format(*means) in text
    (plain,) = (
        row for row in results.table(results.load_results([REPO / "results/pascal3d/small"], paper))
        if row["method"] == "MR-MAML (W)"
    )  # fmt: skip
    assert f"MR-MAML (W) without it has {results.mean_std(plain['mean'], plain['std'])} (above)" in text
