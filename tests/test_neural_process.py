"""The conditional neural process: what its prediction may and may not depend on."""

import functools

import numpy as np
import tensorflow as tf

from pose_code.bayes_layers import GaussianWeights, PointWeights
from pose_code.neural_process import NeuralProcess, init_neural_process
from pose_code.pose_dataset import MetaBatch

SEED = tf.constant([5, 6])
gaussian = functools.partial(GaussianWeights, untransformed_scale=-1.0)


def tiny_learner(encoder_weights=PointWeights, decoder_weights=PointWeights, deterministic=True, **kwargs):
    rng = np.random.default_rng(0)
    dim_code = 16 if kwargs.get("stochastic_code") else 8
    decoder = init_neural_process(
        rng, dim_w=8, dim_y=1, dim_r=6, dim_z=5, hidden_r=[7, 9], hidden_g=[10], deterministic=deterministic
    )
    return NeuralProcess(
        encoder=encoder_weights({"a/kernel": rng.normal(size=(3, dim_code)).astype(np.float32)}),
        decoder=decoder_weights(decoder), encode=lambda weights, x: tf.linalg.matmul(x, weights["a/kernel"]),
        num_hidden_r=2, num_hidden_g=1, deterministic=deterministic, **kwargs,
    )  # fmt: skip


def tiny_batch(tasks=3):
    rng = np.random.default_rng(1)
    return MetaBatch(*(tf.constant(rng.normal(size=(tasks, 5, n)), tf.float32) for n in (3, 1, 3, 1)))


def predict(learner, batch, seed=SEED):
    return learner.predict(batch, seed)[0].numpy()


def test_predictions_do_not_depend_on_the_order_of_the_support_set():
    learner, batch = tiny_learner(), tiny_batch()
    turned = batch._replace(context_x=batch.context_x[:, ::-1], context_y=batch.context_y[:, ::-1])
    np.testing.assert_allclose(predict(learner, batch), predict(learner, turned), rtol=1e-4, atol=1e-6)


def test_predictions_depend_on_the_support_labels_unless_facto_is_zero():
    batch = tiny_batch()
    other = batch._replace(context_y=batch.context_y + 1.0)
    assert np.abs(predict(tiny_learner(), batch) - predict(tiny_learner(), other)).min() > 1e-5
    without_z = tiny_learner(facto=0.0)
    np.testing.assert_array_equal(predict(without_z, batch), predict(without_z, other))


def test_tasks_and_query_points_do_not_see_each_other():
    learner, batch = tiny_learner(), tiny_batch()
    whole = predict(learner, batch)
    second = MetaBatch(*(part[1:2] for part in batch))
    np.testing.assert_allclose(predict(learner, second), whole[1:2], rtol=1e-4, atol=1e-6)
    fewer = batch._replace(target_x=batch.target_x[:, :2], target_y=batch.target_y[:, :2])
    np.testing.assert_allclose(predict(learner, fewer), whole[:, :2], rtol=1e-4, atol=1e-6)


def test_loss_is_the_mse_plus_beta_times_the_kl_of_what_is_stochastic():
    batch = tiny_batch()
    for kwargs in ({}, {"encoder_weights": gaussian}, {"encoder_weights": gaussian, "decoder_weights": gaussian}):
        learner = tiny_learner(beta=0.25, **kwargs)
        loss, metrics = learner.loss(batch, SEED)
        kl = float(learner.encoder.kl() + learner.decoder.kl())
        np.testing.assert_allclose(metrics["mse"], np.mean((predict(learner, batch) - batch.target_y) ** 2), rtol=1e-5)
        np.testing.assert_allclose(loss, metrics["mse"] + 0.25 * kl, rtol=1e-5)
        assert (kl > 0) == bool(kwargs)


def test_stochastic_says_whether_predictions_depend_on_the_seed():
    batch = tiny_batch()
    for kwargs in ({}, {"encoder_weights": gaussian}, {"stochastic_code": True}, {"deterministic": False}):
        learner = tiny_learner(**kwargs)
        differ = np.abs(predict(learner, batch) - predict(learner, batch, SEED + 1)).max() > 1e-6
        assert differ == learner.stochastic == bool(kwargs)
        np.testing.assert_array_equal(predict(learner, batch), predict(learner, batch))


def test_every_variable_gets_a_gradient():
    learner, batch = tiny_learner(encoder_weights=gaussian, beta=0.01), tiny_batch()
    variables = [v for m in learner.modules.values() for v in m.variables + m.rho_variables]
    with tf.GradientTape() as tape:
        loss, _ = learner.loss(batch, SEED)
    for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
        assert gradient is not None and np.abs(gradient).max() > 0, variable.name
