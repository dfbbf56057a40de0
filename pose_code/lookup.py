"""What an object's views tell with nothing learned: the labels of the support views, weighted by likeness of pixels.

1. A query view's prediction is the mean of the support labels, weighted by exp(-mean squared difference of pixels /
   width); the width is the one of a grid with the smallest error on the training objects.
2. The same episodes and the same error as the learners'. With --update_batch_size=50 all views of an object but the
   query's are there to look at: what error is left then is due to objects that look alike from several sides.

Command: python lookup.py --data_dir=DATA_DIR --logdir=LOGDIR --update_batch_size=50
Cost: a minute. No row of the paper's.
"""

import functools
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import flags

from metalearn import evaluation
from metalearn.cli import UserError, run_main
from metalearn.run_folder import RunFolder
from metalearn.run_name import run_name
from pose_code import paper, pose_learners

FLAGS = flags.FLAGS

_OF_TRAINING = (
    "label_noise", "distinct_tasks", "init", "optimizer", "clip_norm", "ema_decay", "precision", "num_trials", "train",
)  # fmt: skip

WIDTHS = (3.0, 10.0, 30.0, 100.0, 300.0)  # grey levels squared


def predict(batch, seed, width):
    """Predictions [tasks, n, dim_y] for the query set of a MetaBatch, and None: there is no error before adapting."""
    del seed
    support, query = (x.reshape(*x.shape[:2], -1).astype(np.float32) for x in (batch.support_x, batch.query_x))
    # [tasks, n, K]
    products = query @ support.transpose(0, 2, 1)
    distances = (np.square(query).sum(-1)[..., None] - 2 * products + np.square(support).sum(-1)[:, None]) / (
        support.shape[-1]
    )
    weights = np.exp(-(distances - distances.min(-1, keepdims=True)) / width)
    return tf.constant(weights / weights.sum(-1, keepdims=True) @ batch.support_y), None


def main(argv):
    del argv
    begun = time.monotonic()
    if given := [f"--{name}" for name in _OF_TRAINING if FLAGS[name].value != FLAGS[name].default]:
        raise UserError(f"{', '.join(given)}: nothing is learned here; run without")
    train, val = pose_learners.load_splits()
    settings = evaluation.flags_settings(stochastic=False)
    with_width = {width: functools.partial(predict, width=width) for width in WIDTHS}
    errors = {
        width: evaluation.evaluate(paper.OBJECTIVE, with_width[width], train, **settings).errors.mean()
        for width in WIDTHS
    }
    width = min(errors, key=errors.get)
    print(
        f"width {width:g} of {', '.join(f'{w:g}: {error:.3g}' for w, error in errors.items())} on the training objects"
    )
    name = run_name("lookup", ["update_batch_size"])
    run = RunFolder(Path(FLAGS.logdir) / f"{name}.trial-{FLAGS.trial}", FLAGS.trial, "lookup", None, (train, val))
    with run.lock():
        numbers = evaluation.protocol(
            paper.OBJECTIVE, with_width[width], train, val, pose_learners.other_splits(val), **settings
        )
        run.seconds = time.monotonic() - begun
        run.write_result(numbers, paper.OBJECTIVE.name)


if __name__ == "__main__":
    pose_learners.define_data_flags()
    run_main(main)
