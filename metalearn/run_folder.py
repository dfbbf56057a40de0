"""The folder of one run: what it holds and how a run resumes from it.

flags.cfg (an absl flagfile), curve.csv, TensorBoard events, checkpoint-last.npz, checkpoint-final.npz, result.json and,
of some domains, examples.npz.
"""

import contextlib
import fcntl
import importlib.metadata
import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import flags

from metalearn import checkpoints
from metalearn.cli import UserError
from metalearn.curve import Curve
from metalearn.files import atomic_path
from metalearn.settings import EXECUTION_FLAGS, MORE_NUMBERS

FLAGS = flags.FLAGS

flags.DEFINE_bool("allow_new_data", False, "go on with a run, or evaluate it, on other data than those it was begun on")

# Flags that may change on resume, with all of an evaluation's.
_RESUME_FLAGS = EXECUTION_FLAGS | {"data_dir", "num_theta_samples"}
EVALUATION_PREFIXES = ("eval_", "test_", "num_test_")
# What only training reads. An evaluation (--train=False) takes it from the checkpoint, for its record.
_TRAINING_ONLY = {"init", "distinct_tasks", "batch_norm_gradient", "rho_lr", "aggregator_lr", "kl_reduction"}
# What runs from before a flag existed did, where that is not the flag's default: a value, or a function of the run's
# flags. A domain adds its own.
BEFORE = {"init": "glorot"}
# Flag -> value that earlier runs have -> today's. A domain adds its own.
FORMER_VALUES = {}
_OTHERS_FLAGS = ("absl", "tensorflow")  # modules that define flags which are not this project's
_CHECKPOINTS = ("checkpoint-last.npz", "checkpoint-final.npz")


def _script():
    """Module of the running script: a.b for `python -m a.b` and for `cd a && python b.py`."""
    spec = sys.modules["__main__"].__spec__
    path = Path(sys.argv[0]).resolve()
    return spec.name if spec else f"{path.parent.name}.{path.stem}"


class RunFolder:
    """One trial: its settings, random streams, progress and records."""

    def __init__(self, folder, number, method, iterations_flag, tasks=()):
        """tasks: the training and the held-out tasks; where they have a `fingerprint`, a run keeps to it."""
        self.folder, self.number, self.method, self.iterations_flag = folder, number, method, iterations_flag
        _check_texts()
        self.data = [part.fingerprint for part in tasks if hasattr(part, "fingerprint")]
        self.flags = {flag.name: flag.value for flag in own_flags()} | {"trial": number, "num_trials": 1}
        self.step, self.seconds, self.checkpoint = 0, 0.0, None
        self.trained_on = []  # names of devices
        if not FLAGS.train and not folder.is_dir():
            self._nothing_to_evaluate()
        folder.mkdir(parents=True, exist_ok=True)

    def _nothing_to_evaluate(self):
        raise UserError(
            f"{self.folder}: no checkpoint to evaluate; train first, or check --logdir, --trial and the flags in its "
            "name"
        )

    def rng(self, purpose, step=0):
        """Generator for one purpose and iteration; streams of different purposes are independent."""
        purposes = ("initial weights", "noise", "train", "val")
        return np.random.default_rng([FLAGS.seed, self.number, purposes.index(purpose), step])

    @contextlib.contextmanager
    def lock(self):
        with open(self.folder / "lock", "w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(
                    f"{self.folder}: another run is working there; wait, or use another --trial or --logdir"
                ) from None
            except OSError as error:
                raise UserError(
                    f"{self.folder}/lock: {error.strerror}: files cannot be locked on this disk; give a --logdir on "
                    "another"
                ) from None
            yield

    def find_checkpoint(self):
        """Go on from the newest checkpoint, if there is one. Raises UserError if it is of another run or damaged."""
        path, note = newest_checkpoint(self.folder)
        if path is None:
            if not FLAGS.train:
                self._nothing_to_evaluate()
            return
        iterations, before = self.flags[self.iterations_flag], with_new_flags(note["flags"])
        if not FLAGS.train:
            for name in _TRAINING_ONLY & set(self.flags):
                FLAGS[name].value = self.flags[name] = before[name]
        # What a training run is evaluated on is what its curve is measured on; the sinusoid's tasks are of --eval_seed.
        unfinished = FLAGS.train and note["step"] < iterations
        prefixes, fixed = (("eval_",), {"eval_seed"}) if unfinished else (EVALUATION_PREFIXES, set())
        may_change = {name for name in self.flags if name.startswith(prefixes)} - fixed
        may_change |= _RESUME_FLAGS | {self.iterations_flag}
        changed = [
            f"--{name} was {before[name]}"
            for name, value in self.flags.items()
            if name not in may_change and before[name] != value
        ]
        if note["method"] != self.method or changed:
            what = "; ".join(changed) or f"method was {note['method']}"
            raise UserError(
                f"{path}: of a run with other settings ({what}); give these, or another --tag, --logdir or --trial"
            )
        self._is_of_these_data(path, note)
        if note["step"] > iterations:
            raise UserError(f"{path}: has {note['step']} iterations, more than the {iterations} asked for")
        self.checkpoint, self.step, self.seconds = path, note["step"], note["seconds"]
        self.trained_on = note.get("trained_on", ["an unknown device"])  # of runs from before this was noted

    def finished(self):
        """Whether result.json exists for exactly these settings and all iterations; checkpoints may be gone."""
        result = self.folder / "result.json"
        if not result.exists():
            return False
        try:
            written = json.loads(result.read_text(encoding="utf-8"))
            before = with_new_flags(written["flags"])
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise UserError(f"{result}: damaged ({error!r}); delete it to have it written again") from None
        if not self._is_of_these_data(result, written):
            return False
        # Not asked for, they do not make an evaluation that has them another.
        more = {name for name in MORE_NUMBERS & set(self.flags) if not self.flags[name] or self.flags[name] == "none"}
        if self.data:  # they were checked, wherever they are
            more |= {"data_dir"}
        if any(before[name] != value for name, value in self.flags.items() if name not in EXECUTION_FLAGS | more):
            return False
        if written.get("iterations") != self.flags[self.iterations_flag]:  # --train=False of a run that was cut short
            return False
        print(f"{result}: finished before; --train=False evaluates it again", flush=True)
        return True

    def _is_of_these_data(self, path, written):
        """Whether a checkpoint's note or a result, of the file `path`, is. Raises UserError if it is not and the flags
        do not allow that."""
        was = written.get("data") or self.data  # of earlier runs what tasks.py says of a fingerprint's first part
        pairs = zip(self.data, was, strict=False)
        same = len(was) == len(self.data) and all(new in (old, f"{old}-{new.partition('-')[2]}") for new, old in pairs)
        if not same and not FLAGS.allow_new_data:
            raise UserError(
                f"{path}: of other objects or images, those of --data_dir={written['flags'].get('data_dir')}; give it, "
                "or another --logdir, --tag or --trial; --allow_new_data goes on with these"
            )
        return same

    def begin(self):
        """Start or resume the folder's records."""
        if self.step:
            print(f"resuming {self.folder} at iteration {self.step}", flush=True)
        # An absl flagfile: `--flagfile=RUN/flags.cfg --beta=0.1` replays the run with one change.
        lines = [flag.serialize() for flag in own_flags() if flag.value is not None and flag.name != "num_trials"]
        lines = [f"--trial={self.number}" if line.startswith("--trial=") else line for line in lines]
        write_text(self.folder / "flags.cfg", "".join(f"{line}\n" for line in lines))
        self.curve = Curve(self.folder / "curve.csv", self.step)
        self.writer = tf.summary.create_file_writer(str(self.folder))

    def advance(self, step, seconds):
        """Training has come here to iteration `step`, after `seconds` in all."""
        self.step, self.seconds = step, seconds
        self.trained_on = list(dict.fromkeys([*self.trained_on, device()]))

    def save(self, name, arrays):
        self.writer.flush()
        note = {
            "method": self.method,
            "script": _script(),
            "data": self.data,
            "flags": self.flags,
            "step": self.step,
            "seconds": self.seconds,
            "trained_on": self.trained_on,
        }
        checkpoints.save(self.folder / name, arrays, note)

    def record(self, row, tags):
        """A row of curve.csv and its TensorBoard scalars, under upstream's names where `tags` has one."""
        self.curve.write(self.step, self.seconds, row)
        with self.writer.as_default(step=self.step):
            for name, value in row.items():
                tf.summary.scalar(tags.get(name, name), value)

    def write_examples(self, arrays):
        with atomic_path(self.folder / "examples.npz") as temporary:
            np.savez_compressed(temporary, **arrays)

    def write_result(self, numbers, error):
        """numbers: of evaluation.protocol; error: the name of its error. After an evaluation (--train=False) the file
        still has the command that trained."""
        command = {"command": shlex.join(["python", *sys.argv])}
        if not FLAGS.train and (earlier := _command_of(self.folder / "result.json")):
            command = {"command": earlier, "evaluated_with": command["command"]}
        result = {
            "method": self.method, "trial": self.number, "iterations": self.step, **numbers, "flags": self.flags,
            "data": self.data, "script": _script(), **command,
            "versions": versions(), "wall_time_s": self.seconds, "trained_on": self.trained_on,
        }  # fmt: skip
        write_text(self.folder / "result.json", json.dumps(result, indent=1) + "\n")
        print(
            f"{self.method}: meta-test {error.upper()} {numbers[f'meta_test_{error}']:.3g}, on the training tasks "
            f"{numbers[f'meta_train_{error}']:.3g}, with shuffled support labels "
            f"{numbers[f'shuffled_support_{error}']:.3g} "
            f"-> {self.folder / 'result.json'}",
            flush=True,
        )
        for name, others in numbers.get("others", {}).items():
            print(f"on {name}: meta-test {error.upper()} {others[f'meta_test_{error}']:.3g}", flush=True)


def _command_of(result):
    """The command of a result.json; None where there is none."""
    try:
        return json.loads(result.read_text(encoding="utf-8")).get("command")
    except (OSError, ValueError, AttributeError):
        return None


def recorded_flag(folder, name):
    """The text of a flag in the flags.cfg of a run that was begun in `folder`; None without one."""
    try:
        lines = (folder / "flags.cfg").read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return None
    return next((line.partition("=")[2] for line in lines if line.startswith(f"--{name}=")), None)


def newest_checkpoint(folder):
    """Path and note of a run folder's newest checkpoint, or (None, None). Raises UserError if one is damaged."""
    # A finished run that was given more iterations has a last checkpoint newer than the final one.
    notes = {path: checkpoints.load_note(path) for name in _CHECKPOINTS if (path := folder / name).exists()}
    return max(notes.items(), key=lambda item: item[1]["step"]) if notes else (None, None)


def own_flags():
    """This project's flags of the running script, sorted by name, without --train."""
    modules = FLAGS.flags_by_module_dict()
    own = (flag for name in modules if not name.startswith(_OTHERS_FLAGS) for flag in modules[name])
    return sorted((flag for flag in own if flag.name != "train"), key=lambda flag: flag.name)


def _check_texts():
    """Raises UserError for a text that a flag file cannot hold, or TensorBoard not write to."""
    for flag in own_flags():
        value = flag.value if isinstance(flag.value, str) else ""
        is_text = value == value.encode(errors="ignore").decode()
        if value != value.strip() or len(value.splitlines()) > 1 or not is_text:
            raise UserError(
                f"--{flag.name}={value!r}: give one without a newline and without blanks at its ends, that is text in "
                "this locale (LC_ALL=C.UTF-8 has all)"
            )
        if value.startswith("~"):
            raise UserError(f"--{flag.name}={value}: a shell expands ~ at the start of a word only; write $HOME")
        if flag.name == "tag" and "/" in value:
            raise UserError(f"--tag={value}: give one without a slash; it is part of a folder's name")


def with_new_flags(values):
    """Flags of an earlier run; those that the script has got since are as that run was, mostly at their defaults."""
    before = {name: value(values) if callable(value) else value for name, value in BEFORE.items()}
    values = {name: FORMER_VALUES[name].get(v, v) if name in FORMER_VALUES else v for name, v in values.items()}
    return {flag.name: flag.default for flag in own_flags()} | before | values


def versions():
    """What wrote a result: versions, this code's commit (None outside a checkout), and the device of the evaluation."""
    packages = ("tensorflow", "keras", "numpy")
    return {
        "python": sys.version.split()[0],
        **{name: importlib.metadata.version(name) for name in packages},
        "commit": _commit(),
        "device": device(),
    }


def device():
    """What TensorFlow computes on: the name of the first GPU, or CPU."""
    gpus = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU") if gpus else "CPU"


def _commit():
    """The checkout's commit, ending in -dirty where files differ from it; None outside of one, or without git."""
    command = ["git", "-C", Path(__file__).parent, "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def write_text(path, text):
    """Write a small file whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
