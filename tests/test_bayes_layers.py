"""The posterior over weights and the stochastic code: KL, sampling, gradients."""

import math

import numpy as np
import tensorflow as tf

from metalearn.bayes_layers import Weights, draw_code, gaussian_kl, gaussian_weights, kl_sigma, point_weights

SEED = tf.constant([1, 2])


def weights(rho=-1.0, shape=(3, 4)):
    mean = {"a/kernel": np.random.default_rng(0).normal(size=shape), "a/bias": np.ones(shape[-1])}
    return tf.nest.map_structure(
        lambda x: tf.Variable(x, dtype=tf.float32), Weights(mean, {"a/kernel": np.full(shape, rho)})
    )


def one_weight(mean, rho):
    return Weights({"a/kernel": tf.constant([[mean]])}, {"a/kernel": tf.constant([[rho]])})


def test_kl_of_one_weight_is_the_formula_by_hand():
    # mu = 0.5, rho = 0: sigma = log 2, KL = (sigma^2 + mu^2 - 1) / 2 - log sigma
    posterior = one_weight(0.5, 0.0)
    sigma = math.log(2.0)
    np.testing.assert_allclose(posterior.kl(), (sigma**2 + 0.25 - 1) / 2 - math.log(sigma), rtol=1e-6)


def test_the_kl_s_part_of_sigma_is_what_the_means_leave():
    np.testing.assert_allclose(one_weight(0.5, 0.3).kl() - one_weight(0.5, 0.3).kl_sigma(), 0.125, rtol=1e-5)
    np.testing.assert_allclose(one_weight(0.0, 0.3).kl(), one_weight(7.0, 0.3).kl_sigma(), rtol=1e-6)
    learners_weights = {"encoder": one_weight(0.5, 0.3), "head": point_weights({"a": tf.ones(2)})}
    np.testing.assert_allclose(kl_sigma(learners_weights)["kl_sigma"], one_weight(0.5, 0.3).kl_sigma())
    assert kl_sigma({"head": learners_weights["head"]}) == {}


def test_kl_is_zero_at_the_prior():
    posterior = one_weight(0.0, math.log(math.e - 1))
    np.testing.assert_allclose(posterior.kl(), 0.0, atol=1e-6)


def test_kl_agrees_with_monte_carlo():
    posterior = weights()
    mu, sigma = posterior.mean["a/kernel"].numpy(), np.log1p(np.exp(-1.0))
    theta = mu + sigma * np.random.default_rng(1).normal(size=(40_000, *mu.shape))
    log_q = -0.5 * ((theta - mu) / sigma) ** 2 - np.log(sigma)
    log_p = -0.5 * theta**2
    estimate = (log_q - log_p).sum(axis=(1, 2))
    assert abs(estimate.mean() - float(posterior.kl())) < 4 * estimate.std() / math.sqrt(len(estimate))


def test_kl_stays_exact_for_tiny_scales():
    posterior = one_weight(0.0, -40.0)
    np.testing.assert_allclose(posterior.kl(), 40.0 - 0.5, rtol=1e-6)
    with tf.GradientTape() as tape:
        tape.watch(posterior.rho)
        kl = posterior.kl()
    np.testing.assert_allclose(tape.gradient(kl, posterior.rho["a/kernel"]), [[-1.0]], rtol=1e-5)


def test_biases_are_points_without_kl():
    posterior = weights()
    np.testing.assert_array_equal(posterior.sample(SEED)["a/bias"], posterior.mean["a/bias"])
    before = float(posterior.kl())
    posterior.mean["a/bias"].assign_add([7.0] * 4)
    assert float(posterior.kl()) == before


def test_same_seed_same_draw_and_other_seed_other_draw():
    posterior = weights()
    first, again, other = (posterior.sample(seed)["a/kernel"] for seed in (SEED, SEED, SEED + 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).min() > 0


def test_draws_have_the_posterior_s_moments():
    posterior = weights(shape=(100, 100))
    noise = posterior.sample(SEED)["a/kernel"] - posterior.mean["a/kernel"]
    sigma = np.log1p(np.exp(-1.0))
    assert abs(float(tf.reduce_mean(noise))) < 4 * sigma / 100
    np.testing.assert_allclose(tf.math.reduce_std(noise), sigma, rtol=0.03)


def test_gradient_of_the_sampled_loss_agrees_with_finite_differences():
    posterior = weights()
    x = tf.constant(np.random.default_rng(2).normal(size=(5, 3)), tf.float32)

    def loss():
        theta = posterior.sample(SEED)
        return tf.reduce_sum(tf.tanh(x @ theta["a/kernel"] + theta["a/bias"])) + 0.1 * posterior.kl()

    with tf.GradientTape() as tape:
        value = loss()
    variables = tf.nest.flatten(posterior)
    for variable, gradient in zip(variables, tape.gradient(value, variables), strict=True):
        start, step = variable.numpy(), 1e-2
        for index in np.ndindex(*start.shape):
            moved = []
            for sign in (1, -1):
                changed = start.copy()
                changed[index] += sign * step
                variable.assign(changed)
                moved.append(float(loss()))
            variable.assign(start)
            np.testing.assert_allclose(
                gradient.numpy()[index], (moved[0] - moved[1]) / (2 * step), rtol=0.02, atol=2e-3
            )


def test_point_weights_are_a_posterior_without_noise_or_kl():
    point = point_weights({"a/kernel": tf.ones((2, 2))})
    np.testing.assert_array_equal(point.sample(SEED)["a/kernel"], np.ones((2, 2)))
    assert float(point.kl()) == 0.0 and not point.rho and not point.stochastic


def test_gaussian_weights_give_every_kernel_a_posterior_and_the_start_of_its_mean():
    initial = {"a/kernel": np.full((50, 40), 9.0), "a/bias": np.ones(40), "norm0/offset": np.zeros(3)}
    posterior = gaussian_weights(initial, -3.0, np.random.default_rng(0))
    assert posterior.stochastic and set(posterior.rho) == {"a/kernel"} and set(posterior.mean) == set(initial)
    np.testing.assert_allclose(posterior.rho["a/kernel"].std(), 0.1, rtol=0.05)
    np.testing.assert_allclose(posterior.rho["a/kernel"].mean(), -3.0, atol=0.01)
    np.testing.assert_allclose(posterior.mean["a/kernel"].std(), 0.1, rtol=0.05)
    np.testing.assert_allclose(posterior.mean["a/kernel"].mean(), 0.0, atol=0.01)
    np.testing.assert_allclose(posterior.mean["a/bias"].std(), 0.1, rtol=0.3)
    np.testing.assert_allclose(posterior.mean["a/bias"].mean(), 1.0, atol=0.06)
    plain = gaussian_weights(initial, -3.0, np.random.default_rng(0), spread=0.0)
    np.testing.assert_array_equal(plain.mean["a/kernel"], posterior.mean["a/kernel"])
    np.testing.assert_array_equal(plain.mean["a/bias"], np.ones(40))
    np.testing.assert_array_equal(plain.rho["a/kernel"], np.full((50, 40), -3.0))


def encode(theta, x):
    return tf.concat([x @ theta["a/kernel"], x @ theta["a/kernel"]], axis=-1)


def test_code_kl_is_on_the_query_points_or_on_the_context_points():
    theta = {"a/kernel": tf.constant([[2.0]])}
    support, query = tf.ones([1, 3, 1]), -tf.ones([1, 2, 1])
    for kl_on, mean in (("query", -2.0), ("context", 2.0)):
        _, _, kl = draw_code(encode, (theta, theta), support, query, SEED, True, kl_on)
        expected = gaussian_kl(tf.constant([mean]), tf.constant([mean]))
        np.testing.assert_allclose(kl, expected, rtol=1e-5)


def test_code_kl_and_its_gradient_are_finite_where_the_scale_underflows():
    mean, rho = tf.constant([[0.5, 0.5, 0.0]]), tf.constant([[-90.0, -200.0, 0.5413249]])  # the last: N(0, 1)
    with tf.GradientTape() as tape:
        tape.watch(rho)
        kl = gaussian_kl(mean, rho)
    np.testing.assert_allclose(kl, [90.0 + 200.0 - 0.75], rtol=1e-6)
    np.testing.assert_allclose(tape.gradient(kl, rho), [[-1.0, -1.0, 0.0]], atol=1e-5)


def test_deterministic_code_passes_through_in_its_place():
    theta = {"a/kernel": tf.constant([[1.0]])}
    support = tf.reshape(tf.range(6.0), [2, 3, 1])
    query = 10.0 + tf.reshape(tf.range(4.0), [2, 2, 1])
    support_w, query_w, kl = draw_code(
        lambda t, x: x @ t["a/kernel"], (theta, theta), support, query, SEED, False, "query"
    )
    np.testing.assert_array_equal(support_w, support)
    np.testing.assert_array_equal(query_w, query)
    assert float(kl) == 0.0


def test_a_stochastic_code_has_its_mean_and_scale_and_noise_of_its_own_at_each_point():
    theta = {"a/kernel": tf.constant([[1.0]])}
    support, query = tf.ones([5000, 2, 1]), tf.ones([5000, 2, 1])
    codes = draw_code(encode, (theta, theta), support, query, SEED, True, "query")[:2]
    codes = np.concatenate(codes, axis=1)[..., 0]
    np.testing.assert_allclose(codes.mean(axis=0), 1.0, atol=0.1)
    np.testing.assert_allclose(codes.std(axis=0), np.log1p(np.e), rtol=0.05)
    np.testing.assert_allclose(np.corrcoef(codes.T), np.eye(4), atol=0.1)
