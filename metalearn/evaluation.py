"""Meta-test as a fixed protocol (Algorithm 3): every object, the same episodes, predictions averaged over theta."""

import functools
import time

import numpy as np
import tensorflow as tf


def evaluate(predict, tasks, *, seed, episodes, num_draws, batch_size, shuffle=False):
    """MSE of each task (an object) of `tasks`, averaged over its episodes.

    Args:
      predict: (batch, seed) -> (predictions, pre_mse or None), a learner's with its weights.
      tasks: what `training.run` describes.
      seed: fixes episodes and draws of theta; episodes: per task; num_draws: draws of theta whose predictions are
        averaged; batch_size: tasks in one call of `predict`.
      shuffle: permute each support set's labels. A learner that ignores its support set does not notice.

    Returns:
      per_task: float [tasks], label units squared; pre_mse: mean support error before adapting, None if undefined.
    """
    squared_errors = [[] for _ in range(len(tasks))]
    pre_mses, num_done, begun = [], 0, time.monotonic()
    printed = begun
    for indices, batch in tasks.evaluation_batches(seed, episodes, batch_size):
        if shuffle:
            # Points are in random order, so rolling the labels by one permutes them with no fixed point.
            batch = batch._replace(support_y=np.roll(batch.support_y, 1, axis=1))
        mean_prediction, batch_pre_mses = _predict_mean(predict, batch, seed, num_draws)
        pre_mses += batch_pre_mses
        num_done += len(indices)
        if (now := time.monotonic()) - printed > 30:
            minutes = (now - begun) / num_done * (len(tasks) * episodes - num_done) / 60
            print(f"evaluated {num_done}/{len(tasks) * episodes} episodes  {minutes:.1f} min left", flush=True)
            printed = now
        errors = np.mean((mean_prediction - batch.query_y) ** 2, axis=(1, 2))
        for i, error in zip(indices, errors, strict=False):  # the last batch is padded with repeats
            squared_errors[i].append(error)
    return np.array([np.mean(errors) for errors in squared_errors]), float(np.mean(pre_mses)) if pre_mses else None


def _predict_mean(predict, batch, seed, num_draws):
    """Predictions [tasks, n, dim_y] averaged over draws of theta, and the pre_mse of each draw where it is defined."""
    draws = [predict(batch, tf.constant([seed, draw], tf.int32)) for draw in range(num_draws)]
    mean = sum(predictions.numpy() / num_draws for predictions, _ in draws)
    return mean, [float(pre_mse) for _, pre_mse in draws if pre_mse is not None]


def examples(predict, tasks, *, seed, num_draws, batch_size, num_points=4, **_):
    """Query points of the first tasks (objects) with the predictions for them, as arrays for a report.

    predict: as in `evaluate`; of a learner with an inner loop it takes num_updates too, and with 0 predicts before
    adapting. Returns query_x, query_y, prediction, prediction_before (with an inner loop): [tasks, num_points, ...].
    """
    _, batch = next(iter(tasks.evaluation_batches(seed, 1, min(batch_size, len(tasks)))))
    after, pre_mses = _predict_mean(predict, batch, seed, num_draws)
    arrays = {"query_x": batch.query_x, "query_y": batch.query_y, "prediction": after}
    if pre_mses:  # a learner that has an error before it adapts
        before = functools.partial(predict, num_updates=tf.constant(0))
        arrays["prediction_before"], _ = _predict_mean(before, batch, seed, num_draws)
    return {name: array[:, :num_points] for name, array in arrays.items()}


def protocol(predict, train, val, other_vals=None, eval_num_updates=(), **settings):
    """The numbers of result.json: errors on the held-out and the training tasks, and with shuffled support labels.

    other_vals: name -> more held-out tasks, whose errors are under "others"; eval_num_updates: numbers of inner-loop
    steps after which the error is wanted, too; settings: of `evaluate`. "objects" has the names of the held-out tasks.
    """
    shuffled, _ = evaluate(predict, val, **settings, shuffle=True)
    on_train, _ = evaluate(predict, train, **settings)
    numbers = _held_out(predict, val, eval_num_updates, settings) | {
        "meta_train_mse": float(on_train.mean()),
        "shuffled_support_mse": float(shuffled.mean()),
    }
    if other_vals:
        numbers["others"] = {
            name: _held_out(predict, tasks, eval_num_updates, settings) for name, tasks in other_vals.items()
        }
    if names := getattr(val, "names", None):
        numbers["objects"] = list(names)
    return numbers


def _held_out(predict, val, eval_num_updates, settings):
    per_object, pre_mse = evaluate(predict, val, **settings)
    numbers = {
        "meta_test_mse": float(per_object.mean()),
        "meta_test_se": float(per_object.std(ddof=1) / np.sqrt(len(per_object))) if len(per_object) > 1 else None,
        "pre_mse": pre_mse,
        "per_object": [float(error) for error in per_object],
    }
    for num_updates in eval_num_updates:  # a tensor: one graph for all
        after = functools.partial(predict, num_updates=tf.constant(num_updates))
        error = float(evaluate(after, val, **settings)[0].mean())
        numbers.setdefault("mse_by_num_updates", {})[num_updates] = error
    return numbers


def not_finite(numbers):
    """Names of the numbers of `protocol` that are not finite: an inner loop can diverge, since a task's gradient may be
    larger at meta-test than any in training."""
    return [
        name
        for name, value in numbers.items()
        if not all(np.isfinite(leaf) for leaf in tf.nest.flatten(value) if isinstance(leaf, int | float))
    ]
