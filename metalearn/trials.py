"""The axis of trials: one method's trials at the same iteration, trained side by side as if each were alone."""

import numpy as np
import tensorflow as tf
from absl import flags

from metalearn import checkpoints
from metalearn.bayes_layers import Weights
from metalearn.cli import UserError

FLAGS = flags.FLAGS

flags.DEFINE_float(
    "ema_decay", None, "evaluate an exponential moving average of the weights with this decay per outer step", 0.0, 1.0
)


def _named(weights, prefix=""):
    """Name in a checkpoint -> variable, of a dict module -> Weights."""
    named = {}
    for module, part in weights.items():
        named |= {f"{prefix}{module}/{name}": variable for name, variable in part.mean.items()}
        named |= {f"{prefix}{module}/{name}_rho": variable for name, variable in part.rho.items()}
    return named


class Trials:
    """Run folders of the trials, and `weights`: dict module -> Weights of variables [trials, ...].

    `variables`, name in a checkpoint -> variable, has the weights; who trains adds the optimizers' state to it.
    """

    def __init__(self, folders, learner):
        """folders: list of RunFolder; the learner draws each one's initial weights from the trial's own generator."""
        self.folders = folders
        initial = [learner.init(folder.rng("initial weights")) for folder in folders]
        self.weights = tf.nest.map_structure(lambda *values: tf.Variable(np.stack(values)), *initial)
        self.averages = tf.nest.map_structure(tf.Variable, self.weights) if FLAGS.ema_decay else None
        self.variables = _named(self.weights) | (_named(self.averages, "ema/") if self.averages else {})

    def drop_rho(self):
        """Make points of all weights."""
        self.weights = {module: Weights(part.mean, {}) for module, part in self.weights.items()}
        self.variables = _named(self.weights)

    def of(self, i, averaged=False):
        """The weights of trial i; averaged: their --ema_decay averages, if there are any."""
        return tf.nest.map_structure(lambda variable: variable[i], (averaged and self.averages) or self.weights)

    def update_averages(self, step):
        """Take the weights after outer step `step` into the averages, the first ones with a smaller decay."""
        step = tf.cast(step, tf.float32)
        decay = tf.minimum(FLAGS.ema_decay, (1.0 + step) / (10.0 + step))
        for average, variable in zip(tf.nest.flatten(self.averages), tf.nest.flatten(self.weights), strict=True):
            average.assign(decay * average + (1.0 - decay) * variable)

    def per_trial(self, function, batch, seeds):
        """{name: [trials]} of function(weights, batch, seed) -> {name: scalar}, called for each trial.

        batch: MetaBatch of arrays [trials, tasks, ...]; seeds: int [trials, 2].
        """
        args = (tf.nest.map_structure(tf.convert_to_tensor, self.weights), batch, seeds)
        of_trials = zip(*map(tf.unstack, tf.nest.flatten(args)), strict=True)
        scalars = [function(*tf.nest.pack_sequence_as(args, of_trial)) for of_trial in of_trials]
        return {name: tf.stack([of_trial[name] for of_trial in scalars]) for name in scalars[0]}

    def sample(self, tasks, meta_batch_size, purpose, steps):
        """MetaBatch of arrays [steps, trials, tasks, ...], each from the generator of its trial, purpose and step."""
        batches = [
            tasks.sample(folder.rng(purpose, step), meta_batch_size) for step in steps for folder in self.folders
        ]
        shape = len(steps), len(self.folders)
        return tf.nest.map_structure(lambda *parts: np.stack(parts).reshape(*shape, *parts[0].shape), *batches)

    def arrays_of(self, i):
        """What a checkpoint of trial i holds. Scalars (step, learning rate) are shared by all trials."""
        return {
            name: variable.numpy()[i] if len(variable.shape) else variable.numpy()
            for name, variable in self.variables.items()
        }

    def save(self, name, step):
        """A checkpoint of each trial. Raises UserError and leaves the earlier ones if a number in it is
        not finite."""
        arrays = [self.arrays_of(i) for i in range(len(self.folders))]
        for folder, of_trial in zip(self.folders, arrays, strict=True):
            if not all(np.isfinite(array).all() for array in of_trial.values()):
                raise UserError(f"{folder.folder}: weights after iteration {step} are not finite; {self._remedy()}")
        for folder, of_trial in zip(self.folders, arrays, strict=True):
            folder.save(name, of_trial)

    def restore(self, partial):
        """Assign the folders' checkpoints, if any, to the variables. partial: skip what is not among these."""
        if not self.folders[0].checkpoint:
            return
        shapes = {name: tuple(variable.shape[1:]) for name, variable in self.variables.items()}
        arrays = [checkpoints.load(folder.checkpoint, shapes, partial) for folder in self.folders]
        for name, variable in self.variables.items():
            values = [of_trial[name] for of_trial in arrays]
            variable.assign(np.stack(values) if len(variable.shape) else values[0])

    def _remedy(self):
        rates = " or ".join(f"--{name}" for name in ("update_lr", "aggregator_lr", "meta_lr", "beta") if name in FLAGS)
        alone = "; --num_trials=1 --trial=N trains each of the others alone" * (len(self.folders) > 1)
        return f"lower {rates}; the last checkpoint stays{alone}"

    def require_finite(self, losses, steps, last):
        """Raise UserError at the first loss that is not finite. losses: [steps, trials]; last: earlier ones."""
        for step, of_step in zip(steps, losses, strict=True):
            for i in np.flatnonzero(~np.isfinite(of_step)):
                before = ", ".join(f"{earlier[i]:.4g}" for earlier in last) or "none"
                raise UserError(
                    f"{self.folders[i].folder}: the loss of iteration {step + 1} is {of_step[i]}, the last ones before "
                    f"it: {before}; {self._remedy()}"
                )
            last.append(of_step)
