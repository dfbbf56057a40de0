"""Table 1 and Figures 5 and 6 from the runs below some folders, a protocol each (released, text).

1. --table1=PREFIX: PREFIX.md and .csv, the paper beside each protocol; --bars=FILE.png.
2. --figure5=FILE.png: meta-test MSE of the MAML methods against inner-loop steps, and what the paper's figure has;
   FILE.md and .csv: the means.
3. --figure6=FILE.png: the first layers' weights, a row an input: u, then the 20 of the one-hot; FILE.md and .csv: how
   large the one-hot's rows are.

Command: python report.py --logdir=LOGDIR/released,LOGDIR/text --table1=results/table1
Cost: some seconds.
"""

import math
import re
import statistics
from pathlib import Path

import numpy as np
from absl import flags

from metalearn import figures, results
from metalearn.cli import UserError, run_main
from sinusoid import DIM_X, NUM_AMPLITUDES, U_RANGE, paper

FLAGS = flags.FLAGS

PROTOCOLS = {"released": "released protocol", "text": "the text's protocol"}  # folder -> heading
FIRST_LAYERS = {  # method -> label, module that reads x, in the order of Figure 6's panels
    "sinusoid_maml_none": ("MAML", "head"),
    "sinusoid_maml_activations": ("MR-MAML (A)", "encoder"),
    "sinusoid_maml_weights": ("MR-MAML (W)", "encoder"),
    "sinusoid_cnp_none": ("CNP", "encoder"),
    "sinusoid_cnp_activations": ("MR-CNP (A)", "encoder"),
    "sinusoid_cnp_weights": ("MR-CNP (W)", "encoder"),
}
LABELS = [label for label, _ in FIRST_LAYERS.values()]


def load_runs(folders):
    """The sinusoid's of results.load_results, a run with several numbers of test shots once for each. Raises UserError
    if there is none."""
    runs = []
    for run in results.load_results(folders, paper):
        if run["method"] not in FIRST_LAYERS:
            continue
        runs.append(run)
        for name, numbers in run.get("others", {}).items():
            if shots := re.fullmatch(r"(\d+)_shots", name):
                used = run["flags"] | {"test_shots": [shots[1]]}
                runs.append(results.identify(run | numbers | {"flags": used}, paper))
    if not runs:
        raise UserError(f"--logdir={','.join(map(str, folders))}: no run of sinusoid/; train with bash run.sh table1")
    return runs


def table_rows(runs):
    """A dict for each protocol, number of shots and method, in that order. runs: of load_runs.

    Means are over the trials that did not diverge; "diverged" counts the others.
    """
    rows = []
    for row, all_trials in _groups(runs):
        trials = _not_diverged(all_trials)
        errors = [trial["test"] for trial in trials]
        if len({len(trial["per_object"]) for trial in trials}) > 1:
            raise UserError(f"{trials[0]['folder']}: other trials were evaluated on more or fewer tasks; do all alike")
        per_task = np.mean([trial["per_object"] for trial in trials], axis=0)
        others = [trial.get("others", {}).get(f"notebook_{row['shots']}_shots") for trial in trials]
        notebook = [numbers[f"meta_test_{paper.OBJECTIVE.name}"] for numbers in others if numbers]
        rows.append(
            {
                "protocol": row["preset"],
                "shots": row["shots"],
                "method": row["method"],
                "mean": statistics.mean(errors),
                "std": results.std(errors),
                # over test tasks
                "standard_error": per_task.std(ddof=1) / np.sqrt(len(per_task)) if len(per_task) > 1 else None,
                "trials": len(all_trials),
                "diverged": len(all_trials) - len(trials),
                "notebook_tasks_mean": statistics.mean(notebook) if notebook else None,
                "notebook_tasks_std": results.std(notebook),
                "paper_mean": row["paper_mean"],
                "paper_std": row["paper_std"],
                "minutes": sum(trial["wall_time_s"] for trial in all_trials) / 60,
            }
        )
    return rows


def _groups(runs):
    """[(row of results.table, its trials)] by protocol, shots and method. Raises UserError if one has two settings."""
    groups = zip(results.table(runs), (trials for _, trials in results.group(runs)), strict=True)
    groups, seen = sorted(groups, key=lambda group: (group[0]["preset"], group[0]["shots"])), set()
    for row, _ in groups:
        if (key := (row["preset"], row["shots"], row["method"])) in seen:
            raise UserError(
                f"--logdir={','.join(FLAGS.logdir)}: {row['method']} at {row['shots']} shots twice in a folder "
                f"{row['preset']}, with different settings; move one of them out"
            )
        seen.add(key)
    return groups


def _not_diverged(trials):
    """Those whose inner loop diverges on no test task; all if there are none."""
    return [trial for trial in trials if math.isfinite(trial["test"])] or trials


def table1(runs, prefix):
    """Writes PREFIX.md and .csv and prints the Markdown."""
    rows = table_rows(runs)
    protocols = sorted({row["protocol"] for row in rows})
    cells = {}
    for row in rows:
        cells.setdefault((row["shots"], row["method"]), {})[row["protocol"]] = row
    headings = [f"{PROTOCOLS.get(protocol, protocol)} | ±" for protocol in protocols]
    lines = [f"| shots | method | the paper | {' | '.join(headings)} |", "|---" * (3 + 2 * len(protocols)) + "|"]
    for (shots, method), at in sorted(cells.items(), key=lambda item: (item[0][0], place(item[0][1]))):
        first = next(iter(at.values()))
        line = [str(shots), method, results.mean_std(first["paper_mean"], first["paper_std"])]
        for row in map(at.get, protocols):
            if row is None:
                line += ["-", "-"]
                continue
            diverged = f", {row['diverged']} of {row['trials']} trials diverged" if row["diverged"] else ""
            error = row["standard_error"]
            line += [results.mean_std(row["mean"], row["std"]) + diverged, "-" if error is None else f"{error:.2f}"]
        lines.append(f"| {' | '.join(line)} |")
    on_notebook = []
    for row in rows:
        if row["notebook_tasks_mean"] is not None:
            error = results.mean_std(row["notebook_tasks_mean"], row["notebook_tasks_std"])
            on_notebook.append(f"{row['method']} {error} ({row['shots']} shots)")
    if on_notebook:
        where = "On the notebook's own 100 test tasks, with this protocol's one-hots"
        lines.append(f"\n{where}: {', '.join(on_notebook)}.")
    text = "\n".join(lines)
    print(text)
    results.write_table(prefix, text, rows)


def place(label):
    """Of a method's label, with what a table adds to it, in the order of the tables."""
    return next(place for place, start in enumerate(LABELS) if label.startswith(start))


def bars(runs, path):
    """Table 1 as bars with standard deviations, the paper's beside ours: a row per protocol."""
    rows = table_rows(runs)
    (figure, panels), error = _panels(rows), paper.OBJECTIVE.title
    for (protocol, shots), axis in panels.items():
        shown = [row for row in rows if (row["protocol"], row["shots"]) == (protocol, shots)]
        figures.draw_bars(axis, [row["method"] for row in shown], shown, error)
        axis.set_ylim(0, 1.6)
    next(iter(panels.values())).legend()
    figures.save_figure(figure, path)


def _panels(rows):
    """A figure, and {(protocol, shots): axis} for dicts with these names: a row a protocol, a column a shot number."""
    protocols, all_shots = (sorted({row[name] for row in rows}) for name in ("protocol", "shots"))
    size = 4.5 * len(all_shots), 3.3 * len(protocols)
    figure, axes = figures.pyplot().subplots(
        len(protocols), len(all_shots), figsize=size, squeeze=False, layout="constrained"
    )
    panels = {}
    for protocol, line in zip(protocols, axes, strict=True):
        for shots, axis in zip(all_shots, line, strict=True):
            axis.set_title(f"{PROTOCOLS.get(protocol, protocol)}, {shots} shots", fontsize=10)
            panels[protocol, shots] = axis
    return figure, panels


def figure5(runs, path):
    """Meta-test MSE against inner-loop steps, mean and standard deviation over trials, and the paper's at 5 shots; the
    means beside the image as .md and .csv."""
    by_steps = f"{paper.OBJECTIVE.name}_by_num_updates"
    runs = [run for run in runs if by_steps in run]
    if not runs:
        raise UserError(f"--logdir={','.join(FLAGS.logdir)}: no run of sinusoid/maml.py; train with bash run.sh table1")
    figure, panels = _panels(table_rows(runs))
    means = {("the paper", 5, label): curve for label, curve in paper.FIGURE5.items()}
    for row, trials in _groups(runs):
        axis, trials = panels[row["preset"], row["shots"]], _not_diverged(trials)
        steps = [int(step) for step in trials[0][by_steps] if all(step in trial[by_steps] for trial in trials)]
        errors = np.array([[trial[by_steps][str(step)] for step in steps] for trial in trials])
        means[row["preset"], row["shots"], row["method"]] = dict(zip(steps, errors.mean(axis=0), strict=True))
        deviations = [results.std(at_step) or 0.0 for at_step in errors.T]
        axis.errorbar(steps, errors.mean(axis=0), deviations, label=row["method"], marker="o", markersize=3, capsize=2)
    for (_, shots), axis in panels.items():
        for label, curve in paper.FIGURE5.items() if shots == 5 else ():
            axis.plot(list(curve), list(curve.values()), "x:", color="grey", label=f"the paper's {label}")
        axis.set_xscale("symlog", linthresh=1)
        axis.set(xlabel="inner-loop steps at meta-test", ylabel="meta-test MSE", ylim=(0, 1.5))
        axis.set_xticks([0, 1, 2, 5, 10, 20, 50, 100, 200], [0, 1, 2, 5, 10, 20, 50, 100, 200], fontsize=7)
    next(iter(panels.values())).legend(fontsize=8)
    figures.save_figure(figure, path)
    steps = sorted({step for curve in means.values() for step in curve})
    rows = [
        dict(zip(("protocol", "shots", "method"), key, strict=True)) | {step: curve.get(step) for step in steps}
        for key, curve in means.items()
    ]
    cells = [[*key, *(results.mean_std(curve.get(step), None) for step in steps)] for key, curve in means.items()]
    _write_beside(path, list(rows[0]), cells, rows)


def _write_beside(path, headings, cells, rows):
    """Print the table of `cells`, and write it as .md and the dicts `rows` as .csv beside the image."""
    first, *others = (f"| {' | '.join(map(str, line))} |" for line in (headings, *cells))
    text = "\n".join([first, "|---" * len(headings) + "|", *others])
    print(text)
    results.write_table(Path(path).with_suffix(""), text, rows)


def figure6(runs, path):
    """The first layers' weights (a posterior's means) of the first trials at the fewest shots, a row a method, a column
    a protocol, and beside the image as .md and .csv: what `_one_hot_measures` says of all trials."""
    groups = {
        (row["preset"], row["shots"], row["method"]): [
            (layers := _first_layers(trial), _one_hot_measures(*layers))
            for trial in sorted(trials, key=lambda trial: trial["trial"])
        ]
        for row, trials in _groups(runs)
    }
    _write_figure6_table(groups, path)
    protocols, fewest = sorted({key[0] for key in groups}), min(shots for _, shots, _ in groups)
    methods = {method for _, shots, method in groups if shots == fewest}
    methods = sorted(methods, key=lambda method: (place(method), method))
    figure, axes = figures.pyplot().subplots(
        len(methods), len(protocols), figsize=(5 * len(protocols), 2.4 * len(methods)), squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for method, line in zip(methods, axes, strict=True):
        for protocol, axis in zip(protocols, line, strict=True):
            if (protocol, fewest, method) not in groups:
                axis.axis("off")
                continue
            [(kernel, _), _], (_, ratio, _) = groups[protocol, fewest, method][0]
            limit = np.abs(kernel).max()
            image = axis.imshow(kernel, cmap="RdBu", vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest")
            title = f"{method}, {PROTOCOLS.get(protocol, protocol)}\none-hot rows / u row {ratio:.2f}"
            axis.set_title(title, fontsize=10)
            axis.set_xlabel("hidden unit")
            axis.set_yticks([0, 1, 20], ["u", "one-hot 1", "one-hot 20"], fontsize=7)
            figure.colorbar(image, ax=axis)
    figures.save_figure(figure, path)


def _first_layers(result):
    """The first two layers on (u, one-hot), each (kernel [n_in, n_out], bias [n_out])."""
    from metalearn.restore import restore  # here, since it imports TensorFlow and the scripts' flags

    weights = restore(result["folder"]).weights
    _, module = FIRST_LAYERS[result["method"]]
    mean, name = weights[module].mean, module
    if not mean:  # a CNP without an encoder; the last row of its first layer is that of y
        mean, name = weights["decoder"].mean, "pair"
    layers = [(mean[f"{name}{i}/kernel"].numpy(), mean[f"{name}{i}/bias"].numpy()) for i in range(2)]
    if result["method"].endswith("activations"):  # the code's means, without their scales
        layers[1] = tuple(array[..., : array.shape[-1] // 2] for array in layers[1])
    layers[0] = layers[0][0][:DIM_X], layers[0][1]
    return layers


def _write_figure6_table(groups, path):
    """groups: (protocol, shots, label) -> trials, each (layers, _one_hot_measures)."""
    measures = {
        "norm": "norm of the one-hot's rows", "ratio": "/ of u's row", "share": "of the second layer's variance",
    }  # fmt: skip
    rows, cells = [], []
    for key, trials in groups.items():
        row = dict(zip(("protocol", "shots", "method"), key, strict=True))
        for measure, values in zip(measures, zip(*(values for _, values in trials), strict=True), strict=True):
            row |= {f"{measure}_mean": statistics.mean(values), f"{measure}_std": results.std(values)}
        rows.append(row | {"trials": len(trials)})
        errors = [results.mean_std(row[f"{measure}_mean"], row[f"{measure}_std"]) for measure in measures]
        cells.append([*key, *errors, len(trials)])
    _write_beside(path, ["protocol", "shots", "method", *measures.values(), "trials"], cells, rows)


def _one_hot_measures(first, second):
    """first, second: the first two layers, each (kernel [n_in, n_out], bias [n_out]). Returns the mean norm of the
    one-hot's rows of the first kernel, that norm over the norm of u's row, and the share of the variance of the second
    layer's output over u and one-hots that remains at a fixed u."""
    norms = np.linalg.norm(first[0], axis=1)
    grid = np.linspace(*U_RANGE, 201)
    u, one_hots = np.tile(grid[:, None, None], (1, NUM_AMPLITUDES, 1)), np.eye(NUM_AMPLITUDES)
    x = np.concatenate([u, np.broadcast_to(one_hots, (len(grid), *one_hots.shape))], axis=-1)
    output = np.maximum(x @ first[0] + first[1], 0.0) @ second[0] + second[1]
    share = output.var(axis=1).mean(axis=0).sum() / output.var(axis=(0, 1)).sum()
    return norms[1:].mean(), norms[1:].mean() / norms[0], share


def main(argv):
    del argv
    runs = load_runs(FLAGS.logdir)
    for flag, make in (("table1", table1), ("bars", bars), ("figure5", figure5), ("figure6", figure6)):
        if FLAGS[flag].value:
            make(runs, FLAGS[flag].value)


if __name__ == "__main__":
    # Figure 6, the last to be drawn, imports a script with a --logdir of its own.
    flags.DEFINE_list("logdir", None, "folders to search for runs", required=True, allow_override=True)
    flags.DEFINE_string("table1", None, "prefix of the .md and .csv files to write")
    flags.DEFINE_string("bars", None, "image file to draw Table 1 to")
    flags.DEFINE_string("figure5", None, "image file to draw the error against inner-loop steps to")
    flags.DEFINE_string("figure6", None, "image file to draw the first layers' weights to")
    run_main(main)
