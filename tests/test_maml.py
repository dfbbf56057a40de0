"""The inner loop and the outer loss of MAML, on networks small enough to differentiate by hand."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from metalearn import image_networks as networks
from metalearn import layers
from metalearn.bayes_layers import gaussian_weights, point_weights
from metalearn.maml import Maml, adapt
from metalearn.objectives import SQUARED_ERROR
from metalearn.tasks import MetaBatch

SEED = tf.constant([3, 4])


def quadratic_loss(weights):
    return 0.5 * tf.reduce_sum(weights["w"] ** 2)


@pytest.mark.parametrize("unroll", [True, False])
def test_adapt_is_gradient_descent(unroll):
    # w <- w - alpha * w, three times
    seen = []

    def loss(weights):
        seen.append(quadratic_loss(weights))
        return seen[-1]

    fast_weights = adapt(loss, {"w": tf.constant([2.0])}, 3, 0.1, unroll=unroll)
    np.testing.assert_allclose(fast_weights["w"], [2.0 * 0.9**3], rtol=1e-6)
    np.testing.assert_allclose(seen, [2.0, 2.0 * 0.9**2, 2.0 * 0.9**4], rtol=1e-6)


@pytest.mark.parametrize("stop_grad, expected", [(False, 0.9**3), (True, 1.0)])
def test_stop_grad_holds_for_all_inner_steps(stop_grad, expected):
    # d(w * 0.9^3)/dw; with every step's gradient a constant it is 1
    w = tf.Variable([2.0])
    with tf.GradientTape() as tape:
        fast_weights = adapt(quadratic_loss, {"w": w.value()}, 3, 0.1, stop_grad=stop_grad)
    np.testing.assert_allclose(tape.gradient(fast_weights["w"], w), [expected], rtol=1e-6)


class TinyLearner(Maml):
    """A 3-number input, a 4-number code, tanh, a linear head; with its weights at hand as variables."""

    def __init__(self, adapt_encoder=True, bayesian_encoder=False, rho=-1.0, num_updates=2, **kwargs):
        def encode(weights, x):
            return tf.linalg.matmul(x, weights["code/kernel"]) + weights["code/bias"]

        def predict_from_code(weights, code):
            return layers.mlp(weights, "out", 1, tf.tanh(code + weights["norm0/offset"]))

        def init(rng):
            dim_code = 8 if kwargs.get("stochastic_code") else 4
            encoder = {
                "code/kernel": rng.normal(size=(3, dim_code)).astype(np.float32),
                "code/bias": rng.normal(size=dim_code).astype(np.float32),
            }
            return {
                "encoder": gaussian_weights(encoder, rho, rng) if bayesian_encoder else point_weights(encoder),
                "head": point_weights(layers.init_mlp(rng, "out", [4, 1])),
                "offsets": point_weights({"norm0/offset": np.full(4, 0.1, np.float32)}),
            }

        super().__init__(
            objective=SQUARED_ERROR, init=init, encode=encode, predict_from_code=predict_from_code,
            adapt_encoder=adapt_encoder, num_updates=num_updates, test_num_updates=3, update_lr=0.3, **kwargs,
        )  # fmt: skip
        self.weights = tf.nest.map_structure(tf.Variable, init(np.random.default_rng(0)))


def tiny_batch():
    rng = np.random.default_rng(1)
    return MetaBatch(*(tf.constant(rng.normal(size=(3, 5, n)), tf.float32) for n in (3, 1, 3, 1)))


@pytest.mark.parametrize(
    "kwargs",
    [
        {"adapt_encoder": True},
        {"adapt_encoder": False},
        {"adapt_encoder": False, "bayesian_encoder": True, "beta": 0.01},
        {"adapt_encoder": False, "stochastic_code": True, "beta": 0.01},
    ],
    ids=["maml", "encoder_not_adapted", "mr_weights", "mr_activations"],
)
def test_meta_gradient_agrees_with_finite_differences(kwargs):
    learner, batch = TinyLearner(**kwargs), tiny_batch()
    loss_fn = tf.function(lambda: learner.loss(learner.weights, batch, SEED)[0])
    variables = tf.nest.flatten(learner.weights)
    with tf.GradientTape() as tape:
        loss = loss_fn()
    gradients = tape.gradient(loss, variables)
    for variable, gradient in zip(variables, gradients, strict=True):
        direction = np.random.default_rng(2).normal(size=variable.shape).astype(np.float32)
        start, step, moved = variable.numpy(), 1e-2, []
        for sign in (1, -1):
            variable.assign(start + sign * step * direction)
            moved.append(float(loss_fn()))
        variable.assign(start)
        np.testing.assert_allclose(
            np.sum(gradient * direction),
            (moved[0] - moved[1]) / (2 * step),
            rtol=0.02,
            atol=3e-3,
            err_msg=variable.name,
        )


def test_first_order_gradient_differs_from_second_order():
    batch = tiny_batch()
    gradients = []
    for stop_grad in (False, True):
        learner = TinyLearner(stop_grad=stop_grad)
        with tf.GradientTape() as tape:
            loss, _ = learner.loss(learner.weights, batch, SEED)
        gradients.append(tape.gradient(loss, learner.weights["head"].mean["out0/kernel"]))
    assert np.abs(gradients[0] - gradients[1]).max() > 1e-3


def test_inner_loop_of_mr_maml_never_touches_the_encoder():
    """The weights that the inner loop hands to the network are the head's alone, at every step."""
    learner, batch = TinyLearner(adapt_encoder=False), tiny_batch()
    adapted = []
    original = learner.predict_from_code

    def record(weights, code):
        adapted.append((set(weights), weights))
        return original(weights, code)

    learner.predict_from_code = record
    learner.predict(learner.weights, batch, SEED)
    assert all(names == {"out0/kernel", "out0/bias", "norm0/offset"} for names, _ in adapted)


def test_offsets_are_meta_learned_but_not_adapted():
    learner, batch = TinyLearner(), tiny_batch()
    seen = []
    original = learner.predict_from_code

    def record(weights, code):
        seen.append(weights["norm0/offset"])
        return original(weights, code)

    learner.predict_from_code = record
    with tf.GradientTape() as tape:
        loss, _ = learner.loss(learner.weights, batch, SEED)
    assert all(offset is seen[0] for offset in seen)
    assert np.abs(tape.gradient(loss, learner.weights["offsets"].mean["norm0/offset"])).max() > 0


def test_adaptation_lowers_the_support_error():
    learner, batch = TinyLearner(num_updates=0), tiny_batch()
    same = batch._replace(query_x=batch.support_x, query_y=batch.support_y)
    _, before = learner.loss(learner.weights, same, SEED)
    predictions, pre_mse = learner.predict(learner.weights, same, SEED)
    np.testing.assert_allclose(before["mse"], np.mean(pre_mse), rtol=1e-5)
    assert np.mean((predictions - batch.support_y) ** 2) < 0.8 * np.mean(pre_mse)


def test_without_inner_steps_the_loss_is_joint_training():
    learner, batch = TinyLearner(num_updates=0), tiny_batch()
    weights = {name: w for part in learner.weights.values() for name, w in part.mean.items()}
    prediction = learner.predict_from_code(weights, learner.encode(weights, tf.reshape(batch.query_x, [-1, 3])))
    expected = np.mean((prediction - tf.reshape(batch.query_y, [-1, 1])) ** 2)
    np.testing.assert_allclose(learner.loss(learner.weights, batch, SEED)[0], expected, rtol=1e-5)


def test_kl_enters_the_outer_loss_once_with_beta():
    learner, batch = TinyLearner(adapt_encoder=False, bayesian_encoder=True, beta=0.5), tiny_batch()
    loss, metrics = learner.loss(learner.weights, batch, SEED)
    np.testing.assert_allclose(metrics["kl"], learner.weights["encoder"].kl(), rtol=1e-6)
    np.testing.assert_allclose(loss, metrics["mse"] + 0.5 * learner.weights["encoder"].kl(), rtol=1e-6)


def test_one_theta_serves_support_and_query_of_a_meta_batch():
    learner, batch = TinyLearner(adapt_encoder=False, bayesian_encoder=True), tiny_batch()
    same = batch._replace(query_x=batch.support_x, query_y=batch.support_y)
    codes = []
    original = learner.predict_from_code

    def record(weights, code):
        codes.append(code)
        return original(weights, code)

    learner.predict_from_code = record
    learner.predict(learner.weights, same, SEED)
    for code in codes[1:4]:  # support loss and query prediction of the first task
        np.testing.assert_array_equal(code, codes[0])


def weights_and_batch():
    """Of the image networks, for images of 16x16 pixels."""
    rng = np.random.default_rng(0)
    encoder, (head, offsets) = networks.init_image_encoder(rng, 16, 16), networks.init_conv_head(rng, 16, 4, 1)
    parts = {"encoder": point_weights(encoder), "head": point_weights(head), "offsets": point_weights(offsets)}
    weights = tf.nest.map_structure(tf.constant, parts)
    images, labels = rng.integers(256, size=(2, 3, 5, 16, 16, 1)).astype(np.uint8), rng.random((2, 3, 5, 1), np.float32)
    return weights, MetaBatch(images[0], labels[0], images[1], labels[1])


def test_tasks_one_after_the_other_or_all_at_once_and_steps_computed_again_have_the_same_loss_and_gradients():
    weights, batch = weights_and_batch()
    plain = dict(inner_loop="map", conv=layers.conv2d)
    results = [
        loss_and_gradients(weights, batch, **how)
        for how in (plain, dict(inner_loop="vectorized", conv=layers.conv2d_as_matmul), plain | {"recompute": True})
    ]
    for one_by_one, at_once, recomputed in zip(*results, strict=True):
        np.testing.assert_allclose(one_by_one, recomputed, rtol=1e-5, atol=1e-5)
        # a bias before batch norm has no gradient but rounding
        np.testing.assert_allclose(one_by_one, at_once, rtol=1e-3, atol=1e-5)


def loss_and_gradients(weights, batch, *, conv, adapt_encoder=True, num_updates=1, **settings):
    """Of a Maml of the image networks."""
    learner = Maml(
        objective=SQUARED_ERROR, init=None, encode=functools.partial(networks.image_encoder, conv=conv),
        predict_from_code=functools.partial(networks.conv_head, norm="batch_norm", max_pool=False, conv=conv),
        adapt_encoder=adapt_encoder, num_updates=num_updates, test_num_updates=2, update_lr=0.01, **settings,
    )  # fmt: skip

    @tf.function(autograph=False)
    def compute(weights):
        with tf.GradientTape() as tape:
            tape.watch(weights)
            loss, _ = learner.loss(weights, batch, SEED)
        return loss, tape.gradient(loss, weights)

    return tf.nest.flatten(compute(weights))


def test_steps_that_are_computed_again_give_the_encoder_its_gradient_through_the_support_set():
    weights, batch = weights_and_batch()
    settings = {"conv": layers.conv2d, "adapt_encoder": False, "num_updates": 2}
    kept, recomputed = (loss_and_gradients(weights, batch, **settings, recompute=again) for again in (False, True))
    for one, other in zip(kept, recomputed, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    "kwargs, stochastic",
    [
        ({}, False),
        ({"bayesian_encoder": True}, True),
        ({"bayesian_encoder": True, "adapt_encoder": False}, True),
        ({"bayesian_encoder": True, "adapt_encoder": False, "rho": -12.0}, True),
        ({"bayesian_encoder": True, "adapt_encoder": False, "rho": -20.0}, False),
        ({"stochastic_code": True, "adapt_encoder": False}, True),
        ({"stochastic_code": True, "adapt_encoder": False, "test_mean_code": True}, False),
    ],
    ids=["maml", "mr_weights_adapted", "mr_weights", "small_sigma", "released_sigma", "mr_activations", "mean_code"],
)
def test_stochastic_says_whether_predictions_depend_on_the_seed(kwargs, stochastic):
    learner, batch = TinyLearner(**kwargs), tiny_batch()
    first, other = (learner.predict(learner.weights, batch, seed)[0] for seed in (SEED, SEED + 1))
    assert (np.abs(first - other).max() > 1e-6) == learner.stochastic(learner.weights) == stochastic


def test_a_task_penalty_is_of_the_support_set_s_predictions_before_and_after_adapting():
    learner, batch = TinyLearner(task_penalty=lambda before, after: tf.reduce_sum(after - 3.0 * before)), tiny_batch()
    support = batch._replace(query_x=batch.support_x)
    before, after = (learner.predict(learner.weights, support, SEED, steps)[0].numpy() for steps in (0, 2))
    loss, metrics = learner.loss(learner.weights, batch, SEED)
    expected = np.sum(after - 3.0 * before) / 3  # mean over three tasks
    np.testing.assert_allclose(metrics["regularizer"], expected, rtol=1e-4)
    np.testing.assert_allclose(loss, metrics["mse"] + expected, rtol=1e-4)
