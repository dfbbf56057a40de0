"""The axis of trials: one method's trials at the same iteration, trained side by side as if each were alone."""

import numpy as np
import tensorflow as tf

from metalearn import checkpoints
from metalearn.cli import UserError

# vectorized_map falls back to a loop for stateless noise; hide its warning.
tf.get_logger().addFilter(lambda record: "while_loop for converting Stateless" not in record.getMessage())


class Trials:
    """Run folders of the trials, and `weights`: dict module -> Weights of variables [trials, ...].

    `variables`, name in a checkpoint -> variable, has the weights; who trains adds the optimizers' state to it.
    """

    def __init__(self, folders, learner):
        """folders: list of RunFolder; the learner draws each one's initial weights from the trial's own generator."""
        self.folders = folders
        initial = [learner.init(folder.rng("initial weights")) for folder in folders]
        self.weights = tf.nest.map_structure(lambda *values: tf.Variable(np.stack(values)), *initial)
        self.variables = {}
        for module, weights in self.weights.items():
            self.variables |= {f"{module}/{name}": variable for name, variable in weights.mean.items()}
            self.variables |= {f"{module}/{name}_rho": variable for name, variable in weights.rho.items()}

    def of(self, i):
        """The weights of trial i."""
        return tf.nest.map_structure(lambda variable: variable[i], self.weights)

    def per_trial(self, function, batch, seeds):
        """{name: [trials]} of function(weights, batch, seed) -> {name: scalar}, called for each trial.

        batch: MetaBatch of arrays [trials, tasks, ...]; seeds: int [trials, 2].
        """
        args = (tf.nest.map_structure(tf.convert_to_tensor, self.weights), batch, seeds)
        if len(self.folders) > 1:
            return tf.vectorized_map(lambda args: function(*args), args)
        scalars = function(*tf.nest.map_structure(lambda x: tf.squeeze(x, 0), args))
        return {name: scalar[None] for name, scalar in scalars.items()}

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

    def save(self, name, step, remedy):
        """A checkpoint of each trial. Raises UserError with the remedy and leaves the earlier ones if a number in it is
        not finite."""
        arrays = [self.arrays_of(i) for i in range(len(self.folders))]
        for folder, of_trial in zip(self.folders, arrays, strict=True):
            if not all(np.isfinite(array).all() for array in of_trial.values()):
                raise UserError(f"{folder.folder}: weights after iteration {step} are not finite; {remedy}")
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

    def require_finite(self, losses, steps, last, remedy):
        """Raise UserError at the first loss that is not finite. losses: [steps, trials]; last: earlier ones."""
        for step, of_step in zip(steps, losses, strict=True):
            for i in np.flatnonzero(~np.isfinite(of_step)):
                before = ", ".join(f"{earlier[i]:.4g}" for earlier in last) or "none"
                raise UserError(
                    f"{self.folders[i].folder}: the loss of iteration {step + 1} is {of_step[i]}, the last ones before "
                    f"it: {before}; {remedy}"
                )
            last.append(of_step)
