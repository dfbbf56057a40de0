"""Run a function, or a script as a user does from inside its folder, in a process of its own, without the seconds of
importing TensorFlow: a server process has done that once, and each run is a fork of it."""

import csv
import gc
import multiprocessing
import os
import resource
import runpy
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
_server = multiprocessing.get_context("forkserver")
# Nothing that defines flags.
_server.set_forkserver_preload(["pose_code", "tensorflow", "keras", "numpy", "stl", "trimesh", "PIL.Image", "scripts"])


class Fork:
    """`function(*arguments)` in a process of its own. The function is defined at the top of a module."""

    def __init__(self, function, *arguments, seconds=None, gigabytes=None):
        """seconds: of wall clock, after which it is killed by SIGALRM; gigabytes: of address space it may take."""
        self._function, self._arguments = function, arguments
        self._outputs = [tempfile.TemporaryFile("w+", errors="replace") for _ in range(2)]
        outputs = [multiprocessing.reduction.DupFd(file.fileno()) for file in self._outputs]
        self._process = _server.Process(target=_run, args=(function, arguments, seconds, gigabytes, *outputs))
        self._process.start()

    def send_signal(self, number):
        if self._process.is_alive():
            os.kill(self._process.pid, number)

    def alive(self):
        return self._process.is_alive()

    def printed(self):
        """What it has printed so far."""
        return os.pread(self._outputs[0].fileno(), 2**20, 0).decode()  # leaves the place that both processes write at

    def sizes(self):
        """Resident memory in bytes, open files and threads of the running process."""
        proc = Path(f"/proc/{self._process.pid}")
        pages = int((proc / "statm").read_text().split()[1])
        return {
            "memory": pages * resource.getpagesize(), "files": len(list((proc / "fd").iterdir())),
            "threads": len(list((proc / "task").iterdir())),
        }  # fmt: skip

    def wait(self):
        """-> CompletedProcess with what it printed as text; returncode is negative for a signal."""
        self._process.join()
        texts = []
        for file in self._outputs:
            file.seek(0)
            texts.append(file.read())
            file.close()
        return subprocess.CompletedProcess([self._function, *self._arguments], self._process.exitcode, *texts)


def error_line(done):
    """The one line `error: ...` with which a CompletedProcess ended, without a traceback."""
    assert done.returncode != 0 and "Traceback" not in done.stderr, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    return line


def training_losses(logdir):
    """The losses in the curve of the first trial's run below `logdir`."""
    (path,) = Path(logdir).glob("*trial-1/curve.csv")
    with open(path, newline="") as file:
        return [float(row["metatrain_full_loss"]) for row in csv.DictReader(file)]


def start_script(folder, script, *arguments, before=None, seconds=None, gigabytes=None, **variables):
    """`cd folder; VARIABLES python script.py arguments...` as a Fork. before: a function (or a functools.partial) of a
    module's that is called first."""
    arguments = [str(argument) for argument in arguments]
    limits = {"seconds": seconds, "gigabytes": gigabytes}
    return Fork(_script, REPO / folder, f"{script}.py", arguments, variables, before, **limits)


def run_script(folder, script, *arguments, **options):
    """start_script to its end -> CompletedProcess."""
    return start_script(folder, script, *arguments, **options).wait()


def _run(function, arguments, seconds, gigabytes, stdout, stderr):
    os.dup2(stdout.detach(), 1)
    os.dup2(stderr.detach(), 2)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)
    gc.freeze()  # the server's modules, millions of objects, need no look at each collection
    if gigabytes:
        resource.setrlimit(resource.RLIMIT_AS, (int(gigabytes * 2**30),) * 2)
    if seconds:
        signal.setitimer(signal.ITIMER_REAL, seconds)
    function(*arguments)


def _script(folder, script, arguments, variables, before):
    os.environ.update(variables)
    if before:
        before()
    os.chdir(folder)
    sys.path[0:0] = [str(folder)]
    sys.argv = [script, *arguments]
    runpy.run_path(str(folder / script), run_name="__main__")  # a path that its worker processes find too
