"""Networks on images, functions of a dict of weights (see layers.py): a convolutional encoder and head."""

import math

import numpy as np
import tensorflow as tf

from metalearn.cli import UserError
from metalearn.layers import conv2d, conv_layer, dense, init_layer, normalize

_CACHE_BYTES = 2**23  # of the first convolution's output; twice as much is slower
# Layers of the image encoder with a ReLU: the paper's (its code is linear), and as in the released maml_vanilla.
ENCODERS = {"paper": ("conv0", "conv1", "conv2"), "released": ("code",)}


def init_image_encoder(rng, dim_im, dim_code, channels=1):
    """Weights of `image_encoder` for square images of dim_im pixels and a code of dim_code numbers."""
    if dim_im < 1:
        raise UserError(f"--dim_im={dim_im}: give the side of the images in pixels, such as 128")
    side = dim_im
    for _ in range(4):  # three strided convolutions and one pool, each SAME, halve the side
        side = -(-side // 2)
    return {
        **init_layer(rng, "conv0", (3, 3, channels, 32)),
        **init_layer(rng, "conv1", (3, 3, 32, 48)),
        **init_layer(rng, "conv2", (3, 3, 48, 64)),
        **init_layer(rng, "code", (side * side * 64, dim_code)),
    }


def image_encoder(weights, images, conv=conv2d, relu_after=ENCODERS["paper"]):
    """Image code w. images: uint8 [n, dim_im, dim_im, channels] -> [n, dim_code]."""
    n, side = images.shape[0], -(-images.shape[1] // 2)
    # On a CPU encode in chunks that fit in the cache: a CNP's step is a third faster for it.
    at_a_time = n if tf.config.list_physical_devices("GPU") else max(1, _CACHE_BYTES // (4 * 32 * side**2))
    parts = [_encode(weights, images[i : i + at_a_time], conv, relu_after) for i in range(0, n, at_a_time)]
    return tf.concat(parts, axis=0) if len(parts) > 1 else parts[0]


def _encode(weights, images, conv, relu_after):
    def activate(name, x):
        return tf.nn.relu(x) if name in relu_after else x

    x = tf.cast(images, tf.float32) / 255.0
    x = activate("conv0", conv_layer(conv, weights, "conv0", x, 2))
    x = activate("conv1", conv_layer(conv, weights, "conv1", x, 2))
    x = tf.nn.max_pool2d(x, 2, 2, "SAME")
    x = activate("conv2", conv_layer(conv, weights, "conv2", x, 2))
    return activate("code", dense(weights, "code", tf.reshape(x, [images.shape[0], math.prod(x.shape[1:])])))


def init_conv_head(rng, dim_w, num_filters, dim_y, std_out=None):
    """Weights of `conv_head` and, apart, the offsets of its normalization, which are meta-learned but not adapted.
    std_out: of the last layer's kernel; None: Glorot."""
    if dim_w < 1 or math.isqrt(dim_w) ** 2 != dim_w:
        raise UserError(f"--dim_w={dim_w}: MAML's head reads the code as a square image; give a square such as 196")
    weights, offsets = {}, {}
    for i in range(4):
        weights |= init_layer(rng, f"head{i}", (3, 3, 1 if i == 0 else num_filters, num_filters))
        offsets[f"norm{i}/offset"] = np.zeros(num_filters, np.float32)
    return weights | init_layer(rng, "head_out", (num_filters, dim_y), std_out), offsets


def conv_head(weights, w, norm, max_pool=False, conv=conv2d, second_order_norm=True, strides=(1, 1, 1, 1)):
    """Label from the code. w: [n, dim_w], dim_w a square -> [n, dim_y]: `conv_features`, then linear."""
    return dense(weights, "head_out", conv_features(weights, w, norm, max_pool, conv, second_order_norm, strides))


def conv_features(weights, w, norm, max_pool=False, conv=conv2d, second_order_norm=True, strides=(1, 1, 1, 1)):
    """What the head's last layer reads, [n, num_filters]: four blocks conv 3x3 - norm - ReLU (- 2x2 max-pool), global
    mean. second_order_norm: of batch_norm, see `layers.standardize`. strides: of the convolutions."""
    side = math.isqrt(w.shape[-1])
    x = tf.reshape(w, [-1, side, side, 1])
    for i, stride in enumerate(strides):
        x = tf.cast(conv_layer(conv, weights, f"head{i}", x, stride), tf.float32)
        x = tf.nn.relu(normalize(x, weights[f"norm{i}/offset"], norm, second_order_norm))
        if max_pool:
            x = tf.nn.max_pool2d(x, 2, 2, "SAME")
    return tf.reduce_mean(x, axis=[1, 2])
