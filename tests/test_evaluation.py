"""The meta-test protocol, with learners whose error is known beforehand."""

import numpy as np
import pytest
import tensorflow as tf

from metalearn.evaluation import evaluate, protocol
from metalearn.objectives import SQUARED_ERROR, Objective
from pose_code import paper
from pose_code.pose_dataset import PoseSplit
from pose_data import pickles

SETTINGS = {"seed": 3, "episodes": 2, "num_draws": 4, "batch_size": 4}


@pytest.fixture
def split(tmp_path):
    """Five objects whose labels are all object / 10 turns, so object in label units; pixels are the view's number."""
    images = np.broadcast_to(np.arange(8, dtype=np.uint8)[None, :, None, None], (5, 8, 2, 2)).copy()
    labels = np.broadcast_to(np.arange(5)[:, None, None] / 10, (5, 8, 3))
    pickles.dump([images, labels.copy()], tmp_path / "a.pkl")
    return PoseSplit(tmp_path / "a.pkl", 2, 1, 1, 3)


def test_per_object_errors_are_in_the_order_of_the_objects(split):
    def predict(batch, seed):
        return tf.zeros(batch.query_y.shape), None

    errors, pre_mse, _ = evaluate(SQUARED_ERROR, predict, split, **SETTINGS)
    np.testing.assert_allclose(errors, np.arange(5) ** 2, rtol=1e-6)
    assert pre_mse is None


def test_predictions_of_several_draws_are_averaged_before_the_error(split):
    """Draws that are off by +3, +1, -1, -3 have an average without error, though each has one."""

    def predict(batch, seed):
        return tf.constant(batch.query_y) + 3.0 - 2.0 * tf.cast(seed[1], tf.float32), tf.fill([4], 7.0)

    errors, pre_mse, _ = evaluate(SQUARED_ERROR, predict, split, **SETTINGS)
    np.testing.assert_allclose(errors, np.zeros(5), atol=1e-9)
    assert pre_mse == 7.0
    errors, _, _ = evaluate(SQUARED_ERROR, predict, split, **SETTINGS | {"num_draws": 1})
    np.testing.assert_allclose(errors, np.full(5, 9.0), rtol=1e-5)


def test_each_task_counts_the_same_in_the_error_before_adapting(split):
    """Five objects in batches of four: the last batch is filled up with three of them once more."""

    def predict(batch, seed):
        return tf.zeros(batch.query_y.shape), tf.constant(batch.support_y[:, 0, -1])  # each object's own number

    assert evaluate(SQUARED_ERROR, predict, split, **SETTINGS | {"episodes": 1}).pre_error == pytest.approx(2.0)


def test_names_error_and_average_are_the_objective_s(split):
    def largest(predictions, labels):
        return tf.reduce_max(tf.abs(predictions - labels), axis=[-2, -1])

    def predict(batch, seed):
        return tf.constant(batch.query_y) + tf.cast(seed[1], tf.float32), tf.fill([4], 7.0)

    objective = Objective("gap", None, largest, average=lambda predictions: predictions[2])
    numbers = protocol(objective, predict, split, split, **SETTINGS)
    np.testing.assert_allclose(numbers["per_object"], np.full(5, 2.0), rtol=1e-5)
    assert numbers.keys() - {"objects"} == {
        "meta_test_gap", "meta_test_se", "meta_train_gap", "shuffled_support_gap", "pre_gap", "meta_train_pre_gap",
        "per_object",
    }  # fmt: skip


def test_the_pose_objective_s_summaries_are_of_circular_angles(split):
    off = [1.0, 20.0, -40.0, 359.0, 725.0]  # degrees, of the objects; the last two are 1 and 5 degrees off

    def predict(batch, seed):
        objects = batch.support_y[:, :1]  # in label units, tenths of a turn
        return tf.constant(batch.query_y + np.take(off, objects.round().astype(int)) / 36.0, tf.float32), None

    numbers = protocol(paper.OBJECTIVE, predict, split, split, **SETTINGS)
    np.testing.assert_allclose(numbers["median_degrees"], 5.0, atol=1e-3)
    np.testing.assert_allclose(numbers["within_30_degrees"], 0.8)


def test_shuffling_moves_support_labels_but_neither_images_nor_query_labels(split):
    split.labels = np.random.default_rng(0).random(split.labels.shape).astype(np.float32)
    seen = {False: [], True: []}
    for shuffle in seen:

        def predict(batch, seed, shuffle=shuffle):
            seen[shuffle].append(batch)
            return tf.zeros(batch.query_y.shape), None

        evaluate(SQUARED_ERROR, predict, split, **SETTINGS, shuffle=shuffle)
    for plain, shuffled in zip(seen[False], seen[True], strict=True):
        np.testing.assert_array_equal(plain.support_x, shuffled.support_x)
        np.testing.assert_array_equal(plain.query_y, shuffled.query_y)
        assert (plain.support_y != shuffled.support_y).any()
        np.testing.assert_array_equal(np.sort(plain.support_y, axis=1), np.sort(shuffled.support_y, axis=1))


@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_single_support_point_gets_the_label_of_another_task_whatever_the_batch(data_dir, batch_size):
    split = PoseSplit(data_dir / "train_data.pkl", 16, 1, 1, 1)
    split.labels = np.random.default_rng(0).random(split.labels.shape).astype(np.float32)
    seen = {False: [], True: []}
    for shuffle in seen:

        def predict(batch, seed, shuffle=shuffle):
            seen[shuffle] += list(batch.support_y[:, 0, 0])
            return tf.zeros(batch.query_y.shape), None

        settings = SETTINGS | {"batch_size": batch_size, "num_draws": 1}
        evaluate(SQUARED_ERROR, predict, split, **settings, shuffle=shuffle)
    number = 2 * len(split)  # the rest fills up the last batch
    np.testing.assert_array_equal(seen[True][:number], np.roll(seen[False][:number], 1))


def test_a_learner_that_ignores_its_support_set_does_not_notice_the_shuffling(split):
    split.labels = np.random.default_rng(0).random(split.labels.shape).astype(np.float32)

    def memorizer(batch, seed):
        return tf.constant(batch.query_y) + 0.5, None

    def nearest(batch, seed):  # the support label of the nearest support image
        x, y = batch.support_x[:, :, 0, 0, 0].astype(int), batch.query_x[:, :, 0, 0, 0].astype(int)
        return np.take_along_axis(batch.support_y, np.abs(y[:, :, None] - x[:, None]).argmin(-1)[..., None], 1), None

    for predict, notices in ((memorizer, False), (lambda b, s: (tf.constant(nearest(b, s)[0]), None), True)):
        numbers = protocol(SQUARED_ERROR, predict, split, split, **SETTINGS)
        assert (numbers["shuffled_support_mse"] != numbers["meta_test_mse"]) == notices
        assert numbers["meta_train_mse"] == numbers["meta_test_mse"]
        np.testing.assert_allclose(
            numbers["meta_test_se"], np.std(numbers["per_object"], ddof=1) / 5**0.5, rtol=1e-5, atol=1e-9
        )


def test_shuffling_gives_a_point_another_one_s_label_and_a_single_point_another_task_s(split):
    seen = []

    def predict(batch, seed):
        seen.append(batch.support_y.copy())
        return tf.zeros(batch.query_y.shape), None

    settings = SETTINGS | {"episodes": 1, "num_draws": 1, "batch_size": 5}
    split.labels = split.labels + np.arange(8)[None, :, None]  # of a view of an object
    for shots in (3, 1):
        split.shots = shots
        seen.clear()
        evaluate(SQUARED_ERROR, predict, split, **settings)
        evaluate(SQUARED_ERROR, predict, split, **settings, shuffle=True)
        right, shuffled = seen
        assert (right != shuffled).all()
        axis = 1 if shots == 3 else 0  # within a task; a single label comes from another
        np.testing.assert_array_equal(np.sort(shuffled, axis=axis), np.sort(right, axis=axis))


def test_draws_of_theta_depend_on_the_evaluation_s_seed(split):
    seeds = {3: [], 4: []}
    for number, seen in seeds.items():

        def predict(batch, seed, seen=seen):
            seen.append(tuple(seed.numpy()))
            return tf.zeros(batch.query_y.shape), None

        evaluate(SQUARED_ERROR, predict, split, **SETTINGS | {"seed": number})
    assert len(set(seeds[3])) == len(set(seeds[4])) == 4 and not set(seeds[3]) & set(seeds[4])
