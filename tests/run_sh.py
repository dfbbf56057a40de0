"""run.sh in a copy of what it needs, where a stub in place of Python prints what it is given."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
STUB = """#!/bin/bash
[[ $* != *CAD_dir* || $1 != -c ]] || exec {python} "$@"
[[ $1 == -m ]] || exit 0
echo "PYTHON $*"
[[ $2 != metalearn.sweep ]] || PYTHONPATH={repo} {python} -c '{lister}' "$@"
"""
LISTER = """
import shlex, sys
from absl import flags
from metalearn import sweep
sweep.define_flags()
common = flags.FLAGS(sys.argv[2:])[1:]
for command in sweep.read_list(sys.stdin, common, flags.FLAGS.methods, flags.FLAGS.trials):
    print("RUN", shlex.join(command))
"""


def copy_scripts(clone):
    """What run.sh needs of the repository."""
    for name in ("sinusoid", "classification"):
        (clone / name).mkdir()
        shutil.copy(REPO / name / "search.txt", clone / name)
    for name in ("run.sh", "requirements.txt", "pyproject.toml"):
        shutil.copy(REPO / name, clone / name)
    for name in ("experiments", "presets"):
        shutil.copytree(REPO / name, clone / name)


def in_a_copy(tmp_path):
    """run(sub-command, variables) -> (runs as lists of words, other commands), with data in DATA_DIR."""
    clone, data = tmp_path / "a clone", tmp_path / "the data"
    (clone / ".venv/bin").mkdir(parents=True)
    copy_scripts(clone)
    (clone / ".venv/bin/python").write_text(STUB.format(repo=REPO, python=sys.executable, lister=LISTER))
    (clone / ".venv/bin/python").chmod(0o755)
    sums = subprocess.run("cat requirements.txt pyproject.toml | cksum", shell=True, cwd=clone, capture_output=True)
    (clone / ".venv/installed").write_text(sums.stdout.decode())
    for folder in (data, data / "split-1", data / "split-2", data / "search-1"):
        folder.mkdir()
        for name in ("train_data.pkl", "val_data.pkl"):
            (folder / name).touch()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/nvidia-smi").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "bin/nvidia-smi").chmod(0o755)

    def run(*words, check=True, **variables):
        path = f"{tmp_path}/bin:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", clone / "run.sh", *words], env={**os.environ, "PATH": path, "DATA_DIR": str(data), **variables},
            capture_output=True, text=True,
        )  # fmt: skip
        if not check:
            return done
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        runs = [shlex.split(line.removeprefix("RUN ")) for line in lines if line.startswith("RUN ")]
        commands = [line.removeprefix("PYTHON -m ") for line in lines if line.startswith("PYTHON ")]
        return [[word.replace(str(data), "DATA") for word in words] for words in runs], commands

    return run
