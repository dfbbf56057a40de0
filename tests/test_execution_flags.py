"""Flags that say how a run is computed, in pairs: the same numbers to rounding, or one line that says why not.

With --jit_compile the noise is another: both scripts here have none. MAML is without batch norm, which takes half of
the time; tests/test_maml.py has both forms of the inner loop with it.
"""

import itertools

import numpy as np
import pytest
import tiny
from scripts import run_script, training_losses

SCRIPTS = ("maml_bbb", "np_vanilla")
OPTIONS = {
    "precision": ["", "--precision=mixed_bfloat16"],
    "jit": ["", "--jit_compile"],
    "inner": ["--inner_loop=map", "--inner_loop=vectorized"],
    "strategy": ["", "--strategy=mirrored --num_replicas=2"],
    "trials": ["", "--num_trials=2"],
    "call": ["", "--steps_per_call=2"],
    "threads": ["--num_threads=1", "--num_threads=2"],
}


REFUSED = ["--strategy=mirrored --num_replicas=2", "--precision=mixed_bfloat16"]  # with --jit_compile
SLOW = ["--inner_loop=vectorized", "--jit_compile"]  # to trace and to compile: three times a plain run's seconds


def covering_array(options):
    """Rows (a value per option) in which each pair of values of two options occurs that is not refused: greedily, the
    row with the most new pairs for its time."""
    rows, found = [row for row in itertools.product(*options.values()) if not is_refused(row)], []

    def pairs(row):
        return set(itertools.combinations(enumerate(row), 2))

    def worth(row):
        return len(pairs(row) & missing) / (3 if set(SLOW) & set(row) else 1)

    missing = set().union(*map(pairs, rows))
    while missing:
        found.append(max(rows, key=worth))
        missing -= pairs(found[-1])
    return found


def is_refused(row):
    return "--jit_compile" in row and any(value in row for value in REFUSED)


def cases():
    """(script, flags) of the covering arrays, the slow rows first; a CNP has no inner loop."""
    for script in SCRIPTS:
        options = {name: values for name, values in OPTIONS.items() if name != "inner" or script.startswith("maml")}
        for row in reversed(covering_array(options)):
            yield script, " ".join(filter(None, row))


def run(script, data_dir, logdir, flags):
    folders = [f"--data_dir={data_dir}", f"--logdir={logdir}"]
    norm = ["--norm=none"] if script.startswith("maml") else []
    return run_script("pose_code", script, *folders, *tiny.of_script(script, 2), *norm, *flags.split())


@pytest.fixture(scope="module")
def plain(data_dir, tmp_path_factory):
    """{script: losses of two steps without any of the flags}."""
    found = {}
    for script in SCRIPTS:
        logdir = tmp_path_factory.mktemp(script)
        assert run(script, data_dir, logdir, "--num_threads=1").returncode == 0
        found[script] = training_losses(logdir)
    return found


@pytest.mark.parametrize("other", REFUSED)
def test_what_xla_cannot_compile_is_refused_in_a_line(other, data_dir, tmp_path):
    refused = run("maml_vanilla", data_dir, tmp_path / "logs", f"--jit_compile {other}")
    (line,) = refused.stderr.splitlines()
    assert refused.returncode == 1 and line.startswith(f"error: --jit_compile with {other.split()[0]}: ")
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize("script, flags", list(cases()))
def test_pairs_of_execution_flags_have_the_same_losses(script, flags, plain, data_dir, tmp_path):
    done = run(script, data_dir, tmp_path, flags)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(training_losses(tmp_path), plain[script], rtol=0.1 if "bfloat16" in flags else 2e-4)
