"""How far apart two methods are, paired by split and object. Trials: results as results.load_results returns them."""

import collections
from typing import NamedTuple

import numpy as np

_DRAWS = 10_000


class Difference(NamedTuple):
    """Mean error of one method minus another's, its 95 % interval, over how many objects, and the mean of each split.

    The interval says how far it might be with other objects for the networks that were trained. How far training and
    choice of objects move it is seen in the splits.
    """

    mean: float
    low: float
    high: float
    objects: int
    by_split: tuple


def paired(one, other):
    """`Difference` of the trials `one` from the trials `other`, over the held-out objects of the splits that both have.

    Errors are averaged over the trials of a split. The interval is a percentile bootstrap over objects: a draw takes
    objects with replacement, each with its errors in all splits; where these have no names, tasks.
    None when no split is common to both.
    """
    errors, other_errors = errors_of_objects(one), errors_of_objects(other)
    by_object, by_split = collections.defaultdict(list), collections.defaultdict(list)
    for split, name in errors:
        if (split, name) in other_errors:
            difference = np.mean(errors[split, name]) - np.mean(other_errors[split, name])
            by_object[name].append(difference)
            by_split[split].append(difference)
    if not by_object:
        return None
    sums, counts = (np.array([function(values) for values in by_object.values()]) for function in (sum, len))
    drawn = np.random.default_rng(0).integers(len(sums), size=(_DRAWS, len(sums)))
    low, high = np.percentile(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), (2.5, 97.5))
    means = tuple(float(np.mean(differences)) for differences in by_split.values())
    return Difference(float(sums.sum() / counts.sum()), float(low), float(high), len(sums), means)


def errors_of_objects(trials):
    """(split, object) -> errors of the trials; unnamed objects, or tasks, have numbers."""
    found = collections.defaultdict(list)
    for trial in trials:
        split, errors = split_of(trial), trial["per_object"]
        names = trial.get("objects") or [f"{split} {i}" for i in range(len(errors))]
        for name, error in sorted(zip(names, errors, strict=True)):
            found[split, name].append(error)
    return found


def split_of(trial):
    """What tells the data of a result from others': the fingerprint of its held-out tasks or, of a result without one,
    the folder; and the seed that chose from them."""
    data = trial.get("data") or ()
    held_out = data[1].partition("-")[0] if len(data) > 1 else trial["flags"].get("data_dir", "")
    return f"{held_out} {trial['flags'].get('data_seed', '')}"
