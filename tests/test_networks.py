"""Shapes, parameter counts and normalization of the networks on images."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from metalearn import image_networks as networks
from metalearn import layers
from metalearn.cli import UserError


def count(weights):
    return sum(array.size for array in weights.values())


def test_parameter_counts_are_the_paper_s_networks():
    rng = np.random.default_rng(0)
    # conv 3x3x1x32, 3x3x32x48, 3x3x48x64, dense 4096 x dim_w, with biases
    assert count(networks.init_image_encoder(rng, 128, 196)) == 320 + 13872 + 27712 + 4097 * 196
    weights, offsets = networks.init_conv_head(rng, 196, 64, 1)
    assert count(weights) == 640 + 3 * 36928 + 65 and count(offsets) == 4 * 64


def test_encoder_gives_a_linear_code_of_scaled_images():
    rng = np.random.default_rng(0)
    weights = networks.init_image_encoder(rng, 64, 10)
    images = rng.integers(256, size=(3, 64, 64, 1)).astype(np.uint8)
    code = networks.image_encoder(weights, images)
    assert code.shape == (3, 10) and float(tf.reduce_min(code)) < 0
    assert np.abs(code).max() < 10  # images are scaled to [0, 1]


@pytest.mark.parametrize("norm", layers.NORMS)
@pytest.mark.parametrize("max_pool", [False, True])
def test_head_predicts_a_label_per_point(norm, max_pool):
    rng = np.random.default_rng(0)
    weights, offsets = networks.init_conv_head(rng, 196, 8, 2)
    w = rng.normal(size=(5, 196)).astype(np.float32)
    assert networks.conv_head(weights | offsets, w, norm, max_pool).shape == (5, 2)


def test_batch_norm_uses_the_batch_and_layer_norm_the_point():
    rng = np.random.default_rng(0)
    weights, offsets = networks.init_conv_head(rng, 16, 8, 1)
    w = rng.normal(size=(5, 16)).astype(np.float32)
    for norm, sees_the_batch in (("batch_norm", True), ("layer_norm", False), ("none", False)):
        together = networks.conv_head(weights | offsets, w, norm, False)[:2]
        alone = networks.conv_head(weights | offsets, w[:2], norm, False)
        assert (np.abs(together - alone).max() > 1e-4) == sees_the_batch


def test_a_channel_far_from_0_that_hardly_varies_stays_finite():
    for seed in range(20):  # E[x^2] - E[x]^2 is below -epsilon for some of these
        noise = np.random.default_rng(seed).normal(0.0, 1e-3, (4, 3, 3, 2))
        assert np.isfinite(layers.standardize(tf.constant(150.0 + noise, tf.float32), [0, 1, 2])).all()


def gradient_norm(x, axes, second_order=True):
    """Squared norm of d sum(cos(y)) / dx, whose derivative in x is second order in the normalization."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layers.standardize(x, axes, second_order)
        loss = tf.reduce_sum(tf.cos(y))
    return y, tf.reduce_sum(tape.gradient(loss, x) ** 2)


@pytest.mark.parametrize("axes", [[0, 1, 2], [1, 2, 3]])
def test_second_derivative_of_normalization_agrees_with_finite_differences(axes):
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(1.0, 2.0, (4, 3, 3, 2)))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y, value = gradient_norm(x, axes)
    mean, std = (np.asarray(m) for m in (tf.reduce_mean(x, axes, True), tf.math.reduce_std(x, axes, True)))
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(std**2 + layers.BATCH_NORM_EPSILON), rtol=1e-9, atol=1e-12)
    direction = rng.normal(size=x.shape) * 1e-5
    difference = (gradient_norm(x + direction, axes)[1] - gradient_norm(x - direction, axes)[1]) / 2
    np.testing.assert_allclose(tf.reduce_sum(tape.gradient(value, x) * direction), difference, rtol=1e-5)


def test_the_released_normalization_has_no_second_derivative_but_the_same_first_one():
    x = tf.constant(np.random.default_rng(0).normal(1.0, 2.0, (4, 3, 3, 2)))
    with tf.GradientTape() as tape:
        tape.watch(x)
        _, value = gradient_norm(x, [0, 1, 2], second_order=False)
    np.testing.assert_array_equal(value, gradient_norm(x, [0, 1, 2])[1])
    assert tape.gradient(value, x) is None


def test_the_released_encoder_has_its_relu_after_the_dense_layer_only():
    rng = np.random.default_rng(0)
    weights = networks.init_image_encoder(rng, 32, 10)
    images = rng.integers(256, size=(3, 32, 32, 1)).astype(np.uint8)
    x = tf.cast(images, tf.float32) / 255.0
    for name in ("conv0", "conv1", "conv2"):
        x = tf.nn.conv2d(x, weights[f"{name}/kernel"], 2, "SAME") + weights[f"{name}/bias"]
        x = tf.nn.max_pool2d(x, 2, 2, "SAME") if name == "conv1" else x
    expected = np.maximum(tf.reshape(x, [3, -1]) @ weights["code/kernel"] + weights["code/bias"], 0.0)
    code = networks.image_encoder(weights, images, relu_after=networks.ENCODERS["released"])
    np.testing.assert_allclose(code, expected, atol=1e-5)


@pytest.mark.parametrize("side, stride", [(8, 1), (7, 1), (8, 2), (7, 2)])
def test_convolution_as_a_matrix_product_is_the_convolution(side, stride):
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, side, side, 3)), rng.normal(size=(3, 3, 3, 5))
    expected = layers.conv2d(x, kernel, stride)
    np.testing.assert_allclose(layers.conv2d_as_matmul(x, kernel, stride), expected, atol=1e-12)


def test_mixed_bfloat16_rounds_products_and_nothing_else():
    rng = np.random.default_rng(0)
    encoder, (head, offsets) = networks.init_image_encoder(rng, 16, 16), networks.init_conv_head(rng, 16, 8, 1)
    images = rng.integers(256, size=(6, 16, 16, 1)).astype(np.uint8)

    def predict():
        code = networks.image_encoder(encoder, images)
        return code, networks.conv_head(head | offsets, code, "batch_norm", False)

    exact = predict()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        rounded = predict()
    finally:
        keras.config.set_dtype_policy("float32")
    for a, b in zip(exact, rounded, strict=True):
        assert b.dtype == tf.float32
        error = np.abs(a - b).max() / np.abs(a).max()
        assert 1e-5 < error < 0.05  # bfloat16 has 8 bits: 0.004 a product


def test_a_code_that_is_no_square_is_refused():
    with pytest.raises(UserError, match="--dim_w=200"):
        networks.init_conv_head(np.random.default_rng(0), 200, 8, 1)


@pytest.mark.parametrize("norm, axes", [("batch_norm", (0, 1, 2)), ("layer_norm", (1, 2, 3))])
def test_batch_norm_standardizes_each_filter_and_layer_norm_all_numbers_of_a_point(norm, axes):
    x, offset = np.random.default_rng(0).normal([0.0, 5.0], 2.0, (4, 3, 3, 2)), np.array([3.0, 4.0])
    scale = np.sqrt(x.var(axes, keepdims=True) + layers.BATCH_NORM_EPSILON)
    expected = (x - x.mean(axes, keepdims=True)) / scale + offset
    np.testing.assert_allclose(layers.normalize(tf.constant(x), offset, norm, True), expected, rtol=1e-9)
