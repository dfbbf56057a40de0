"""--rounds=N: how often the fault tests (tests/faults) try what they try; their counts are printed at the end.

A fault test says what it did with record_property("kills", number) or record_property("inputs", number).
"""

import collections
import json

import pytest

_COUNTED = ("kills", "inputs")


def pytest_addoption(parser):
    parser.addoption("--rounds", type=int, default=1, help="multiplies what the fault tests try")
    parser.addoption("--counts", help="JSON file for the counts of the fault tests")


@pytest.fixture
def rounds(request):
    return request.config.getoption("rounds")


def pytest_terminal_summary(terminalreporter, config):
    rows = []
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            counts = collections.Counter()
            for name, value in report.user_properties:
                counts[name] += value
            if report.when == "call" and set(counts) & set(_COUNTED):
                what = report.nodeid.rpartition("::")[2].removeprefix("test_").replace("_", " ")
                rows.append({"what": what, "kills": counts["kills"], "inputs": counts["inputs"], "outcome": outcome})
    rows.sort(key=lambda row: row["what"])
    if not rows:
        return
    terminalreporter.section("kills and inputs tried")
    total = {"what": "all", **{name: sum(row[name] for row in rows) for name in _COUNTED}, "outcome": ""}
    for row in [*rows, total]:
        terminalreporter.line(f"{row['kills']:6} kills {row['inputs']:7} inputs  {row['what']}  {row['outcome']}")
    if path := config.getoption("counts"):
        with open(path, "w") as file:
            json.dump({"rounds": config.getoption("rounds"), "rows": rows}, file, indent=1)
