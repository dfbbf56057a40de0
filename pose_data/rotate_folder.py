"""The folder that mujoco_render.py fills: <class>/<object>/<view>.png and <class>/<object>/label_<class><object>."""

import contextlib
import hashlib
import os
import pickle
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from metalearn.cli import UserError
from metalearn.files import atomic_path
from pose_data import pickles

MAX_IMAGE_SIZE = 4096  # pixels; the renders of the paper have 500
MAX_NUM_VIEWS = 100_000
MAX_NAME_BYTES = 230  # file systems take 255; the name of a temporary file is longer


def object_folders(data_dir):
    """Return the folders <data_dir>/<class>/<object>, sorted by name; UserError when it has none or is nested."""
    data_dir = Path(data_dir)
    if not data_dir.is_dir():
        raise UserError(f"--data_dir={data_dir}: no such folder; make it with mujoco_render.py and cp -r")
    folders = sorted(folder for class_dir in _subfolders(data_dir) for folder in _subfolders(class_dir))
    for folder in folders:
        if _subfolders(folder):
            raise UserError(
                f"--data_dir={data_dir}: {folder} holds folders, not views, as when `cp -r` ran twice "
                f"or --data_dir is one folder too high; remove the copy and run cp -r once more"
            )
    if not folders:
        raise UserError(f"--data_dir={data_dir}: no <class>/<object> folders in it; run mujoco_render.py and cp -r")
    return folders


def label_path(folder):
    """Return the path of the label file in the object folder <class>/<object>."""
    name = f"label_{folder.parent.name}{folder.name}"
    if len(os.fsencode(name)) > MAX_NAME_BYTES:
        name = f"label_{hashlib.sha256(os.fsencode(name)).hexdigest()}"
    return folder / name


def write_labels(folder, x, y, angles):
    """Write the label file of an object folder: place in metres (the same in all views), angles [views] in radians."""
    rows = [[view, x, y, float(angle)] for view, angle in enumerate(angles)]
    with atomic_path(label_path(folder)) as temporary:
        temporary.write_bytes(pickle.dumps(rows, protocol=2))  # the form of the paper's code


def read_labels(folder):
    """Return the labels of an object folder, float64 [views, 3], each within [0, 1]: x, (y + 1) / 2, angle / 2 pi.

    The label file is one of `write_labels` or of the paper's code. Raises UserError when it is not usable.
    """
    path = label_path(folder)
    if not path.exists():
        raise UserError(f"{path}: missing; run mujoco_render.py again and copy the folder anew")
    try:
        rows = pickles.load(path)
        if isinstance(rows, np.ndarray):  # earlier versions of this code wrote those; the unit of its angles is a turn
            raise UserError(
                f"{path}: written by an earlier version; run mujoco_render.py --overwrite, copy the folder anew"
            )
        rows = np.asarray(rows)
    except ValueError as error:
        raise UserError(f"{path}: no usable labels ({error})") from error
    if rows.dtype.kind not in "fiu" or rows.ndim != 2 or rows.shape[1] != 4 or not len(rows):
        raise UserError(f"{path}: no usable labels ({rows.dtype} {rows.shape}); expected rows of four numbers")
    views, x, y, angle = rows.astype(np.float64).T
    if not np.array_equal(views, np.arange(len(rows))):
        raise UserError(f"{path}: expected one row [view, x, y, angle] for each view 0, 1, 2, ...")
    labels = np.column_stack([x, (y + 1) / 2, angle / (2 * np.pi)])
    if not ((labels >= 0) & (labels <= 1)).all():
        raise UserError(f"{path}: expected x in [0, 1], y in [-1, 1] and angles in [0, 2 pi]")
    return labels


def image_paths(folder):
    """Return the views in an object folder as a dict view number -> path, in the order of the numbers.

    Raises UserError for a .png whose name is not the plain number of a view.
    """
    views = {}
    for path in folder.iterdir():
        # The label file of an object named x.png ends so, too.
        if path.suffix == ".png" and not path.name.startswith(".") and path != label_path(folder):
            if not path.stem.isdecimal() or path.stem != str(int(path.stem)):
                raise UserError(f"{path}: not a view; their names are 0.png, 1.png, ...; remove it")
            views[int(path.stem)] = path
    return dict(sorted(views.items()))


@contextlib.contextmanager
def open_view(path):
    """Yield a view as a PIL image of at most MAX_IMAGE_SIZE x MAX_IMAGE_SIZE pixels, 8 bits a channel, to be decoded
    within. Raises UserError, also for what Pillow finds there, when it is damaged or no such image.
    """
    way_out = "delete it here and in rotate/, run mujoco_render.py, copy it again"
    try:
        if path.exists() and not path.is_file():  # opening a pipe would block
            raise ValueError("not a file")
        # Pillow warns, or raises an Exception, of sizes that it takes for an attack: here a smaller one is too large.
        # Its readers of other formats run programs, such as Ghostscript.
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=["PNG"]) as image:
                if max(image.size) > MAX_IMAGE_SIZE:
                    raise ValueError(f"{image.width}x{image.height} pixels are more than {MAX_IMAGE_SIZE} a side")
                if image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA"):
                    raise ValueError(f"pixels of kind {image.mode}, not of 8 bits")
                if getattr(image, "n_frames", 1) > 1:
                    raise ValueError(f"{image.n_frames} images in one file")
                yield image
    except FileNotFoundError as error:
        raise UserError(f"{path}: missing; run mujoco_render.py again and copy the folder anew") from error
    except PermissionError:
        raise
    except (OSError, SyntaxError, ValueError, Warning, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: damaged image ({error}); {way_out}") from error


def _subfolders(folder):
    return [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
