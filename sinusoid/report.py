"""Table 1 and Figures 5 and 6 from the runs below a folder.

1. --table1=PREFIX: PREFIX.md and .csv, each cell beside the paper's, with its settings and minutes; --bars=FILE.png.
2. --figure5=FILE.png: meta-test MSE of the MAML methods against inner-loop steps.
3. --figure6=FILE.png: the first layers' weights, a row an input: u, then the 20 of the one-hot; FILE.md and .csv: how
   large the one-hot's rows are.

Command: python report.py --logdir=LOGDIR --table1=results/table1
Cost: some seconds.
"""

import statistics
from pathlib import Path

import numpy as np
from absl import flags

from metalearn import checkpoints, figures, results
from metalearn.cli import UserError, run_main
from sinusoid.tasks import NUM_AMPLITUDES, U_GRID

FLAGS = flags.FLAGS

COLUMNS = ("shots", "method", "mean", "std", "trials", "paper_mean", "paper_std", "minutes")
_OUTER = ("optimizer", "clip_norm", "meta_batch_size")
_MAML = (
    *_OUTER, "meta_lr", "update_lr", "test_update_lr", "num_updates", "test_num_updates", "metatrain_iterations",
)  # fmt: skip
_CNP = (*_OUTER, "update_lr", "num_updates")
_WEIGHTS = ("beta", "var", "rho_lr", "num_theta_samples")
_ACTIVATIONS = ("beta", "num_theta_samples")
SETTINGS = {
    "MAML": _MAML, "MR-MAML (A)": _ACTIVATIONS + _MAML, "MR-MAML (W)": _WEIGHTS + _MAML,
    "CNP": _CNP, "MR-CNP (A)": _ACTIVATIONS + _CNP, "MR-CNP (W)": _WEIGHTS + _CNP,
}  # fmt: skip
_USUAL = {"dim_w": 5, "dim_z": 5, "kl_on": "query", "weight_decay": 0.0}  # named where it is something else
FIRST_LAYERS = {  # method -> label, name of its layers, in the order of Figure 6's panels
    "sinusoid_maml_none": ("MAML", "head/head"),
    "sinusoid_cnp_none": ("CNP", "encoder/encoder"),
    "sinusoid_maml_activations": ("MR-MAML (A)", "encoder/encoder"),
    "sinusoid_cnp_activations": ("MR-CNP (A)", "encoder/encoder"),
    "sinusoid_maml_weights": ("MR-MAML (W)", "encoder/encoder"),
    "sinusoid_cnp_weights": ("MR-CNP (W)", "encoder/encoder"),
}


def table1(runs, prefix):
    """Writes PREFIX.md and .csv and prints the Markdown. runs: of results.load_results."""
    lines = [
        "| shots | method | this code | the paper | on training tasks | min | settings |",
        "|---|---|---|---|---|---|---|",
    ]
    rows = []
    for row, (_, trials) in zip(results.table(runs), results.group(runs), strict=True):
        row["minutes"] *= row["trials"]
        used = trials[0]["flags"]
        names = [*SETTINGS[row["method"]], *(name for name, usual in _USUAL.items() if used.get(name, usual) != usual)]
        settings = ", ".join(
            f"{name} {value if isinstance(value, str) else f'{value:g}'}"
            for name in names if (value := used[name]) is not None
        )  # fmt: skip
        cells = (
            str(row["shots"]), row["method"], results.mean_std(row["mean"], row["std"]),
            results.mean_std(row["paper_mean"], row["paper_std"]), f"{row['train_mean']:.2f}",
            f"{row['minutes']:.1f}", settings,
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
        rows.append({name: row[name] for name in COLUMNS})
    text = "\n".join(lines)
    print(text)
    results.write_table(prefix, text, rows)


def bars(runs, path):
    """Table 1 as bars with standard deviations, the paper's beside ours, a panel a number of shots."""
    rows = results.table(runs)
    all_shots = sorted({row["shots"] for row in rows})
    figure, axes = figures.pyplot().subplots(
        1, len(all_shots), figsize=(4.5 * len(all_shots), 3.2), squeeze=False, layout="constrained"
    )
    for axis, shots in zip(axes[0], all_shots, strict=True):
        figures.draw_bars(axis, [row for row in rows if row["shots"] == shots])
        axis.set_title(f"{shots} shots")
    axes[0][0].legend()
    figures.save_figure(figure, path)


def figure5(runs, path):
    """Meta-test MSE against inner-loop steps, mean and standard deviation over trials, a panel a number of shots."""
    curves = {}
    for result in runs:
        if "mse_by_num_updates" in result:
            key = result["flags"]["update_batch_size"], result["method"]
            curves.setdefault(key, []).append(result["mse_by_num_updates"])
    all_shots = sorted({shots for shots, _ in curves})
    if not all_shots:
        raise UserError(f"--logdir={','.join(FLAGS.logdir)}: no run of sinusoid/maml.py; train with bash run.sh table1")
    figure, axes = figures.pyplot().subplots(
        1, len(all_shots), figsize=(4.5 * len(all_shots), 3.4), squeeze=False, layout="constrained"
    )
    for axis, shots in zip(axes[0], all_shots, strict=True):
        for method, (label, _) in FIRST_LAYERS.items():
            if trials := curves.get((shots, method)):
                steps = [int(step) for step in trials[0]]
                errors = np.array([[trial[str(step)] for step in steps] for trial in trials])
                axis.errorbar(
                    steps,
                    errors.mean(axis=0),
                    errors.std(axis=0),
                    label=label,
                    marker="o",
                    markersize=3,
                    capsize=2,
                )
        axis.set_xscale("symlog", linthresh=1)
        axis.set(title=f"{shots} shots", xlabel="inner-loop steps at meta-test", ylabel="meta-test MSE", ylim=(0, None))
        ticks = [step for step in steps if step != 150]  # its label would touch its neighbours
        axis.set_xticks(ticks, ticks, fontsize=7)
    axes[0][0].legend()
    figures.save_figure(figure, path)


def figure6(runs, path):
    """The first layers' weights (a posterior's means) of the first trials at the fewest shots, a panel a method, and
    beside the image as .md and .csv: what `_of_one_hot` says of all trials."""
    groups, methods = {}, list(FIRST_LAYERS)
    for result in sorted(runs, key=lambda result: result["trial"]):
        _, name = FIRST_LAYERS[result["method"]]
        weights = checkpoints.load(result["folder"] / "checkpoint-final.npz")
        layers = [(weights[f"{name}{i}/kernel"], weights[f"{name}{i}/bias"]) for i in range(2)]
        if result["method"].endswith("activations"):  # the code's means, without their scales
            layers[1] = tuple(array[..., : array.shape[-1] // 2] for array in layers[1])
        used = result["flags"]
        key = used["update_batch_size"], methods.index(result["method"]), used.get("weight_decay", 0.0)
        groups.setdefault(key, []).append((layers, [result["meta_test_mse"], *_of_one_hot(*layers)]))
    if not groups:
        raise UserError(f"--logdir={','.join(FLAGS.logdir)}: no run of sinusoid/; train with bash run.sh table1")
    _write_figure6_table(groups, Path(path).with_suffix(""))
    shown = [key for key in sorted(groups) if key[0] == min(groups)[0]]
    num_rows = (len(shown) + 1) // 2
    figure, axes = figures.pyplot().subplots(
        num_rows, 2, figsize=(10, 2.6 * num_rows), squeeze=False, layout="constrained"
    )
    for axis in axes.flat[len(shown) :]:
        axis.axis("off")
    for axis, key in zip(axes.flat, shown, strict=False):
        [(kernel, _), _], (_, _, ratio, _) = groups[key][0]
        limit = np.abs(kernel).max()
        image = axis.imshow(kernel, cmap="RdBu", vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest")
        decay = f", weight decay {key[2]:g}" if key[2] else ""
        title = f"{FIRST_LAYERS[methods[key[1]]][0]}{decay}\none-hot rows / u row {ratio:.2f}"
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("hidden unit")
        axis.set_yticks([0, 1, 20], ["u", "one-hot 1", "one-hot 20"], fontsize=7)
        figure.colorbar(image, ax=axis)
    figures.save_figure(figure, path)


def _write_figure6_table(groups, prefix):
    """groups: (shots, index in FIRST_LAYERS, weight decay) -> trials, each (layers, [meta-test MSE, *_of_one_hot])."""
    labels = [label for label, _ in FIRST_LAYERS.values()]
    measures = {
        "mse": "MSE", "norm": "norm of the one-hot's rows", "ratio": "/ of u's row",
        "share": "of the second layer's variance",
    }  # fmt: skip
    lines = [f"| shots | method | weight decay | {' | '.join(measures.values())} | trials |", "|---" * 8 + "|"]
    rows = []
    for (shots, method, decay), trials in sorted(groups.items()):
        row = {"shots": shots, "method": labels[method], "weight_decay": decay}
        cells = []
        for measure, values in zip(measures, zip(*(values for _, values in trials), strict=True), strict=True):
            row[f"{measure}_mean"], row[f"{measure}_std"] = statistics.mean(values), results.std(values)
            cells.append(results.mean_std(row[f"{measure}_mean"], row[f"{measure}_std"]))
        rows.append(row | {"trials": len(trials)})
        lines.append(f"| {shots} | {row['method']} | {decay:g} | {' | '.join(cells)} | {len(trials)} |")
    text = "\n".join(lines)
    print(text)
    results.write_table(prefix, text, rows)


def _of_one_hot(first, second):
    """first, second: the first two layers, each (kernel [n_in, n_out], bias [n_out]). Returns the mean norm of the
    one-hot's rows of the first kernel, that norm over the norm of u's row, and the share of the variance of the second
    layer's output over u and one-hots that there is at a fixed u."""
    norms = np.linalg.norm(first[0], axis=1)
    u, one_hots = np.tile(U_GRID[:, None, None], (1, NUM_AMPLITUDES, 1)), np.eye(NUM_AMPLITUDES)
    x = np.concatenate([u, np.broadcast_to(one_hots, (len(U_GRID), *one_hots.shape))], axis=-1)
    output = np.maximum(x @ first[0] + first[1], 0.0) @ second[0] + second[1]
    share = output.var(axis=1).mean(axis=0).sum() / output.var(axis=(0, 1)).sum()
    return norms[1:].mean(), norms[1:].mean() / norms[0], share


def main(argv):
    del argv
    runs = results.load_results(FLAGS.logdir)
    runs = [run for run in runs if run["method"].startswith("sinusoid")]
    for flag, make in (("table1", table1), ("bars", bars), ("figure5", figure5), ("figure6", figure6)):
        if FLAGS[flag].value:
            make(runs, FLAGS[flag].value)


if __name__ == "__main__":
    flags.DEFINE_list("logdir", None, "folders to search for runs", required=True)
    flags.DEFINE_string("table1", None, "prefix of the .md and .csv files to write")
    flags.DEFINE_string("bars", None, "image file to draw Table 1 to")
    flags.DEFINE_string("figure5", None, "image file to draw the error against inner-loop steps to")
    flags.DEFINE_string("figure6", None, "image file to draw the first layers' weights to")
    run_main(main)
