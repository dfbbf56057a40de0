"""One checkpoint is one .npz file: every array by name, plus a JSON note (method, flags, iteration, seconds)."""

import json

import numpy as np

from metalearn.cli import UserError
from metalearn.files import atomic_path, read_arrays


def save(path, arrays, note):
    """Write `arrays` (dict name -> array) and `note` (JSON-able dict) to `path`, whole or not at all."""
    with atomic_path(path) as temporary:
        np.savez(temporary, note=json.dumps(note), **arrays)


def load_note(path):
    """The note of a checkpoint. Raises UserError if the file is damaged."""
    return _read(path, lambda arrays: json.loads(str(arrays["note"])))


def load(path, shapes=None, partial=False):
    """The checkpoint's arrays, name -> array. Raises UserError if it is damaged, or if its names and shapes are not
    those of `shapes` (dict name -> tuple): another network's. partial: leave what `shapes` does not name."""

    def wanted(name):
        return name in shapes if partial else name != "note"

    arrays = _read(path, lambda stored: {name: stored[name] for name in stored.files if wanted(name)})
    if shapes is not None and {name: array.shape for name, array in arrays.items()} != shapes:
        raise UserError(f"{path}: holds the weights of another network; use another --logdir or --trial")
    return arrays


def _read(path, what):
    return read_arrays(path, what, "damaged checkpoint", "delete it to start again")
