"""A trained learner, back in Python: learner, weights and flags of a run folder."""

import functools
import importlib
import importlib.util
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from absl import flags
from absl.testing import flagsaver

from metalearn.cli import UserError
from metalearn.run_folder import newest_checkpoint, with_new_flags
from metalearn.trials import Trials

FLAGS = flags.FLAGS


class Restored(NamedTuple):
    """learner: as its script makes it; weights: dict module -> Weights; predict: (batch, seed) -> the learner's
    predictions with them and the support set's error before adapting or None, compiled (seed: int tensor [2]; of a
    learner with an inner loop also num_updates, an int tensor); flags: dict name -> value of the run; script: the
    module that trained it."""

    learner: Any
    weights: dict
    predict: Callable
    flags: dict
    script: types.ModuleType


def restore(folder):
    """The newest checkpoint of a run folder as `Restored`. Flags of the calling process are left as they are, and so is
    Keras's policy: after a run in bfloat16, too, it predicts in float32 unless that is set.

    Raises UserError if there is no checkpoint, if it is damaged, or if its script is not to be found.
    """
    path, note = newest_checkpoint(Path(folder))
    if path is None:
        raise UserError(f"{folder}: no checkpoint; give the folder of a training run, RUN.trial-N")
    name = note.get("script") or _script_of(note["method"])
    try:
        script = importlib.import_module(name)
    except ImportError as error:
        raise UserError(f"{path}: made by {name}, which cannot be imported ({error})") from None
    with flagsaver.flagsaver():  # takes away what define_flags adds, so that other scripts can define theirs
        script.define_flags()
        FLAGS.mark_as_parsed()
        for flag, value in with_new_flags(note["flags"]).items():
            if flag in FLAGS:
                FLAGS[flag].value = value
        learner = script.make_learner()
        trial = types.SimpleNamespace(checkpoint=path, rng=lambda purpose: np.random.default_rng(0))
        trials = Trials([trial], learner)
        if note.get("means_only"):  # see export.py
            trials.drop_rho()
    trials.restore(partial=True)
    weights = trials.of(0, averaged=True)
    predict = functools.partial(tf.function(learner.predict, autograph=False), weights)
    return Restored(learner, weights, predict, note["flags"], script)


def _script_of(method):
    """The script of a run from before runs recorded it, by its method: a METHOD's, or that of PACKAGE_SCRIPT_..."""
    packages = [path.name for path in Path(__file__).resolve().parents[1].iterdir() if (path / "paper.py").exists()]
    first, _, rest = method.partition("_")
    names = [f"{package}.{method}" for package in sorted(packages)] + [f"{first}.{rest.partition('_')[0]}"]
    for name in names:
        package = name.partition(".")[0]
        if importlib.util.find_spec(package) and importlib.util.find_spec(name):
            return name
    raise UserError(f"there is no script of the method {method}")
