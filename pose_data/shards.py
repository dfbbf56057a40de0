"""The data as a folder in place of a pickle: one .npy of views an object and an index, for sets too large for memory.

FOLDER/00000.npy, 00001.npy, ...: uint8 [views, side, side]; FOLDER/index.npz: labels float64 [objects, views, 3] and
names, unicode [objects].
"""

import zipfile
from pathlib import Path

import numpy as np

from pose_data.cli import UserError, atomic_path


class Shards:
    """Images of a folder that `write` made, read from the disk when they are asked for. Like an array
    [objects, views, side, side] of uint8, of which shards[i] is one object's memory map."""

    def __init__(self, folder):
        """Raises UserError if there is no index, or if a file is missing or of another shape than the first."""
        self.folder = Path(folder)
        try:
            with np.load(self.folder / "index.npz", allow_pickle=False) as index:
                self.labels, self.names = index["labels"], index["names"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise UserError(f"{self.folder}: not a folder of data_gen.py --format=shards ({error})") from None
        self.dtype = np.dtype(np.uint8)
        self.shape = (len(self.labels), *self[0].shape)
        for i in range(len(self)):
            images = self[i]
            if images.dtype != np.uint8 or images.shape != self.shape[1:]:
                raise UserError(f"{self._path(i)}: {images.dtype} {images.shape}, not uint8 {self.shape[1:]}")

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        if i >= len(self):
            raise IndexError(i)  # ends an iteration
        # Opened for each use: a map that stays open keeps all it has ever read in this process's memory.
        try:
            return np.load(self._path(i), mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise UserError(f"{self._path(i)}: damaged or missing ({error}); run data_gen.py again") from None

    def _path(self, i):
        return _path(self.folder, i)


def write(folder, images, labels, names):
    """Write `folder` whole or not at all, in place of an earlier one.

    images: iterable over objects of uint8 [views, side, side], so one is held at a time; labels: float64
    [objects, views, 3]; names: of the objects.
    """
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        for i, views in enumerate(images):
            np.save(_path(temporary, i), views)
        np.savez(temporary / "index.npz", labels=labels, names=np.asarray(names))


def _path(folder, i):
    return folder / f"{i:05d}.npy"
