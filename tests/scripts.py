"""Run a training script as a user does, from inside its folder, but for Python's 5 seconds of importing TensorFlow: a
server process has done that once, and each run is a fork of it."""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(["pose_code", "tensorflow", "keras", "numpy"])  # nothing that defines flags


def run_script(folder, script, *arguments, **variables):
    """`cd folder; VARIABLES python script.py arguments...` -> CompletedProcess with its output as text."""
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        outputs = [multiprocessing.reduction.DupFd(file.fileno()) for file in (stdout, stderr)]
        process = _server.Process(target=_main, args=(REPO / folder, f"{script}.py", arguments, variables, *outputs))
        process.start()
        process.join()
        texts = []
        for file in (stdout, stderr):
            file.seek(0)
            texts.append(file.read())
    return subprocess.CompletedProcess([script, *arguments], process.exitcode, *texts)


def _main(folder, script, arguments, variables, stdout, stderr):
    os.environ.update(variables)
    os.dup2(stdout.detach(), 1)
    os.dup2(stderr.detach(), 2)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)
    os.chdir(folder)
    sys.path[0:0] = [str(folder)]
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")
