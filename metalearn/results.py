"""Results of many runs, read back: the paper's numbers beside them, groups of trials, tables."""

import collections
import csv
import io
import json
import re
import statistics
from pathlib import Path
from typing import NamedTuple

import numpy as np

from metalearn import comparison
from metalearn.cli import UserError
from metalearn.files import atomic_path
from metalearn.settings import data_name, differing, is_validation, tell_apart

_WAY_OUT = "delete it if it is damaged; where it is another domain's, whose own summarize reads it, give other folders"


class Method(NamedTuple):
    """What a table says of a method: its label, the paper's error (mean, standard deviation), upstream's iterations."""

    label: str
    paper: tuple | None = None
    upstream_iterations: int | None = None


def load_results(folders, paper):
    """All result.json below `folders` as dicts, with what `identify` adds and "settings", what tells a run's row from
    others of its label. Raises UserError naming a bad one.

    paper: a domain's module with METHODS, dict key -> Method in the order of the tables; key(method, flags) -> key;
    PAIRS, set of (key of a plain method, key of a regularized one); OBJECTIVE, the Objective of its learners. It may
    have BEFORE_ADAPTING, key -> the paper's error (mean, standard deviation) on training tasks before adapting,
    EXTRA_COLUMNS, which of "interval" and "before" its tables show, TASKS, what its tasks are, such as "objects", and
    FIGURES, see `against`.
    """
    results, seen, error = [], set(), paper.OBJECTIVE.name
    for folder in folders:
        if not Path(folder).is_dir():
            raise UserError(f"--logdir={folder}: no such folder")
        for path in sorted(Path(folder).rglob("result.json")):
            if path.resolve() in seen:
                continue  # below two of the folders
            seen.add(path.resolve())
            try:
                result = identify(json.loads(path.read_text()) | {"folder": path.parent}, paper)
                result["iterations"], result["wall_time_s"]
                list(map(float, [result["test"], result["train"], result["shuffled"], *result["per_object"]]))
            except (ValueError, LookupError, TypeError, AttributeError) as e:
                raise UserError(f"{path}: no result with a meta_test_{error} ({e!r}); {_WAY_OUT}") from None
            results.append(result)
    if not results:
        begun = next((path.parent for folder in folders for path in sorted(Path(folder).rglob("flags.cfg"))), None)
        remedy = f"{begun} is unfinished; give its command again" if begun else "train something first"
        raise UserError(f"--logdir={','.join(map(str, folders))}: no result.json below; {remedy}")
    groups = group(results)
    for (_, trials), text in zip(groups, tell_apart(groups), strict=True):
        for trial in trials:
            trial["settings"] = text
    return results


def identify(result, paper):
    """The result with its "key", "label", "paper", "upstream_iterations", "order" among the tables' rows, "baselines"
    (keys that it is compared with), "objective", and its errors "test", "train", "shuffled" whatever their names. A
    method that the paper's tables do not know has its own name. On validation tasks, with label noise or with
    --decay it is not "in_paper"; then, or without its KL, no number of the paper's tables is beside it."""
    used, methods, error = result["flags"], list(paper.METHODS), paper.OBJECTIVE.name
    key = paper.key(result["method"], used)
    method = paper.METHODS.get(key, Method(result["method"]))
    of_validation = is_validation(used)
    without_kl = used.get("beta") == 0 and method.label.startswith(("MR-", "CNP + BbB"))
    noise = "" if (kind := used.get("label_noise") or "none") == "none" else " + label noise"
    noise += " (quarters)" if kind == "quarters" else ""
    other = ", averaged weights" * bool(used.get("ema_decay"))
    other += ", bfloat16" * (used.get("precision") == "mixed_bfloat16") + ", validation" * of_validation
    found = result | {
        "key": key,
        "label": method.label.format(shots=used.get("update_batch_size")) + noise + other,
        "in_paper": not (noise or of_validation or used.get("decay")),
        "paper": None,
        "upstream_iterations": method.upstream_iterations,
        "order": methods.index(key) if key in methods else len(methods),
        "baselines": {plain for plain, regularized in paper.PAIRS if regularized == key},
        "objective": paper.OBJECTIVE,
        "tasks": getattr(paper, "TASKS", "tasks"),
        "extra_columns": getattr(paper, "EXTRA_COLUMNS", ()),
        "before": result.get(f"meta_train_pre_{error}"),
        "paper_before": None,
        "test": result[f"meta_test_{error}"],
        "train": result[f"meta_train_{error}"],
        "shuffled": result[f"shuffled_support_{error}"],
    }
    if found["in_paper"] and not without_kl:
        found |= {"paper": method.paper, "paper_before": getattr(paper, "BEFORE_ADAPTING", {}).get(key)}
    return found


def against(results, flag, paper):
    """The results with "paper_curve", the paper's figure against `flag` as dict value -> error ({} if it has none), and
    if it has one, with its error at their value in place of its table's. paper.FIGURES: dict (flag, key) -> such a
    curve. Raises UserError naming a run without that flag, or with a value of it that is no number."""
    placed = []
    for result in results:
        if flag not in result["flags"]:
            raise UserError(f"--against={flag}: {result['folder']} has no such flag")
        value = result["flags"][flag]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UserError(
                f"--against={flag}: {result['folder']} has {value!r}; give a flag that is a number in all runs"
            )
        curve = getattr(paper, "FIGURES", {}).get((flag, result["key"]), {}) if result["in_paper"] else {}
        error = (curve[value], None) if value in curve else None
        placed.append(result | {"paper_curve": curve, "paper": error if curve else result["paper"]})
    return placed


def shots(used):
    """K at meta-test, the first where there are several, from a run's flags."""
    return int((used.get("test_shots") or [used.get("update_batch_size") or 0])[0])


def group(results):
    """[(run name without its trial, results of its trials)], a run name being a method and its settings; in the paper's
    order, and numbers in a run name by their size."""
    groups = collections.defaultdict(list)
    for result in results:
        name = result["folder"].name.rsplit(".trial-", 1)[0]
        groups[result["order"], result["key"], name, str(result["folder"].parent)].append(result)
    return [(name, trials) for (_, _, name, _), trials in sorted(groups.items(), key=_place)]


def _place(item):
    """Sort key of one of the groups: beta-0, beta-1e-05, beta-0.001."""
    order, key, name, parent = item[0]
    words = re.split(r"(?<=-)(\d+(?:\.\d+)?(?:e-?\d+)?)", name)  # every second one is a number
    return order, key, [float(word) if i % 2 else word for i, word in enumerate(words)], parent


def std(errors):
    """Standard deviation over trials; None for one trial, nan where a trial diverged."""
    with np.errstate(invalid="ignore"):
        return float(np.std(errors, ddof=1)) if len(errors) > 1 else None


def table(results):
    """One row (dict) for each of `group`. "on NAME": the error on other held-out tasks, but for other support sizes, of
    which `by_shots` tells."""
    rows, error = [], f"meta_test_{results[0]['objective'].name}"
    others = sorted({name for result in results for name in result.get("others", ()) if not name.endswith("_shots")})
    for name, trials in group(results):
        first = trials[0]
        used, paper = first["flags"], first["paper"]
        errors = [trial["test"] for trial in trials]
        iterations, standard_error = min(trial["iterations"] for trial in trials), _mean_or_none(trials, "meta_test_se")
        rows.append(
            {
                "method": first["label"],
                "settings": first["settings"],
                "shots": shots(used),
                "trials": len(trials),
                "mean": statistics.mean(errors),
                "std": std(errors),
                "interval": standard_error and 1.96 * standard_error,
                "before": _mean_or_none(trials, "before"),
                "before_std": std([trial["before"] for trial in trials]) if _all_have(trials, "before") else None,
                "paper_before": first["paper_before"] and first["paper_before"][0],
                "paper_before_std": first["paper_before"] and first["paper_before"][1],
                "train_mean": statistics.mean(trial["train"] for trial in trials),
                "shuffled_mean": statistics.mean(trial["shuffled"] for trial in trials),
                **{
                    f"on {name}": _mean_or_none([t.get("others", {}).get(name, {}) for t in trials], error)
                    for name in others
                },
                **{name: _mean_or_none(trials, name) for name in first["objective"].summaries},
                "paper_mean": paper and paper[0],
                "paper_std": paper and paper[1],
                "data": data_name(used),
                "splits": len(set(map(comparison.split_of, trials))),
                "preset": first["folder"].parent.name,
                "iterations": iterations,
                "share_of_upstream": first["upstream_iterations"] and iterations / first["upstream_iterations"],
                "minutes": _minutes(trials),
                "run": name,
            }
        )
    return rows


def _minutes(trials):
    """Mean minutes of training and evaluation of the trials on a CPU, and of those on each other choice of devices, as
    text: 52.8, 7.8 on NVIDIA H200 and CPU."""
    minutes = collections.defaultdict(list)
    for trial in trials:
        devices = [*trial.get("trained_on", []), trial.get("versions", {}).get("device", "CPU")]
        minutes[" and ".join(dict.fromkeys(devices))].append(trial["wall_time_s"] / 60)
    means = {on: f"{statistics.mean(values):.1f}" for on, values in minutes.items()}
    return ", ".join(mean + f" on {on}" * (on != "CPU") for on, mean in sorted(means.items()))


def _mean_or_none(trials, name):
    """Mean over trials; None where a trial is from before its objective had that."""
    return statistics.mean(trial[name] for trial in trials) if _all_have(trials, name) else None


def _all_have(trials, name):
    return all(trial.get(name) is not None for trial in trials)


def by_shots(trials):
    """{K: errors of the trials} of runs that were evaluated at several numbers of support points, else {}; those that
    all trials have."""
    error, found = f"meta_test_{trials[0]['objective'].name}", collections.defaultdict(list)
    for trial in trials:
        others = {name: numbers for name, numbers in trial.get("others", {}).items() if name.endswith("_shots")}
        for name, numbers in others.items():
            number = name.removesuffix("_shots")
            if number.isdecimal() and int(number) != shots(trial["flags"]):
                found[int(number)].append(numbers[error])
        if others:
            found[shots(trial["flags"])].append(trial["test"])
    found = {number: found[number] for number in sorted(found) if len(found[number]) == len(trials)}
    return found if len(found) > 1 else {}


def mean_std(mean, std):
    """A table's cell: 2.89 (0.18)."""
    return "-" if mean is None else f"{mean:.2f}" + (f" ({std:.2f})" if std is not None else "")


def write_table(prefix, text, rows):
    """PREFIX.md with `text` and PREFIX.csv with the dicts `rows`."""
    Path(prefix).parent.mkdir(parents=True, exist_ok=True)
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    for suffix, content in ((".md", text + "\n"), (".csv", buffer.getvalue())):
        with atomic_path(f"{prefix}{suffix}") as temporary:
            temporary.write_text(content)


def _name(row):
    """A row's method, and what tells it from another row of the same method."""
    return row["method"] + (f" `{row['settings']}`" if row["settings"] else "")


def columns(rows, first):
    """What a table shows of the rows of `table`: [(title, function of a row -> text)]. first: one of the results."""

    def trials(row):
        return f"{row['trials']}" + (f", {row['splits']} splits" if row["splits"] > 1 else "")

    def iterations(row):
        share = f" ({row['share_of_upstream']:.1%} of upstream's)" if row["share_of_upstream"] else ""
        return f"{row['iterations']:,}{share}"

    def number(column):
        return lambda row: mean_std(row[column], None)

    def pair(column, std):
        return lambda row: mean_std(row[column], row[std])

    extra, error = first["extra_columns"], first["objective"].title
    summaries = [name for name in first["objective"].summaries if any(row[name] is not None for row in rows)]
    return [
        ("method", _name),
        (f"meta-test {error}", pair("mean", "std")),
        *[("± 95 % over tasks", number("interval"))] * ("interval" in extra),
        ("the paper", pair("paper_mean", "paper_std")),
        *[("training tasks before adapting", pair("before", "before_std")),
          ("the paper's", pair("paper_before", "paper_before_std"))] * ("before" in extra),
        ("on training tasks", number("train_mean")),
        ("shuffled support", number("shuffled_mean")),
        *((name.replace("_", " "), number(name)) for name in rows[0] if name.startswith("on ")),
        *((summary.replace("_", " "), number(summary)) for summary in summaries),
        ("trials", trials),
        ("iterations", iterations),
        ("min", lambda row: row["minutes"]),
    ]  # fmt: skip


def markdown(results):
    """The table of the results in Markdown, and under it the `notes`."""
    rows = table(results)
    shown = columns(rows, results[0])
    lines = [f"| {' | '.join(title for title, _ in shown)} |", "|---" * len(shown) + "|"]
    lines += [f"| {' | '.join(cell(row) for _, cell in shown)} |" for row in rows]
    for data, folder in sorted({(row["data"], row["preset"]) for row in rows if row["data"]}):
        lines.append(f"\nData: {data}; run folders: {folder}; mean (standard deviation) over trials.")
    return "\n".join([*lines, *(f"\n{line}" for line in notes(results))])


def notes(results):
    """Lines below a table: settings in which trials of a row differ, and how far apart methods are (comparison.py)."""
    rows, groups = table(results), [trials for _, trials in group(results)]
    names = list(map(_name, rows))
    differ = [
        (name, differing([trial["flags"] for trial in trials])) for name, trials in zip(names, groups, strict=True)
    ]
    lines = [f"The trials of {name} differ in --{', --'.join(settings)}." for name, settings in differ if settings]
    return lines + comparison.differences(rows, names, groups)
