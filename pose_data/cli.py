"""What every script shares: one-line errors instead of tracebacks, and files that appear whole or not at all."""

import contextlib
import functools
import glob
import os
import sys
from pathlib import Path

from absl import app, flags


class UserError(Exception):
    """A mistake the user can mend; the message is one line that names the file or flag and the way out."""


def run_main(main, positional=False):
    """Parse absl flags, run `main(argv)`; print `error: ...` and exit 1 on UserError, OSError and bad flags.

    Unless the script has use for positional arguments they are refused: `--train False` would mean `--train=True`.
    """
    try:
        app.run(main, flags_parser=functools.partial(_parse_flags, positional=positional))
    except UserError as error:
        _fail(error)
    except OSError as error:  # a missing folder, no permission, a full disk: the message names the file
        _fail(f"{error.filename}: {error.strerror}" if error.filename else error)
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
    return argv


def _fail(message):
    print(f"error: {' '.join(str(message).split())}", file=sys.stderr)
    sys.exit(1)


@contextlib.contextmanager
def atomic_path(path):
    """Yield a temporary Path beside `path`; it becomes `path` on success and is removed on failure.

    The temporary name starts with a dot and ends in the suffix of `path` (libraries choose formats by it). One that a
    killed process left is removed. An OSError names `path`.
    """
    path = Path(path)
    try:
        for old in path.parent.glob(f".{glob.escape(path.stem)}.*.tmp{glob.escape(path.suffix)}"):
            process = old.name.removeprefix(f".{path.stem}.").split(".")[0]
            if process.isdecimal() and not _is_alive(int(process)):
                old.unlink(missing_ok=True)
        temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        if error.errno and not error.filename:  # of a full disk Python does not say which file it was
            error.filename = str(path)
        raise


def _is_alive(process):
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # another user's
        pass
    return True
