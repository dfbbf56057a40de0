"""How far apart two methods are, paired by split and object. Trials: results as results.load_results returns them."""

import collections
from typing import NamedTuple

import numpy as np

_DRAWS = 10_000


class Difference(NamedTuple):
    """Mean error of one method minus another's, its 95 % interval, and over how many objects and splits."""

    mean: float
    low: float
    high: float
    objects: int
    splits: int


def paired(one, other):
    """`Difference` of the trials `one` from the trials `other`, over the held-out objects of the splits that both have.

    Errors are averaged over the trials of a split. The interval is a percentile bootstrap over objects: a draw takes
    objects with replacement, each with its errors in all splits; where these have no names, tasks.
    None when no split is common to both.
    """
    errors, other_errors = errors_of_objects(one), errors_of_objects(other)
    common = sorted(errors.keys() & other_errors.keys())
    if not common:
        return None
    by_object = collections.defaultdict(list)
    for split, name in common:
        by_object[name].append(np.mean(errors[split, name]) - np.mean(other_errors[split, name]))
    sums, counts = (np.array([function(values) for values in by_object.values()]) for function in (sum, len))
    drawn = np.random.default_rng(0).integers(len(sums), size=(_DRAWS, len(sums)))
    low, high = np.percentile(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), (2.5, 97.5))
    splits = len({split for split, _ in common})
    return Difference(float(sums.sum() / counts.sum()), float(low), float(high), len(sums), splits)


def errors_of_objects(trials):
    """(split, object) -> errors of the trials. A split is the data that a run read, and the seed that chose from them;
    unnamed objects, or tasks, have numbers."""
    found = collections.defaultdict(list)
    for trial in trials:
        split = " ".join(str(trial["flags"].get(name, "")) for name in ("data_dir", "data_seed"))
        names = trial.get("objects") or [f"{split} {i}" for i in range(len(trial["per_object"]))]
        for name, error in zip(names, trial["per_object"], strict=True):
            found[split, name].append(error)
    return found
