"""The conditional neural process: what its prediction may and may not depend on."""

import numpy as np
import pytest
import tensorflow as tf

from metalearn.bayes_layers import gaussian_weights, point_weights
from metalearn.neural_process import NeuralProcess, init_neural_process
from metalearn.objectives import SQUARED_ERROR
from metalearn.tasks import MetaBatch

SEED = tf.constant([5, 6])


class TinyLearner(NeuralProcess):
    """Linear encoder of a 3-number input, with its weights at hand as tensors."""

    def __init__(self, bayesian_encoder=False, bayesian_decoder=False, deterministic=True, **kwargs):
        def weights(initial, bayesian, rng):
            return gaussian_weights(initial, -1.0, rng) if bayesian else point_weights(initial)

        def init(rng):
            dim_code = 16 if kwargs.get("stochastic_code") else 8
            decoder = init_neural_process(
                rng, dim_w=8, dim_y=1, dim_r=6, dim_z=5, hidden_r=[7, 9], hidden_g=[10], deterministic=deterministic
            )
            encoder = {"a/kernel": rng.normal(size=(3, dim_code)).astype(np.float32)}
            return {
                "encoder": weights(encoder, bayesian_encoder, rng), "decoder": weights(decoder, bayesian_decoder, rng),
            }  # fmt: skip

        super().__init__(
            objective=SQUARED_ERROR, init=init, num_hidden_r=2,
            encode=lambda weights, x: tf.linalg.matmul(x, weights["a/kernel"]), num_hidden_g=1,
            deterministic=deterministic, **kwargs,
        )  # fmt: skip
        self.weights = tf.nest.map_structure(tf.constant, init(np.random.default_rng(0)))


def tiny_batch(tasks=3):
    rng = np.random.default_rng(1)
    return MetaBatch(*(tf.constant(rng.normal(size=(tasks, 5, n)), tf.float32) for n in (3, 1, 3, 1)))


def predict(learner, batch, seed=SEED):
    return learner.predict(learner.weights, batch, seed)[0].numpy()


def test_predictions_do_not_depend_on_the_order_of_the_support_set():
    learner, batch = TinyLearner(), tiny_batch()
    turned = batch._replace(support_x=batch.support_x[:, ::-1], support_y=batch.support_y[:, ::-1])
    np.testing.assert_allclose(predict(learner, batch), predict(learner, turned), rtol=1e-4, atol=1e-6)


def test_predictions_depend_on_the_support_labels_unless_facto_is_zero():
    batch = tiny_batch()
    other = batch._replace(support_y=batch.support_y + 1.0)
    assert np.abs(predict(TinyLearner(), batch) - predict(TinyLearner(), other)).min() > 1e-5
    without_z = TinyLearner(facto=0.0)
    np.testing.assert_array_equal(predict(without_z, batch), predict(without_z, other))


def test_tasks_and_query_points_do_not_see_each_other():
    learner, batch = TinyLearner(), tiny_batch()
    whole = predict(learner, batch)
    second = MetaBatch(*(part[1:2] for part in batch))
    np.testing.assert_allclose(predict(learner, second), whole[1:2], rtol=1e-4, atol=1e-6)
    fewer = batch._replace(query_x=batch.query_x[:, :2], query_y=batch.query_y[:, :2])
    np.testing.assert_allclose(predict(learner, fewer), whole[:, :2], rtol=1e-4, atol=1e-6)


def test_loss_is_the_mse_plus_beta_times_the_kl_of_what_is_stochastic():
    batch = tiny_batch()
    for kwargs in ({}, {"bayesian_encoder": True}, {"bayesian_encoder": True, "bayesian_decoder": True}):
        learner = TinyLearner(beta=0.25, **kwargs)
        loss, metrics = learner.loss(learner.weights, batch, SEED)
        kl = float(learner.weights["encoder"].kl() + learner.weights["decoder"].kl())
        np.testing.assert_allclose(metrics["mse"], np.mean((predict(learner, batch) - batch.query_y) ** 2), rtol=1e-5)
        np.testing.assert_allclose(loss, metrics["mse"] + 0.25 * kl, rtol=1e-5)
        assert (kl > 0) == bool(kwargs)


@pytest.mark.parametrize("draws, theta_per", [(1, "meta_batch"), (2, "set")])
def test_theta_is_drawn_once_for_a_meta_batch_or_once_for_each_of_its_sets(draws, theta_per):
    drawn = []
    learner, batch = TinyLearner(bayesian_encoder=True, theta_per=theta_per), tiny_batch()
    encode = learner.encode
    learner.encode = lambda theta, x: drawn.append((theta["a/kernel"].numpy(), len(x))) or encode(theta, x)
    predict(learner, batch)
    assert [points for _, points in drawn] == [30] if draws == 1 else [15, 15]
    assert len(np.unique([theta for theta, _ in drawn], axis=0)) == draws


def test_stochastic_says_whether_predictions_depend_on_the_seed():
    batch = tiny_batch()
    mean_code = {"stochastic_code": True, "test_mean_code": True}
    for kwargs in ({}, mean_code, {"bayesian_encoder": True}, {"stochastic_code": True}, {"deterministic": False}):
        learner = TinyLearner(**kwargs)
        differ = np.abs(predict(learner, batch) - predict(learner, batch, SEED + 1)).max() > 1e-6
        assert differ == learner.stochastic(learner.weights) == (kwargs not in ({}, mean_code))
        np.testing.assert_array_equal(predict(learner, batch), predict(learner, batch))


def test_every_variable_gets_a_gradient():
    learner, batch = TinyLearner(bayesian_encoder=True, beta=0.01), tiny_batch()
    variables = tf.nest.flatten(learner.weights)
    with tf.GradientTape() as tape:
        tape.watch(variables)
        loss, _ = learner.loss(learner.weights, batch, SEED)
    for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
        assert gradient is not None and np.abs(gradient).max() > 0, variable.shape


def test_a_stochastic_z_has_mean_and_scale_of_the_support_set_and_is_one_for_all_query_points():
    learner = TinyLearner(deterministic=False)
    decoder = {name: np.zeros(array.shape, np.float32) for name, array in learner.weights["decoder"].mean.items()}
    decoder["task0/bias"] = np.float32([2.0] * 5 + [-3.0] * 5)
    for name in ("decoder0/kernel", "decoder1/kernel"):  # the prediction is the first number of z
        decoder[name] = np.eye(*decoder[name].shape, dtype=np.float32)
    weights = learner.weights | {"decoder": point_weights(decoder)}
    predictions = learner.predict(weights, tiny_batch(2000), SEED)[0].numpy()[..., 0]
    np.testing.assert_array_equal(predictions, np.broadcast_to(predictions[:, :1], predictions.shape))
    np.testing.assert_allclose(predictions[:, 0].mean(), 2.0, atol=0.01)
    np.testing.assert_allclose(predictions[:, 0].std(), np.log1p(np.exp(-3.0)), rtol=0.1)
