"""MiniImagenet (Vinyals et al., 2016) as a class file: 64 training, 16 validation and 20 test classes, 600 images each.

1. Reads --data_dir in either of its usual layouts:
   images/ with train.csv, val.csv and test.csv, whose columns filename and label name the images and their classes;
   train/, val/ and test/ with a folder of images for each class.
   Images are .jpg, .jpeg or .png; any numbers of classes will do. No class may be in two splits.
2. Resizes images of another size to --side x --side pixels (Lanczos, the aspect ratio is not kept), in colour.
3. Writes <out>/classes.npz (class_file.py): the training, validation and test classes, sorted by name within each.
   Both layouts give the same bytes. Learners are tested on the 20; the paper counts 24 test classes.

The images may not be passed on, so this project has none: it was tested on small made-up copies of both layouts.

Command: python -m classification.mini_imagenet --data_dir=DATA/mini_imagenet --out=DATA/mini_imagenet

Cost: images of 84x84 pixels 25 s on one core, of 500x375 pixels 5 minutes; 1.4 GB of memory; classes.npz takes 1.3 GB.
"""

import csv
from pathlib import Path, PurePosixPath

import numpy as np
from absl import flags
from PIL import Image

from classification import class_file, image_files
from metalearn.cli import UserError, run_main

FLAGS = flags.FLAGS

SPLITS = class_file.SPLITS[1:]
MAX_SIDE = 1024  # pixels


def find_classes(data_dir):
    """-> dict (split, class) -> list of `ImageFile`, sorted. Raises UserError."""
    data_dir = Path(data_dir)
    by_csv = any((data_dir / f"{split}.csv").exists() for split in SPLITS)
    needed = ("images", *(f"{split}.csv" for split in SPLITS)) if by_csv else SPLITS
    missing = [name for name in needed if not (data_dir / name).exists()]
    if missing == list(SPLITS):
        raise UserError(
            f"--data_dir={data_dir}: neither images/ with train.csv, val.csv and test.csv nor folders train, val and "
            "test in it; put them there"
        )
    if missing:
        raise UserError(f"{data_dir / missing[0]}: missing, and the others need it; put it there")
    found, splits = {}, {}
    for split in SPLITS:
        classes = (_from_csv if by_csv else _from_folders)(data_dir, split)
        if not classes:
            raise UserError(f"{data_dir / split}: no classes there or in the csv file of that name; complete it")
        for name, files in sorted(classes.items()):
            if splits.setdefault(name, split) != split:
                raise UserError(
                    f"{data_dir}: class {name!r} is in {splits[name]} and in {split}; remove it from one of them"
                )
            found[split, name] = sorted(files, key=lambda file: file.parts)
    return found


def _from_folders(data_dir, split):
    root = data_dir / split
    classes = {
        path.name: [] for path in root.iterdir() if path.is_dir() and not path.name.startswith((".", "__MACOSX"))
    }
    with image_files.open_folder(root) as files:
        for file in files:
            if len(file.parts) != 2:
                raise UserError(f"{file.where}: not at {split}/<class>/<image>; move or remove it")
            classes[file.parts[0]].append(file)
    return classes


def _from_csv(data_dir, split):
    path, root = data_dir / f"{split}.csv", data_dir / "images"
    if not path.is_file():  # opening a pipe would block
        raise UserError(f"{path}: not a file; get it anew")
    classes, seen = {}, {}
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            if not {"filename", "label"} <= set(rows.fieldnames or ()):
                raise UserError(f"{path}: its first line does not have the columns filename and label; add them")
            for row in rows:
                where = f"{path}, line {rows.line_num}"
                if not row["filename"] or not row["label"]:
                    raise UserError(f"{where}: no filename or no label; complete the line")
                name = PurePosixPath(row["filename"])
                if name.is_absolute() or ".." in name.parts:
                    raise UserError(f"{where}: {name} is not below {root}; give names relative to that folder")
                if seen.setdefault(name, rows.line_num) != rows.line_num:
                    raise UserError(f"{where}: {name} is also in line {seen[name]}; remove one of them")
                if not (root / name).is_file():
                    raise UserError(f"{where}: no image {root / name}; put it there or remove the line")
                classes.setdefault(row["label"], []).append(image_files.from_path(root / name, root))
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text ({error}); save it as UTF-8") from error
    except csv.Error as error:
        raise UserError(f"{path}: not a table of comma-separated values ({error}); get it anew") from error
    return classes


def read(data_dir, side=84, images_per_class=600):
    """-> `Classes`, with the first `images_per_class` of each class by name. side: pixels. Raises UserError."""
    found = find_classes(data_dir)
    split, names = zip(*found, strict=True)

    def pixels(file):
        image = image_files.decode(file, "RGB")
        return image if image.size == (side, side) else image.resize((side, side), Image.Resampling.LANCZOS)

    classes = dict(zip(names, found.values(), strict=True))
    images = image_files.read_classes(classes, images_per_class, "images_per_class", side, 3, pixels)
    return class_file.Classes(images, np.array(names), np.array(split))


def main(argv):
    del argv
    classes = read(FLAGS.data_dir, FLAGS.side, FLAGS.images_per_class)
    path = Path(FLAGS.out, class_file.NAME)
    class_file.save(path, *classes)
    numbers = ", ".join(f"{(classes.split == split).sum()} {split}" for split in SPLITS)
    print(f"{path}: {len(classes.names)} classes ({numbers}) x {FLAGS.images_per_class} images")


def define_flags():
    flags.DEFINE_string("data_dir", None, "Folder with MiniImagenet in one of the two layouts.", required=True)
    flags.DEFINE_string("out", None, "Folder to write classes.npz to.", required=True)
    flags.DEFINE_integer("side", 84, "Width and height of the images, in pixels.", 1, MAX_SIDE)
    flags.DEFINE_integer("images_per_class", 600, "Images of each class: the first by name.", 1)


if __name__ == "__main__":
    define_flags()
    run_main(main)
