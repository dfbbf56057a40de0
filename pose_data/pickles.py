"""Pickles of NumPy arrays that old NumPy reads, and a reader that runs no code from the file and takes no more memory
than the file's size warrants."""

import os
import pickle
import re
import typing

import numpy as np

from metalearn.cli import UserError
from metalearn.files import atomic_path
from pose_data.file_kinds import other_kind

# NumPy 2 renamed the module in which arrays are rebuilt; NumPy 1 knows, and NumPy 2 still accepts, the old name.
_NEW_GLOBAL = b"cnumpy._core.multiarray\n_reconstruct\n"
_OLD_GLOBAL = b"cnumpy.core.multiarray\n_reconstruct\n"


class UnreadablePickleError(UserError, ValueError):
    """The file is no pickle, is cut short, or holds something else than arrays and plain containers."""


def _dtype(code, *_):
    """A copy that may be changed; no objects, no fields: their state could make NumPy follow pointers in the file."""
    if not re.fullmatch(r"[<>|=]?[?biufcSU]\d{0,9}", code):
        raise pickle.UnpicklingError(f"it has an array of {code!r}, only numbers and strings are admitted")
    return np.dtype(code, copy=True)


def _empty(*_):
    return np.empty(0, np.uint8)  # the state that follows has the shape


def _scalar(dtype, data):
    return np.frombuffer(data, dtype, 1)[0]


def _frombuffer(data, dtype, shape, order, axes=None):
    array = np.frombuffer(data, dtype)
    return array.reshape(shape, order=order) if axes is None else array.reshape(shape).transpose(axes)


def _bytes(text, codec):
    return text.encode({"latin1": "latin1"}[codec])  # other codecs could take forever


# What pickled arrays, dtypes, NumPy scalars and, in protocol 2, bytes refer to, and what stands in for it. NumPy's own
# functions allocate what they are asked for and take any state.
_ADMITTED = {
    ("numpy", "dtype"): _dtype,
    ("numpy", "ndarray"): None,  # only named, as an argument
    ("numpy._core.multiarray", "_reconstruct"): _empty,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy._core.numeric", "_frombuffer"): _frombuffer,
    ("_codecs", "encode"): _bytes,
}


# The one in Python: the one in C takes gigabytes for a number in ten bytes (the index of a memo), and has no methods
# to replace. There is an opcode or two for an array.
class _ArrayUnpickler(pickle._Unpickler):
    dispatch: typing.ClassVar = {**pickle._Unpickler.dispatch}
    for _opcode in (pickle.INST, pickle.OBJ, pickle.NEWOBJ, pickle.NEWOBJ_EX, pickle.FROZENSET, pickle.ADDITEMS):
        del dispatch[_opcode[0]]

    def find_class(self, module, name):
        module = re.sub(r"^numpy\.core\.", "numpy._core.", module)
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}, only NumPy arrays are admitted")
        return _ADMITTED[module, name]

    def load_build(self):
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, np.dtype):  # all that its name does not say is the order of the bytes
            state = target.newbyteorder(state[1]).__reduce__()[2]
        elif not isinstance(target, np.ndarray):
            raise pickle.UnpicklingError("it sets attributes")
        target.__setstate__(state)

    dispatch[pickle.BUILD[0]] = load_build

    def load_bytearray8(self):
        self.append(bytearray(self.read(int.from_bytes(self.read(8), "little"))))  # not first as large as it says

    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8

    def load_setitem(self):
        self._set_items([self.stack.pop() for _ in range(2)][::-1])

    dispatch[pickle.SETITEM[0]] = load_setitem

    def load_setitems(self):
        self._set_items(self.pop_mark())

    dispatch[pickle.SETITEMS[0]] = load_setitems

    def load_dict(self):
        items = self.pop_mark()
        self.append({})
        self._set_items(items)

    dispatch[pickle.DICT[0]] = load_dict

    def _set_items(self, items):
        keys = items[::2]
        if not all(isinstance(key, str | int) for key in keys):  # to hash nested tuples could take forever
            raise pickle.UnpicklingError("it has a dictionary with other keys than names and numbers")
        self.stack[-1].update(zip(keys, items[1::2], strict=True))


class _Reader:
    """A file for the unpickler in which nothing is longer than the file: Python would allocate first and read then."""

    def __init__(self, file):
        self._read, self.readline = file.read, file.readline
        self.size = os.fstat(file.fileno()).st_size

    def read(self, n):
        data = self._read(n) if n <= self.size else b""
        if len(data) < n:
            raise EOFError("it ends too early")
        return data


def _check_expanded(value, size):
    """Refuse containers that np.asarray would make into much more than the `size` bytes of the file: by references of
    lists to lists, or for texts, which all get the room of the longest."""
    left, visited, longest, most = [value], 0, 1, 16 * size
    while left and len(left) <= size and visited * longest <= most:
        item = left.pop()
        visited += 1
        size -= 1
        if isinstance(item, np.ndarray):
            size -= item.nbytes
            longest = max(longest, item.itemsize)
        elif isinstance(item, str | bytes):
            longest = max(longest, len(item))
        elif isinstance(item, dict):
            left += item.values()
        elif isinstance(item, list | tuple):
            left += item
    if left or size < 0 or visited * longest > most:
        raise pickle.UnpicklingError("it holds the same things over and over, or texts that do not belong together")


def dumps(obj):
    """Return `obj` (NumPy arrays in plain containers) as the bytes of a pickle."""
    # Protocol 3 is the last in which the name above is a plain line. Arrays are written once by name and then
    # by reference, and that first name comes before any array data.
    return pickle.dumps(obj, protocol=3).replace(_NEW_GLOBAL, _OLD_GLOBAL, 1)


def dump(obj, path):
    """Pickle `obj` to `path`, which appears whole or not at all."""
    data = dumps(obj)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def load(path):
    """Return the arrays (of numbers or strings) and plain containers pickled in `path`, nothing else.

    To expand them all, as np.asarray does with lists, takes no more memory than some times the file's size. Raises
    FileNotFoundError, or UnreadablePickleError (a ValueError) that names the file.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise UnreadablePickleError(f"{path}: not a file")  # opening a pipe would block
    with open(path, "rb") as file:
        try:
            reader = _Reader(file)
            value = _ArrayUnpickler(reader, encoding="latin1").load()
            _check_expanded(value, reader.size)
            return value
        except OSError:
            raise
        except Exception as error:  # a damaged pickle can raise nearly anything
            file.seek(0)
            kind = other_kind(file.read(32))
            why = f"it is {kind}" if kind else str(error)[:200] or type(error).__name__
            raise UnreadablePickleError(f"{path}: not a usable pickle: {why}") from error
