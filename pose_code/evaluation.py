"""Meta-test as a fixed protocol (Algorithm 3): every object, the same episodes, predictions averaged over theta."""

import time

import numpy as np
import tensorflow as tf

from pose_code.pose_dataset import evaluation_batches


def evaluate(learner, predict, split, *, seed, episodes, num_draws, meta_batch_size, num_classes, shots, shuffle=False):
    """MSE of each object of `split`, averaged over its episodes.

    Args:
      predict: `learner.predict`, compiled.
      seed: fixes episodes and draws of theta; episodes: per object; num_draws: draws of theta whose predictions are
        averaged, 1 is enough if nothing in the learner is stochastic.
      shuffle: permute each support set's labels. A learner that ignores its support set does not notice.

    Returns:
      per_object: float [objects], (turns x 10)^2; pre_mse: mean support error before adapting, None if undefined.
    """
    num_draws = num_draws if learner.stochastic else 1
    squared_errors = [[] for _ in range(len(split))]
    pre_mses, num_done, begun = [], 0, time.monotonic()
    printed = begun
    for objects, batch in evaluation_batches(split, seed, episodes, meta_batch_size, num_classes, shots):
        if shuffle:
            # Views come in random order, so each label moved on by one is as random, and none stays where it was.
            batch = batch._replace(context_y=np.roll(batch.context_y, 1, axis=1))
        mean_prediction = 0.0
        for draw in range(num_draws):
            predictions, pre_mse = predict(batch, tf.constant([seed, draw], tf.int32))
            mean_prediction += predictions.numpy() / num_draws
            if pre_mse is not None:
                pre_mses.append(float(pre_mse))
        num_done += len(objects)
        if (now := time.monotonic()) - printed > 30:
            minutes = (now - begun) / num_done * (len(split) * episodes - num_done) / 60
            print(f"evaluated {num_done}/{len(split) * episodes} episodes  {minutes:.1f} min left", flush=True)
            printed = now
        errors = np.mean((mean_prediction - batch.target_y) ** 2, axis=(1, 2))
        for i, error in zip(objects, errors, strict=False):  # the last batch is filled up
            squared_errors[i].append(error)
    return np.array([np.mean(errors) for errors in squared_errors]), float(np.mean(pre_mses)) if pre_mses else None


def protocol(learner, predict, train, val, **settings):
    """The numbers of result.json: errors on the held-out and the training objects, and with shuffled support labels."""
    per_object, pre_mse = evaluate(learner, predict, val, **settings)
    shuffled, _ = evaluate(learner, predict, val, **settings, shuffle=True)
    on_train, _ = evaluate(learner, predict, train, **settings)
    return {
        "meta_test_mse": float(per_object.mean()),
        "meta_test_se": float(per_object.std(ddof=1) / np.sqrt(len(per_object))) if len(per_object) > 1 else None,
        "meta_train_mse": float(on_train.mean()),
        "pre_mse": pre_mse,
        "shuffled_support_mse": float(shuffled.mean()),
        "per_object": [float(error) for error in per_object],
    }
