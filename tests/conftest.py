"""--rounds=N: how often the fault tests (tests/faults) try what they try; their counts are printed at the end.

A fault test says what it did with record_property("kills", number) or record_property("inputs", number).
"""

import json
import os
from pathlib import Path

import pytest
import tiny
from cad_folder import NAMES, SMALL_ONE, run, write_models

# XLA's programs are run a few times only: those that take least time to compile.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

_COUNTED = ("kills", "inputs")


def pytest_addoption(parser):
    parser.addoption("--rounds", type=int, default=1, help="multiplies what the fault tests try")
    parser.addoption("--counts", help="JSON file for the counts; those of tests that are not run now stay in it")


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """tiny.write_data's."""
    return tiny.write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def rendered(tmp_path_factory):
    """(CAD folder, data folder) of one uninterrupted run with one worker, and what the run printed."""
    folder = tmp_path_factory.mktemp("pose data")
    write_models(folder / "CAD", NAMES)
    write_models(folder / "CAD", ["car/01"], ".stl")  # the same object once more
    (folder / "CAD" / "empty").mkdir()
    (folder / "CAD" / "car.mat").touch()
    (folder / "CAD" / "car" / ".DS_Store").touch()
    write_models(folder / "CAD", ["bottle/01", "train/01"])
    result = run("mujoco_render", CAD_dir=folder / "CAD", data_dir=folder / "data", **SMALL_ONE)
    assert result.returncode == 0, result.stderr
    return folder / "CAD", folder / "data", result


@pytest.fixture
def rounds(request):
    return request.config.getoption("rounds")


def pytest_terminal_summary(terminalreporter, config):
    rows = []
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            properties = dict(report.user_properties)
            if report.when == "call" and set(properties) & set(_COUNTED):
                file, _, test = report.nodeid.partition("::")
                counts = {name: properties.get(name, 0) for name in _COUNTED}
                row = {"file": file, "test": test, "rounds": config.getoption("rounds"), **counts}
                rows.append(row | {"seconds": round(report.duration), "outcome": outcome})
    if not rows:
        return
    rows.sort(key=lambda row: (row["file"], row["test"]))
    terminalreporter.section("kills and inputs tried")
    total = {"file": "all", "test": "", **{name: sum(row[name] for row in rows) for name in _COUNTED}, "outcome": ""}
    for row in [*rows, total]:
        what = f"{row['file']} {row['test']} {row['outcome']}"
        terminalreporter.line(f"{row['kills']:6} kills {row['inputs']:7} inputs  {what}")
    if path := config.getoption("counts"):
        known = json.loads(Path(path).read_text()) if Path(path).exists() else []
        by_test = {(row["file"], row["test"]): row for row in [*known, *rows]}
        Path(path).write_text(json.dumps([row for _, row in sorted(by_test.items())], indent=1) + "\n")
