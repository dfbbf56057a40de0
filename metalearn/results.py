"""Results of many runs, read back: the paper's numbers beside them, groups of trials, tables."""

import collections
import csv
import io
import itertools
import json
import math
import re
import statistics
from pathlib import Path

import numpy as np

from metalearn import comparison
from metalearn.cli import UserError
from metalearn.files import atomic_path

# method -> label, the paper's meta-test MSE (mean, std over 5 trials), upstream's iterations, in the order of the
# paper's tables. "+wd" is the same script under --weight_decay, on by default for MAML: 5.39 stands at both. "@5" is 5
# shots of the sinusoid at meta-test.
Method = collections.namedtuple("Method", "label paper upstream_iterations")
METHODS = {
    "lookup": Method("look-up of {shots} views", None, None),
    "finetune": Method("FT", (7.33, 0.35), None),
    "finetune+wd": Method("FT + weight decay", (6.16, 0.12), None),
    "maml_vanilla": Method("MAML", (5.39, 1.31), 10000),
    "maml_vanilla+wd": Method("MAML + weight decay", (5.39, 1.31), 10000),
    "maml_bbb": Method("MR-MAML (W)", (2.26, 0.09), 30000),
    "maml_ib": Method("MR-MAML (A)", None, None),
    "np_vanilla": Method("CNP", (8.48, 0.12), 140000),
    "np_vanilla+wd": Method("CNP + weight decay", (6.86, 0.27), 140000),
    "np_all_bbb": Method("CNP + BbB", (7.73, 0.82), 100000),
    "np_bbb": Method("MR-CNP (W)", (2.89, 0.18), 100000),
    "np_ib": Method("MR-CNP (A)", None, 120000),
    # Table 1
    "sinusoid_maml_none@5": Method("MAML", (0.46, 0.04), 15000),
    "sinusoid_maml_activations@5": Method("MR-MAML (A)", (0.17, 0.03), 10000),
    "sinusoid_maml_weights@5": Method("MR-MAML (W)", (0.16, 0.04), 15000),
    "sinusoid_cnp_none@5": Method("CNP", (0.91, 0.10), 30000),
    "sinusoid_cnp_activations@5": Method("MR-CNP (A)", (0.10, 0.01), 30000),
    "sinusoid_cnp_weights@5": Method("MR-CNP (W)", (0.11, 0.02), 120000),
    "sinusoid_maml_none@10": Method("MAML", (0.13, 0.01), 15000),
    "sinusoid_maml_activations@10": Method("MR-MAML (A)", (0.07, 0.02), 10000),
    "sinusoid_maml_weights@10": Method("MR-MAML (W)", (0.06, 0.01), 15000),
    "sinusoid_cnp_none@10": Method("CNP", (0.92, 0.05), 30000),
    "sinusoid_cnp_activations@10": Method("MR-CNP (A)", (0.09, 0.01), 30000),
    "sinusoid_cnp_weights@10": Method("MR-CNP (W)", (0.09, 0.01), 120000),
}
_PAIRS = {
    (METHODS[plain].label, METHODS[regularized].label)
    for plain, regularized in itertools.product(
        ("maml_vanilla", "maml_vanilla+wd", "np_vanilla", "np_vanilla+wd", "np_all_bbb"),
        ("maml_bbb", "maml_ib", "np_bbb", "np_ib"),
    )
    if plain[:2] == regularized[:2]
}
CHANCE = 100 / 12  # of a constant prediction of a pose, labels being uniform on [0, 10]


def load_results(folders):
    """All result.json below `folders` as dicts with their folder under "folder". Raises UserError naming a bad one."""
    results, seen = [], set()
    for folder in folders:
        if not Path(folder).is_dir():
            raise UserError(f"--logdir={folder}: no such folder")
        for path in sorted(Path(folder).rglob("result.json")):
            if path.resolve() in seen:
                continue  # below two of the folders
            seen.add(path.resolve())
            try:
                result = json.loads(path.read_text())
                used = result["flags"]
                if result["method"].startswith("sinusoid"):
                    suffix = f"@{_shots(used)}"
                else:
                    suffix = "+wd" if used.get("weight_decay") else ""
                result["key"] = result["method"] + suffix
                result["folder"] = path.parent
                METHODS[result["key"]], result["meta_test_mse"], result["iterations"]
            except (ValueError, KeyError, TypeError) as e:
                raise UserError(f"{path}: not a result of a training script ({e!r}); delete it or that run") from None
            results.append(result)
    if not results:
        raise UserError(f"--logdir={','.join(map(str, folders))}: no result.json below; train something first")
    return results


def _shots(used):
    """K at meta-test, the first where there are several, from a run's flags."""
    return int((used.get("test_shots") or [used.get("update_batch_size") or 0])[0])


def group(results):
    """[(run name without its trial, results of its trials)], a run name being a method and its settings; in the paper's
    order."""
    groups = collections.defaultdict(list)
    for result in results:
        name = result["folder"].name.rsplit(".trial-", 1)[0]
        groups[list(METHODS).index(result["key"]), name, str(result["folder"].parent)].append(result)
    return [(name, trials) for (_, name, _), trials in sorted(groups.items())]


def label(result):
    """The method's name in a table."""
    noise = " + label noise" if result["flags"].get("label_noise") else ""
    precision = ", bfloat16" if result["flags"].get("precision") == "mixed_bfloat16" else ""
    name = METHODS[result["key"]].label.format(shots=result["flags"].get("update_batch_size"))
    return name + noise + precision


def std(errors):
    """Standard deviation over trials; None for one trial, nan where a trial diverged."""
    with np.errstate(invalid="ignore"):
        return float(np.std(errors, ddof=1)) if len(errors) > 1 else None


def table(results):
    """One row (dict) for each of `group`."""
    rows = []
    for name, trials in group(results):
        first = trials[0]
        method, used = METHODS[first["key"]], first["flags"]
        paper = None if used.get("label_noise") else method.paper
        errors = [trial["meta_test_mse"] for trial in trials]
        iterations = min(trial["iterations"] for trial in trials)
        rows.append(
            {
                "method": label(first),
                "shots": _shots(used),
                "trials": len(trials),
                "mean": statistics.mean(errors),
                "std": std(errors),
                "train_mean": statistics.mean(trial["meta_train_mse"] for trial in trials),
                "shuffled_mean": statistics.mean(trial["shuffled_support_mse"] for trial in trials),
                "paper_mean": paper and paper[0],
                "paper_std": paper and paper[1],
                "data": _data_name(used),
                "splits": len({trial["flags"].get("data_dir") for trial in trials}),
                "preset": first["folder"].parent.name,
                "iterations": iterations,
                "share_of_upstream": method.upstream_iterations and iterations / method.upstream_iterations,
                "minutes": statistics.mean(trial["wall_time_s"] for trial in trials) / 60,
                "run": name,
            }
        )
    return rows


def _data_name(used):
    """Name of the data folder of a run's flags, without that of the split in it."""
    folder = Path(used.get("data_dir") or "")
    return (folder.parent if re.fullmatch(r"(split|search)-\d+", folder.name) else folder).name


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


def markdown(results):
    """The table of the results in Markdown, and under it the `differences`."""
    rows = table(results)
    lines = [
        "| method | meta-test MSE | the paper | on training tasks | shuffled support | trials | iterations | min |",
        "|---|---|---|---|---|---|---|---|",
    ]
    names = [row["method"] + (f", {row['shots']} shots" if row["run"].startswith("sinusoid") else "") for row in rows]
    for name, row in zip(names, rows, strict=True):
        share = f" ({row['share_of_upstream']:.1%} of upstream's)" if row["share_of_upstream"] else ""
        settings = f" `{row['preset']}/{row['run']}`" if names.count(name) > 1 else ""
        splits = f", {row['splits']} splits" if row["splits"] > 1 else ""
        cells = (
            name + settings, mean_std(row["mean"], row["std"]),
            mean_std(row["paper_mean"], row["paper_std"]), f"{row['train_mean']:.2f}",
            f"{row['shuffled_mean']:.2f}", f"{row['trials']}{splits}", f"{row['iterations']:,}{share}",
            f"{row['minutes']:.1f}",
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    for data, preset in sorted({(row["data"], row["preset"]) for row in rows if row["data"]}):
        lines.append(f"\nData: {data}; preset: {preset}; mean (standard deviation) over trials.")
    return "\n".join([*lines, *differences(results)])


def differences(results):
    """A line for each regularized method and its plain one, of the same data, preset and shots: how far apart they are,
    paired by split and object (see comparison.py)."""
    groups = list(zip(table(results), (trials for _, trials in group(results)), strict=True))
    methods = [row["method"] for row, _ in groups]

    def name(row):
        return row["method"] + (f" `{row['preset']}/{row['run']}`" if methods.count(row["method"]) > 1 else "")

    lines = []
    for (plain, plain_trials), (regularized, trials) in itertools.product(groups, groups):
        same = all(plain[column] == regularized[column] for column in ("data", "preset", "shots"))
        if not same or (plain["method"], regularized["method"]) not in _PAIRS or plain["run"].startswith("sinusoid"):
            continue
        found = comparison.paired(plain_trials, trials)
        if found is None or not math.isfinite(found.mean):
            continue
        mean, low, high = found[:3] if found.mean > 0 else (-found.mean, -found.high, -found.low)
        over = f"{found.objects} objects" + (f" of {found.splits} splits" if found.splits > 1 else "")
        lines.append(
            f"\n{name(regularized)} is {mean:.2f} {'below' if found.mean > 0 else 'above'} {name(plain)}: "
            f"95 % interval {low:.2f} to {high:.2f} over {over}."
        )
    return lines
