"""--precision=auto: bfloat16 where the machine has such arithmetic and a training step of the run is faster with it."""

import statistics
import time

import keras
import numpy as np
import tensorflow as tf
from absl import flags

from metalearn import devices, run_folder
from metalearn.cli import UserError

FLAGS = flags.FLAGS

_CHOICES = ("float32", "mixed_bfloat16")
_SECONDS = 4.0  # of steps, beside the time to trace them


def choose(learner, train, folders):
    """Put the precision of the run in the place of --precision=auto.

    It is what the first of the run's `folders` that was begun before has in its flags.cfg, or else the faster one.
    """
    if FLAGS.precision != "auto":
        return
    if FLAGS.strategy == "multi_worker":
        raise UserError("--precision=auto with --strategy=multi_worker: the workers might choose differently; name one")
    recorded = (run_folder.recorded_flag(folder, "precision") for folder in folders)
    FLAGS.precision = next((name for name in recorded if name in _CHOICES), None) or _faster(learner, train)
    keras.config.set_dtype_policy(FLAGS.precision)


def _faster(learner, train):
    if not (tf.config.list_physical_devices("GPU") or devices.cpu_bfloat16()):
        return "float32"
    batch = train.sample(np.random.default_rng(FLAGS.seed), FLAGS.meta_batch_size)
    steps = {precision: _make_step(learner, batch, precision) for precision in _CHOICES}
    times = {precision: [] for precision in steps}
    begun = time.monotonic()
    while time.monotonic() - begun < _SECONDS or len(times["float32"]) < 3:
        for precision, step in steps.items():
            times[precision].append(step())
    seconds = {precision: statistics.median(measured) for precision, measured in times.items()}
    fastest = min(seconds, key=seconds.get)
    numbers = ", ".join(f"{precision} {value:.3g} s" for precision, value in seconds.items())
    print(f"--precision=auto: {fastest}, of {numbers} for the gradient of a training step", flush=True)
    return fastest


def _make_step(learner, batch, precision):
    """A function that takes the gradient of the learner's loss and returns how many seconds that took; traced."""
    keras.config.set_dtype_policy(precision)

    @tf.function(autograph=False)
    def gradient(weights, batch):
        with tf.GradientTape() as tape:
            tape.watch(weights)
            loss, _ = learner.loss(weights, batch, tf.zeros([2], tf.int32))
        return tape.gradient(loss, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    weights = tf.nest.map_structure(tf.constant, learner.init(np.random.default_rng(FLAGS.seed)))
    batch = tf.nest.map_structure(tf.constant, batch)

    def step():
        begun = time.monotonic()
        tf.nest.flatten(gradient(weights, batch))[0].numpy()
        return time.monotonic() - begun

    step()
    return step
