"""Everything a training script shares: flags, seeds, the loop, summaries, checkpoints, resume, the final evaluation.

A script builds a learner and two sets of tasks (tasks.py says what they offer) and calls `run`.

All randomness is a function of (--seed, --trial) and the iteration, so a resumed run repeats an uninterrupted one.
Trials of one method can train side by side (--num_trials): weights and optimizer state then have one more axis in
front, trials, and everything else about a trial (folder, curve, checkpoints, result) is as if it had run alone.
"""

import collections
import contextlib
import functools
import itertools
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import flags

from metalearn import checkpoints, devices, evaluation, optimizers
from metalearn.cli import UserError
from metalearn.run_folder import RunFolder

FLAGS = flags.FLAGS

# vectorized_map falls back to a loop for stateless noise; hide its warning.
tf.get_logger().addFilter(lambda record: "while_loop for converting Stateless" not in record.getMessage())

flags.DEFINE_string("logdir", "/tmp/data", "run folders are made in here")
flags.DEFINE_integer("trial", 1, "number of the trial, part of the run folder's name and of the seed", lower_bound=0)
flags.DEFINE_integer("num_trials", 1, "trials to train side by side, from --trial on", lower_bound=1, upper_bound=1000)
flags.DEFINE_integer("seed", 0, "seed of weights, meta-batches and noise, together with --trial", lower_bound=0)
flags.DEFINE_integer(
    "update_batch_size",
    15,
    "K: support points per class; the query set has as many",
    lower_bound=1,
    upper_bound=10_000,
)
flags.DEFINE_integer("meta_batch_size", 10, "tasks per outer step", lower_bound=1, upper_bound=10_000)
flags.DEFINE_bool("train", True, "train (resuming if there is a checkpoint), then evaluate; False only evaluates")
flags.DEFINE_integer("summary_every", 100, "iterations between progress lines, curve rows and summaries", lower_bound=1)
flags.DEFINE_integer("checkpoint_every", 1000, "iterations between checkpoints", lower_bound=1)
flags.DEFINE_integer(
    "steps_per_call", 1, "outer steps in one call of the compiled function", lower_bound=1, upper_bound=100_000
)
flags.DEFINE_integer(
    "eval_episodes", 10, "evaluation episodes of each task (object)", lower_bound=1, upper_bound=10_000
)
flags.DEFINE_integer(
    "num_theta_samples", 5, "draws of theta averaged in evaluation (Algorithm 3)", lower_bound=1, upper_bound=10_000
)
flags.DEFINE_integer("eval_seed", 0, "seed of the evaluation's episodes and draws", lower_bound=0)
flags.DEFINE_integer(
    "eval_batch_size", None, "tasks evaluated at a time; unset: --meta_batch_size", lower_bound=1, upper_bound=10_000
)


def int_list(name, minimum=1):
    """The value of a list flag, of layer sizes for one, as ints. Raises
    UserError."""
    try:
        numbers = [int(number) for number in FLAGS[name].value]
    except ValueError:
        numbers = [minimum - 1]
    if any(number < minimum for number in numbers):
        raise UserError(
            f"--{name}={','.join(FLAGS[name].value)}: give whole numbers from {minimum} on, such as 100,100"
        )
    return numbers


def run(
    learner,
    train,
    val,
    *,
    method,
    run_name,
    iterations_flag,
    learning_rates,
    group_of=None,
    weight_decay=0.0,
    eval_num_updates=(),
    other_vals=None,
    save_examples=False,
):
    """Train `learner` on the tasks `train`, evaluate it on both, write <logdir>/<run_name>.trial-N/result.json.

    Args:
      iterations_flag: the flag with the total number of outer steps, including those before a resume.
      learning_rates: of the optimizer of each group of weights, dict group -> rate, None for that of "mean". "mean" has
        means and point weights, "rho" the posteriors' rho.
      group_of: (module, name) -> another group, for means and point weights that are not all in "mean".
      weight_decay: of `optimizers.make`, 0 for none.
      eval_num_updates: evaluate also after these numbers of inner-loop steps.
      other_vals: name -> more held-out tasks, whose numbers the result has under "others".
      save_examples: write examples.npz too, some held-out tasks' query points and their predictions.
    """
    strategy = devices.configure()
    learning_rates, group_of = optimizers.with_encoder_group(learning_rates, group_of)
    is_chief = devices.is_chief(strategy)
    iterations = FLAGS[iterations_flag].value
    with contextlib.ExitStack() as locks:
        trials = [
            RunFolder(Path(FLAGS.logdir) / f"{run_name}.trial-{number}", number, method, iterations_flag)
            for number in range(FLAGS.trial, FLAGS.trial + FLAGS.num_trials)
        ]
        for trial in trials:
            if is_chief:
                locks.enter_context(trial.lock())
            trial.find_checkpoint()
        if FLAGS.train:
            trials = [trial for trial in trials if not trial.finished()]
        if not is_chief:  # only the chief keeps records
            for trial in trials:
                trial.folder = Path(locks.enter_context(tempfile.TemporaryDirectory()))
        # After a kill trials may be at different steps: train each group of equal step together.
        trials.sort(key=lambda trial: trial.step)
        for _, group in itertools.groupby(trials, key=lambda trial: trial.step):
            with strategy.scope():
                optimizer_of = optimizers.make(learning_rates, weight_decay)
                trainer = Trainer(learner, train, val, list(group), iterations, optimizer_of, group_of)
            if FLAGS.train:
                trainer.train_loop()
            if is_chief:
                trainer.finish(eval_num_updates, other_vals or {}, save_examples)


class Trainer:
    """Trials of one method at the same iteration, trained side by side. Variables are [trials, ...]."""

    def __init__(self, learner, train, val, trials, iterations, optimizer_of, group_of=None):
        self.learner, self.train, self.val, self.trials, self.iterations = learner, train, val, trials, iterations
        self.step, self.strategy = trials[0].step, tf.distribute.get_strategy()
        starts = [learner.init(trial.rng("start values")) for trial in trials]
        self.weights = tf.nest.map_structure(lambda *values: tf.Variable(np.stack(values)), *starts)
        self.variables = {}  # the names in a checkpoint
        groups = {group: [] for group in optimizer_of}
        for module, weights in self.weights.items():
            for name, variable in weights.mean.items():
                self.variables[f"{module}/{name}"] = variable
                groups[group_of(module, name) if group_of else "mean"].append(variable)
            for name, variable in weights.rho.items():
                self.variables[f"{module}/{name}_rho"] = variable
                groups["rho"].append(variable)
        self.optimizers = []  # (optimizer, its variables) of each group
        for group, variables in groups.items():
            if variables and FLAGS.train:
                optimizer_of[group].build(variables)
                self.optimizers.append((optimizer_of[group], variables))
                state = enumerate(optimizer_of[group].variables)
                self.variables |= {f"{FLAGS.optimizer}_{group}/{i}": variable for i, variable in state}
        # No Python control flow here depends on tensors, and autograph's conversion takes seconds.
        self.predict = tf.function(learner.predict, autograph=False)
        self.train_steps = tf.function(self._train_steps, autograph=False, jit_compile=FLAGS.jit_compile)
        if trials[0].checkpoint:
            shapes = {name: tuple(variable.shape[1:]) for name, variable in self.variables.items()}
            # An evaluation leaves the optimizers' state: one with other groups of weights may have trained them.
            arrays = [checkpoints.load(trial.checkpoint, shapes, partial=not FLAGS.train) for trial in trials]
            for name, variable in self.variables.items():
                values = [trial_arrays[name] for trial_arrays in arrays]
                variable.assign(np.stack(values) if len(variable.shape) else values[0])

    def arrays_of(self, i):
        """What a checkpoint of trial i holds. Scalars (step, learning rate) are shared by all trials."""
        return {
            name: variable.numpy()[i] if len(variable.shape) else variable.numpy()
            for name, variable in self.variables.items()
        }

    def save(self, name):
        """A checkpoint of each trial. Raises UserError and leaves the earlier ones if a number in it is not finite."""
        arrays = [self.arrays_of(i) for i in range(len(self.trials))]
        for trial, trial_arrays in zip(self.trials, arrays, strict=True):
            if not all(np.isfinite(array).all() for array in trial_arrays.values()):
                raise UserError(f"{trial.folder}: weights after iteration {self.step} are not finite; {_way_out()}")
        for trial, trial_arrays in zip(self.trials, arrays, strict=True):
            trial.save(name, trial_arrays)

    def weights_of(self, i):
        return tf.nest.map_structure(lambda variable: variable[i], self.weights)

    def finish(self, eval_num_updates, other_vals, save_examples):
        """Final checkpoint, evaluation and result of each trial."""
        if FLAGS.train:
            self.save("checkpoint-final.npz")
            for trial in self.trials:
                trial.writer.close()
        for i, trial in enumerate(self.trials):
            start, weights = time.monotonic(), self.weights_of(i)
            print(f"evaluating {len(self.val)} held-out and {len(self.train)} training tasks", flush=True)
            settings = {
                "seed": FLAGS.eval_seed, "episodes": FLAGS.eval_episodes,
                "num_draws": FLAGS.num_theta_samples if self.learner.stochastic(weights) else 1,
                "batch_size": FLAGS.eval_batch_size or FLAGS.meta_batch_size,
            }  # fmt: skip
            predict = functools.partial(self.predict, weights)
            numbers = evaluation.protocol(predict, self.train, self.val, **settings)
            numbers |= _by_num_updates(predict, self.val, eval_num_updates, settings)
            if other_vals:
                numbers["others"] = {
                    name: evaluation.held_out(predict, val, **settings)
                    | _by_num_updates(predict, val, eval_num_updates, settings)
                    for name, val in other_vals.items()
                }
            # An inner loop can diverge: a task's gradient may be larger at meta-test than any in training.
            diverged = [
                name
                for name, value in numbers.items()
                if not all(np.isfinite(number) for number in tf.nest.flatten(value) if number is not None)
            ]
            if diverged:
                print(
                    f"warning: {trial.folder}: {', '.join(diverged)} not finite; take smaller inner steps",
                    file=sys.stderr,
                )
            if save_examples:
                trial.write_examples(evaluation.examples(predict, self.val, **settings))
            trial.seconds += time.monotonic() - start
            trial.write_result(numbers | evaluation.names_of(self.val))

    def _train_steps(self, batches, seeds):
        """Outer steps: gradients of the learner's loss, one update a group.

        batches: MetaBatch of arrays [steps, trials, ...]; seeds: int [steps, trials, 2]. Returns metrics, float
        [steps, metrics, trials], in the order of self.metric_names.
        """

        def own_share(args):
            """This replica's tasks of the meta-batch [trials, tasks, ...], and the number of replicas."""
            context = tf.distribute.get_replica_context()
            num_replicas, replica = context.num_replicas_in_sync, context.replica_id_in_sync_group
            batch, seed = args
            if num_replicas > 1:
                share = batch.support_x.shape[1] // num_replicas
                batch = tf.nest.map_structure(lambda x: x[:, replica * share : (replica + 1) * share], batch)
            return (batch, seed), num_replicas

        def one_trial(args):
            loss, metrics = self.learner.loss(*args)
            return {"full_loss": loss, "regularizer": loss - metrics["mse"], **metrics}

        def one_replica(args):
            args, num_replicas = own_share(args)
            with tf.GradientTape() as tape:
                args = (tf.nest.map_structure(tf.convert_to_tensor, self.weights), *args)
                if len(self.trials) == 1:
                    metrics = one_trial(tf.nest.map_structure(lambda x: tf.squeeze(x, 0), args))
                    metrics = {name: metric[None] for name, metric in metrics.items()}
                else:
                    metrics = tf.vectorized_map(one_trial, args)
                # No trial's loss depends on another's weights, so the gradient of the sum has each one's own. The
                # optimizer adds up the replicas' gradients.
                loss = tf.reduce_sum(metrics["full_loss"]) / num_replicas
            variables = [variables for _, variables in self.optimizers]
            # zero, not None, for the norm: weights that the loss does not reach, such as the offsets with --norm=none
            gradients = tape.gradient(loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            if FLAGS.clip_norm is not None:
                gradients = optimizers.clip(gradients, FLAGS.clip_norm)
            for (optimizer, variables), group in zip(self.optimizers, gradients, strict=True):
                optimizer.apply_gradients(zip(group, variables, strict=True))
            self.metric_names = list(metrics)
            return tf.stack(list(metrics.values()))

        def one_step(args):
            return self.strategy.reduce("MEAN", self.strategy.run(one_replica, (args,)), axis=None)

        return tf.map_fn(one_step, (batches, seeds), fn_output_signature=tf.float32, parallel_iterations=1)

    def train_loop(self):
        for trial in self.trials:
            trial.begin()
        noise_seeds = [int(trial.rng("noise").integers(2**31)) for trial in self.trials]
        begun, first, last_saved, interval = time.monotonic(), self.step, self.step, []
        losses = collections.deque(maxlen=3)  # of the last three steps
        before = [trial.seconds for trial in self.trials]
        while self.step < self.iterations:
            summary = min(self.iterations, (self.step // FLAGS.summary_every + 1) * FLAGS.summary_every)
            steps = range(self.step, min(summary, self.step + FLAGS.steps_per_call))
            seeds = [[(noise_seed, step) for noise_seed in noise_seeds] for step in steps]
            metrics = self.train_steps(self.sample(self.train, "train", steps), tf.constant(seeds, tf.int32)).numpy()
            self.require_finite_losses(metrics, steps, losses)
            interval.append(metrics)
            self.step = steps.stop
            if self.step < summary:
                continue
            means, interval = np.concatenate(interval).mean(axis=0), []
            val_batches = self.sample(self.val, "val", [self.step])
            seconds = time.monotonic() - begun
            rows = []
            for i, trial in enumerate(self.trials):
                trial.step, trial.seconds = self.step, before[i] + seconds / len(self.trials)
                batch = tf.nest.map_structure(lambda x, i=i: x[0, i], val_batches)
                seed = tf.constant([noise_seeds[i], -self.step], tf.int32)
                rows.append(self.summarize(trial, self.weights_of(i), means[:, i], batch, seed))
            rate = (self.step - first) / seconds
            minutes = (self.iterations - self.step) / rate / 60
            row = {name: np.mean([row[name] for row in rows]) for name in rows[0]}
            numbers = "  ".join(f"{name.removeprefix('meta')} {value:.4g}" for name, value in row.items())
            trials = f"mean of {len(rows)} trials: " if len(rows) > 1 else ""
            print(
                f"iteration {self.step}/{self.iterations}  {trials}{numbers}  {rate:.2f} it/s  {minutes:.1f} min left",
                flush=True,
            )
            if self.step - last_saved >= FLAGS.checkpoint_every:
                self.save("checkpoint-last.npz")
                last_saved = self.step

    def require_finite_losses(self, metrics, steps, last):
        """Raise UserError at the first loss of these steps that is not finite. last: deque of the losses before."""
        for step, losses in zip(steps, metrics[:, self.metric_names.index("full_loss")], strict=True):
            for i in np.flatnonzero(~np.isfinite(losses)):
                before = ", ".join(f"{earlier[i]:.4g}" for earlier in last) or "none"
                raise UserError(
                    f"{self.trials[i].folder}: the loss of iteration {step + 1} is {losses[i]}, the last ones before "
                    f"it: {before}; {_way_out()}"
                )
            last.append(losses)

    def summarize(self, trial, weights, metrics, batch, seed):
        """The trial's row of numbers, also to its records."""
        row = {f"metatrain_{name}": value for name, value in zip(self.metric_names, metrics, strict=True)}
        predictions, pre_mse = self.predict(weights, batch, seed)
        row["metaval_mse"] = float(np.mean((predictions - batch.query_y) ** 2))
        if pre_mse is not None:
            row["metaval_pre_mse"] = float(pre_mse)
        if rho := tf.nest.flatten([part.rho for part in weights.values()]):
            row["metatrain_untransformed_scale"] = float(np.mean(np.concatenate([r.numpy().ravel() for r in rho])))
        tags = {f"metatrain_{name}": f"metatrain_{tag}" for name, tag in self.learner.train_tags.items()}
        tags |= {f"metaval_{name}": f"metaval_{tag}" for name, tag in self.learner.val_tags.items()}
        trial.record(row, tags)
        return row

    def sample(self, tasks, purpose, steps):
        """MetaBatch of arrays [steps, trials, tasks, ...]."""
        batches = [
            [tasks.sample(trial.rng(purpose, step), FLAGS.meta_batch_size) for trial in self.trials] for step in steps
        ]
        return tf.nest.map_structure(
            lambda *parts: np.stack(parts).reshape(len(steps), len(self.trials), *parts[0].shape),
            *(batch for step in batches for batch in step),
        )


def _by_num_updates(predict, val, eval_num_updates, settings):
    """{"mse_by_num_updates": {number of inner-loop steps: error}} of held-out tasks; empty without such numbers."""
    errors = {}
    for num_updates in eval_num_updates:  # a tensor: one graph for all
        after = functools.partial(predict, num_updates=tf.constant(num_updates))
        errors[num_updates] = float(evaluation.evaluate(after, val, **settings)[0].mean())
    return {"mse_by_num_updates": errors} if errors else {}


def _way_out():
    rates = " or ".join(f"--{name}" for name in ("update_lr", "aggregator_lr", "meta_lr", "beta") if name in FLAGS)
    return f"lower {rates}; the last checkpoint stays"
