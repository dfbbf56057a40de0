"""Layers as plain functions of a dict of weights.

`init_*` draws the initial weights from a NumPy generator: biases 0, kernels Glorot-uniform or, where it takes a
standard deviation, N(0, std^2). The function of the same name without `init_` runs the layer. Weights are an argument
and not an attribute because MAML differentiates through them and the Bayesian layers draw them.

Names: "<layer>/kernel" and "<layer>/bias"; "<layer>/offset" is what normalization adds.
"""

import itertools
import math

import keras
import numpy as np
import tensorflow as tf

BATCH_NORM_EPSILON = 1e-3  # contrib's default, which the released code has
NORMS = ("batch_norm", "layer_norm", "none")


def _glorot_uniform(rng, shape):
    receptive_field = math.prod(shape[:-2])
    limit = math.sqrt(6.0 / (receptive_field * (shape[-2] + shape[-1])))
    return rng.uniform(-limit, limit, shape).astype(np.float32)


def init_layer(rng, name, shape, std=None):
    kernel = _glorot_uniform(rng, shape) if std is None else rng.normal(0.0, std, shape).astype(np.float32)
    return {f"{name}/kernel": kernel, f"{name}/bias": np.zeros(shape[-1], np.float32)}


def _to_compute_dtype(*tensors):
    """In the compute dtype of Keras's global policy (--precision)."""
    dtype = keras.config.dtype_policy().compute_dtype
    return [tf.cast(tensor, dtype) for tensor in tensors]


def dense(weights, name, x):
    """x: [..., n_in] -> [..., n_out], float32."""
    x, kernel = _to_compute_dtype(x, weights[f"{name}/kernel"])
    return tf.cast(tf.linalg.matmul(x, kernel), tf.float32) + weights[f"{name}/bias"]


def conv2d(x, kernel, stride):
    """SAME convolution. x: [n, side, side, channels]; kernel: [size, size, channels, filters]."""
    return tf.nn.conv2d(x, kernel, stride, "SAME")


def conv2d_as_matmul(x, kernel, stride):
    """`conv2d` as one product of patches and kernel. With a batch of kernels, one per task, tf.vectorized_map
    turns this into one batched product (good on a GPU), but a convolution into a loop."""
    size, side = kernel.shape[0], x.shape[1]
    out = -(-side // stride)
    missing = max((out - 1) * stride + size - side, 0)  # SAME: the odd pixel of padding at the end
    before, after = missing // 2, missing - missing // 2
    x = tf.pad(x, [[0, 0], [before, after], [before, after], [0, 0]])
    end = (out - 1) * stride + 1
    patches = [x[:, i : i + end : stride, j : j + end : stride] for i in range(size) for j in range(size)]
    return tf.linalg.matmul(tf.concat(patches, axis=-1), tf.reshape(kernel, [-1, kernel.shape[-1]]))


def conv_layer(conv, weights, name, x, stride):
    """x: [n, side, side, channels] -> [n, side, side, filters] in the compute dtype."""
    x, kernel, bias = _to_compute_dtype(x, weights[f"{name}/kernel"], weights[f"{name}/bias"])
    return conv(x, kernel, stride) + bias


def init_mlp(rng, name, sizes, std=None):
    """Weights of a multi-layer perceptron with layer sizes [n_in, hidden ..., n_out]. std: of kernels; None: Glorot."""
    weights = {}
    for i, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
        weights |= init_layer(rng, f"{name}{i}", (n_in, n_out), std)
    return weights


def mlp(weights, name, num_layers, x):
    """ReLU between layers, linear at the end. x: [..., n_in] -> [..., n_out]."""
    for i in range(num_layers):
        x = dense(weights, f"{name}{i}", x)
        if i < num_layers - 1:
            x = tf.nn.relu(x)
    return x


def normalize(x, offset, norm, second_order):
    """x: [n, side, side, filters]. Statistics are always those of the given batch, at meta-test too; no scale."""
    if norm == "none":
        return x
    if norm == "layer_norm":
        return standardize(x, [1, 2, 3]) + offset
    return standardize(x, [0, 1, 2], second_order) + offset


def standardize(x, axes, second_order=True):
    """(x - mean) / sqrt(variance + epsilon) over `axes`.

    The derivative is written out: a third of the passes over x that automatic differentiation takes, and MAML
    differentiates this twice. second_order: False makes it a constant to the second derivative, as the released code
    has it, whose fused op loses that inside tf.map_fn.
    """

    @tf.custom_gradient
    def op(x):
        mean = tf.reduce_mean(x, axes, keepdims=True)
        variance = tf.reduce_mean(tf.square(x), axes, keepdims=True) - tf.square(mean)
        factor = tf.math.rsqrt(tf.maximum(variance, 0.0) + BATCH_NORM_EPSILON)  # rounding may leave it below 0
        y = x * factor - mean * factor

        def gradient(dy):
            means = tf.reduce_mean(dy, axes, keepdims=True), tf.reduce_mean(dy * y, axes, keepdims=True)
            dx = (dy - (means[0] + y * means[1])) * factor
            return dx if second_order else tf.stop_gradient(dx)

        return y, gradient

    return op(x)
