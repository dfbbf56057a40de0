"""The folder that mujoco_render.py fills: <class>/<object>/<view>.png and <class>/<object>/label_<class><object>."""

import contextlib
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from pose_data import pickles
from pose_data.cli import UserError

MAX_IMAGE_SIZE = 4096  # pixels; the renders of the paper have 500
MAX_NUM_VIEWS = 100_000


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
    return folder / f"label_{folder.parent.name}{folder.name}"


def read_labels(folder):
    """Return the labels of an object folder, float64 [views, 3]: x, y, angle; UserError when they are not usable."""
    path = label_path(folder)
    if not path.exists():
        raise UserError(f"{path}: missing; run mujoco_render.py again and copy the folder anew")
    try:
        rows = np.asarray(pickles.load(path))
    except ValueError as error:
        raise UserError(f"{path}: no usable labels ({error})") from error
    if rows.dtype.kind not in "fiu" or rows.ndim != 2 or rows.shape[1] != 4 or not len(rows):
        raise UserError(f"{path}: no usable labels ({rows.dtype} {rows.shape}); expected rows of four numbers")
    rows = rows.astype(np.float64)
    if not np.array_equal(rows[:, 0], np.arange(len(rows))):
        raise UserError(f"{path}: expected one row [view, x, y, angle] for each view 0, 1, 2, ...")
    if not ((rows[:, 1:] >= 0) & (rows[:, 1:] <= 1)).all():
        raise UserError(f"{path}: a label is outside [0, 1]")
    return rows[:, 1:]


def image_paths(folder):
    """Return the views in an object folder as a dict view number -> path, in the order of the numbers.

    Raises UserError for a .png whose name is not the plain number of a view.
    """
    views = {}
    for path in folder.iterdir():
        if path.suffix == ".png" and not path.name.startswith("."):
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
        if path.exists() and not path.is_file():  # to open a pipe would wait for ever
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
