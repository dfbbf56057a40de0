"""Cross-entropy and accuracy of logits, and their average over draws of theta."""

import numpy as np

from metalearn.objectives import CROSS_ENTROPY

LOGITS = np.log(np.float32([[[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], [[0.3, 0.4, 0.3], [0.5, 0.3, 0.2]]]))  # [tasks, n, N]
LABELS = np.eye(3, dtype=np.float32)[[[0, 2], [0, 1]]]


def test_loss_and_error_are_of_each_task():
    np.testing.assert_allclose(CROSS_ENTROPY.loss(LOGITS, LABELS), -np.log([0.7 * 0.8, 0.3 * 0.3]) / 2, rtol=1e-5)
    np.testing.assert_allclose(CROSS_ENTROPY.error(LOGITS, LABELS), [100.0, 0.0])
    loss, error = CROSS_ENTROPY.means(LOGITS, LABELS)
    np.testing.assert_allclose([loss, error], [-np.log(0.7 * 0.8 * 0.3 * 0.3) / 4, 50.0], rtol=1e-5)


def test_points_and_summaries_are_of_each_image():
    points = CROSS_ENTROPY.points(LOGITS, LABELS)
    np.testing.assert_allclose(points["accuracy"], [[100, 100], [0, 0]])
    np.testing.assert_allclose(points["cross_entropy"], -np.log([[0.7, 0.8], [0.3, 0.3]]), rtol=1e-5)
    np.testing.assert_allclose(
        CROSS_ENTROPY.summaries["cross_entropy"](points), -np.log(0.7 * 0.8 * 0.09) / 4, rtol=1e-5
    )


def test_probabilities_are_averaged_not_logits():
    sure, unsure = np.float32([[20.0, 0.0]]), np.float32([[0.0, 2.0]])
    mixture = np.exp(CROSS_ENTROPY.average([sure, unsure]))
    unsure_p = 1 / (1 + np.exp(-2.0))
    np.testing.assert_allclose(mixture, [[(2 - unsure_p) / 2, unsure_p / 2]], rtol=1e-4)
    np.testing.assert_allclose(mixture.sum(), 1.0, rtol=1e-5)


def test_a_confident_wrong_prediction_costs_all_of_its_nats():
    sure = np.float32([[200.0, 0.0]])
    np.testing.assert_allclose(CROSS_ENTROPY.average([sure]), [[0.0, -200.0]])
    np.testing.assert_allclose(CROSS_ENTROPY.average([sure, sure]), [[0.0, -200.0]], atol=1e-6)
