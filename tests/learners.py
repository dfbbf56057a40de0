"""The scripts in this process: their flags, defined and parsed for a while, and what they hand to the trainer."""

import contextlib
import importlib
import types
from unittest import mock

import numpy as np
import tensorflow as tf
from absl import flags
from absl.testing import flagsaver

from metalearn import devices, optimizers, training
from metalearn.tasks import MetaBatch
from pose_code import pose_learners


@contextlib.contextmanager
def script(name, *arguments, package="pose_code"):
    """The module <package>/<name>.py with its flags defined and parsed; they are undone at the end."""
    with flagsaver.flagsaver():
        module = importlib.import_module(f"{package}.{name}")
        module.define_flags()
        flags.FLAGS(["", *["--data_dir=."] * ("data_dir" in flags.FLAGS), *arguments])
        yield module


def trainer(module):
    """training.Trainer of the script's learner, optimizers and groups at iteration 0, without data and run folder."""
    with mock.patch.object(pose_learners, "run") as run:
        module.main([])
    (learner,), settings = run.call_args
    devices.configure()
    trial = types.SimpleNamespace(step=0, checkpoint=None, rng=lambda purpose: np.random.default_rng(0))
    optimizer_of = optimizers.make(settings["learning_rates"], settings.get("weight_decay", 0.0))
    return training.Trainer(learner, None, None, [trial], 0, optimizer_of, settings.get("group_of"))


def batch():
    """Arguments of `Trainer.train_steps` for one step of two random tasks, with the sizes of tiny.TINY."""
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(1, 1, 2, 3, 16, 16, 1)).astype(np.uint8)
    labels = rng.random((1, 1, 2, 3, 1)).astype(np.float32)
    return MetaBatch(images, labels, images, labels), tf.constant([[[0, 0]]])
