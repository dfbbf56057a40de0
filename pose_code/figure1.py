"""Figure 1: six labelled views of each of three objects, two to train on and one held out.

Command: python figure1.py --data_dir=DATA_DIR --out=FILE.png [--objects=car/03,chair/05,sofa/01]
Cost: seconds.
"""

from pathlib import Path

import numpy as np
from absl import flags

from metalearn import figures
from metalearn.cli import UserError, run_main
from pose_code.paper import LABEL_SCALE
from pose_code.pose_dataset import PoseSplit

FLAGS = flags.FLAGS

NUM_VIEWS = 6


def choose(train, held_out, names):
    """[(heading, PoseSplit, index)] of three objects: two of `train`, one of `held_out`. names: theirs, or none."""
    if not names:  # of two classes, in the middle of the list
        first = len(train) // 2
        other = next(
            (i for i in range(len(train)) if _class(train, i) != _class(train, first)), (first + 1) % len(train)
        )
        return [("training", train, first), ("training", train, other), ("held out", held_out, len(held_out) // 2)]
    if len(names) != 3:
        raise UserError(f"--objects={','.join(names)}: give three names, two training objects and a held-out one")
    chosen = []
    for name, (heading, split) in zip(names, [("training", train)] * 2 + [("held out", held_out)], strict=True):
        if name not in split.names:
            raise UserError(f"--objects: no {heading} object {name}; there are {', '.join(split.names)}")
        chosen.append((heading, split, split.names.index(name)))
    return chosen


def _class(split, i):
    return split.names[i].partition("/")[0]


def draw(chosen):
    """A row per object of `choose`, its views in the order of their angles."""
    figure, axes = figures.pyplot().subplots(3, NUM_VIEWS, figsize=(2 * NUM_VIEWS, 7), layout="constrained")
    for (heading, split, i), line in zip(chosen, axes, strict=True):
        angles = split.labels[i, :, -1]
        views = np.argsort(angles)[np.linspace(0, len(angles), NUM_VIEWS, endpoint=False).astype(int)]
        for view, axis in zip(views, line, strict=True):
            axis.imshow(np.asarray(split.images[i][view]), cmap="gray", vmin=0, vmax=255)
            axis.set_title(f"y = {angles[view]:.1f}")
            axis.set(xticks=[], yticks=[])
        line[0].set_ylabel(f"{heading}: {split.names[i]}")
    figure.suptitle(f"angle in turns x {LABEL_SCALE:g}")
    return figure


def main(argv):
    del argv
    paths = [Path(FLAGS.data_dir) / f"{name}_data.pkl" for name in ("train", "val")]
    train, held_out = (PoseSplit(path, FLAGS.dim_im, 1, 1, 1) for path in paths)
    figures.save_figure(draw(choose(train, held_out, FLAGS.objects)), FLAGS.out)


if __name__ == "__main__":
    flags.DEFINE_string("data_dir", None, "folder of the two pickles that pose_data/data_gen.py writes", required=True)
    flags.DEFINE_string("out", None, "image file to write", required=True)
    flags.DEFINE_list("objects", [], "names of the three objects; default: some")
    flags.DEFINE_integer("dim_im", 128, "side of the images in pixels")
    run_main(main)
