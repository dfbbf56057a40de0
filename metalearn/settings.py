"""Which flags of a run are its settings, and how tables and pictures tell runs of one method apart."""

import collections
import re
from pathlib import Path

# Flags that change how a run is computed, not its results.
EXECUTION_FLAGS = {
    "logdir", "summary_every", "checkpoint_every", "steps_per_call", "num_threads", "inner_loop",
    "strategy", "num_replicas", "checkpoint_inner_steps", "conv", "datasource", "extra", "tag", "allow_new_data",
}  # fmt: skip
# With these an evaluation has more numbers, and the same others.
MORE_NUMBERS = {"eval_shots", "eval_label_noise"}
# Flags by which trials of one run differ; their data are of any split.
_TRIAL_FLAGS = {"trial", "num_trials", "seed", "data_seed", "data_dir"}
# The same training with other draws of its noise: a run keeps it, tables and comparisons do not tell runs apart by it.
_OTHER_DRAWS = {"jit_compile"}
_MOST_SHOWN = 4  # runs that differ in more flags show those in which they are not like most


def value_text(value):
    """A flag's value as a run's name and a command line have it."""
    return f"{value:g}" if isinstance(value, float) else ",".join(value) if isinstance(value, list) else str(value)


def flag_text(name, value):
    """A flag as a command line has it."""
    return f"--{'' if value else 'no'}{name}" if isinstance(value, bool) else f"--{name}={value_text(value)}"


def data_name(used):
    """Name of the data folder of a run's flags, without that of the split in it, and whether of validation tasks."""
    folder = Path(used.get("data_dir") or "")
    name = (folder.parent if re.fullmatch(r"(split|search)-\d+", folder.name) else folder).name
    return f"{name} (validation)" if is_validation(used) else name


def is_validation(used):
    """Whether a run with these flags is evaluated on tasks out of the training tasks, for a choice of settings."""
    folder = Path(used.get("data_dir") or "").name
    left_out = any(value for name, value in used.items() if name.startswith("num_heldout_"))
    return used.get("held_out") == "validation" or left_out or bool(re.fullmatch(r"search(-\d+)?", folder))


def differing(flags_of_runs):
    """Names of the settings in which runs differ, of those that all have. flags_of_runs: [dict name -> value]."""
    return _differing([_settings(used) for used in flags_of_runs], set.intersection)


def varying(flags_of_runs, but):
    """A text for each run: its values of the flags in which they differ, of those that all have and not in `but`."""
    settings = [_settings(used) for used in flags_of_runs]
    return _texts(settings, [name for name in _differing(settings, set.intersection) if name not in but])


def tell_apart(groups):
    """For each of the groups of results.group what tells it from others of the same label: "" where there are none or
    it is as most are, the flags in which they differ, or its folder where these are the same for two."""
    by_label = collections.defaultdict(list)
    for i, (_, trials) in enumerate(groups):
        by_label[trials[0]["label"]].append(i)
    texts = [""] * len(groups)
    for places in by_label.values():
        if len(places) == 1:
            continue
        first = [groups[i][1][0] for i in places]  # trial of each
        settings = [_settings(run["flags"]) for run in first]
        shown = _texts(settings, _differing(settings, set.intersection))
        if len(set(shown)) < len(shown):  # flags that some have, from before the others had them
            shown = _texts(settings, _differing(settings, set.union))
        alike = [k for k, text in enumerate(shown) if shown.count(text) > 1]
        ends = _ends_of_paths([first[k]["folder"].parent / groups[places[k]][0] for k in alike])
        for i, text in zip(places, shown, strict=True):
            texts[i] = text
        for k, end in zip(alike, ends, strict=True):
            texts[places[k]] = end
    return texts


def _ends_of_paths(paths):
    """The last two parts of each path, or as many as it takes to tell them apart."""
    for parts in range(2, max((len(path.parts) for path in paths), default=0) + 1):
        ends = ["/".join(path.parts[-parts:]) for path in paths]
        if len(set(ends)) == len(ends):
            break
    return ends if paths else []


def _settings(used):
    """The flags that say something of a run's numbers, the data by their name."""
    names = used.keys() - EXECUTION_FLAGS - MORE_NUMBERS - _TRIAL_FLAGS - _OTHER_DRAWS
    return {name: used[name] for name in sorted(names)} | {"data_dir": data_name(used)}


def _differing(settings, of):
    """Names of the flags in which they differ, of those that all (`of` set.intersection) or some (set.union) have."""
    names = sorted(of(*map(set, settings)))
    return [name for name in names if any(used.get(name) != settings[0].get(name) for used in settings)]


def _texts(settings, names):
    usual = {}
    if len(names) > _MOST_SHOWN:
        values = {name: [used.get(name) for used in settings] for name in names}
        usual = {name: max(values[name], key=values[name].count) for name in names}
    shown = ([name for name in names if name in used and usual.get(name, usual) != used[name]] for used in settings)
    return [" ".join(flag_text(name, used[name]) for name in own) for used, own in zip(settings, shown, strict=True)]
