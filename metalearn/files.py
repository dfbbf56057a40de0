"""Files and folders that appear whole or not at all, whatever kills the process that writes them; arrays of files
that may be damaged."""

import contextlib
import errno
import glob
import os
import shutil
from pathlib import Path

import numpy as np

from metalearn.cli import UserError


@contextlib.contextmanager
def atomic_path(path):
    """Yield a temporary Path beside `path`; the file or folder made there becomes `path` on success and is removed on
    failure.

    The temporary name starts with a dot and ends in the suffix of `path` (libraries choose formats by it). One that a
    killed process left is removed; on a disk that several machines write to, let one of them write a path. An OSError
    names `path`.
    """
    path = Path(path)
    try:
        _remove_stale(path, "tmp")
        temporary = _hidden_sibling(path, "tmp")
        try:
            yield temporary
            with set_aside([path] if temporary.is_dir() else []):  # a folder replaces none that has something in it
                os.replace(temporary, path)
        finally:
            remove(temporary)
    except OSError as error:
        if error.filename or not (error.errno or "requested and" in str(error)):
            raise
        # Of a full disk Python does not say which file it was, and NumPy not even that it was full.
        why = error.strerror or f"{os.strerror(errno.ENOSPC)} ({error})"
        raise OSError(error.errno or errno.ENOSPC, why, str(path)) from error


@contextlib.contextmanager
def set_aside(paths):
    """Within, the files and folders `paths` have hidden names. Then they are deleted, with those that a killed process
    left so; on failure those that nothing has replaced come back."""
    paths = [Path(path) for path in paths]
    moved = []
    try:
        for path in paths:
            if path.exists():
                path.rename(_hidden_sibling(path, "old"))
                moved.append(path)
        yield
    except BaseException:
        for path in moved:
            if not path.exists():
                _hidden_sibling(path, "old").rename(path)
        raise
    for path in paths:
        _remove_stale(path, "old")


def _hidden_sibling(path, kind):
    return path.with_name(f".{path.stem}.{os.getpid()}.{kind}{path.suffix}")


def _remove_stale(path, kind):
    """Remove what this process, or one that is no more, had beside `path`."""
    end = f".{kind}{path.suffix}"
    for left in path.parent.glob(f".{glob.escape(path.stem)}.*{glob.escape(end)}"):
        process = left.name.removeprefix(f".{path.stem}.").removesuffix(end)
        if process.isdecimal() and (int(process) == os.getpid() or not _is_alive(int(process))):
            remove(left)


def prepare_picture(flag, path):
    """Make the folder of a picture that is written at the end of long work. Raises UserError, naming the flag, if the
    name does not end in .png."""
    if Path(path).suffix != ".png":
        raise UserError(f"--{flag}={path}: give a file name that ends in .png")
    Path(path).parent.mkdir(parents=True, exist_ok=True)


def remove(path):
    """Delete a file or a folder if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _is_alive(process):
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # another user's
        pass
    try:  # one that has ended and waits for its parent to notice is still there for kill
        return Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return True


def read_arrays(path, what, wrong, remedy):
    """what(arrays) of an .npz file. Raises UserError, "PATH: `wrong` (...); `remedy`", if it is damaged or another kind
    of file, OSError if it cannot be opened."""
    with open(path, "rb") as file:
        try:
            with np.load(file, allow_pickle=False) as arrays:
                return what(arrays)
        except Exception as error:  # NumPy's and zipfile's readers raise nearly anything on a damaged file
            raise UserError(f"{path}: {wrong} ({error!r}); {remedy}") from error
