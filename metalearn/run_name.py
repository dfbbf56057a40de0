"""The name of a run folder: upstream's, then what a command line changed of a preset."""

import itertools
import re
import sys

from absl import flags

from metalearn.cli import UserError
from metalearn.run_folder import EVALUATION_PREFIXES, own_flags
from metalearn.settings import EXECUTION_FLAGS, flag_text, value_text

FLAGS = flags.FLAGS

flags.DEFINE_string(
    "tag", None,
    "end of the run folder's name; unset: the flags given after --flagfile, so that a changed preset is another run",
)  # fmt: skip

_OF_LISTS = {"trial", "num_trials", "data_dir"}  # with EXECUTION_FLAGS what a list gives before its lines
# Not in the tag: which trial of a run it is, and what a name says with other words.
_NAMED_OTHERWISE = {"trial", "num_trials", "data_dir", "train", "num_theta_samples", "regularizer", "weight_decay"}


def run_name(start, name_flags, iterations_flag=None):
    """Name of a run folder without its trial: `start`, the `name_flags` as upstream names runs, and --tag.

    Where --tag is not given it gets the flags after the last --flagfile on the command line. It is recorded, so that
    the run's own flags.cfg leads to the same folder. Raises UserError for a flag that the file has overridden.
    """
    _refuse_overridden(sys.argv[1:])
    given = _given_after_flagfile(sys.argv[1:])
    if given is not None and "tag" not in given:
        parts = [part.partition("-") for part in re.split(r"\.(?=[a-z]\w*-)", FLAGS.tag or "")]
        own = ["".join(part) for part in parts if part[0] not in FLAGS]  # words of a tag that was given
        tagged = {name: value for name, _, value in parts if name in FLAGS}
        ignored = {*name_flags, iterations_flag, *EXECUTION_FLAGS, *_NAMED_OTHERWISE}
        for name in given & ({flag.name for flag in own_flags()} - ignored):
            if not name.startswith(EVALUATION_PREFIXES):
                tagged[name] = _short(FLAGS[name].value)
        FLAGS.tag = ".".join(filter(None, [*own, *(f"{name}-{tagged[name]}" for name in sorted(tagged))])) or None
    parts = [start, *(f"{name}-{_short(FLAGS[name].value)}" for name in name_flags), FLAGS.tag]
    return ".".join(filter(None, parts))


def _given_after_flagfile(arguments):
    """Names of the flags on a command line after the last --flagfile; None without one."""
    places = _flagfiles(arguments)
    return _names(arguments[places[-1] + 1 :]) if places else None


def _refuse_overridden(arguments):
    """Raises UserError for a flag before a --flagfile, and not after it, that the file gives another value. (Those by
    which a list of runs tells its trials apart may stand there: the file's win.)"""
    places = _flagfiles(arguments)
    if not places:
        return
    before, after = arguments[: places[-1]], _names(arguments[places[-1] + 1 :])
    settings = {flag.name for flag in own_flags()} - (EXECUTION_FLAGS - {"tag"}) - _OF_LISTS - after
    last = {}  # name -> its last word, and its value
    for word, following in itertools.zip_longest(before, before[1:], fillvalue=""):
        for name in _names([word]) & settings:
            last[name] = word, word.partition("=")[2] if "=" in word else following
            if FLAGS[name].boolean and "=" not in word:
                last[name] = word, str(name == word.lstrip("-")).lower()
    for name, (word, text) in last.items():
        if FLAGS[name].parser.parse(text) != (value := FLAGS[name].value):
            raise UserError(f"{word}: a --flagfile after it has {flag_text(name, value)}; give it after that")


def _flagfiles(arguments):
    """Where on a command line the --flagfile are."""
    return [i for i, word in enumerate(arguments) if re.match("--?flagfile", word)]


def _names(words):
    """Names of the flags among the words of a command line; a word without - is a value."""
    names = {word.lstrip("-").partition("=")[0] for word in words if word.startswith("-")}
    return {name if name in FLAGS else name.removeprefix("no") for name in names}


def _short(value):
    """A flag's value in a file name."""
    return re.sub(r"[^\w.,+-]", "_", value_text(value))
