"""Which flags of a run are its settings, and how tables and pictures tell runs of one method apart."""

import collections
import re
from pathlib import Path

# Flags that change how a run is computed, not its results.
EXECUTION_FLAGS = {
    "logdir", "summary_every", "checkpoint_every", "steps_per_call", "num_threads", "inner_loop",
    "strategy", "num_replicas", "checkpoint_inner_steps", "conv", "datasource", "extra", "tag", "allow_new_data",
}  # fmt: skip
# Flags by which trials of one run differ; their data are of any split.
_TRIAL_FLAGS = {"trial", "num_trials", "seed", "data_seed", "data_dir"}
_MOST_SHOWN = 4  # runs that differ in more flags are of different presets: their folders say it shorter


def value_text(value):
    """A flag's value as a run's name and a command line have it."""
    return f"{value:g}" if isinstance(value, float) else ",".join(value) if isinstance(value, list) else str(value)


def data_name(used):
    """Name of the data folder of a run's flags, without that of the split in it."""
    folder = Path(used.get("data_dir") or "")
    return (folder.parent if re.fullmatch(r"(split|search)-\d+", folder.name) else folder).name


def differing(flags_of_runs):
    """Names of the settings in which runs differ, of those that all have. flags_of_runs: [dict name -> value]."""
    names = sorted(set.intersection(*map(set, flags_of_runs)) - EXECUTION_FLAGS - _TRIAL_FLAGS)
    names = [name for name in names if any(used[name] != flags_of_runs[0][name] for used in flags_of_runs)]
    return names + ["data_dir"] * (len({data_name(used) for used in flags_of_runs}) > 1)


def tell_apart(groups):
    """For each of the groups of results.group what tells it from others of the same label: "" where there are none, the
    flags in which they differ, or its folder where those are too many, or none."""
    by_label = collections.defaultdict(list)
    for i, (_, trials) in enumerate(groups):
        by_label[trials[0]["label"]].append(i)
    texts = [""] * len(groups)
    for places in by_label.values():
        if len(places) == 1:
            continue
        first = [groups[i][1][0] for i in places]  # trial of each
        names = differing([run["flags"] for run in first])
        shown = [" ".join(_as_flag(name, run["flags"]) for name in names) for run in first]
        if len(names) > _MOST_SHOWN or len(set(shown)) < len(shown):
            shown = [f"{run['folder'].parent.name}/{groups[i][0]}" for i, run in zip(places, first, strict=True)]
        for i, text in zip(places, shown, strict=True):
            texts[i] = text
    return texts


def _as_flag(name, used):
    value = data_name(used) if name == "data_dir" else used[name]
    return f"--{'' if value else 'no'}{name}" if isinstance(value, bool) else f"--{name}={value_text(value)}"
