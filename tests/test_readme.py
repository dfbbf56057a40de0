"""The README's numbers are those that are kept in results/."""

import collections
import json
import re
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
README = (REPO / "README.md").read_text()


def test_the_counts_of_kills_and_inputs_are_those_of_the_long_run():
    kept = json.loads((REPO / "results/faults.json").read_text())
    assert {row["outcome"] for row in kept} == {"passed"}
    assert all(f"--rounds={row['rounds']}" in README for row in kept)
    counts = collections.Counter()
    for row in kept:
        for name in ("kills", "inputs"):
            counts[row["file"], name] += row[name]
    shown = {}
    for file, kills, inputs in re.findall(r"\| `(tests/faults/\w+\.py)` \| ([\d,]*) ?\| ([\d,]*) ?\|", README):
        shown |= {
            (file, "kills"): int(kills.replace(",", "") or 0),
            (file, "inputs"): int(inputs.replace(",", "") or 0),
        }
    assert +collections.Counter(shown) == +counts  # + leaves out the zeros
