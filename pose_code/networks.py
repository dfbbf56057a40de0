"""The networks of the pose experiments, as plain functions of a dict of weights.

`init_*` draws the initial weights from a NumPy generator: biases 0, kernels Glorot-uniform or, where it takes a
standard deviation, N(0, std^2), which the released code has in places (pose_learners.py says where). The function of
the same name without `init_` runs the network. Weights are an argument and not an attribute because MAML differentiates
through them and the Bayesian layers draw them.

Names: "<layer>/kernel" and "<layer>/bias"; `norm<i>/offset` is what normalisation adds.
"""

import itertools
import math

import keras
import numpy as np
import tensorflow as tf

from pose_data.cli import UserError

_CACHE_BYTES = 2**23  # of the first convolution's output; twice as much is slower
BATCH_NORM_EPSILON = 1e-3  # contrib's default, which upstream used
NORMS = ("batch_norm", "layer_norm", "none")


def _glorot_uniform(rng, shape):
    receptive_field = math.prod(shape[:-2])
    limit = math.sqrt(6.0 / (receptive_field * (shape[-2] + shape[-1])))
    return rng.uniform(-limit, limit, shape).astype(np.float32)


def _init_layer(rng, name, shape, std=None):
    kernel = _glorot_uniform(rng, shape) if std is None else rng.normal(0.0, std, shape).astype(np.float32)
    return {f"{name}/kernel": kernel, f"{name}/bias": np.zeros(shape[-1], np.float32)}


def _to_compute_dtype(*tensors):
    """In the compute dtype of Keras's global policy (--precision)."""
    dtype = keras.config.dtype_policy().compute_dtype
    return [tf.cast(tensor, dtype) for tensor in tensors]


def _dense(weights, name, x):
    """x: [..., n_in] -> [..., n_out], float32."""
    x, kernel = _to_compute_dtype(x, weights[f"{name}/kernel"])
    return tf.cast(tf.linalg.matmul(x, kernel), tf.float32) + weights[f"{name}/bias"]


def conv2d(x, kernel, stride):
    """SAME convolution. x: [n, side, side, channels]; kernel: [size, size, channels, filters]."""
    return tf.nn.conv2d(x, kernel, stride, "SAME")


def conv2d_as_matmul(x, kernel, stride):
    """`conv2d` as one product of patches and kernel. With a batch of kernels, one a task, tf.vectorized_map makes of it
    one batched product, the form for a GPU; of a convolution it makes a loop."""
    size, side = kernel.shape[0], x.shape[1]
    out = -(-side // stride)
    missing = max((out - 1) * stride + size - side, 0)  # SAME: the odd pixel of padding at the end
    before, after = missing // 2, missing - missing // 2
    x = tf.pad(x, [[0, 0], [before, after], [before, after], [0, 0]])
    end = (out - 1) * stride + 1
    patches = [x[:, i : i + end : stride, j : j + end : stride] for i in range(size) for j in range(size)]
    return tf.linalg.matmul(tf.concat(patches, axis=-1), tf.reshape(kernel, [-1, kernel.shape[-1]]))


def _conv(conv, weights, name, x, stride):
    """x: [n, side, side, channels] -> [n, side, side, filters] in the compute dtype."""
    x, kernel, bias = _to_compute_dtype(x, weights[f"{name}/kernel"], weights[f"{name}/bias"])
    return conv(x, kernel, stride) + bias


def init_mlp(rng, name, sizes, std=None):
    """Weights of a multi-layer perceptron with layer sizes [n_in, hidden ..., n_out]. std: of kernels; None: Glorot."""
    weights = {}
    for i, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
        weights |= _init_layer(rng, f"{name}{i}", (n_in, n_out), std)
    return weights


def mlp(weights, name, num_layers, x):
    """ReLU between layers, linear at the end. x: [..., n_in] -> [..., n_out]."""
    for i in range(num_layers):
        x = _dense(weights, f"{name}{i}", x)
        if i < num_layers - 1:
            x = tf.nn.relu(x)
    return x


def init_image_encoder(rng, dim_im, dim_code):
    """Weights of `image_encoder` for square images of dim_im pixels and a code of dim_code numbers."""
    if dim_im < 1:
        raise UserError(f"--dim_im={dim_im}: give the side of the images in pixels, 128 for the paper's")
    side = dim_im
    for _ in range(4):  # three strided convolutions and one pool, each SAME, halve the side
        side = -(-side // 2)
    return {
        **_init_layer(rng, "conv0", (3, 3, 1, 32)),
        **_init_layer(rng, "conv1", (3, 3, 32, 48)),
        **_init_layer(rng, "conv2", (3, 3, 48, 64)),
        **_init_layer(rng, "code", (side * side * 64, dim_code)),
    }


def image_encoder(weights, images, conv=conv2d):
    """Image code w. images: uint8 [n, dim_im, dim_im, 1] -> [n, dim_code], linear at the end."""
    n, side = images.shape[0], -(-images.shape[1] // 2)
    # On a CPU some images at a time, whose activations stay in the cache: a CNP's step is a third faster for it.
    at_a_time = n if tf.config.list_physical_devices("GPU") else max(1, _CACHE_BYTES // (4 * 32 * side**2))
    parts = [_encode(weights, images[i : i + at_a_time], conv) for i in range(0, n, at_a_time)]
    return tf.concat(parts, axis=0) if len(parts) > 1 else parts[0]


def _encode(weights, images, conv):
    x = tf.cast(images, tf.float32) / 255.0
    x = tf.nn.relu(_conv(conv, weights, "conv0", x, 2))
    x = tf.nn.relu(_conv(conv, weights, "conv1", x, 2))
    x = tf.nn.max_pool2d(x, 2, 2, "SAME")
    x = tf.nn.relu(_conv(conv, weights, "conv2", x, 2))
    return _dense(weights, "code", tf.reshape(x, [images.shape[0], math.prod(x.shape[1:])]))


def init_conv_head(rng, dim_w, num_filters, dim_y, std_out=None):
    """Weights of MAML's head and, apart, the offsets of its normalisation, which are meta-learned but not adapted.
    std_out: of the last layer's kernel; None: Glorot."""
    if dim_w < 1 or math.isqrt(dim_w) ** 2 != dim_w:
        raise UserError(f"--dim_w={dim_w}: MAML's head reads the code as a square image; give a square such as 196")
    weights, offsets = {}, {}
    for i in range(4):
        weights |= _init_layer(rng, f"head{i}", (3, 3, 1 if i == 0 else num_filters, num_filters))
        offsets[f"norm{i}/offset"] = np.zeros(num_filters, np.float32)
    return weights | _init_layer(rng, "head_out", (num_filters, dim_y), std_out), offsets


def _normalize(x, offset, norm):
    """x: [n, side, side, filters]. Statistics are always those of the given batch, at meta-test too; no scale."""
    if norm == "none":
        return x
    return _standardize(x, [0, 1, 2] if norm == "batch_norm" else [1, 2, 3]) + offset


def _standardize(x, axes):
    """(x - mean) / sqrt(variance + epsilon) over `axes`.

    The derivative is written out: a third of the passes over x that automatic differentiation takes, and MAML
    differentiates this twice.
    """

    @tf.custom_gradient
    def standardize(x):
        mean = tf.reduce_mean(x, axes, keepdims=True)
        variance = tf.reduce_mean(tf.square(x), axes, keepdims=True) - tf.square(mean)
        factor = tf.math.rsqrt(variance + BATCH_NORM_EPSILON)
        y = x * factor - mean * factor

        def gradient(dy):
            means = tf.reduce_mean(dy, axes, keepdims=True), tf.reduce_mean(dy * y, axes, keepdims=True)
            return (dy - (means[0] + y * means[1])) * factor

        return y, gradient

    return standardize(x)


def conv_head(weights, w, norm, max_pool, conv=conv2d):
    """Label from the code. w: [n, dim_w], dim_w a square -> [n, dim_y]. Four blocks conv 3x3 - norm - ReLU (- 2x2
    max-pool), global mean, linear."""
    side = math.isqrt(w.shape[-1])
    x = tf.reshape(w, [-1, side, side, 1])
    for i in range(4):
        x = tf.cast(_conv(conv, weights, f"head{i}", x, 1), tf.float32)
        x = tf.nn.relu(_normalize(x, weights[f"norm{i}/offset"], norm))
        if max_pool:
            x = tf.nn.max_pool2d(x, 2, 2, "SAME")
    return _dense(weights, "head_out", tf.reduce_mean(x, axis=[1, 2]))
