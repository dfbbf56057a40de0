"""Multiply-adds of the pose networks and of one training step, written out.

Only convolutions and matrix products count, at their full size (a SAME convolution's border too), and only those that a
step needs: not the metric "error before adapting", not noise, normalization, ReLU or Adam. A network is a list of
layers (multiply-adds of its product for one point), in the order of the forward pass.
"""

import itertools
import math


def encoder_layers(dim_im, dim_code):
    """image_networks.image_encoder, for one image: [conv0, conv1, conv2, code]."""
    sides = [dim_im]
    for _ in range(4):  # conv0, conv1, pool, conv2
        sides.append(-(-sides[-1] // 2))
    return [
        sides[1] ** 2 * 9 * 1 * 32,
        sides[2] ** 2 * 9 * 32 * 48,
        sides[4] ** 2 * 9 * 48 * 64,
        sides[4] ** 2 * 64 * dim_code,
    ]


def head_layers(dim_w, num_filters, dim_y=1):
    """image_networks.conv_head without max_pool, for one point: [head0 ... head3, head_out]."""
    return [dim_w * 9 * 1 * num_filters, *[dim_w * 9 * num_filters**2] * 3, num_filters * dim_y]


def mlp_layers(sizes):
    """layers.mlp, for one point."""
    return [n_in * n_out for n_in, n_out in itertools.pairwise(sizes)]


def trained(layers, input_is_data):
    """Forward and backward: each layer's product, its kernel's gradient, and its input's, unless that is data."""
    return 3 * sum(layers) - (layers[0] if input_is_data else 0)


def inner_step(layers, input_is_data):
    """One inner-loop step of MAML and the way back through it, for one support point.

    The step takes a layer's product y(x, w) and the kernel's gradient dw(x, dy), and, except for the first layer, its
    input's dx(dy, w). The way back takes two products for each of these, one for each factor. Where the first layer's x
    is data and no learned code, y has one on the way back, in w, and dw one, in dy.
    """
    first, rest = layers[0], layers[1:]
    return 9 * sum(rest) + (4 if input_is_data else 6) * first


def maml_step(flags, adapt_encoder, inner_loop=True):
    """One outer step of the MAML scripts. flags: dict of the script's flags."""
    points = flags["meta_batch_size"] * flags["num_classes"] * flags["update_batch_size"]  # support; query as many
    num_updates = flags["num_updates"] if inner_loop else 0
    dim_code = flags["dim_w"] * (2 if flags.get("stochastic_code") else 1)
    encoder = encoder_layers(flags["dim_im"], dim_code)
    head = head_layers(flags["dim_w"], flags["num_filters"], flags["dim_y"])
    if adapt_encoder:
        whole = encoder + head
        return points * (num_updates * inner_step(whole, True) + trained(whole, True))
    shared = 2 * points * trained(encoder, True)
    return shared + points * (num_updates * inner_step(head, False) + trained(head, False))


def np_step(flags):
    """One step of the neural-process scripts (deterministic z)."""
    tasks = flags["meta_batch_size"]
    points = tasks * flags["num_classes"] * flags["update_batch_size"]
    dim_w, dim_lift = flags["dim_w"], max(1, flags["dim_w"] // flags["lift_divisor"])
    encoder = encoder_layers(flags["dim_im"], dim_w * (2 if flags.get("stochastic_code") else 1))
    lift = mlp_layers([flags["dim_y"], dim_lift])
    pair = mlp_layers([dim_w + dim_lift, *flags["n_hidden_units_r"], flags["dim_r"]])
    task = mlp_layers([flags["dim_r"], flags["dim_z"]])
    decoder = mlp_layers([flags["dim_z"] + dim_w, *flags["n_hidden_units_g"], flags["dim_y"]])
    return (
        2 * points * trained(encoder, True)
        + points * (trained(lift, True) + trained(pair, False) + trained(decoder, False))
        + tasks * trained(task, False)
    )


def of_script(script, flags):
    """Multiply-adds of one training step of pose_code/<script>.py."""
    flags = {**flags, "stochastic_code": script in ("maml_ib", "np_ib")}
    if script.startswith("np_"):
        hidden = {name: [int(n) for n in flags[name]] for name in ("n_hidden_units_r", "n_hidden_units_g")}
        return np_step(
            {**flags, **hidden, "lift_divisor": 2 if (script, flags["init"]) == ("np_ib", "released") else 4}
        )
    return maml_step(flags, script in ("maml_vanilla", "finetune"), script != "finetune")


def matmul(n):
    """Of two n x n matrices."""
    return math.prod((n, n, n))
