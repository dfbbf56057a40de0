"""One checkpoint is one .npz file: every array by name, plus a JSON note (method, flags, iteration, seconds)."""

import json
import zipfile

import numpy as np

from pose_data.cli import UserError, atomic_path


def save(path, arrays, note):
    """Write `arrays` (dict name -> array) and `note` (JSON-able dict) to `path`, whole or not at all."""
    with atomic_path(path) as temporary:
        np.savez(temporary, note=json.dumps(note), **arrays)


def load_note(path):
    """The note of a checkpoint. Raises UserError if the file is damaged."""
    with _open(path) as arrays:
        return json.loads(str(arrays["note"]))


def load(path, shapes=None):
    """The checkpoint's arrays, name -> array. Raises UserError if it is damaged, or if its names and shapes are not
    those of `shapes` (dict name -> tuple): another network's."""
    with _open(path) as stored:
        arrays = {name: stored[name] for name in stored.files if name != "note"}
    if shapes is not None and {name: array.shape for name, array in arrays.items()} != shapes:
        raise UserError(f"{path}: holds the weights of another network; use another --logdir or --trial")
    return arrays


class _open:  # noqa: N801 - a context manager used like a function
    """np.load whose every failure, also while reading an array, is one line."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        try:
            self.arrays = np.load(self.path, allow_pickle=False)
        except (ValueError, EOFError, zipfile.BadZipFile) as e:
            self.__exit__(type(e), e, None)
        return self.arrays

    def __exit__(self, kind, error, traceback):
        if kind and issubclass(kind, (ValueError, EOFError, KeyError, zipfile.BadZipFile)):
            raise UserError(f"{self.path}: damaged checkpoint ({error}); delete it to start again") from error
