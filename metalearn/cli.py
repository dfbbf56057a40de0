"""What every script shares: flags parsed strictly, and one-line errors instead of tracebacks."""

import contextlib
import errno
import functools
import math
import os
import sys

from absl import app, flags


class UserError(Exception):
    """A mistake the user can fix; the message is one line with the file or flag and the remedy."""


def run_main(main, positional=False):
    """Parse absl flags, run `main(argv)`; print `error: ...` and exit 1 on UserError, OSError and bad flags.

    Unless the script has use for positional arguments they are refused: `--train False` would mean `--train=True`.
    """
    with contextlib.suppress(AttributeError):  # stdout may be a stand-in
        sys.stdout.reconfigure(errors="backslashreplace")  # file names need not be valid text
    try:
        app.run(main, flags_parser=functools.partial(_parse_flags, positional=positional))
    except UserError as error:
        _fail(error)
    except OSError as error:  # a missing folder, no permission, a full disk: the message names the file
        _fail(f"{error.filename}: {error.strerror}" if error.filename else error)
    except MemoryError as error:
        _fail_for_memory(error)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        if type(error).__name__ != "ResourceExhaustedError":  # TensorFlow's, which not every script imports
            raise
        if any(os.strerror(number) in str(error) for number in (errno.ENOSPC, errno.EDQUOT, errno.EMFILE)):
            _fail(error)
        _fail_for_memory(error)


def _parse_flags(argv, positional):
    for module, own in list(flags.FLAGS.flags_by_module_dict().items()):
        if not module.startswith(("absl", "tensorflow")):
            for flag in own:  # --help lists the main module's flags; wherever they are defined, they are the script's
                flags.FLAGS.register_key_flag_for_module(argv[0], flag)
    try:
        argv = flags.FLAGS(argv)
    except flags.Error as error:
        raise UserError(f"{str(error).rstrip()}; --help lists the flags") from error
    except UnicodeDecodeError as error:
        files = [word for word in argv if word.lstrip("-").startswith("flagfile")]
        raise UserError(f"{' '.join(files)}: no UTF-8 text ({error}); write it anew") from None
    if len(argv) > 1 and not positional:
        raise UserError(f"unexpected argument {argv[1]!r}: write flags as --name=value")
    for name in flags.FLAGS:
        value = flags.FLAGS[name].value
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"--{name}={value}: give a finite number")
        if isinstance(value, int) and abs(value) >= 2**31:
            raise UserError(f"--{name}={value}: give a number below 2147483648")
    return argv


def int_list(name, minimum=1):
    """The value of a list flag, of layer sizes for one, as ints. Raises UserError."""
    values = flags.FLAGS[name].value
    try:
        numbers = [int(number) for number in values]
    except ValueError:
        numbers = [minimum - 1]
    if any(number < minimum for number in numbers):
        raise UserError(f"--{name}={','.join(values)}: give whole numbers from {minimum} on, with commas between")
    return numbers


def set_defaults(values):
    """Give flags that are defined elsewhere other defaults. values: dict name -> value."""
    for name, value in values.items():
        flags.FLAGS.set_default(name, value)


def _fail_for_memory(error):
    first, *_ = str(error).splitlines() or [""]
    _fail(f"out of memory ({first}); lower the sizes that the flags give")


def _fail(message):
    print(f"error: {' '.join(str(message).split())}", file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:  # the disk of what it is sent to is full: Python would say so again at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(1)
