"""Step 3 of the pose data: splits the objects and writes train_data.pkl and val_data.pkl.

    python data_gen.py --data_dir=DATA/rotate_resize
    python data_gen.py --data_dir=DATA/rotate_resize --num_test_objects=15 --num_val_objects=12 --out_dir=SEARCH

Each pickle is [images, labels]: images uint8 [objects, views, 128, 128], labels float64 [objects, views, 3],
the last axis being x, (y + 1) / 2 (metres) and angle / 2 pi (turns), all within [0, 1]. The split depends on --seed
and the names of the objects only. Takes a few seconds; expect 52 training and 15 validation objects from PASCAL3D+.

--num_test_objects=N makes a third split, test_data.pkl: the objects that val_data.pkl holds under --num_val_objects=N
alone. So what is chosen on the validation objects beside it was chosen without a look at the reported ones.
Beside each, train_names.json and so on list the objects, <class>/<object>, in their order.
--format=shards writes folders train_data, val_data in place of the pickles, for sets too large for memory (shards.py).
"""

import contextlib
import itertools
import json
from pathlib import Path

import numpy as np
from absl import flags

from metalearn.cli import UserError, run_main
from metalearn.files import atomic_path, set_aside
from pose_data import pickles, rotate_folder, shards

FLAGS = flags.FLAGS

IMAGE_SIZE = 128  # pixels


def split_objects(folders, num_val_objects, seed, num_test_objects=0):
    """Return (train, val, test): lists of the object folders, sorted; val and test are drawn by `seed`.

    The order in which `folders` comes does not matter. Test objects are drawn first.
    """
    folders = sorted(folders)
    num_held_out = num_test_objects + num_val_objects
    if len(folders) <= num_held_out:
        held_out = f"--num_val_objects={num_val_objects}"
        if num_test_objects:
            held_out += f" and --num_test_objects={num_test_objects}"
        raise UserError(
            f"{held_out}: there are {len(folders)} objects in all, and training needs some; hold out fewer, such as "
            "bash run.sh data --num_val_objects=1, and give the tables SPLITS=fixed"
        )
    order = np.random.default_rng(seed).permutation(len(folders))
    parts = order[num_held_out:], order[num_test_objects:num_held_out], order[:num_test_objects]
    return tuple([folders[index] for index in sorted(part)] for part in parts)


def read_image(path):
    """Return a view, uint8 [128, 128]; UserError when it is missing, damaged or not resized."""
    with rotate_folder.open_view(path) as image:
        if image.size != (IMAGE_SIZE, IMAGE_SIZE) or image.mode != "L":
            raise UserError(f"{path}: not {IMAGE_SIZE}x{IMAGE_SIZE} grey; run resize_images.py first")
        return np.asarray(image)


def read_all_labels(folders):
    """Return the labels of the objects, float64 [objects, views, 3]; UserError when they differ in their views."""
    all_labels = [rotate_folder.read_labels(folder) for folder in folders]
    for folder, labels in zip(folders, all_labels, strict=True):
        if len(labels) != len(all_labels[0]):
            raise UserError(
                f"{folder}: {len(labels)} views, but {folders[0]} has {len(all_labels[0])}; render all alike"
            )
    return np.array(all_labels)


def read_views(folder, num_views):
    """Return the images of an object, uint8 [views, 128, 128]; UserError also when it has more than its labels."""
    beyond = [path for view, path in rotate_folder.image_paths(folder).items() if view >= num_views]
    if beyond:
        raise UserError(f"{beyond[0]}: it has no label, they end with view {num_views - 1}; render the object anew")
    return np.stack([read_image(folder / f"{view}.png") for view in range(num_views)])


def write_split(path, views, labels, names):
    """Write a split to a new file, `path` with .pkl at its end, or folder of shards.

    views: iterable over objects of uint8 [views, 128, 128]; labels: float64 [objects, views, 3]; names: of the objects.
    """
    if path.suffix == ".pkl":
        path.write_bytes(pickles.dumps([np.stack(list(views)), labels]))
    else:
        shards.write(path, views, labels, names)


def main(_):
    folders = rotate_folder.object_folders(FLAGS.data_dir)
    parts = dict(
        zip(
            ("train", "val", "test"),
            split_objects(folders, FLAGS.num_val_objects, FLAGS.seed, FLAGS.num_test_objects),
            strict=True,
        )
    )
    labels = iter(read_all_labels([folder for part in parts.values() for folder in part]))
    out_dir = Path(FLAGS.out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    written = []
    with contextlib.ExitStack() as new:  # they appear together, when all are written
        for name, part in parts.items():
            if part:
                path = out_dir / f"{name}_data{'.pkl' if FLAGS.format == 'pickle' else ''}"
                part_labels = np.array(list(itertools.islice(labels, len(part))))
                views = (read_views(folder, part_labels.shape[1]) for folder in part)
                names = [f"{folder.parent.name}/{folder.name}" for folder in part]
                write_split(new.enter_context(atomic_path(path)), views, part_labels, names)
                names_file = new.enter_context(atomic_path(out_dir / f"{name}_names.json"))
                names_file.write_text(json.dumps(names, indent=0) + "\n")
                written.append(f"{path}: {len(part)} objects x {part_labels.shape[1]} views")
        # Never beside those of an earlier split, whose held-out objects may train now.
        endings = ("data.pkl", "data", "names.json")
        paths = [out_dir / f"{name}_{ending}" for name in parts for ending in endings]
        earlier = [path for path in paths if path.exists()]
        with set_aside(paths):
            new.close()
    gone = [f"{path}: removed, it was of an earlier split" for path in earlier if not path.exists()]
    print("\n".join(written + gone))
    for name, split in (("validation", parts["val"]), ("test", parts["test"])):
        if split:
            print(f"{name} objects: " + " ".join(f"{folder.parent.name}/{folder.name}" for folder in split))


def define_flags():
    flags.DEFINE_string("data_dir", None, "Folder of resized views: <class>/<object>/<view>.png.", required=True)
    flags.DEFINE_string("out_dir", ".", "Folder to write train_data.pkl and val_data.pkl to.")
    flags.DEFINE_enum("format", "pickle", ("pickle", "shards"), "Pickles, or folders with a file for each object.")
    flags.DEFINE_integer("seed", 0, "Seed of the split.", lower_bound=0)
    flags.DEFINE_integer("num_val_objects", 15, "Objects kept for meta-validation.", lower_bound=1)
    flags.DEFINE_integer(
        "num_test_objects", 0, "Objects kept for a third split, test_data.pkl; 0 for none.", lower_bound=0
    )


if __name__ == "__main__":
    define_flags()
    run_main(main)
