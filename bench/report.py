"""The benchmarks' JSON files and their tables; prints docs/speed.md's tables from the files it is given.

Command: python -m bench.report results/bench/*.json
"""

import json
import shlex
import subprocess
import sys
from pathlib import Path

from metalearn import workers
from metalearn.cli import UserError
from metalearn.files import atomic_path

# benchmark -> column -> (heading, format)
TABLES = {
    "train_step": {
        "script": ("script", "{}"), "bare": ("s per step, bare", "{:.3g}"), "real": ("as it runs", "{:.3g}"),
        "gflops": ("GFLOP/s", "{:.0f}"), "share": ("of the matmul rate", "{:.0%}"),
        "plain": ("plain Keras, s", "{:.3g}"), "speedup": ("times as long", "{:.1f}"),
        "first": ("first step, s", "{:.1f}"), "peak_memory_mib": ("peak MiB", "{:.0f}"),
    },
    "inner_steps": {
        "steps": ("inner steps", "{}"), "kept_mib": ("peak MiB", "{:.0f}"), "kept_s": ("s per step", "{:.3g}"),
        "again_mib": ("peak MiB, recomputed", "{:.0f}"), "again_s": ("s per step, recomputed", "{:.3g}"),
        "times": ("times as long", "{:.2f}"),
    },
    "growth": {
        "objects": ("objects", "{}"), "views": ("views", "{}"), "tasks": ("tasks per step", "{}"),
        "format": ("data as", "{}"), "step_s": ("s per step", "{:.3g}"), "peak_mib": ("peak MiB", "{:.0f}"),
        "start_s": ("start-up, s", "{:.1f}"),
    },
    "render": {
        "what": ("", "{}"), "images_per_s": ("images a second", "{:.0f}"), "share": ("of the bare GL rate", "{:.0%}"),
    },
    "pipeline": {
        "objects": ("objects", "{}"), "views": ("views", "{}"), "render": ("render, s", "{:.1f}"),
        "copy": ("copy", "{:.1f}"), "resize": ("resize", "{:.1f}"), "pickle": ("pickle", "{:.1f}"),
        "shards": ("shards", "{:.1f}"), "total": ("all, with pickles", "{:.1f}"),
    },
}  # fmt: skip


def output_of(command):
    """What a child process prints; command: argv from the interpreter on. Raises UserError with its last line if it
    fails."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"ended with status {done.returncode}"])[-1]
        raise UserError(f"{shlex.join(command[1:])[:100]}: {last.removeprefix('error: ')}")
    return done.stdout


def machine():
    """CPU and cores, in words."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    facts = dict(line.replace("\t", "").split(": ", 1) for line in lines if ": " in line)
    features = set(facts.get("flags", "").split())
    vectors = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in features]
    return f"{facts.get('model name', 'unknown CPU')} ({', '.join(vectors)}), {workers.default_num_workers()} cores"


def markdown(result):
    """The table of one benchmark's result, with the columns that some row has."""
    columns = {k: column for k, column in TABLES[result["bench"]].items() if any(k in row for row in result["rows"])}
    lines = [
        "| " + " | ".join(heading for heading, _ in columns.values()) + " |",
        "|" + "---|" * len(columns),
    ]
    for row in result["rows"]:
        cells = (text.format(row[name]) if name in row else "-" for name, (_, text) in columns.items())
        lines.append(f"| {' | '.join(cells)} |")
    facts = [result["machine"], *result["notes"]]
    return "\n".join([*lines, "", f"`python -m bench.{result['bench']}{result['arguments']}` on {'; '.join(facts)}"])


def finish(bench, rows, path, notes=(), flags=()):
    """Print a benchmark's table and, if there is a path, write its JSON."""
    arguments = f" -- {' '.join(flags)}" if flags else ""
    result = {"bench": bench, "arguments": arguments, "machine": machine(), "notes": list(notes), "rows": rows}
    print(markdown(result))
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(result, indent=1) + "\n")


def load(path):
    """A benchmark's result. Raises UserError if the file is not one."""
    try:
        result = json.loads(Path(path).read_text())
        markdown(result)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a benchmark's JSON ({error!r}); make it again with its --json flag") from None
    return result


if __name__ == "__main__":
    try:
        print("\n\n".join(markdown(load(path)) for path in sys.argv[1:]))
    except UserError as error:
        sys.exit(f"error: {error}")
