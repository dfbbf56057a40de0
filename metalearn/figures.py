"""Pictures of the results of many runs. runs: what results.load_results returns."""

import collections
import math
import statistics
import sys
import textwrap
from pathlib import Path

import numpy as np

from metalearn import comparison, results
from metalearn.cli import UserError
from metalearn.curve import read_curve
from metalearn.files import atomic_path
from metalearn.settings import varying


def pyplot():
    """Matplotlib's pyplot, imported when something is drawn; without a screen, unless a notebook has it already."""
    import matplotlib

    if "matplotlib.pyplot" not in sys.modules:
        matplotlib.use("Agg")
    import matplotlib.pyplot

    return matplotlib.pyplot


def save_figure(figure, path):
    """Write it whole or not at all. Raises UserError if the suffix of `path` is of no image format."""
    formats = figure.canvas.get_supported_filetypes()
    if Path(path).suffix.lstrip(".").lower() not in formats:
        raise UserError(f"{path}: no image format; give a name that ends in .{', .'.join(sorted(formats))}")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=150)
    pyplot().close(figure)


def draw_curves(runs):
    """curve.csv of every run as training and held-out error against iterations, a panel a run name, four in a row. Runs
    without iterations are left out."""
    plt = pyplot()
    groups = results.group([result for result in runs if result["iterations"]])
    objective, tasks = runs[0]["objective"], runs[0]["tasks"]
    columns = min(4, max(1, len(groups)))
    rows = max(1, math.ceil(len(groups) / columns))
    figure, axes = plt.subplots(
        rows, columns, figsize=(3.2 * columns, 3.0 * rows), sharey=True, squeeze=False, layout="constrained"
    )
    for axis in axes.flat[len(groups) :]:
        axis.axis("off")
    largest = 0.0  # of the held-out errors
    for axis, (_, trials) in zip(axes.flat, groups, strict=False):
        for i, result in enumerate(trials):
            path = result["folder"] / "curve.csv"
            if not path.exists():
                print(f"{path}: missing, not drawn", file=sys.stderr)
                continue
            curve = read_curve(path)
            iterations = [row["iteration"] for row in curve]
            for column, color, text in (
                (f"metatrain_pre_{objective.name}", "tab:cyan", f"training {tasks}, before adapting"),
                (f"metatrain_{objective.name}", "tab:blue", f"training {tasks}"),
                (f"metaval_{objective.name}", "tab:red", f"held-out {tasks}"),
            ):
                if not curve or column not in curve[0]:  # of a learner that has no error before it adapts
                    continue
                values = [row[column] for row in curve]
                axis.plot(iterations, values, color=color, linewidth=0.4, alpha=0.4)
                means = running_mean(values)
                axis.plot(iterations, means, color=color, label=None if i else text)
                if column.startswith("metaval"):
                    largest = max([largest, *filter(math.isfinite, means)])
        axis.set(title=_title(trials[0]), xlabel="iteration")
        _draw_chance(axis, trials[0]["objective"].chance, largest)
    for axis in axes[:, 0]:
        axis.set_ylabel(objective.title)
    shown = {}  # a line of each kind, whichever learner has it
    for axis in axes.flat:
        shown = dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True)) | shown
    if shown:
        figure.legend(shown.values(), shown, fontsize=8, loc="outside lower center", ncols=min(len(shown), columns + 1))
    return figure


def draw_bars(axis, names, rows, error):
    """Rows of `table` as bars with standard deviations, the paper's beside ours. names: of the rows, upright where they
    have several lines; error: its name."""
    for offset, text, mean, std in ((-0.2, "the paper", "paper_mean", "paper_std"), (0.2, "this code", "mean", "std")):
        heights, errors = ([row[column] or 0.0 for row in rows] for column in (mean, std))
        axis.bar(np.arange(len(rows)) + offset, heights, 0.4, label=text, yerr=errors, capsize=2)
    upright = any("\n" in name for name in names)
    axis.set_xticks(range(len(rows)), names, rotation=90 if upright else 30, ha="center" if upright else "right")
    axis.set_ylabel(f"meta-test {error}")


def draw_table(runs):
    """`draw_bars`, with the error of every held-out object (mean over trials of the same objects) as a point."""
    rows, groups = results.table(runs), results.group(runs)
    names = [_title(trials[0]) for _, trials in groups]
    height = 4.8 if any("\n" in name for name in names) else 3.6
    figure, axis = pyplot().subplots(figsize=(1.2 + 0.9 * len(rows), height), layout="constrained")
    draw_bars(axis, names, rows, runs[0]["objective"].title)
    for i, (_, trials) in enumerate(groups):
        objects = [np.mean(errors) for errors in comparison.errors_of_objects(trials).values()]  # of every split
        axis.plot(np.linspace(i + 0.05, i + 0.35, len(objects)), objects, ".", color="black", markersize=2)
    axis.plot([], [], ".", color="black", markersize=3, label=f"held-out {runs[0]['tasks']}")
    _draw_chance(axis, runs[0]["objective"].chance, None)
    axis.legend(fontsize=8)
    return figure


def draw_against(runs, flag, *others):
    """Meta-test and training error against a flag's value, mean (standard deviation) over trials, and the paper's
    error: a panel for the runs of a method that differ in no flags but these and in what makes them trials of one
    another. Where the paper's figure has no curve of it, a method at one value is a level in the others' panels.
    runs: of results.against."""
    curves = collections.defaultdict(list)
    for result in runs:
        curves[result["key"]].append(result)
    points = collections.defaultdict(lambda: collections.defaultdict(list))
    for key, ours in curves.items():
        for result, text in zip(ours, varying([run["flags"] for run in ours], but={flag, *others}), strict=True):
            points[key, text][result["flags"][flag]].append(result | {"settings": text})
    keys = sorted(points, key=lambda key: (_first(points[key])["order"], key))
    panels = [key for key in keys if len(points[key]) > 1 or _first(points[key])["paper_curve"]] or keys
    levels = [next(iter(points[key].values())) for key in keys if key not in panels]
    figure, axes = pyplot().subplots(
        1, len(panels), figsize=(3.6 * len(panels), 3.0), sharey=True, squeeze=False, layout="constrained"
    )
    largest = max(filter(math.isfinite, (result[column] for result in runs for column in ("train", "test"))), default=0)
    for axis, key in zip(axes[0], panels, strict=True):
        values = sorted(points[key])
        tasks = runs[0]["tasks"]
        for column, color, text in (
            ("train", "tab:blue", f"training {tasks}"), ("test", "tab:red", f"held-out {tasks}"),
        ):  # fmt: skip
            errors = [[result[column] for result in points[key][value]] for value in values]
            deviations = [results.std(trials) or 0.0 for trials in errors]
            axis.errorbar(
                values,
                [np.mean(trials) for trials in errors],
                deviations,
                color=color,
                label=text,
                marker="o",
                capsize=2,
            )
        if curve := _first(points[key])["paper_curve"]:
            axis.plot(list(curve), list(curve.values()), ":", color="tab:red", marker="x", label="the paper")
        for trials in levels:
            label, error = trials[0]["label"], trials[0]["paper"]
            axis.axhline(np.mean([result["test"] for result in trials]), color="tab:green", label=label)
            if error:
                axis.axhline(error[0], color="tab:green", linestyle=":", label=f"{label}, the paper")
        positive = [value for value in [*values, *curve] if value > 0]
        if positive and len(positive) == len(values) + len(curve):
            axis.set_xscale("log")
        else:  # a 0 stands left of the smallest
            axis.set_xscale("symlog", linthresh=min(positive, default=1.0), linscale=0.5)
        axis.set(title=_title(_first(points[key])), xlabel=flag)
        _draw_chance(axis, _first(points[key])["objective"].chance, largest)
    axes[0][0].set_ylabel(runs[0]["objective"].title)
    axes[0][0].legend(fontsize=8)
    return figure


def draw_shots(runs):
    """Error against the number of support points, a line a run name; None if no run was evaluated at several."""
    lines = [
        (_title(trials[0]), by_shots) for _, trials in results.group(runs) if (by_shots := results.by_shots(trials))
    ]
    if not lines:
        return None
    figure, axis = pyplot().subplots(figsize=(6, 4), layout="constrained")
    largest = 0.0
    for label, by_shots in lines:
        means = [np.mean(errors) for errors in by_shots.values()]
        largest = max([largest, *filter(math.isfinite, means)])
        deviations = [results.std(errors) or 0.0 for errors in by_shots.values()]
        axis.errorbar(list(by_shots), means, deviations, label=label, marker="o", capsize=2)
    axis.set(xlabel="support points", ylabel=f"meta-test {runs[0]['objective'].title}", xscale="log")
    ticks = sorted({number for _, by_shots in lines for number in by_shots})
    axis.set_xticks(ticks, ticks)
    axis.minorticks_off()
    _draw_chance(axis, runs[0]["objective"].chance, largest)
    axis.legend(fontsize=8)
    return figure


def _title(run):
    """A run's label and, on lines below it, what tells it from others of that label."""
    return "\n".join([run["label"], *textwrap.wrap(run["settings"], 28, break_on_hyphens=False)])


def _first(by_value):
    return next(iter(by_value.values()))[0]


def _draw_chance(axis, chance, largest):
    """A line at the error of a constant prediction, if there is one, and the axis limited to one and a half of it, or
    to the `largest` error that is to be seen, up to three of it; None: not limited."""
    if chance is not None:
        axis.axhline(chance, color="grey", linestyle=":", linewidth=1, label="chance")
        if largest is not None:
            axis.set_ylim(0, min(max(1.56 * chance, 1.05 * largest), 3.0 * chance))


def running_mean(values, width=9):
    """Mean over up to `width` neighbouring points, shorter at the ends."""
    half = width // 2
    windows = (values[max(0, i - half) : i + half + 1] for i in range(len(values)))
    return [statistics.mean(window) for window in windows]
