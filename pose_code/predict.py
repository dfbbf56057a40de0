"""Predict the angles of views of an object of your own with a trained learner.

1. --CAD has models: files, or folders <class>/<object>.off. Of each, --shots support and --num_queries query views are
   rendered as the training data are, at angles that --seed draws. Or --support and --query are folders of rendered
   views; a query folder without a label file gets predictions only.
2. The learner of --run adapts to the support views; predictions are averaged over --num_theta_samples draws of theta.
3. Prints true and predicted angle of each query view and the error on the circle, in degrees; of several objects, a
   table. --out=FILE.png: support views with their angles, query views with dials; FILE.json: the numbers.

Command: python -m pose_code.predict --run=RUN --CAD=my_chair.off --out=chair.png
Cost: some seconds for an object.
"""

import collections
import functools
import json
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import flags

from metalearn import figures
from metalearn.cli import UserError, run_main
from metalearn.files import atomic_path
from metalearn.tasks import MetaBatch
from pose_code import paper, views
from pose_code.pose_dataset import reduce_images
from pose_data.meshes import SUFFIXES, define_up_flag
from pose_data.mujoco_render import find_models

FLAGS = flags.FLAGS


class Prediction(NamedTuple):
    """Angles of query views in degrees, [n] each: true (None if unknown), before adapting (None of a learner without an
    inner loop), after, and the standard deviation of `after` over draws of theta (None without)."""

    true: np.ndarray | None
    before: np.ndarray | None
    after: np.ndarray
    spread: np.ndarray | None


def meta_batch(run, support, query):
    """MetaBatch of one task, with the Views of an object as a restored run takes them; query labels are 0."""
    dim_im, dim_y = run.flags["dim_im"], run.flags["dim_y"]
    images = [reduce_images(part.images, dim_im)[None, ..., None] for part in (support, query)]
    labels = (paper.LABEL_SCALE * support.labels[None, :, -dim_y:]).astype(np.float32)
    return MetaBatch(images[0], labels, images[1], np.zeros((1, len(query.images), dim_y), np.float32))


def predict(run, support, query, num_draws):
    """`Prediction` of a restored run for the Views `query` of an object after it has seen the Views `support`."""
    import tensorflow as tf

    from metalearn.evaluation import predict_draws  # it brings TensorFlow

    batch, learner = meta_batch(run, support, query), run.learner
    stochastic = learner.stochastic(run.weights)

    def degrees(predict):
        draws, pre_errors = predict_draws(predict, batch, 0, num_draws if stochastic else 1)
        angles = [predictions[0, :, -1] * 360.0 / paper.LABEL_SCALE for predictions in draws]
        return learner.objective.average(angles), np.std(angles, axis=0) if stochastic else None, pre_errors

    after, spread, pre_errors = degrees(run.predict)
    before = None
    if pre_errors:  # a learner with an inner loop
        before, _, _ = degrees(functools.partial(run.predict, num_updates=tf.constant(0)))
    return Prediction(None if query.labels is None else query.degrees(), before, after, spread)


def draw(support, query, prediction, title):
    """A figure: support views with their angles, then query views with dials."""
    columns = 6
    rows = [-(-len(part.images) // columns) for part in (support, query)]
    figure, axes = figures.pyplot().subplots(
        sum(rows), columns, figsize=(1.9 * columns, 2.2 * sum(rows)), squeeze=False, layout="constrained"
    )
    figure.suptitle(
        f"{title}: {len(support.images)} support views, then query views (black: true; grey: before; red: after)"
    )
    for axis in axes.flat:
        axis.axis("off")
    for axis, image, angle in zip(axes.flat, support.images, support.degrees(), strict=False):
        axis.imshow(image, cmap="gray", vmin=0, vmax=255)
        axis.set_title(f"{angle:.0f}°", fontsize=9)
    hands = [(prediction.true, "black"), (prediction.before, "grey"), (prediction.after, "red")]
    for i, axis in enumerate(axes[rows[0] :].flat[: len(query.images)]):
        axis.imshow(query.images[i], cmap="gray", vmin=0, vmax=255)
        dial = axis.inset_axes([0.68, 0.68, 0.32, 0.32], polar=True)
        dial.set(xticks=[], yticks=[], ylim=(0, 1))
        for angles, color in hands:
            if angles is not None:
                dial.plot([0, np.radians(angles[i])], [0, 0.95], color=color, linewidth=1.8)
        true = "" if prediction.true is None else f"{prediction.true[i]:.0f}°: "
        axis.set_title(f"{true}{prediction.after[i] % 360:.0f}°", fontsize=9)
    return figure


def report(name, prediction):
    """Print one object's query views, and return its numbers for JSON: angles in degrees, and mean errors."""
    arrays = {field: values for field, values in prediction._asdict().items() if values is not None}
    numbers = {"object": name, **{field: [float(x) for x in values] for field, values in arrays.items()}}
    print(f"\n{name}\n" + "".join(f"{field:>9}" for field in [*arrays, *["off by"] * ("true" in arrays)]))
    for i in range(len(prediction.after)):
        row = [values[i] if field == "spread" else values[i] % 360 for field, values in arrays.items()]
        row += [paper.off_by(prediction.after[i], prediction.true[i])] if "true" in arrays else []
        print("".join(f"{value:9.1f}" for value in row))
    if "true" in arrays:
        for field in arrays.keys() & {"before", "after"}:
            errors = paper.off_by(arrays[field], prediction.true)
            numbers[f"mean_error_{field}"], numbers[f"median_error_{field}"] = (
                float(errors.mean()),
                float(np.median(errors)),
            )
        before = f"{numbers['mean_error_before']:.1f} before adapting, " if "before" in arrays else ""
        print(f"mean error in degrees: {before}{numbers['mean_error_after']:.1f} after")
    return numbers


def models():
    """Name -> path of the models of --CAD. Of several of one name each has its path for a name."""
    found = []  # (name, path)
    for path in map(Path, FLAGS.CAD):
        if path.is_dir():
            nested = find_models(path, [])
            found += [(f"{class_name}/{name}", model) for (class_name, name), model in nested.items()]
        elif path.suffix.lower() not in SUFFIXES or not path.exists():
            raise UserError(f"--CAD={path}: no such model; give a file {', '.join(SUFFIXES)}, or a folder of such")
        else:
            found.append((path.name, path))
    count = collections.Counter(name for name, _ in found)
    return {name if count[name] == 1 else str(path): path.resolve() for name, path in found}


def objects(seed):
    """Yields (name, support Views, query Views) of what the flags name."""
    if FLAGS.support:
        yield Path(FLAGS.query).name, views.read(FLAGS.support), views.read(FLAGS.query, need_labels=False)
        return
    found, num_views = models(), FLAGS.shots + FLAGS.num_queries
    rendered = views.render([views.Model(path, num_views, seed, FLAGS.up, FLAGS.cull_faces) for path in found.values()])
    for name, drawn in zip(found, rendered, strict=True):
        if (alike := views.look_alike(drawn)) is not None:
            print(
                f"warning: {name}: its views at {alike[0]:.0f} and {alike[1]:.0f} degrees look alike "
                f"({alike[2]:.1f} grey levels apart): no learner can tell these angles apart",
                file=sys.stderr,
            )
        yield name, drawn.part(slice(FLAGS.shots)), drawn.part(slice(FLAGS.shots, None))


def main(argv):
    del argv
    if bool(FLAGS.CAD) == bool(FLAGS.support) or bool(FLAGS.support) != bool(FLAGS.query):
        raise UserError("give --CAD=MODEL, or --support=FOLDER and --query=FOLDER")
    num_objects = len(models()) if FLAGS.CAD else 1
    if FLAGS.out and num_objects > 1 and Path(FLAGS.out).suffix != ".json":
        raise UserError(f"--out={FLAGS.out}: a picture is of one object; give one model, or --out=FILE.json")
    seed, num_draws = FLAGS.seed, FLAGS.num_theta_samples  # the training script, imported now, has such flags, too
    from metalearn.restore import restore  # TensorFlow takes seconds; what is wrong above is said at once

    run = restore(FLAGS.run)
    if run.flags.get("num_classes") != 1:
        raise UserError(f"--run={FLAGS.run}: not a run on poses with one object per task; give one of pose_code/")
    results = []
    for name, support, query in objects(seed):
        prediction = predict(run, support, query, num_draws)
        results.append(report(name, prediction))
        if FLAGS.out and Path(FLAGS.out).suffix != ".json":
            figures.save_figure(draw(support, query, prediction, name), FLAGS.out)
    if len(results) > 1:
        columns = [
            name for name in ("mean_error_before", "mean_error_after", "median_error_after") if name in results[0]
        ]
        print(
            f"\n| object | {' | '.join(name.replace('_', ' ') for name in columns)} |\n{'|---' * (len(columns) + 1)}|"
        )
        for numbers in results:
            print(f"| {numbers['object']} | {' | '.join(f'{numbers[name]:.1f}' for name in columns)} |")
    if FLAGS.out:
        Path(FLAGS.out).parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(Path(FLAGS.out).with_suffix(".json")) as temporary:
            temporary.write_text(json.dumps({"run": str(FLAGS.run), "objects": results}, indent=1) + "\n")


if __name__ == "__main__":
    flags.DEFINE_string("run", None, "run folder of a pose script, with its checkpoint", required=True)
    flags.DEFINE_list("CAD", [], "models: files or folders, separated by commas")
    flags.DEFINE_string("support", None, "folder of rendered support views with their labels, <class>/<object>")
    flags.DEFINE_string("query", None, "folder of rendered query views, with labels or without")
    flags.DEFINE_integer("shots", 15, "support views to render", lower_bound=1, upper_bound=1000)
    flags.DEFINE_integer("num_queries", 15, "query views to render", lower_bound=1, upper_bound=1000)
    flags.DEFINE_integer("seed", 0, "seed of the angles", lower_bound=0, allow_override=True)
    flags.DEFINE_string("out", None, "picture to write, FILE.png, and FILE.json beside it; FILE.json: that alone")
    flags.DEFINE_bool("cull_faces", True, "draw no faces that look away from the camera, as mujoco_render.py")
    define_up_flag()
    flags.DEFINE_integer("num_theta_samples", 5, "draws of theta that are averaged", 1, 10_000, allow_override=True)
    run_main(main)
