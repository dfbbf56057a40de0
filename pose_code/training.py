"""Everything a training script shares: flags, seeds, the loop, summaries, checkpoints, resume, the final evaluation.

A script builds a learner and calls `run`. A learner offers
  loss(batch, seed) -> (loss, metrics)      predict(batch, seed) -> (predictions, pre_mse or None)
  modules: dict name -> PointWeights or GaussianWeights, the trained variables
  stochastic: whether predictions depend on the seed       train_tags, val_tags: metric -> TensorBoard name

All randomness is a function of (--seed, --trial) and the iteration, so a resumed run repeats an uninterrupted one.
"""

import csv
import fcntl
import importlib.metadata
import json
import sys
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from absl import flags

from pose_code import checkpoints, evaluation
from pose_code.pose_dataset import PoseSplit, sample_meta_batch
from pose_data.cli import UserError, atomic_path

FLAGS = flags.FLAGS

flags.DEFINE_string("data_dir", None, "folder of the two pickles that pose_data/data_gen.py writes", required=True)
flags.DEFINE_list("data", "train_data.pkl,val_data.pkl", "file names of the training and the held-out objects")
flags.DEFINE_string("logdir", "/tmp/data", "run folders are made in here")
flags.DEFINE_integer("trial", 1, "number of the trial, part of the run folder's name and of the seed", lower_bound=0)
flags.DEFINE_integer("seed", 0, "seed of weights, meta-batches and noise, together with --trial", lower_bound=0)
flags.DEFINE_integer("update_batch_size", 15, "K: support views an object, and as many query views", lower_bound=1)
flags.DEFINE_integer("meta_batch_size", 10, "tasks per outer step", lower_bound=1)
flags.DEFINE_integer("num_classes", 1, "objects per task", lower_bound=1)
flags.DEFINE_integer("dim_im", 128, "side of the images in pixels; a divisor of the stored side averages blocks")
flags.DEFINE_integer("dim_y", 1, "label numbers to predict, the last ones of (x, y, angle)")
flags.DEFINE_bool("train", True, "train (resuming if there is a checkpoint), then evaluate; False only evaluates")
flags.DEFINE_integer("summary_every", 100, "iterations between progress lines, curve rows and summaries", lower_bound=1)
flags.DEFINE_integer("checkpoint_every", 1000, "iterations between checkpoints", lower_bound=1)
flags.DEFINE_integer("eval_episodes", 10, "evaluation episodes of each object", lower_bound=1)
flags.DEFINE_integer("num_theta_samples", 5, "draws of theta averaged in evaluation (Algorithm 3)", lower_bound=1)
flags.DEFINE_integer("eval_seed", 0, "seed of the evaluation's episodes and draws", lower_bound=0)
flags.DEFINE_integer("num_threads", 0, "CPU threads of one operation; 0 lets TensorFlow choose", lower_bound=0)

# What may differ between the run that wrote a checkpoint and the one that goes on with it.
_MAY_CHANGE = {
    "data_dir", "logdir", "checkpoint_every", "eval_episodes", "num_theta_samples", "eval_seed",
    "num_threads", "test_num_updates",
}  # fmt: skip


def setup():
    """Set threads, and return the NumPy generator for start values. Call first: TensorFlow fixes threads early."""
    if FLAGS.num_threads:
        tf.config.threading.set_intra_op_parallelism_threads(FLAGS.num_threads)
        tf.config.threading.set_inter_op_parallelism_threads(FLAGS.num_threads)
    gpus = tf.config.list_physical_devices("GPU")
    print(f"TensorFlow {tf.__version__} on {len(gpus)} GPU" if gpus else f"TensorFlow {tf.__version__} on the CPU")
    return _rng("start values")


def int_list(name):
    """The value of a list flag of layer sizes as ints (upstream left them strings, which broke). Raises UserError."""
    try:
        sizes = [int(size) for size in FLAGS[name].value]
    except ValueError:
        sizes = [0]
    if any(size < 1 for size in sizes):
        raise UserError(f"--{name}={','.join(FLAGS[name].value)}: give layer sizes such as 100,100")
    return sizes


def run(learner, *, method, run_name, iterations_flag, learning_rate, rho_learning_rate=None, weight_decay=0.0):
    """Train `learner`, evaluate it, write <logdir>/<run_name>.trial-N/result.json.

    Args:
      iterations_flag: name of the flag with the number of outer steps in all, those of a checkpoint included.
      rho_learning_rate: learning rate of the posteriors' rho; None takes learning_rate.
      weight_decay: strength as contrib's AdamW counted it, decay per step (Keras multiplies it by the learning rate).
    """
    if len(FLAGS.data) != 2:
        raise UserError(f"--data={','.join(FLAGS.data)}: give two file names, training and held-out objects")
    train, val = (PoseSplit(Path(FLAGS.data_dir) / name, FLAGS.dim_im, FLAGS.dim_y) for name in FLAGS.data)
    for split in (train, val):
        split.check(FLAGS.num_classes, FLAGS.update_batch_size)
    folder = Path(FLAGS.logdir) / f"{run_name}.trial-{FLAGS.trial}"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(
                f"{folder}: another run is working there; wait, or use another --trial or --logdir"
            ) from None
        optimizers = _make_optimizers(learner, learning_rate, rho_learning_rate, weight_decay)
        _Run(learner, optimizers, train, val, folder, method, iterations_flag).go()


def _make_optimizers(learner, learning_rate, rho_learning_rate, weight_decay):
    """[(Adam, its variables)]: one for means and point weights, one for the rho of posteriors if there are any."""
    groups = []
    rho_learning_rate = learning_rate if rho_learning_rate is None else rho_learning_rate
    for variables, rate in (
        ([v for module in learner.modules.values() for v in module.variables], learning_rate),
        ([v for module in learner.modules.values() for v in module.rho_variables], rho_learning_rate),
    ):
        if variables:
            if (
                weight_decay and rate
            ):  # 1e-8: TF1's epsilon; weight_decay / rate: contrib decayed by `weight_decay` a step
                optimizer = keras.optimizers.AdamW(rate, weight_decay=weight_decay / rate, epsilon=1e-8)
            else:
                optimizer = keras.optimizers.Adam(rate, epsilon=1e-8)
            optimizer.build(variables)
            groups.append((optimizer, variables))
    return groups


class _Run:
    """One run folder: flags.cfg, curve.csv, TensorBoard events, checkpoint-last.npz, -final.npz, result.json."""

    def __init__(self, learner, optimizers, train, val, folder, method, iterations_flag):
        self.learner, self.optimizers, self.train, self.val = learner, optimizers, train, val
        self.folder, self.method, self.iterations = folder, method, FLAGS[iterations_flag].value
        self.flags, self.may_change = run_flags(), _MAY_CHANGE | {iterations_flag}
        self.step, self.seconds = 0, 0.0
        self.predict = tf.function(learner.predict)
        self.rho_variables = [rho for module in learner.modules.values() for rho in module.rho_variables]
        self.variables = {
            f"{module}/{variable.name.split(':')[0]}": variable
            for module, weights in learner.modules.items()
            for variable in weights.variables + weights.rho_variables
        }
        for group, (optimizer, _) in enumerate(optimizers):
            self.variables |= {f"adam{group}/{i}": variable for i, variable in enumerate(optimizer.variables)}

    def go(self):
        final = self.folder / "checkpoint-final.npz"
        # A finished run that was given more iterations has a last checkpoint newer than the final one.
        self.restore([path for path in (final, self.folder / "checkpoint-last.npz") if path.exists()])
        result = self.folder / "result.json"
        if not FLAGS.train and not self.step:
            raise UserError(f"{self.folder}: no checkpoint to evaluate; train first, or mend --logdir and --trial")
        if FLAGS.train:
            if (
                result.exists()
                and self.step >= self.iterations
                and json.loads(result.read_text())["flags"] == self.flags
            ):
                print(f"{result}: finished before; --train=False evaluates it again", flush=True)
                return
            write_text(self.folder / "flags.cfg", "".join(f"{line}\n" for line in flag_lines()))
            self.train_loop()
            self.save(final)
        start = time.monotonic()
        print(f"evaluating {len(self.val)} held-out and {len(self.train)} training objects", flush=True)
        numbers = evaluation.protocol(
            self.learner, self.predict, self.train, self.val, seed=FLAGS.eval_seed, episodes=FLAGS.eval_episodes,
            num_draws=FLAGS.num_theta_samples, meta_batch_size=FLAGS.meta_batch_size, num_classes=FLAGS.num_classes,
            shots=FLAGS.update_batch_size,
        )  # fmt: skip
        numbers = {
            "method": self.method, "trial": FLAGS.trial, "iterations": self.step, **numbers, "flags": self.flags,
            "versions": versions(), "wall_time_s": self.seconds + time.monotonic() - start,
        }  # fmt: skip
        write_text(result, json.dumps(numbers, indent=1) + "\n")
        print(
            f"{self.method}: meta-test MSE {numbers['meta_test_mse']:.2f}, on the training objects "
            f"{numbers['meta_train_mse']:.2f}, with shuffled support labels {numbers['shuffled_support_mse']:.2f} "
            f"-> {result}",
            flush=True,
        )

    def restore(self, paths):
        """Go on from the newest of these checkpoints. Raises UserError if it is of another run or damaged."""
        if not paths:
            return
        notes = {path: checkpoints.load_note(path) for path in paths}
        path = max(paths, key=lambda path: notes[path]["step"])
        note = notes[path]
        changed = [
            f"--{name} was {note['flags'].get(name)}"
            for name in self.flags
            if name not in self.may_change and note["flags"].get(name) != self.flags[name]
        ]
        if note["method"] != self.method or changed:
            what = "; ".join(changed) or f"method was {note['method']}"
            raise UserError(f"{path}: of a run with other settings ({what}); use another --logdir or --trial")
        if note["step"] > self.iterations:
            raise UserError(f"{path}: has {note['step']} iterations, more than the {self.iterations} asked for")
        checkpoints.restore(path, self.variables)
        self.step, self.seconds = note["step"], note["seconds"]

    def save(self, path):
        note = {"method": self.method, "flags": self.flags, "step": self.step, "seconds": self.seconds}
        checkpoints.save(path, self.variables, note)

    @tf.function
    def train_step(self, batch, seed):
        """One outer step: gradients of the learner's loss, one Adam update a group. Returns metrics, all scalars."""
        with tf.GradientTape() as tape:
            loss, metrics = self.learner.loss(batch, seed)
        gradients = tape.gradient(loss, [variables for _, variables in self.optimizers])
        for (optimizer, variables), group in zip(self.optimizers, gradients, strict=True):
            optimizer.apply_gradients(zip(group, variables, strict=True))
        return {"full_loss": loss, "regularizer": loss - metrics["mse"], **metrics}

    def train_loop(self):
        curve = _Curve(self.folder / "curve.csv", self.step)
        writer = tf.summary.create_file_writer(str(self.folder))
        noise_seed = int(_rng("noise").integers(2**31))
        begun, first, last_saved, interval = time.monotonic(), self.step, self.step, []
        before = self.seconds
        if first:
            print(f"resuming {self.folder} at iteration {first}", flush=True)
        while self.step < self.iterations:
            batch = self.sample(self.train, "train")
            metrics = self.train_step(batch, tf.constant([noise_seed, self.step], tf.int32))
            interval.append({name: float(value) for name, value in metrics.items()})
            self.step += 1
            if self.step % FLAGS.summary_every and self.step < self.iterations:
                continue
            row = {f"metatrain_{name}": np.mean([m[name] for m in interval]) for name in interval[0]}
            if not np.isfinite(row["metatrain_full_loss"]):
                raise UserError(
                    f"{self.folder}: the loss is not finite before iteration {self.step}; lower the learning rates "
                    f"(--update_lr, --meta_lr); the last checkpoint stays"
                )
            batch = self.sample(self.val, "val")
            predictions, pre_mse = self.predict(batch, tf.constant([noise_seed, -self.step], tf.int32))
            row["metaval_mse"] = float(np.mean((predictions - batch.target_y) ** 2))
            if pre_mse is not None:
                row["metaval_pre_mse"] = float(pre_mse)
            if self.rho_variables:
                rho = np.concatenate([rho.numpy().ravel() for rho in self.rho_variables])
                row["metatrain_untransformed_scale"] = float(rho.mean())
            interval = []
            self.seconds = before + time.monotonic() - begun
            curve.write(self.step, self.seconds, row)
            self.summarize(writer, row)
            rate = (self.step - first) / (time.monotonic() - begun)
            minutes = (self.iterations - self.step) / rate / 60
            losses = "  ".join(f"{name.removeprefix('meta')} {value:.4g}" for name, value in row.items())
            print(
                f"iteration {self.step}/{self.iterations}  {losses}  {rate:.2f} it/s  {minutes:.1f} min left",
                flush=True,
            )
            if self.step - last_saved >= FLAGS.checkpoint_every:
                writer.flush()
                self.save(self.folder / "checkpoint-last.npz")
                last_saved = self.step
        writer.close()

    def sample(self, split, purpose):
        rng = _rng(purpose, self.step)
        return sample_meta_batch(split, rng, FLAGS.meta_batch_size, FLAGS.num_classes, FLAGS.update_batch_size)

    def summarize(self, writer, row):
        """TensorBoard scalars under upstream's tags: metatrain_Post-mse_5, metaval_Pre-mse, metatrain_kl, ..."""
        tags = {f"metatrain_{name}": f"metatrain_{tag}" for name, tag in self.learner.train_tags.items()}
        tags |= {f"metaval_{name}": f"metaval_{tag}" for name, tag in self.learner.val_tags.items()}
        with writer.as_default(step=self.step):
            for name, value in row.items():
                tf.summary.scalar(tags.get(name, name), value)


class _Curve:
    """curve.csv: a row a summary. On resume the rows past the checkpoint go; the run writes them again."""

    def __init__(self, path, step):
        self.path = path
        kept = []
        if path.exists():
            with open(path, newline="") as file:
                whole_rows = (row for row in csv.DictReader(file) if None not in row.values())
                kept = [row for row in whole_rows if int(row["iteration"]) <= step]
        with atomic_path(path) as temporary, open(temporary, "w", newline="") as file:
            self._write(file, kept)

    def _write(self, file, rows, header=True):
        if rows:
            writer = csv.DictWriter(file, list(rows[0]))
            if header:
                writer.writeheader()
            writer.writerows(rows)

    def write(self, step, seconds, row):
        row = {"iteration": step, "seconds": round(seconds, 1), **{k: f"{v:.6g}" for k, v in row.items()}}
        with open(self.path, "a", newline="") as file:
            self._write(file, [row], header=file.tell() == 0)


def _rng(purpose, step=0):
    """Generator for one purpose and iteration; streams of different purposes are independent."""
    purposes = ("start values", "noise", "train", "val")
    return np.random.default_rng([FLAGS.seed, FLAGS.trial, purposes.index(purpose), step])


def _own_flags():
    modules = FLAGS.flags_by_module_dict()
    own = (flag for name in modules if name == sys.argv[0] or name.startswith("pose_code") for flag in modules[name])
    return sorted((flag for flag in own if flag.name != "train"), key=lambda flag: flag.name)


def run_flags():
    """Name and value of every flag of this project's that the script has, but for --train."""
    return {flag.name: flag.value for flag in _own_flags()}


def flag_lines():
    """The same as lines of an absl flagfile: `--flagfile=RUN/flags.cfg --beta=0.1` replays a run with one change."""
    return [flag.serialize() for flag in _own_flags() if flag.value is not None]


def versions():
    packages = ("tensorflow", "keras", "numpy")
    return {"python": sys.version.split()[0], **{name: importlib.metadata.version(name) for name in packages}}


def write_text(path, text):
    """Write a small file whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text)
