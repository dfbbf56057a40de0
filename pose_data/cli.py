"""What every script shares: one-line errors instead of tracebacks, and files that appear whole or not at all."""

import contextlib
import errno
import functools
import glob
import math
import os
import shutil
import sys
from pathlib import Path

from absl import app, flags


class UserError(Exception):
    """A mistake the user can mend; the message is one line that names the file or flag and the way out."""


def run_main(main, positional=False):
    """Parse absl flags, run `main(argv)`; print `error: ...` and exit 1 on UserError, OSError and bad flags.

    Unless the script has use for positional arguments they are refused: `--train False` would mean `--train=True`.
    """
    with contextlib.suppress(AttributeError):  # of what stands in for a terminal
        sys.stdout.reconfigure(errors="backslashreplace")  # a file may have a name that is no text
    try:
        app.run(main, flags_parser=functools.partial(_parse_flags, positional=positional))
    except UserError as error:
        _fail(error)
    except OSError as error:  # a missing folder, no permission, a full disk: the message names the file
        _fail(f"{error.filename}: {error.strerror}" if error.filename else error)
    except MemoryError as error:
        _fail(f"out of memory ({error}); lower the sizes that the flags give")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def _parse_flags(argv, positional):
    try:
        argv = flags.FLAGS(argv)
    except flags.Error as error:
        raise UserError(f"{str(error).rstrip()}; --help lists the flags") from error
    if len(argv) > 1 and not positional:
        raise UserError(f"unexpected argument {argv[1]!r}: write flags as --name=value")
    for name in flags.FLAGS:
        value = flags.FLAGS[name].value
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"--{name}={value}: give a finite number")
        if isinstance(value, int) and abs(value) >= 2**31:
            raise UserError(f"--{name}={value}: give a number below 2147483648")
    return argv


def _fail(message):
    print(f"error: {' '.join(str(message).split())}", file=sys.stderr)
    sys.exit(1)


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
        _remove_left(path, "tmp")
        temporary = _beside(path, "tmp")
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
                path.rename(_beside(path, "old"))
                moved.append(path)
        yield
    except BaseException:
        for path in moved:
            if not path.exists():
                _beside(path, "old").rename(path)
        raise
    for path in paths:
        _remove_left(path, "old")


def _beside(path, kind):
    return path.with_name(f".{path.stem}.{os.getpid()}.{kind}{path.suffix}")


def _remove_left(path, kind):
    """Remove what this process, or one that is no more, had beside `path`."""
    end = f".{kind}{path.suffix}"
    for left in path.parent.glob(f".{glob.escape(path.stem)}.*{glob.escape(end)}"):
        process = left.name.removeprefix(f".{path.stem}.").removesuffix(end)
        if process.isdecimal() and (int(process) == os.getpid() or not _is_alive(int(process))):
            remove(left)


def remove(path):
    """Delete a file or a folder, if it is there."""
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
