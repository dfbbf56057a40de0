"""The data as a folder in place of a pickle: one .npy of views an object and an index, for sets too large for memory.

FOLDER/00000.npy, 00001.npy, ...: uint8 [views, side, side]; FOLDER/index.npz: labels float64 [objects, views, 3] and
names, unicode [objects].
"""

import zipfile
from pathlib import Path

import numpy as np

from metalearn.cli import UserError


class Shards:
    """Images of a folder that `write` made, read from the disk when they are asked for. Like an array
    [objects, views, side, side] of uint8, of which shards[i] is one object's memory map."""

    def __init__(self, folder):
        """Raises UserError if there is no index, or if a file is missing or of another shape than the first."""
        self.folder = Path(folder)
        path = self.folder / "index.npz"
        try:
            self.labels, self.names = _read_index(path)
        except OSError as error:
            raise UserError(f"{self.folder}: not a folder of data_gen.py --format=shards ({error})") from None
        except Exception as error:  # the readers of zip files and arrays raise whatever a broken file makes them
            why = str(error)[:200] or type(error).__name__
            raise UserError(f"{path}: not the index of a folder of data_gen.py --format=shards ({why})") from None
        self.dtype = np.dtype(np.uint8)
        self.shape = (len(self.labels), *self[0].shape)
        for i in range(len(self)):
            images = self[i]
            if images.dtype != np.uint8 or images.shape != self.shape[1:]:
                raise UserError(f"{self._path(i)}: {images.dtype} {images.shape}, not uint8 {self.shape[1:]}")
        if self._path(len(self)).exists():
            raise UserError(f"{self._path(len(self))}: the index ends before it; run data_gen.py again")

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        if i >= len(self):
            raise IndexError(i)  # ends an iteration
        # Opened for each use: a map that stays open keeps all it has ever read in this process's memory.
        try:
            if not self._path(i).is_file():  # opening a pipe would block
                raise FileNotFoundError("no such file")
            with np.errstate(over="raise"):  # of the product of a shape
                images = np.load(self._path(i), mmap_mode="r", allow_pickle=False)
            if not isinstance(images, np.ndarray):  # but an archive
                raise ValueError("not an array")
            return images
        except Exception as error:  # as above
            raise UserError(f"{self._path(i)}: damaged or missing ({error}); run data_gen.py again") from None

    def _path(self, i):
        return _path(self.folder, i)


def _read_index(path):
    """-> (labels float [objects, views, 3], names unicode [objects]); raises nearly anything."""
    if path.exists() and not path.is_file():
        raise ValueError("not a file")
    with zipfile.ZipFile(path) as file:  # np.savez compresses nothing; what is compressed can be huge
        if sum(member.file_size for member in file.infolist()) > path.stat().st_size:
            raise ValueError("it is compressed")
    with np.load(path, allow_pickle=False) as index:
        labels, names = index["labels"], index["names"]
    if labels.dtype.kind != "f" or labels.ndim != 3 or names.dtype.kind != "U" or names.shape != labels.shape[:1]:
        raise ValueError(f"labels are {labels.dtype} {labels.shape}, names {names.dtype} {names.shape}")
    if 0 in labels.shape:
        raise ValueError(f"labels are {labels.shape}: empty")
    return labels, names


def write(folder, images, labels, names):
    """Write to a new folder; under `atomic_path`, for one that appears whole or not at all.

    images: iterable over objects of uint8 [views, side, side], so one is held at a time; labels: float64
    [objects, views, 3]; names: of the objects.
    """
    folder.mkdir()
    for i, views in enumerate(images):
        np.save(_path(folder, i), views)
    np.savez(folder / "index.npz", labels=labels, names=np.asarray(names))


def _path(folder, i):
    return folder / f"{i:05d}.npy"
