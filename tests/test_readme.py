"""The numbers of the README, results/README.md and docs/ are those that are kept in results/."""

import collections
import csv
import itertools
import json
import re
import tempfile
from pathlib import Path

from classification import paper as class_paper
from metalearn import figures, results
from pose_code import paper

REPO = Path(__file__).resolve().parents[1]
README = (REPO / "README.md").read_text()
RESULTS = (REPO / "results/README.md").read_text()
ROBUSTNESS = (REPO / "docs/robustness.md").read_text()


def test_the_counts_of_kills_and_inputs_are_those_of_the_long_run():
    kept = json.loads((REPO / "results/faults.json").read_text())
    assert {row["outcome"] for row in kept} == {"passed"}
    assert all(f"--rounds={row['rounds']}" in ROBUSTNESS for row in kept)
    counts = collections.Counter()
    for row in kept:
        for name in ("kills", "inputs"):
            counts[row["file"], name] += row[name]
    shown = {}
    for file, kills, inputs in re.findall(r"\| `(tests/faults/\w+\.py)` \| ([\d,]*) ?\| ([\d,]*) ?\|", ROBUSTNESS):
        shown |= {
            (file, "kills"): int(kills.replace(",", "") or 0),
            (file, "inputs"): int(inputs.replace(",", "") or 0),
        }
    assert +collections.Counter(shown) == +counts  # + leaves out the zeros


def assert_table_is_kept(text, logdir, out, methods=None, paper=paper):
    """The table that summarize makes of the runs below `logdir` is `out`.md, and its lines are in `text`."""
    runs = results.load_results([REPO / folder for folder in logdir.split(",")], paper)
    if methods:
        runs = [run for run in runs if run["key"] in methods.split(",")]
    table = results.markdown(runs)
    assert table.count("\n") > 4
    for line in table.splitlines():
        if line.startswith("|"):
            assert line in text
        elif "% interval" in line:
            assert line in re.sub(r"\s+", " ", text)
    assert_files_are_kept(runs, out)


def assert_files_are_kept(runs, out):
    """`out`.md and .csv are what summarize writes of these runs."""
    with tempfile.TemporaryDirectory() as folder:
        table = results.markdown(runs)
        assert table.count("\n") > 4
        results.write_table(f"{folder}/table", table, results.table(runs))
        for suffix in (".md", ".csv"):
            assert (REPO / f"{out}{suffix}").read_text() == Path(f"{folder}/table{suffix}").read_text(), out + suffix


def test_tables_2_and_3_are_those_of_the_kept_runs():
    command = r"pose_code.summarize --logdir=(results\S+) --out=(\S+)(?: --bars=\S+)?[\s\\]*(?:--methods=(\S+))?"
    commands = re.findall(command, RESULTS)
    assert [out for _, out, _ in commands] == [
        "results/table2",
        "results/table2_small",
        "results/encoder",
        "results/inner_rate",
        "results/forms",
        "results/label_noise",
    ]
    for logdir, out, methods in commands:
        assert_table_is_kept(RESULTS, logdir, out, methods)


def errors_by_trial(runs, key):
    """The errors of a method's runs, and those with shuffled support labels, as texts in the order of trials."""
    of_method = sorted((run for run in runs if run["key"] == key), key=lambda run: run["trial"])
    return [(f"{run['meta_test_mse']:.2f}", f"{run['shuffled_support_mse']:.2f}") for run in of_method]


def test_the_numbers_of_table_2_that_the_texts_have_are_the_kept_ones():
    readme, page = (re.sub(r"\s+", " ", text) for text in (README, RESULTS))
    for line in (REPO / "results/table2.md").read_text().splitlines():
        if line.startswith("|"):
            assert line in README
        elif "% interval" in line:
            assert all(number in readme for number in re.findall(r"\d\.\d\d", line))
    runs = results.load_results([REPO / "results/pascal3d/paper"], paper)
    assert ", ".join(error for error, _ in errors_by_trial(runs, "maml_bbb")) in page
    assert ", ".join(error for error, _ in errors_by_trial(runs, "np_bbb")) in page
    assert "; ".join(f"{error} ({shuffled})" for error, shuffled in errors_by_trial(runs, "np_vanilla")) in page

    (plain, _), decayed = errors_by_trial(runs, "maml_vanilla")[0], errors_by_trial(runs, "maml_vanilla+wd")
    assert f"it has {plain} after 2,250 iterations on split 1, where it has {decayed[0][0]} with decay" in page
    paper_rows = {row["method"]: row for row in results.table(runs)}
    assert f"{paper_rows['MR-MAML (W)']['mean'] - 2.26:.2f} above the paper on average" in page

    small = results.load_results([REPO / "results/pascal3d/small"], paper)
    at_1e3 = [row for row in results.table(small) if row["settings"] == "--beta=0.001"]
    rows = {row["method"]: row for row in results.table(small) if row not in at_1e3}
    assert list(rows) == [
        "look-up of 15 views", "look-up of 50 views",
        "FT", "FT + weight decay", "MAML", "MAML + weight decay", "MR-MAML (W)", "MR-MAML (A)",
        "CNP", "CNP + weight decay", "CNP + BbB", "MR-CNP (W)", "MR-CNP (A)",
    ]  # fmt: skip
    assert f"{rows['FT + weight decay']['mean']:.2f} against {rows['FT']['mean']:.2f}" in page
    assert [row["method"] for row in at_1e3] == ["CNP + BbB"]
    of_a, of_maml, of_w = (errors_by_trial(small, key)[0][0] for key in ("maml_ib", "maml_vanilla", "maml_bbb"))
    assert f"has {of_a} on split 1 at a β that was not searched, 0.01; MAML has {of_maml} there" in page
    assert f"there and MR-MAML(W) {of_w}." in page
    assert f"{at_1e3[0]['train_mean']:.2f} on its training objects" in page
    decayed = rows["CNP + weight decay"]
    assert f"{decayed['mean']:.2f} ({decayed['shuffled_mean']:.2f}" in page
    shown = {name: results.mean_std(row["mean"], row["std"]) for name, row in rows.items()}
    table_3 = f"CNP {shown['CNP']}, + weight decay {shown['CNP + weight decay']}, MR-CNP (W) {shown['MR-CNP (W)']}"
    assert f"{table_3}, + BbB {shown['CNP + BbB']}" in readme and rows["CNP + BbB"]["trials"] == 3
    bbb = [run for run in small if run["key"] == "np_all_bbb" and run["flags"]["beta"] == 1e-6]
    (first, noticed), *others = errors_by_trial(bbb, "np_all_bbb")
    second, third = (f"{error} ({shuffled})" for error, shuffled in others)
    assert f"it has {first} ({noticed} with shuffled labels), {second} and {third} on splits 1 to 3" in page
    cnp = [error for error, _ in errors_by_trial(small, "np_vanilla")]
    assert "where the CNP has {}, {} and {};".format(*cnp) in page
    assert f"FT {shown['FT']}, + weight decay {shown['FT + weight decay']}" in readme
    assert f"half the size it has {rows['MR-MAML (W)']['mean']:.2f}; the released gradient" in page
    assert f"it still has {rows['look-up of 50 views']['mean']:.2f}" in page
    assert f"{rows['MR-CNP (A)']['mean']:.2f}, at the learning rate 5e-4" in page
    for key, name in (("maml_bbb", "MR-MAML(W)"), ("np_bbb", "MR-CNP(W)")):
        first, second, third = (error for error, _ in errors_by_trial(small, key))
        assert f"{name} {first}, {second} and {third}" in page
    texts = (
        "{}, {} and {}".format(*(error for error, _ in errors_by_trial(small, f"maml_vanilla{decay}")))
        for decay in ("", "+wd")
    )
    assert "It has {}; with weight decay {}.".format(*texts) in page
    first, second, _ = errors_by_trial(small, "np_vanilla")
    assert f"on split 1 it has {first[0]} ({first[1]} with shuffled" in page
    assert f"memorizes completely, {second[0]} ({second[1]})" in page


def test_the_first_table_and_that_of_both_initial_weights_are_those_of_the_kept_runs():
    assert_table_is_kept(README, "results/embedded/quick", "results/quick")
    assert_table_is_kept(RESULTS, "results/pascal3d/init", "results/init")


def test_tables_4_and_5_are_those_of_the_kept_runs():
    assert_table_is_kept(README, "results/fonts/quick", "results/table4_fonts", paper=class_paper)
    assert_table_is_kept(RESULTS, "results/omniglot/small", "results/table4_omniglot", paper=class_paper)
    rows = results.table(results.load_results([REPO / "results/omniglot/small"], class_paper))
    maml, weights, five_shots = rows
    assert [row["method"].rpartition(", 20-way ")[::2] for row in rows] == [
        ("MAML", "1-shot"),
        ("MR-MAML (W)", "1-shot"),
        ("MR-MAML (W)", "5-shot"),
    ]
    text = re.sub(r"\s+", " ", README)
    assert f"With five shots it has {five_shots['mean']:.1f} % (94.1)" in text
    assert f"MR-MAML(W) has {results.mean_std(weights['mean'], weights['std'])} % (the paper: 83.3)" in text
    assert f"and {weights['before']:.1f} % on training tasks before adapting (5.0, chance)" in text
    assert f"generalizes first, {results.mean_std(maml['mean'], maml['std'])} % after {maml['iterations']:,} it" in text
    assert f"begun to memorize: {maml['before']:.1f} % before adapting" in text


def test_figure_10_is_that_of_the_kept_runs():
    assert "--logdir=results/omniglot/figure10 --out=results/figure10 --against=beta" in RESULTS
    runs = results.load_results([REPO / "results/omniglot/figure10"], class_paper)
    assert_files_are_kept(results.against(runs, "beta", class_paper), "results/figure10")
    beta = {run["flags"]["beta"]: f"{run['test']:.1f}" for run in runs if "weights" in run["key"]}
    (maml,) = (f"{run['test']:.1f}" for run in runs if "none" in run["key"])
    readme, page = (re.sub(r"\s+", " ", text) for text in (README, RESULTS))
    assert f"(Figure 10): {beta[1e-6]} % (83.9) at β = 1e-6, MAML {maml} % (76.8)" in readme
    assert f"has {beta[1e-6]}, {beta[1e-5]} and {beta[1e-4]} % at β = 1e-6, 1e-5 and 1e-4" in page
    assert f"MAML {maml} % (76.8) after 3,000 iterations" in page


def test_maml_s_best_and_last_accuracy_over_training_are_those_of_the_kept_curves():
    best, last = [], []
    for path in sorted((REPO / "results/omniglot/small").glob("class_maml_none*/curve.csv")):
        with open(path, newline="") as file:
            means = figures.running_mean([float(row["metaval_accuracy"]) for row in csv.DictReader(file)])
        best.append(f"{max(means):.1f}")
        last.append(f"{means[-1]:.1f}")
    text = re.sub(r"\s+", " ", RESULTS)
    assert f"at best {' and '.join(best)} %, at about 2,600 iterations, at the end {' and '.join(last)} %" in text


def test_the_search_s_accuracies_are_those_of_the_kept_runs():
    """classification/search.txt has each setting below its accuracy."""
    lines = (REPO / "classification/search.txt").read_text().splitlines()
    kept = []
    for path in (REPO / "results/omniglot/search").glob("*/result.json"):
        result = json.loads(path.read_text())
        kept.append((f"# {result['meta_test_accuracy']:.1f}", result["flags"], result["iterations"]))
    settings = [(above.split(";")[0], line) for above, line in itertools.pairwise(lines) if line.startswith("--")]
    assert len(settings) == len(kept) == 6
    for accuracy, line in settings:
        wanted = dict(word.removeprefix("--").split("=") for word in line.split())
        (found,) = [
            shown for shown, used, _ in kept if all(float(used[name]) == float(value) for name, value in wanted.items())
        ]
        assert accuracy == found


def test_table_1_and_figures_5_and_6_are_those_of_the_kept_numbers():
    with open(REPO / "results/table1.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert collections.Counter(row["protocol"] for row in rows) == {"released": 12, "text": 12}
    table, notebook = (REPO / "results/table1.md").read_text().strip().split("\n\n")
    assert table in README and notebook in " ".join(RESULTS.split())
    errors = {(row["method"], row["shots"]): f"{float(row['mean']):.2f} ({float(row['std']):.2f})" for row in rows[:12]}
    shown = " | ".join(errors[method, shots] for method in ("MAML", "MR-MAML (A)") for shots in ("5", "10"))
    assert f"| 600 fresh tasks | 5-15 | {shown} |" in RESULTS
    shown = [re.search(rf"{method} (\S+ \S+) \({n} s", notebook)[1] for method in ("MAML", r"\(A\)") for n in (5, 10)]
    assert f"| the notebook's 100 tasks | 5-15 | {' | '.join(shown)} |" in RESULTS
    figure5 = (REPO / "results/figure5.md").read_text().splitlines()
    kept = [line for line in figure5[2:] if line.split(" | ")[1] == "5" and "| text |" not in line]
    assert len(kept) == 5 and "\n".join([*figure5[:2], *kept]) in RESULTS
    figure6 = (REPO / "results/figure6.md").read_text().splitlines()
    kept = [line for line in figure6 if " | 5 | " in line]
    assert len(kept) == 12 and "\n".join([*figure6[:2], *kept]) in RESULTS
    for row in rows:
        (line,) = re.findall(rf"^\| {row['shots']} \| {re.escape(row['method'])} \| .*$", README, re.M)
        assert f" {float(row['mean']):.2f} ({float(row['std']):.2f})" in line
