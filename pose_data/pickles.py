"""Pickles of NumPy arrays that old NumPy reads, and a reader that runs no code from the file."""

import pickle

from pose_data.cli import UserError, atomic_path

# NumPy 2 renamed the module in which arrays are rebuilt; NumPy 1 knows, and NumPy 2 still accepts, the old name.
_NEW_GLOBAL = b"cnumpy._core.multiarray\n_reconstruct\n"
_OLD_GLOBAL = b"cnumpy.core.multiarray\n_reconstruct\n"

# All that pickled arrays, dtypes and NumPy scalars need, under the module names of NumPy 1 and 2.
_ALLOWED = {
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.numeric", "_frombuffer"),
    ("_codecs", "encode"),  # protocol 2 stores bytes as text
}


class UnreadablePickleError(UserError, ValueError):
    """The file is no pickle, is cut short, or holds something else than arrays and plain containers."""


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if module.startswith("numpy.core."):
            module = module.replace("numpy.core.", "numpy._core.", 1)
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}, only NumPy arrays are admitted")
        return super().find_class(module, name)


def dump(obj, path):
    """Pickle `obj` (NumPy arrays in plain containers) to `path`, which appears whole or not at all."""
    # Protocol 3 is the last in which the name above is a plain line. Arrays are written once by name and then
    # by reference, and that first name comes before any array data.
    data = pickle.dumps(obj, protocol=3).replace(_NEW_GLOBAL, _OLD_GLOBAL, 1)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def load(path):
    """Return the arrays and plain containers pickled in `path`.

    Raises FileNotFoundError, or UnreadablePickleError (a ValueError) that names the file.
    """
    with open(path, "rb") as file:
        try:
            return _ArrayUnpickler(file, encoding="latin1").load()
        except OSError:
            raise
        except Exception as error:  # a damaged pickle can raise nearly anything
            raise UnreadablePickleError(f"{path}: not a usable pickle: {str(error) or type(error).__name__}") from error
