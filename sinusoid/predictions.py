"""Figures 7 and 8: predictions on test tasks of one one-hot and several amplitudes, from the runs of Table 1.

1. --figure7=FILE: CNP, MR-CNP(A), MR-CNP(W), a row each, a column per amplitude: the true curve, the support points and
   the prediction.
2. --figure8=FILE: MAML, MR-MAML(A), MR-MAML(W), a row each, after 0, 1, 5 and 100 inner steps, a curve per amplitude.
A learner that has memorized predicts the amplitude of the one-hot, whatever its support set says.

Command: python predictions.py --logdir=LOGDIR/released --figure7=FILE.png --figure8=FILE.png
Cost: half a minute.
"""

import functools

from absl import flags

from metalearn import figures, results
from metalearn.cli import UserError, run_main
from sinusoid import AMPLITUDES, paper

FLAGS = flags.FLAGS

SHOTS, SEED, ONE_HOT, DRAWS = 5, 0, 9, 20
TEST_AMPLITUDES = (0.5, 1.5, 2.5, 3.5)
STEPS = (0, 1, 5, 100)
METHODS = {"cnp": "CNP", "maml": "MAML"}


def batch_of_tasks():
    """MetaBatch of a task per amplitude of TEST_AMPLITUDES, all with the same one-hot."""
    from sinusoid.tasks import Points, SinusoidTasks

    points = Points(SHOTS, 101)._replace(query_noise=0.0)
    tasks = SinusoidTasks(TEST_AMPLITUDES, [ONE_HOT] * len(TEST_AMPLITUDES), points, points)
    _, batch = next(iter(tasks.evaluation_batches(SEED, 1, len(TEST_AMPLITUDES))))
    return batch


def predictions(run, batch, num_updates=None):
    """[tasks, n] of a restored run, averaged over draws of theta; num_updates: inner steps of a MAML."""
    import tensorflow as tf

    from metalearn.evaluation import predict_draws

    options = {} if num_updates is None else {"num_updates": tf.constant(num_updates)}
    num_draws = DRAWS if run.learner.stochastic(run.weights) else 1
    draws, _ = predict_draws(functools.partial(run.predict, **options), batch, SEED, num_draws)
    return run.learner.objective.average(draws)[..., 0]


def restored(folders, family):
    """[(label, restored run)] of the first trials of a family's three methods, in the tables' order. Raises UserError
    if one is missing or has two settings."""
    from metalearn.restore import restore  # TensorFlow and the scripts' flags

    found = {}
    for _, trials in results.group(results.load_results(folders, paper)):
        first = min(trials, key=lambda trial: trial["trial"])
        if not first["method"].startswith(f"sinusoid_{family}_"):
            continue
        if first["method"] in found:
            raise UserError(
                f"--logdir={','.join(folders)}: {first['label']} has two settings, {found[first['method']][1]} and "
                f"{first['folder']}; give a folder with one of them"
            )
        found[first["method"]] = first["label"], first["folder"]
    if len(found) < 3:
        raise UserError(
            f"--logdir={','.join(folders)}: not the three {METHODS[family]} methods; run: bash run.sh table1"
        )
    return [(label, restore(folder)) for label, folder in found.values()]


def figure7(folders, path):
    """A row per CNP method, a column per amplitude."""
    batch, runs = batch_of_tasks(), restored(folders, "cnp")
    figure, axes = figures.pyplot().subplots(
        3, len(TEST_AMPLITUDES), figsize=(12, 7), layout="constrained", sharey=True
    )
    for (label, run), line in zip(runs, axes, strict=True):
        predicted = predictions(run, batch)
        for i, axis in enumerate(line):
            _draw_task(axis, batch, i, "black")
            axis.plot(batch.query_x[i, :, 0], predicted[i], color="tab:red", label="prediction")
            axis.set_title(f"{label}, A = {TEST_AMPLITUDES[i]}", fontsize=10)
    axes[0, -1].legend(fontsize=7, loc="upper left", ncols=2)
    _finish(figure, path)


def figure8(folders, path):
    """A row per MAML method, a column per number of inner steps, a colour per amplitude."""
    batch, runs = batch_of_tasks(), restored(folders, "maml")
    figure, axes = figures.pyplot().subplots(3, len(STEPS), figsize=(12, 7), layout="constrained", sharey=True)
    for (label, run), line in zip(runs, axes, strict=True):
        for steps, axis in zip(STEPS, line, strict=True):
            predicted = predictions(run, batch, steps)
            for i in range(len(TEST_AMPLITUDES)):
                _draw_task(axis, batch, i, f"C{i}")
                axis.plot(batch.query_x[i, :, 0], predicted[i], color=f"C{i}", label=f"A = {TEST_AMPLITUDES[i]}")
            axis.set_title(f"{label}, {steps} step{'s' * (steps != 1)}", fontsize=10)
    axes[0, -1].legend(fontsize=7, loc="upper left", ncols=2)
    _finish(figure, path)


def _draw_task(axis, batch, i, color):
    axis.plot(batch.query_x[i, :, 0], batch.query_y[i, :, 0], ":", color=color, linewidth=1)
    axis.plot(batch.support_x[i, :, 0], batch.support_y[i, :, 0], "o", color=color, markersize=4)
    axis.set(ylim=(-4.5, 4.5), xticks=[-5, 0, 5])


def _finish(figure, path):
    amplitude = AMPLITUDES[ONE_HOT]
    figure.suptitle(
        f"dotted: true; dots: {SHOTS} support points; lines: predictions. The one-hot is that of A = {amplitude:.2f}"
    )
    figures.save_figure(figure, path)


def main(argv):
    del argv
    folders, paths = FLAGS.logdir, {figure7: FLAGS.figure7, figure8: FLAGS.figure8}
    for make, path in paths.items():
        if path:
            make(folders, path)


if __name__ == "__main__":
    # The scripts that are imported to restore their runs have a --logdir of their own.
    flags.DEFINE_list("logdir", None, "folders to search for runs of one protocol", required=True, allow_override=True)
    flags.DEFINE_string("figure7", None, "image file to draw the CNP's predictions to")
    flags.DEFINE_string("figure8", None, "image file to draw MAML's predictions to")
    run_main(main)
