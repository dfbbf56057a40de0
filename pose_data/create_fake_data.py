"""Noise in the format of data_gen.py, to try the training scripts before any data is rendered.

    python create_fake_data.py --out_dir=.

writes train_data.pkl and val_data.pkl, and the objects' names beside them, in a second, in place of data that are
there, test_data of data_gen.py included. Labels are random and have nothing to do with the images: expect a validation
error of chance, 8.33.
"""

import json
import math
import os
import shutil
from pathlib import Path

import numpy as np
from absl import flags

from metalearn.cli import UserError, run_main
from metalearn.files import atomic_path, remove
from pose_data.data_gen import write_split
from pose_data.rotate_folder import MAX_IMAGE_SIZE, MAX_NUM_VIEWS

FLAGS = flags.FLAGS


def fake_labels(num_objects, num_views, rng):
    """Return labels as data_gen.py's, float64 [objects, views, 3]."""
    labels = np.empty((num_objects, num_views, 3))
    labels[..., :2] = 0.5, 0.5  # x and (y + 1) / 2, as of the renders
    labels[..., 2] = rng.random((num_objects, num_views))  # turns
    return labels


def _check_room(out_dir, object_size):
    """Raise UserError when the data do not fit on the disk or, as a pickle or one object of shards, in the memory."""
    numbers = FLAGS.num_train_objects, FLAGS.num_val_objects
    held = max(numbers) * 3 if FLAGS.format == "pickle" else 1  # while a pickle is made there are three of it
    for needed, there, name in (
        (sum(numbers) * object_size, shutil.disk_usage(out_dir).free, f"the disk of {out_dir}"),
        (held * object_size, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), "the memory"),
    ):
        if needed > there:
            sizes = f"{needed / 1e9:.0f} GB where {name} has {there / 1e9:.0f}"
            raise UserError(f"--num_train_objects, --num_views and --dim_im ask for {sizes}; lower one")


def main(_):
    rng = np.random.default_rng(FLAGS.seed)
    out_dir = Path(FLAGS.out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    shape = (FLAGS.num_views, FLAGS.dim_im, FLAGS.dim_im)
    _check_room(out_dir, math.prod(shape) + FLAGS.num_views * 24)
    for name, num_objects in (("train", FLAGS.num_train_objects), ("val", FLAGS.num_val_objects)):
        labels = fake_labels(num_objects, FLAGS.num_views, rng)
        images = (rng.integers(256, size=shape, dtype=np.uint8) for _ in range(num_objects))
        path, other = out_dir / f"{name}_data.pkl", out_dir / f"{name}_data"
        if FLAGS.format == "shards":
            path, other = other, path
        names = [f"noise/{i}" for i in range(num_objects)]
        with atomic_path(path) as temporary, atomic_path(out_dir / f"{name}_names.json") as names_file:
            write_split(temporary, images, labels, names)
            names_file.write_text(json.dumps(names, indent=0) + "\n")
        remove(other)  # an earlier one would be read in place of the new
        print(f"{path}: {num_objects} objects x {FLAGS.num_views} views of noise")
    for path in (out_dir / f"test_{ending}" for ending in ("data.pkl", "data", "names.json")):
        if path.exists():
            remove(path)
            print(f"{path}: removed, it was of earlier data")


def define_flags():
    flags.DEFINE_string("out_dir", ".", "Folder to write train_data.pkl and val_data.pkl to.")
    flags.DEFINE_enum("format", "pickle", ("pickle", "shards"), "As data_gen.py's.")
    flags.DEFINE_integer("num_train_objects", 50, "Objects in train_data.pkl.", 1, 1_000_000)
    flags.DEFINE_integer("num_val_objects", 15, "Objects in val_data.pkl.", 1, 1_000_000)
    flags.DEFINE_integer("num_views", 100, "Views of each object.", 1, MAX_NUM_VIEWS)
    flags.DEFINE_integer("dim_im", 128, "Width and height of the images in pixels.", 1, MAX_IMAGE_SIZE)
    flags.DEFINE_integer("seed", 0, "Seed of the noise.", lower_bound=0)


if __name__ == "__main__":
    define_flags()
    run_main(main)
