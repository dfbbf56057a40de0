"""Meta-test as a fixed protocol (Algorithm 3): every object, the same episodes, predictions averaged over theta."""

import functools
import time
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from absl import flags

FLAGS = flags.FLAGS

flags.DEFINE_integer(
    "eval_episodes", 10, "evaluation episodes of each task (object)", lower_bound=1, upper_bound=10_000
)
flags.DEFINE_integer(
    "num_theta_samples", 5, "draws of theta averaged in evaluation (Algorithm 3); one where draws would not differ",
    lower_bound=1, upper_bound=10_000,
)  # fmt: skip
flags.DEFINE_integer("eval_seed", 0, "seed of the evaluation's episodes and draws", lower_bound=0)
flags.DEFINE_integer(
    "eval_batch_size", None, "tasks evaluated at a time; unset: --meta_batch_size", lower_bound=1, upper_bound=10_000
)


def flags_settings(stochastic):
    """The settings of `evaluate` that the flags give. stochastic: whether predictions depend on the draw of theta."""
    return {
        "seed": FLAGS.eval_seed, "episodes": FLAGS.eval_episodes,
        "num_draws": FLAGS.num_theta_samples if stochastic else 1,
        "batch_size": FLAGS.eval_batch_size or FLAGS.meta_batch_size,
    }  # fmt: skip


class Evaluation(NamedTuple):
    """errors: float [tasks], over a task's episodes; pre_error: mean error on the support sets before adapting, None if
    undefined; points: dict name -> [episodes x query points], the objective's `points`, empty without these."""

    errors: np.ndarray
    pre_error: float | None
    points: dict


def evaluate(objective, predict, tasks, *, seed, episodes, num_draws, batch_size, shuffle=False):
    """`Evaluation` of each task (an object) of `tasks`.

    Args:
      objective: the domain's Objective; its error is taken, of its average over draws.
      predict: (batch, seed) -> (predictions, support sets' errors or None), a learner's with its weights.
      tasks: see tasks.py.
      seed: fixes episodes and draws of theta; episodes: per task; num_draws: draws of theta whose predictions are
        averaged; batch_size: tasks in one call of `predict`.
      shuffle: permute each support set's labels. A learner that ignores its support set does not notice.
    """
    errors_of = [[] for _ in range(len(tasks))]
    points, pre_errors, num_done, begun = {}, [], 0, time.monotonic()
    printed = begun
    batches = functools.partial(tasks.evaluation_batches, seed, episodes, batch_size)
    for indices, batch in _permuted(batches) if shuffle else batches():
        predictions, batch_pre_errors = _predict(objective, predict, batch, seed, num_draws)
        pre_errors += [errors[: len(indices)] for errors in batch_pre_errors]  # the last batch is padded with repeats
        num_done += len(indices)
        if (now := time.monotonic()) - printed > 30:
            minutes = (now - begun) / num_done * (len(tasks) * episodes - num_done) / 60
            print(f"evaluated {num_done}/{len(tasks) * episodes} episodes  {minutes:.1f} min left", flush=True)
            printed = now
        errors = objective.error(predictions, batch.query_y).numpy()
        for i, error in zip(indices, errors, strict=False):
            errors_of[i].append(error)
        if objective.points:
            for name, values in objective.points(predictions, batch.query_y).items():
                points.setdefault(name, []).append(np.ravel(values[: len(indices)]))
    errors = np.array([np.mean(errors) for errors in errors_of])
    points = {name: np.concatenate(values) for name, values in points.items()}
    return Evaluation(errors, float(np.mean(np.concatenate(pre_errors))) if pre_errors else None, points)


def _permuted(batches):
    """What `batches` yields, with permuted support labels. Points are in random order, so each gets the label of
    another random one; a single point gets that of the task before it, of whatever batch."""
    labels, num_done = None, 0
    for indices, batch in batches():
        support_y = batch.support_y
        if support_y.shape[1] > 1:
            support_y = np.roll(support_y, 1, axis=1)
        else:
            if labels is None:
                labels = np.concatenate([other.support_y[: len(own)] for own, other in batches()])
            support_y = labels.take(np.arange(num_done - 1, num_done - 1 + len(support_y)), axis=0, mode="wrap")
        num_done += len(indices)
        yield indices, batch._replace(support_y=support_y)


def predict_draws(predict, batch, seed, num_draws):
    """A list of predictions [tasks, n, dim_y], one per draw of theta, as arrays, and of each draw's errors before
    adapting [tasks], empty where these are not defined. predict: as in `evaluate`."""
    draws = [predict(batch, tf.constant([seed, draw], tf.int32)) for draw in range(num_draws)]
    predictions = [prediction.numpy() for prediction, _ in draws]
    return predictions, [pre_errors.numpy() for _, pre_errors in draws if pre_errors is not None]


def _predict(objective, predict, batch, seed, num_draws):
    """`predict_draws`, averaged over draws: [tasks, n, dim_y], and the errors before adapting."""
    predictions, pre_errors = predict_draws(predict, batch, seed, num_draws)
    return objective.average(predictions), pre_errors


def examples(objective, predict, tasks, *, seed, num_draws, batch_size, num_points, num_tasks=None, support=False, **_):
    """Query points of the first tasks (objects) with the predictions for them, as arrays for a report.

    predict: as in `evaluate`; of a learner with an inner loop it takes num_updates too, and with 0 predicts before
    adapting. num_points: per task; num_tasks: at most, unset: a batch's; support: the support sets, too, whole.
    Returns query_x, query_y, prediction, prediction_before (with an inner loop): [tasks, num_points, ...], and
    support_x, support_y.
    """
    _, batch = next(iter(tasks.evaluation_batches(seed, 1, min(batch_size, len(tasks)))))
    after, pre_errors = _predict(objective, predict, batch, seed, num_draws)
    arrays = {"query_x": batch.query_x, "query_y": batch.query_y, "prediction": after}
    if pre_errors:  # a learner that has an error before it adapts
        before = functools.partial(predict, num_updates=tf.constant(0))
        arrays["prediction_before"], _ = _predict(objective, before, batch, seed, num_draws)
    arrays = {name: array[:num_tasks, :num_points] for name, array in arrays.items()}
    whole = {"support_x": batch.support_x[:num_tasks], "support_y": batch.support_y[:num_tasks]} if support else {}
    return arrays | whole


def protocol(objective, predict, train, val, other_vals=None, eval_num_updates=(), **settings):
    """The numbers of result.json: the objective's error on the held-out and the training tasks, on support sets before
    adapting ("pre_"), and with shuffled support labels.

    other_vals: name -> more held-out tasks, whose errors are under "others"; eval_num_updates: numbers of inner-loop
    steps after which the error is wanted, too; settings: of `evaluate`. "objects" has the names of the held-out tasks.
    """
    held_out = functools.partial(_held_out, objective, predict, eval_num_updates=eval_num_updates, settings=settings)
    shuffled = evaluate(objective, predict, val, **settings, shuffle=True).errors
    on_train = evaluate(objective, predict, train, **settings)
    numbers = held_out(val) | {
        f"meta_train_{objective.name}": float(on_train.errors.mean()),
        f"meta_train_pre_{objective.name}": on_train.pre_error,
        f"shuffled_support_{objective.name}": float(shuffled.mean()),
    }
    if other_vals:
        numbers["others"] = {name: held_out(tasks) for name, tasks in other_vals.items()}
    if names := getattr(val, "names", None):
        numbers["objects"] = list(names)
    return numbers


def _held_out(objective, predict, val, eval_num_updates, settings):
    per_object, pre_error, points = evaluate(objective, predict, val, **settings)
    numbers = {
        f"meta_test_{objective.name}": float(per_object.mean()),
        "meta_test_se": float(per_object.std(ddof=1) / np.sqrt(len(per_object))) if len(per_object) > 1 else None,
        f"pre_{objective.name}": pre_error,
        "per_object": [float(error) for error in per_object],
        **{name: float(summary(points)) for name, summary in objective.summaries.items()},
        **(val.details(settings["seed"], points) if hasattr(val, "details") else {}),
    }
    for num_updates in eval_num_updates:  # a tensor: one graph for all
        after = functools.partial(predict, num_updates=tf.constant(num_updates))
        error = float(evaluate(objective, after, val, **settings).errors.mean())
        numbers.setdefault(f"{objective.name}_by_num_updates", {})[num_updates] = error
    return numbers


def not_finite(numbers):
    """Names of the numbers of `protocol` that are not finite: an inner loop can diverge, since a task's gradient may be
    larger at meta-test than any in training."""
    return [
        name
        for name, value in numbers.items()
        if not all(np.isfinite(leaf) for leaf in tf.nest.flatten(value) if isinstance(leaf, int | float))
    ]
