"""One checkpoint is one .npz file: every variable by name, plus a JSON note (method, flags, iteration, seconds)."""

import json
import zipfile

import numpy as np

from pose_data.cli import UserError, atomic_path


def save(path, variables, note):
    """Write `variables` (dict name -> tf.Variable) and `note` (JSON-able dict) to `path`, whole or not at all."""
    arrays = {name: variable.numpy() for name, variable in variables.items()}
    with atomic_path(path) as temporary:
        np.savez(temporary, note=json.dumps(note), **arrays)


def load_note(path):
    """The note of a checkpoint. Raises UserError if the file is damaged."""
    with _open(path) as arrays:
        return json.loads(str(arrays["note"]))


def restore(path, variables):
    """Assign the checkpoint's arrays to `variables`. Raises UserError if it is damaged or of another network."""
    with _open(path) as arrays:
        stored = {name: arrays[name] for name in arrays.files if name != "note"}
    shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
    if {name: array.shape for name, array in stored.items()} != shapes:
        raise UserError(f"{path}: holds the weights of another network; use another --logdir or --trial")
    for name, variable in variables.items():
        variable.assign(stored[name])


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
