"""Run a list of training commands, some at a time: finished runs are skipped, killed ones resume, failed ones named.

1. A line of standard input is a module and its flags, quoted as for a shell: package.script --beta=1e-3. Flags after
   a -- of the command line stand before those of every line, so a line's own win; one that a line's --flagfile gives
   another value is refused, but for folders and trials.
2. --jobs of them run side by side and share the cores (--num_threads). Each line they print is marked with its run.
3. --dry_run prints each command, times some steps of each kind of run here, and estimates the hours; it trains nothing.
4. --trials=5 runs every line for trials 1 to 5, with {trial} in a flag replaced; --methods=np_bbb,np_ib keeps the lines
   of these scripts.
5. --slurm submits the same list as one job array and waits for it (pip install -e .[slurm]).

Command: python -m metalearn.sweep --jobs=2 --trials=5 -- --data_dir=DATA/split-{trial} --logdir=LOGDIR < LIST
Ends with exit status 1 if a run failed. After an interruption, give the same command again to resume.
"""

import collections
import ctypes
import queue
import re
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from absl import flags

from metalearn import slurm, workers
from metalearn.cli import UserError, run_main

FLAGS = flags.FLAGS

_TF_LOG_NOISE = re.compile(r"[IW]0000|WARNING: All log messages")  # TensorFlow's, before Python can silence it
_PROGRESS = re.compile(r"iteration (\d+)/(\d+) .* ([\d.]+) min left")
_FINISHED = "finished before"  # what RunFolder prints
_TIMED_SECONDS = 15.0
_OWN_SUMMARIES = 1.0  # seconds for 20 steps under which a run is timed with its own summaries


class _Job:
    """One command of the list as a child process."""

    def __init__(self, name, argv, num_threads):
        self.name, self.module = name, argv[0]
        self.command = [sys.executable, "-m", *_with_threads(argv, num_threads)]
        self.begun, self.minutes, self.skipped, self.error = time.monotonic(), None, False, ""

    def start(self, ended):
        """ended: queue that gets this run when its process is over, or the exception of printing what it says."""
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", preexec_fn=_end_with_parent,
        )  # fmt: skip
        threading.Thread(target=self._follow, args=(ended,), daemon=True).start()

    def _follow(self, ended):
        try:
            self._print_lines()
        except Exception as error:  # nobody else would read what the run prints, and it would wait
            ended.put(error)
            return
        self.process.wait()
        self.minutes = (time.monotonic() - self.begun) / 60
        ended.put(self)

    def _print_lines(self):
        for line in self.process.stdout:
            if _TF_LOG_NOISE.match(line):
                continue
            print(f"[{self.name}] {line}", end="", flush=True)
            elapsed = (time.monotonic() - self.begun) / 60
            if progress := _PROGRESS.search(line):
                self.minutes = elapsed + float(progress[3])
            elif line.startswith("error: "):
                self.error = line.removeprefix("error: ").strip()
            self.skipped |= _FINISHED in line


_LIBC = ctypes.CDLL(None)  # loaded here: between fork and exec a child must not take locks


def _end_with_parent():
    """Have Linux end a child whose launcher is killed: it would hold its folder's lock against the next launcher's."""
    if sys.platform == "linux":
        _LIBC.prctl(1, signal.SIGTERM)  # 1 is PR_SET_PDEATHSIG


def names(commands):
    """A short name for each argv: its number, its script, and the flags in which the commands of that script differ."""
    same = {}
    for module, *arguments in commands:
        same[module] = same.get(module, set(arguments)) & set(arguments)
    texts = []
    for number, (module, *arguments) in enumerate(commands, 1):
        own = [flag.lstrip("-") for flag in arguments if flag not in same[module] and "logdir=" not in flag]
        texts.append(" ".join([f"{number}/{len(commands)}", module.rpartition(".")[2], *own]))
    return texts


def _share_of_cores(jobs):
    return max(1, workers.default_num_workers() // jobs)


def _with_threads(argv, num_threads):
    """The argv with --num_threads before its own flags, which win."""
    return [argv[0], f"--num_threads={num_threads}", *argv[1:]]


def run_all(commands, jobs):
    """Run each argv (module, flags...), `jobs` at a time. Returns [(name, why)] of those that failed."""
    num_threads = _share_of_cores(jobs)
    waiting = collections.deque(zip(names(commands), commands, strict=True))
    running, done, failed, ended = [], [], [], queue.Queue()
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                job = _Job(*waiting.popleft(), num_threads)
                job.start(ended)
                running.append(job)
            run = ended.get()
            if isinstance(run, Exception):  # a full disk, a closed pipe, a letter that its encoding lacks
                why = getattr(run, "strerror", None) or run
                raise UserError(f"standard output: {why}; the runs are ended: give the list again to go on")
            running.remove(run)
            done.append(run)
            if status := run.process.returncode:
                failed.append((run.name, run.error or f"exit status {status}"))
            left = _minutes_left(done, running, [argv[0] for _, argv in waiting], jobs)
            estimate = f", about {left / 60:.1f} h left" if left else ""
            print(f"{len(done)} of {len(commands)} runs done, {len(failed)} failed{estimate}", flush=True)
    finally:
        for run in running:  # interrupted: each ends, and resumes from its checkpoint when the list is run again
            run.process.terminate()
    return failed


def _minutes_left(done, running, waiting, jobs):
    """Estimate: a waiting run takes as long as the others of its module do. None while nothing is known."""
    by_module = collections.defaultdict(list)
    for run in [*running, *done]:
        if run.minutes and not run.skipped and not (run in done and run.process.returncode):
            by_module[run.module].append(run.minutes)
    if not by_module:
        return None
    means = {module: statistics.mean(minutes) for module, minutes in by_module.items()}
    other = statistics.mean(means.values())
    now = time.monotonic()
    left = [max(0.0, means.get(run.module, other) - (now - run.begun) / 60) for run in running]
    left += [means.get(module, other) for module in waiting]
    return max([*left, sum(left) / jobs], default=0.0)


def estimate(commands, jobs):
    """Print each command, then for each kind of run the seconds per step here, and the hours of the list."""
    num_threads = _share_of_cores(jobs)
    for argv in commands:
        print(shlex.join(["python", "-m", *_with_threads(argv, num_threads)]))
    kinds = {}
    for argv in commands:
        kinds.setdefault(kind_of(argv), []).append(argv)
    hours = 0.0
    for argv, number in ((same[0], len(same)) for same in kinds.values()):
        seconds, iterations = _time_steps(argv, num_threads)
        total = number * iterations * seconds / 3600
        print(f"{argv[0]}: {seconds:.3g} s per step, {iterations:,} steps, {number} runs: {_time(total)}", flush=True)
        hours += total
    print(
        f"{len(commands)} runs, {jobs} at a time: about {_time(hours / jobs)}, and some minutes a run to evaluate it; "
        "finished runs are counted"
    )


def _time(hours):
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.0f} minutes"


def kind_of(argv):
    """What the trials of a run, each on its split of the data, have in common: they take the same time."""
    return tuple(word for word in argv if not word.startswith(("--trial=", "--data_dir=", "--data_seed=")))


def _time_steps(argv, num_threads):
    """(seconds per step, steps of the run): the run itself, stopped after some seconds, in a folder that goes away. Of
    a run that ends before: with what it takes to start and evaluate."""
    # Every 20 steps, so that a slow run is heard of soon; in a fast one these summaries would take most of the time.
    argv = _with_threads(argv, num_threads)
    return _timed([*argv, "--summary_every=20"], _OWN_SUMMARIES) or _timed(argv, 0.0)


def _timed(argv, least):
    """As _time_steps; None if the second progress line comes less than `least` seconds after the first."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", *argv, f"--logdir={folder}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, preexec_fn=_end_with_parent,
        )  # fmt: skip
        begun, lines, started = None, [], time.monotonic()
        try:
            for line in process.stdout:
                lines.append(line)
                if not (progress := _PROGRESS.search(line)):
                    continue
                step, iterations, now = int(progress[1]), int(progress[2]), time.monotonic()
                if begun is None:  # the steps before it, with the building of the graph, do not count
                    begun, first_step, second = now, step, None
                    continue
                if second is None and (second := now - begun) < least:
                    return None
                if now - begun > _TIMED_SECONDS or step == iterations:
                    return (now - begun) / (step - first_step), iterations
        finally:
            process.kill()
            process.wait()
    if begun is not None:
        return (time.monotonic() - started) / iterations, iterations
    error = next((line for line in lines if line.startswith("error: ")), lines[-1] if lines else "no output")
    raise UserError(f"{shlex.join(argv)}: ended before it could be timed: {error.removeprefix('error: ')}")


def read_list(lines, common, methods, trials):
    """The commands of the list as argv: module, `common` flags, the line's; for each trial, if there are several.

    lines: of standard input; methods: names of the scripts whose lines are kept, None for all; trials: how many, or
    None to take the lines as they are. Raises UserError for a method that has no line, and if there are no lines.
    """
    rows = []
    for line in lines:
        try:
            rows += [words] if (words := shlex.split(line, comments=True)) else []
        except ValueError as error:
            raise UserError(f"in the list: {line.strip()}: {error}; quote as for a shell") from None
    if not rows:
        raise UserError("no runs on standard input; give a line per run: package.script --flag=value")
    listed = dict.fromkeys(module.rpartition(".")[2] for module, *_ in rows)
    if methods is not None:
        strange = [name for name in methods if name not in listed]
        if strange or not methods:
            raise UserError(f"--methods={','.join(strange)}: not in this list; give some of {', '.join(listed)}")
        rows = [row for row in rows if row[0].rpartition(".")[2] in methods]
    commands = [[module, *common, *own] for module, *own in rows]
    if trials is None:
        return commands
    return [
        [*(word.replace("{trial}", str(trial)) for word in command), f"--trial={trial}"]
        for trial in range(1, trials + 1)
        for command in commands
    ]


def main(argv):
    for word in argv[1:]:
        if not word.startswith("--"):
            raise UserError(f"unexpected argument {word!r}: write flags as --name=value, those of every run after a --")
    commands = read_list(sys.stdin, argv[1:], FLAGS.methods, FLAGS.trials)
    jobs = min(FLAGS.jobs, len(commands))
    if FLAGS.dry_run:
        estimate(commands, jobs)
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through `finally`
    if FLAGS.slurm:
        names_of, to = names(commands), (FLAGS.slurm_cluster, FLAGS.slurm_folder, FLAGS.slurm_parameters)
        failed = slurm.run_all(commands, names_of, jobs, *to)
    else:
        failed = run_all(commands, jobs)
    if failed:
        for name, why in failed:
            print(f"failed: {name}: {why}", file=sys.stderr)
        raise UserError(f"{len(failed)} of {len(commands)} runs failed; the others are kept; run again to resume")


def define_flags():
    flags.DEFINE_integer("jobs", 1, "runs at a time, which share the cores", lower_bound=1)
    flags.DEFINE_integer("trials", None, "run every line for trials 1 to this; unset: as it is", lower_bound=1)
    flags.DEFINE_list("methods", None, "run only the lines of these scripts")
    flags.DEFINE_bool("dry_run", False, "print the commands and the estimated hours, and train nothing")
    flags.DEFINE_bool("slurm", False, "submit the list to Slurm as one job array and wait for it")
    flags.DEFINE_list("slurm_parameters", [], "submitit's: slurm_partition=gpu,gpus_per_node=1,timeout_min=1440,...")
    flags.DEFINE_enum("slurm_cluster", "slurm", ("slurm", "local"), "local: submitit's processes on this machine")
    flags.DEFINE_string("slurm_folder", "slurm_logs", "folder of the Slurm jobs' output")


if __name__ == "__main__":
    define_flags()
    run_main(main, positional=True)
