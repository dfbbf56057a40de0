"""The table of all runs found below some folders: mean (standard deviation) over trials beside the paper's numbers.

1. Prints Markdown; --out=PREFIX also writes PREFIX.md and PREFIX.csv. --methods=np_vanilla,np_vanilla+wd keeps these.
2. --bars=FILE draws the table with every object's error, --figure=FILE the training curves.
3. --against=beta --figure=FILE draws the error against that flag (the paper's Figures 2 and 9).
4. --html=FILE writes a report with all of it, in one file that needs no network.

Command: python -m pose_code.summarize --logdir=LOGDIR[,LOGDIR...] [--out=results/table]
Cost: seconds.
"""

import collections
import csv
import io
import json
import statistics
import sys
from pathlib import Path

import numpy as np
from absl import flags

from pose_data.cli import UserError, atomic_path, run_main

FLAGS = flags.FLAGS

# method -> label, the paper's meta-test MSE (mean, std over 5 trials), upstream's iterations, in the order of the
# paper's tables. "+wd" is the same script under --weight_decay, on by default for MAML: 5.39 stands at both. "@5" is 5
# shots of the sinusoid.
Method = collections.namedtuple("Method", "label paper upstream_iterations")
METHODS = {
    "finetune": Method("FT", (7.33, 0.35), None),
    "finetune+wd": Method("FT + weight decay", (6.16, 0.12), None),
    "maml_vanilla": Method("MAML", (5.39, 1.31), 10000),
    "maml_vanilla+wd": Method("MAML + weight decay", (5.39, 1.31), 10000),
    "maml_bbb": Method("MR-MAML (W)", (2.26, 0.09), 30000),
    "maml_ib": Method("MR-MAML (A)", None, None),
    "np_vanilla": Method("CNP", (8.48, 0.12), 140000),
    "np_vanilla+wd": Method("CNP + weight decay", (6.86, 0.27), 140000),
    "np_all_bbb": Method("CNP + BbB", (7.73, 0.82), 100000),
    "np_bbb": Method("MR-CNP (W)", (2.89, 0.18), 100000),
    "np_ib": Method("MR-CNP (A)", None, 120000),
    # Table 1
    "sinusoid_maml_none@5": Method("MAML", (0.46, 0.04), 15000),
    "sinusoid_maml_activations@5": Method("MR-MAML (A)", (0.17, 0.03), 10000),
    "sinusoid_maml_weights@5": Method("MR-MAML (W)", (0.16, 0.04), 15000),
    "sinusoid_cnp_none@5": Method("CNP", (0.91, 0.10), 30000),
    "sinusoid_cnp_activations@5": Method("MR-CNP (A)", (0.10, 0.01), 30000),
    "sinusoid_cnp_weights@5": Method("MR-CNP (W)", (0.11, 0.02), 30000),
    "sinusoid_maml_none@10": Method("MAML", (0.13, 0.01), 15000),
    "sinusoid_maml_activations@10": Method("MR-MAML (A)", (0.07, 0.02), 10000),
    "sinusoid_maml_weights@10": Method("MR-MAML (W)", (0.06, 0.01), 15000),
    "sinusoid_cnp_none@10": Method("CNP", (0.92, 0.05), 30000),
    "sinusoid_cnp_activations@10": Method("MR-CNP (A)", (0.09, 0.01), 30000),
    "sinusoid_cnp_weights@10": Method("MR-CNP (W)", (0.09, 0.01), 30000),
}
CHANCE = 100 / 12  # of a constant prediction of a pose, labels being uniform on [0, 10]


def load_results(folders):
    """All result.json below `folders` as dicts with their folder under "folder". Raises UserError naming a bad one."""
    results = []
    for folder in folders:
        if not Path(folder).is_dir():
            raise UserError(f"--logdir={folder}: no such folder")
        for path in sorted(Path(folder).rglob("result.json")):
            try:
                result = json.loads(path.read_text())
                used = result["flags"]
                result["key"] = result["method"] + ("+wd" if used.get("weight_decay") else "")
                if result["method"].startswith("sinusoid"):
                    result["key"] += f"@{used['update_batch_size']}"
                result["folder"] = path.parent
                METHODS[result["key"]], result["meta_test_mse"], result["iterations"]
            except (ValueError, KeyError, TypeError) as e:
                raise UserError(f"{path}: not a result of a training script ({e!r}); delete it or that run") from None
            results.append(result)
    if not results:
        raise UserError(f"--logdir={','.join(map(str, folders))}: no result.json below; train something first")
    return results


def group(results):
    """[(run name without its trial, results of its trials)], a run name being a method and its settings; in the paper's
    order."""
    groups = collections.defaultdict(list)
    for result in results:
        name = result["folder"].name.rsplit(".trial-", 1)[0]
        groups[list(METHODS).index(result["key"]), name, str(result["folder"].parent)].append(result)
    return [(name, trials) for (_, name, _), trials in sorted(groups.items())]


def label(result):
    """The method's name in a table."""
    noise = " + label noise" if result["flags"].get("label_noise") else ""
    return METHODS[result["key"]].label + noise


def _std(errors):
    """Standard deviation over trials; None for one trial, nan where a trial diverged."""
    with np.errstate(invalid="ignore"):
        return float(np.std(errors, ddof=1)) if len(errors) > 1 else None


def table(results):
    """One row (dict) for each of `group`."""
    rows = []
    for name, trials in group(results):
        first = trials[0]
        method, used = METHODS[first["key"]], first["flags"]
        paper = None if used.get("label_noise") else method.paper
        errors = [trial["meta_test_mse"] for trial in trials]
        iterations = min(trial["iterations"] for trial in trials)
        rows.append(
            {
                "method": label(first),
                "shots": used.get("update_batch_size"),
                "trials": len(trials),
                "mean": statistics.mean(errors),
                "std": _std(errors),
                "train_mean": statistics.mean(trial["meta_train_mse"] for trial in trials),
                "shuffled_mean": statistics.mean(trial["shuffled_support_mse"] for trial in trials),
                "paper_mean": paper and paper[0],
                "paper_std": paper and paper[1],
                "data": Path(used.get("data_dir") or "").name,
                "preset": first["folder"].parent.name,
                "iterations": iterations,
                "share_of_upstream": method.upstream_iterations and iterations / method.upstream_iterations,
                "minutes": statistics.mean(trial["wall_time_s"] for trial in trials) / 60,
                "run": name,
            }
        )
    return rows


def mean_std(mean, std):
    """A table's cell: 2.89 (0.18)."""
    return "-" if mean is None else f"{mean:.2f}" + (f" ({std:.2f})" if std is not None else "")


def write_table(prefix, text, rows):
    """PREFIX.md with `text` and PREFIX.csv with the dicts `rows`."""
    Path(prefix).parent.mkdir(parents=True, exist_ok=True)
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    for suffix, content in ((".md", text + "\n"), (".csv", buffer.getvalue())):
        with atomic_path(f"{prefix}{suffix}") as temporary:
            temporary.write_text(content)


def markdown(rows):
    """The rows as a Markdown table."""
    lines = [
        "| method | meta-test MSE | the paper | on training tasks | shuffled support | trials | iterations | min |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        share = f" ({row['share_of_upstream']:.1%} of upstream's)" if row["share_of_upstream"] else ""
        shots = f", {row['shots']} shots" if row["run"].startswith("sinusoid") else ""
        cells = (
            row["method"] + shots, mean_std(row["mean"], row["std"]), mean_std(row["paper_mean"], row["paper_std"]),
            f"{row['train_mean']:.2f}", f"{row['shuffled_mean']:.2f}", str(row["trials"]),
            f"{row['iterations']:,}{share}", f"{row['minutes']:.1f}",
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    for data, preset in sorted({(row["data"], row["preset"]) for row in rows if row["data"]}):
        lines.append(f"\nData: {data}; preset: {preset}; mean (standard deviation) over trials.")
    return "\n".join(lines)


def pyplot():
    """Matplotlib's pyplot without a screen, imported when something is drawn."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot

    return matplotlib.pyplot


def save_figure(figure, path):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=150)
    pyplot().close(figure)


def draw_curves(results):
    """curve.csv of every run as training and held-out MSE against iterations, a panel a run name."""
    plt = pyplot()
    groups = group(results)
    figure, axes = plt.subplots(
        1, len(groups), figsize=(3.2 * len(groups), 3.0), sharey=True, squeeze=False, layout="constrained"
    )
    for axis, (_, trials) in zip(axes[0], groups, strict=True):
        for i, result in enumerate(trials):
            with open(result["folder"] / "curve.csv", newline="") as file:
                curve = list(csv.DictReader(file))
            iterations = [int(row["iteration"]) for row in curve]
            for column, color, text in (
                ("metatrain_mse", "tab:blue", "training objects"),
                ("metaval_mse", "tab:red", "held-out objects"),
            ):
                values = [float(row[column]) for row in curve]
                axis.plot(iterations, values, color=color, linewidth=0.4, alpha=0.4)
                axis.plot(iterations, _running_mean(values), color=color, label=None if i else text)
        axis.set(title=label(trials[0]), xlabel="iteration")
        if not trials[0]["method"].startswith("sinusoid"):
            axis.axhline(CHANCE, color="grey", linestyle=":", linewidth=1, label="chance")
            axis.set_ylim(0, 13)
    axes[0][0].set_ylabel("MSE")
    axes[0][0].legend(fontsize=8)
    return figure


def draw_bars(axis, rows):
    """Rows of `table` as bars with standard deviations, the paper's beside ours."""
    for offset, text, mean, std in ((-0.2, "the paper", "paper_mean", "paper_std"), (0.2, "this code", "mean", "std")):
        heights, errors = ([row[column] or 0.0 for row in rows] for column in (mean, std))
        axis.bar(np.arange(len(rows)) + offset, heights, 0.4, label=text, yerr=errors, capsize=2)
    axis.set_xticks(range(len(rows)), [row["method"] for row in rows], rotation=30, ha="right")
    axis.set_ylabel("meta-test MSE")


def draw_table(results):
    """`draw_bars` of pose runs, with the error of every held-out object (mean over trials) as a point."""
    rows = table(results)
    figure, axis = pyplot().subplots(figsize=(1.2 + 0.9 * len(rows), 3.6), layout="constrained")
    draw_bars(axis, rows)
    for i, (_, trials) in enumerate(group(results)):
        objects = np.mean([trial["per_object"] for trial in trials], axis=0)
        axis.plot(np.linspace(i + 0.05, i + 0.35, len(objects)), objects, ".", color="black", markersize=2)
    axis.plot([], [], ".", color="black", markersize=3, label="held-out objects")
    axis.axhline(CHANCE, color="grey", linestyle=":", linewidth=1, label="chance")
    axis.legend(fontsize=8)
    return figure


def draw_against(results, flag):
    """Meta-test and training MSE against a flag's value, mean and standard deviation over trials, a panel a method."""
    points = collections.defaultdict(lambda: collections.defaultdict(list))
    for result in results:
        if flag not in result["flags"]:
            raise UserError(f"--against={flag}: {result['folder']} has no such flag")
        points[result["key"]][result["flags"][flag]].append(result)
    figure, axes = pyplot().subplots(
        1, len(points), figsize=(3.6 * len(points), 3.0), sharey=True, squeeze=False, layout="constrained"
    )
    for axis, key in zip(axes[0], sorted(points, key=list(METHODS).index), strict=True):
        values = sorted(points[key])
        for column, color, text in (
            ("meta_train_mse", "tab:blue", "training objects"), ("meta_test_mse", "tab:red", "held-out objects"),
        ):  # fmt: skip
            errors = [[result[column] for result in points[key][value]] for value in values]
            deviations = [_std(trials) or 0.0 for trials in errors]
            axis.errorbar(
                values,
                [np.mean(trials) for trials in errors],
                deviations,
                color=color,
                label=text,
                marker="o",
                capsize=2,
            )
        smallest = min((value for value in values if value > 0), default=1.0)
        axis.set_xscale("symlog", linthresh=smallest, linscale=0.5)  # a 0 stands left of the smallest
        axis.set(title=METHODS[key].label, xlabel=flag, ylim=(0, 13))
        axis.axhline(CHANCE, color="grey", linestyle=":", linewidth=1, label="chance")
    axes[0][0].set_ylabel("MSE")
    axes[0][0].legend(fontsize=8)
    return figure


def _running_mean(values, width=9):
    """Mean over up to `width` neighbouring points, shorter at the ends."""
    half = width // 2
    windows = (values[max(0, i - half) : i + half + 1] for i in range(len(values)))
    return [statistics.mean(window) for window in windows]


def main(argv):
    del argv
    results = load_results(FLAGS.logdir)
    if FLAGS.methods:
        if unknown := set(FLAGS.methods) - set(METHODS):
            raise UserError(f"--methods: no method {', '.join(sorted(unknown))}; give some of {', '.join(METHODS)}")
        results = [result for result in results if result["key"] in FLAGS.methods]
        if not results:
            raise UserError(f"--methods={','.join(FLAGS.methods)}: no run of these below the folders of --logdir")
    rows = table(results)
    text = markdown(rows)
    print(text)
    if FLAGS.best:
        best = min(rows, key=lambda row: row["mean"])
        print(f"\nsmallest error: {best['run']}: {mean_std(best['mean'], best['std'])}, {best['trials']} trials")
    for folder in FLAGS.logdir:
        for unfinished in sorted(Path(folder).rglob("flags.cfg")):
            if not (unfinished.parent / "result.json").exists():
                print(f"unfinished: {unfinished.parent}", file=sys.stderr)
    if FLAGS.out:
        write_table(FLAGS.out, text, rows)
    if FLAGS.figure:
        save_figure(draw_against(results, FLAGS.against) if FLAGS.against else draw_curves(results), FLAGS.figure)
    if FLAGS.bars:
        save_figure(draw_table(results), FLAGS.bars)


if __name__ == "__main__":
    flags.DEFINE_list("logdir", None, "folders to search for runs", required=True)
    flags.DEFINE_string("out", None, "prefix of the .md and .csv files to write")
    flags.DEFINE_list("methods", None, "keep these: scripts' names, +wd for --weight_decay; default all")
    flags.DEFINE_string("bars", None, "image file to draw the table to")
    flags.DEFINE_string("figure", None, "image file to draw the training curves to")
    flags.DEFINE_string("against", None, "draw the error against this flag in place of the curves: beta, update_lr")
    flags.DEFINE_bool("best", False, "also name the run with the smallest error")
    run_main(main)
