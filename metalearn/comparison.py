"""How far apart two methods are, paired by split and object. Trials: results as results.load_results returns them."""

import collections
import itertools
import math
from typing import NamedTuple

import numpy as np

from metalearn.settings import differing

_DRAWS = 10_000
_NUMBERS = 2**22  # at once in memory: of 20,000 tasks, all draws would take gigabytes
# In which methods differ as such: what regularizes, and how long and how fast each trains.
_OF_METHODS = {
    "beta", "decay", "weight_decay", "regularizer", "adapt_encoder", "num_theta_samples", "update_lr", "meta_lr",
    "rho_lr", "aggregator_lr", "num_updates", "metatrain_iterations",
}  # fmt: skip


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
    rng, at_once, drawn = np.random.default_rng(0), max(1, _NUMBERS // len(sums)), []
    for first in range(0, _DRAWS, at_once):
        rows = rng.integers(len(sums), size=(min(at_once, _DRAWS - first), len(sums)))
        drawn.append(sums[rows].sum(axis=1) / counts[rows].sum(axis=1))
    low, high = np.percentile(np.concatenate(drawn), (2.5, 97.5))
    means = tuple(float(np.mean(differences)) for differences in by_split.values())
    return Difference(float(sums.sum() / counts.sum()), float(low), float(high), len(sums), means)


def errors_of_objects(trials):
    """(split, object) -> errors of the trials; unnamed objects, or tasks, have numbers."""
    found = collections.defaultdict(list)
    for trial in trials:
        split, errors = split_of(trial), trial["per_object"]
        names = trial.get("objects") or [f"{split} {i}" for i in range(len(errors))]
        for name, error in sorted(zip(names, errors, strict=True)):  # an order that does not depend on the run's
            found[split, name].append(error)
    return found


def split_of(trial):
    """What tells the data of a result from others': the fingerprint of its held-out tasks or, of a result without one,
    the folder; and the seed that chose from them."""
    data = trial.get("data") or ()
    held_out = data[1].partition("-")[0] if len(data) > 1 else trial["flags"].get("data_dir", "")
    return f"{held_out} {trial['flags'].get('data_seed', '')}"


def differences(rows, names, groups):
    """A line for each regularized method and its plain one, of the same data, preset and shots: how far apart they are.
    Of the other method's rows, a row is compared with those whose other settings differ least from its own; a line
    stays if that holds for either of its two rows.
    rows: of results.table; names: of these; groups: their trials."""
    lines, fewest, cells = [], {}, list(zip(rows, names, groups, strict=True))
    for (plain, plain_name, plain_trials), (regularized, name, trials) in itertools.product(cells, cells):
        first = plain_trials[0], trials[0]
        same = all(plain[column] == regularized[column] for column in ("data", "preset", "shots"))
        noise, plain_noise = (run["flags"].get("label_noise") or "none" for run in first)
        if not same or noise != plain_noise or plain_trials[0]["key"] not in trials[0]["baselines"]:
            continue
        differ = differing([run["flags"] for run in first])
        if first[0]["method"] == first[1]["method"] and len(differ) > 1:
            continue  # runs of one script are compared where one flag tells them apart
        found = paired(plain_trials, trials)
        if found is None or found.objects == 1 or not math.isfinite(found.mean):
            continue  # one object has no interval
        others = [flag for flag in differ if flag not in _OF_METHODS]
        line = _sentence(name, plain_name, found, trials[0]["tasks"], max(plain["splits"], regularized["splits"]))
        line += f" Their --{', --'.join(others)} differ, too." if others else ""
        both = (name, plain_trials[0]["key"]), (plain_name, trials[0]["key"])  # each row and the other's method
        for row in both:
            fewest[row] = min(fewest.get(row, math.inf), len(others))
        lines.append((line, both, len(others)))
    return [line for line, both, number in lines if any(fewest[row] == number for row in both)]


def _sentence(name, plain_name, found, tasks, splits):
    """A `Difference` of the plain method from the other in words; splits: of the method that has more of them."""
    sign, (low, high) = (1, found[1:3]) if found.mean > 0 else (-1, (-found.high, -found.low))
    over, common = f"{found.objects} {tasks}", len(found.by_split)
    if common < splits:
        over += f" of the {f'{common} splits' if common > 1 else 'split'} that both have"
    elif common > 1:
        over += f" of {common} splits"
    if common > 1:
        over += f" (by split {', '.join(f'{sign * mean:.2f}' for mean in found.by_split)})"
    return (
        f"{name} is {abs(found.mean):.2f} {'below' if sign > 0 else 'above'} {plain_name}: "
        f"95 % interval {low:.2f} to {high:.2f} over {over}."
    )
