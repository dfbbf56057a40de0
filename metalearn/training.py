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

from metalearn import devices, evaluation, optimizers, precision, xla
from metalearn.run_folder import RunFolder
from metalearn.run_name import run_name
from metalearn.trials import Trials

FLAGS = flags.FLAGS

flags.DEFINE_string("logdir", "/tmp/data", "run folders are made in here")
flags.DEFINE_integer("trial", 1, "number of the trial, part of the run folder's name and of the seed", lower_bound=0)
flags.DEFINE_integer("num_trials", 1, "trials to train side by side, from --trial on", lower_bound=1, upper_bound=1000)
flags.DEFINE_integer("seed", 0, "seed of weights, meta-batches and noise, together with --trial", lower_bound=0)
flags.DEFINE_integer(
    "update_batch_size",
    15,
    "K: support points per class; query points, too, without a flag for them",
    lower_bound=1,
    upper_bound=10_000,
)
flags.DEFINE_integer("meta_batch_size", 10, "tasks per outer step", lower_bound=1, upper_bound=10_000)
flags.DEFINE_bool("train", True, "train (resuming if there is a checkpoint), then evaluate; False only evaluates")
flags.DEFINE_integer("summary_every", 100, "iterations between progress lines, curve rows and summaries", lower_bound=1)
flags.DEFINE_integer("checkpoint_every", 1000, "iterations between checkpoints, which follow a summary", lower_bound=1)
flags.DEFINE_integer(
    "steps_per_call", 1, "outer steps in one call of the compiled function", lower_bound=1, upper_bound=100_000
)


def run(
    learner,
    train,
    val,
    *,
    method,
    name_flags,
    name_start=None,
    iterations_flag,
    learning_rates,
    group_of=None,
    weight_decay=0.0,
    eval_num_updates=(),
    other_vals=None,
    examples=None,
):
    """Train `learner` on the tasks `train`, evaluate it on both, write result.json into a run folder below --logdir.

    Args:
      method, name_flags, name_start: the folder's name is `name_start` (unset: method), these flags and --tag.
      iterations_flag: the flag with the total number of outer steps, including those before a resume.
      learning_rates: of the optimizer of each group of weights, dict group -> rate, None for that of "mean". "mean" has
        means and point weights, "rho" the posteriors' rho.
      group_of: (module, name) -> another group, for means and point weights that are not all in "mean".
      weight_decay: of `optimizers.make`, 0 for none.
      eval_num_updates: evaluate also after these numbers of inner-loop steps.
      other_vals: name -> more held-out tasks, whose numbers the result has under "others".
      examples: settings of `evaluation.examples`, which are written to examples.npz; None writes none.
    """
    strategy = devices.configure()
    learning_rates, group_of = optimizers.with_encoder_group(learning_rates, group_of)
    is_chief = devices.is_chief(strategy)
    name, iterations = run_name(name_start or method, name_flags, iterations_flag), FLAGS[iterations_flag].value
    numbers = range(FLAGS.trial, FLAGS.trial + FLAGS.num_trials)
    paths = [Path(FLAGS.logdir) / f"{name}.trial-{number}" for number in numbers]
    precision.choose(learner, train, paths)
    with contextlib.ExitStack() as locks:
        folders = [
            RunFolder(path, number, method, iterations_flag, (train, val))
            for path, number in zip(paths, numbers, strict=True)
        ]
        for folder in folders:
            if is_chief:
                locks.enter_context(folder.lock())
            folder.find_checkpoint()
        if FLAGS.train:
            folders = [folder for folder in folders if not folder.finished()]
        if not is_chief:  # only the chief keeps records
            for folder in folders:
                folder.folder = Path(locks.enter_context(tempfile.TemporaryDirectory()))

        # After a kill trials may be at different steps: train each group of equal step together.
        def place(folder):
            return folder.step, folder.checkpoint is not None

        for _, group in itertools.groupby(sorted(folders, key=place), key=place):
            with strategy.scope():
                optimizer_of = optimizers.make(learning_rates, weight_decay)
                trainer = Trainer(learner, train, val, list(group), iterations, optimizer_of, group_of)
            if FLAGS.train:
                trainer.train_loop()
            if is_chief:
                trainer.finish(eval_num_updates, other_vals or {}, examples)


class Trainer:
    """Training and evaluation of Trials. `variables` are those of a checkpoint."""

    def __init__(self, learner, train, val, folders, iterations, optimizer_of, group_of=None):
        self.learner, self.train, self.val, self.iterations = learner, train, val, iterations
        self.trials, self.step, self.strategy = Trials(folders, learner), folders[0].step, tf.distribute.get_strategy()
        groups = {group: [] for group in optimizer_of}
        for module, weights in self.trials.weights.items():
            for name, variable in weights.mean.items():
                groups[group_of(module, name) if group_of else "mean"].append(variable)
            groups.setdefault("rho", []).extend(weights.rho.values())
        self.optimizers = []  # (optimizer, its variables) of each group
        for group, variables in groups.items():
            if variables and FLAGS.train:
                optimizer_of[group].build(variables)
                self.optimizers.append((optimizer_of[group], variables))
                state = enumerate(optimizer_of[group].variables)
                self.trials.variables |= {f"{FLAGS.optimizer}_{group}/{i}": variable for i, variable in state}
        self.tags = {f"metatrain_{name}": f"metatrain_{tag}" for name, tag in learner.train_tags.items()}
        self.tags |= {f"metaval_{name}": f"metaval_{tag}" for name, tag in learner.val_tags.items()}
        # No Python control flow here depends on tensors, and autograph's conversion takes seconds.
        self.predict = tf.function(learner.predict, autograph=False)
        if FLAGS.jit_compile and getattr(learner, "inner_loop", None) == "vectorized":
            self.train_steps = xla.Compiled(self._train_steps)
        else:
            self.train_steps = tf.function(self._train_steps, autograph=False, jit_compile=FLAGS.jit_compile)
        # An evaluation leaves the optimizers' state: one with other groups of weights may have trained them.
        self.trials.restore(partial=not FLAGS.train)

    def finish(self, eval_num_updates, other_vals, examples):
        """Final checkpoint, evaluation and result of each trial."""
        if FLAGS.train:
            self.trials.save("checkpoint-final.npz", self.step)
            for folder in self.trials.folders:
                folder.writer.close()
        objective = self.learner.objective
        for i, folder in enumerate(self.trials.folders):
            start, weights = time.monotonic(), self.trials.of(i, averaged=True)
            print(f"evaluating {len(self.val)} held-out and {len(self.train)} training tasks", flush=True)
            settings = evaluation.flags_settings(self.learner.stochastic(weights))
            predict = functools.partial(self.predict, weights)
            others = other_vals, eval_num_updates
            numbers = evaluation.protocol(objective, predict, self.train, self.val, *others, **settings)
            if diverged := evaluation.not_finite(numbers):
                print(
                    f"warning: {folder.folder}: {', '.join(diverged)} not finite; take smaller inner steps",
                    file=sys.stderr,
                )
            if examples:
                folder.write_examples(evaluation.examples(objective, predict, self.val, **settings, **examples))
            folder.seconds += time.monotonic() - start
            folder.write_result(numbers, objective.name)

    def _train_steps(self, batches, seeds):
        """Outer steps: gradients of the learner's loss, one update per group.

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

        def one_trial(weights, batch, seed):
            loss, metrics = self.learner.loss(weights, batch, seed)
            return {"full_loss": loss, **metrics}

        def one_replica(args):
            (batch, seed), num_replicas = own_share(args)
            with tf.GradientTape() as tape:
                metrics = self.trials.per_trial(one_trial, batch, seed)
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
            metrics = self.strategy.reduce("MEAN", self.strategy.run(one_replica, (args,)), axis=None)
            if self.trials.averages:
                self.trials.update_averages(self.optimizers[0][0].iterations)
            return metrics

        return tf.map_fn(one_step, (batches, seeds), fn_output_signature=tf.float32, parallel_iterations=1)

    def train_loop(self):
        folders = self.trials.folders
        for folder in folders:
            folder.begin()
        noise_seeds = [int(folder.rng("noise").integers(2**31)) for folder in folders]
        begun, first, last_saved, interval = time.monotonic(), self.step, self.step, []
        losses = collections.deque(maxlen=3)  # of the last three steps
        before = [folder.seconds for folder in folders]
        start = [[variable.numpy() for variable in variables] for _, variables in self.optimizers]
        while self.step < self.iterations:
            summary = min(self.iterations, (self.step // FLAGS.summary_every + 1) * FLAGS.summary_every)
            steps = range(self.step, min(summary, self.step + FLAGS.steps_per_call))
            seeds = [[(noise_seed, step) for noise_seed in noise_seeds] for step in steps]
            batches = self.trials.sample(self.train, FLAGS.meta_batch_size, "train", steps)
            metrics = self.train_steps(batches, tf.constant(seeds, tf.int32)).numpy()
            full_loss = metrics[:, self.metric_names.index("full_loss")]
            self.trials.require_finite(full_loss, steps, losses)
            if steps.start == first:
                unmoved = set(map(id, optimizers.unmoved(self.optimizers, start, len(steps))))
                if names := [name for name, variable in self.trials.variables.items() if id(variable) in unmoved]:
                    print(f"warning: no gradient reaches {', '.join(names)}: not trained", file=sys.stderr)
            interval.append(metrics)
            self.step = steps.stop
            if self.step < summary:
                continue
            means, interval = np.concatenate(interval).mean(axis=0), []
            val_batches = self.trials.sample(self.val, FLAGS.meta_batch_size, "val", [self.step])
            seconds = time.monotonic() - begun
            rows = []
            for i, folder in enumerate(folders):
                folder.advance(self.step, before[i] + seconds / len(folders))
                batch = tf.nest.map_structure(lambda x, i=i: x[0, i], val_batches)
                seed = tf.constant([noise_seeds[i], -self.step], tf.int32)
                rows.append(self.summarize(folder, self.trials.of(i), means[:, i], batch, seed))
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
                self.trials.save("checkpoint-last.npz", self.step)
                last_saved = self.step

    def summarize(self, folder, weights, metrics, batch, seed):
        """A trial's row of numbers, also to its records. metrics: those of training, [metrics]; batch: of held-out
        tasks."""
        row = {f"metatrain_{name}": value for name, value in zip(self.metric_names, metrics, strict=True)}
        objective, (predictions, pre_error) = self.learner.objective, self.predict(weights, batch, seed)
        row[f"metaval_{objective.name}"] = float(np.mean(objective.error(predictions, batch.query_y)))
        if pre_error is not None:
            row[f"metaval_pre_{objective.name}"] = float(np.mean(pre_error))
        if rho := tf.nest.flatten([part.rho for part in weights.values()]):
            row["metatrain_untransformed_scale"] = float(np.mean(np.concatenate([r.numpy().ravel() for r in rho])))
        folder.record(row, self.tags)
        return row
