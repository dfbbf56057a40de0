"""The file that all three sources of classes are turned into and that the training scripts read: classes.npz.

images: uint8 [classes, images per class, side, side, channels]; names: text [classes], no two alike; split: text
[classes], "train", "val" or "test" where the source has such a division, else "".
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from metalearn.cli import UserError
from metalearn.files import atomic_path, read_arrays

NAME = "classes.npz"
SPLITS = ("", "train", "val", "test")
_MAKE = "make it with classification/fonts.py, omniglot.py or mini_imagenet.py"


class Classes(NamedTuple):
    """The arrays of a class file, or some of its classes."""

    images: np.ndarray
    names: np.ndarray
    split: np.ndarray

    def take(self, rows):
        """These classes: rows, int [n]."""
        return Classes(*(array[rows] for array in self))

    @property
    def fingerprints(self):
        """Two short texts: a hash of the names and of the first image of each class, which earlier runs recorded, and a
        hash of all images."""
        digest = hashlib.sha256("\n".join(self.names).encode())
        digest.update(self.images[:, 0].tobytes())
        of_images = hashlib.sha256(str(self.images.shape).encode())
        of_images.update(np.ascontiguousarray(self.images))
        return digest.hexdigest()[:16], of_images.hexdigest()[:16]


def save(path, images, names, split=None):
    """Write a class file, whole or not at all, the same bytes for the same classes. split: unset, all ""."""
    split = [""] * len(names) if split is None else split
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        # Characters shrink to a third; photographs hardly, and take minutes.
        write = np.savez_compressed if images.shape[-1] == 1 else np.savez
        write(temporary, images=images, names=np.array(names, str), split=np.array(split, str))


def load(path):
    """`Classes` of a file. Raises UserError with its name if it is missing, damaged or not a class file."""
    try:
        classes = read_arrays(
            path, lambda stored: Classes(*(stored[name] for name in Classes._fields)),
            "not a file of classes, or damaged", _MAKE,
        )  # fmt: skip
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {_MAKE}") from None
    images, names, split = classes
    if images.dtype != np.uint8 or images.ndim != 5 or images.shape[2] != images.shape[3] or 0 in images.shape:
        raise UserError(
            f"{path}: images are {images.dtype} {images.shape}, not uint8 [classes, images, side, side, channels]; "
            f"{_MAKE}"
        )
    if names.dtype.kind != "U" or names.shape != images.shape[:1] or len(set(names.tolist())) != len(names):
        raise UserError(f"{path}: {len(images)} classes, but not as many different names; {_MAKE}")
    if split.shape != names.shape or not set(split.tolist()) <= set(SPLITS):
        raise UserError(f"{path}: the split of the classes is not one of train, val, test or empty each; {_MAKE}")
    return classes
