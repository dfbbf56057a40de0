"""The counted multiply-adds against those of the operations in TensorFlow's graph of one training step."""

import functools
import math

import numpy as np
import pytest
import tensorflow as tf

from bench import multiply_adds
from metalearn import image_networks as networks
from metalearn.bayes_layers import point_weights
from metalearn.maml import Maml
from metalearn.neural_process import NeuralProcess, init_neural_process
from metalearn.objectives import SQUARED_ERROR
from metalearn.tasks import MetaBatch

TASKS, K, DIM_IM, DIM_W, FILTERS = 2, 3, 16, 16, 4
FLAGS = {
    "meta_batch_size": TASKS, "num_classes": 1, "update_batch_size": K, "dim_im": DIM_IM, "dim_w": DIM_W, "dim_y": 1,
    "num_filters": FILTERS, "dim_r": 7, "dim_z": 6, "n_hidden_units_r": ["5", "4"], "n_hidden_units_g": ["3"],
    "init": "released",
}  # fmt: skip


def graph_multiply_adds(loss, weights):
    """Of the convolutions and products that the loss's gradient needs, from the shapes in the graph."""

    @tf.function(autograph=False)
    def gradients():
        with tf.GradientTape() as tape:
            tape.watch(weights)
            value = loss(weights)
        return [g for g in tape.gradient(value, tf.nest.flatten(weights)) if g is not None]

    total = 0
    graph = gradients.get_concrete_function().graph
    for op in tf.compat.v1.graph_util.extract_sub_graph(
        graph.as_graph_def(), [output.op.name for output in graph.outputs]
    ).node:
        op = graph.get_operation_by_name(op.name)
        if op.type == "MatMul":
            a = op.inputs[0].shape
            total += math.prod(op.outputs[0].shape) * a[0 if op.get_attr("transpose_a") else 1]
        elif op.type == "BatchMatMulV2":
            a = op.inputs[0].shape
            total += math.prod(op.outputs[0].shape) * a[-2 if op.get_attr("adj_x") else -1]
        elif op.type in ("Einsum", "BatchMatMul"):
            raise AssertionError(f"{op.type} is not counted")
        elif op.type.startswith("Conv2D"):
            image, kernel = {
                "Conv2D": lambda op: (op.outputs[0], op.inputs[1]),
                "Conv2DBackpropInput": lambda op: (op.inputs[2], op.inputs[1]),
                "Conv2DBackpropFilter": lambda op: (op.inputs[2], op.outputs[0]),
            }[op.type](op)
            total += math.prod(image.shape[:3]) * math.prod(kernel.shape)
    return total


def one_by_one(function, elements, fn_output_signature):
    """tf.map_fn, but as one graph without a loop."""
    outputs = [function(tf.nest.map_structure(lambda x, i=i: x[i], elements)) for i in range(TASKS)]
    return tf.nest.map_structure(lambda *parts: tf.stack(parts), *outputs)


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(2, TASKS, K, DIM_IM, DIM_IM, 1)).astype(np.uint8)
    labels = rng.random((2, TASKS, K, 1), np.float32)
    return MetaBatch(images[0], labels[0], images[1], labels[1])


@pytest.mark.parametrize(
    "script, num_updates",
    [("maml_vanilla", 1), ("maml_vanilla", 2), ("finetune", 0), ("maml_bbb", 1), ("maml_bbb", 3), ("maml_ib", 1)],
)
def test_count_of_a_maml_step_is_the_graph_s(script, num_updates, batch, monkeypatch):
    monkeypatch.setattr(tf, "map_fn", one_by_one)
    rng = np.random.default_rng(0)
    head, offsets = networks.init_conv_head(rng, DIM_W, FILTERS, 1)
    encoder = networks.init_image_encoder(rng, DIM_IM, DIM_W * (2 if script == "maml_ib" else 1))
    learner = Maml(
        objective=SQUARED_ERROR,
        init=None, encode=networks.image_encoder, adapt_encoder=script in ("maml_vanilla", "finetune"),
        predict_from_code=functools.partial(networks.conv_head, norm="batch_norm", max_pool=False),
        num_updates=num_updates, test_num_updates=1, update_lr=0.01, stochastic_code=script == "maml_ib",
    )  # fmt: skip
    parts = {"encoder": point_weights(encoder), "head": point_weights(head), "offsets": point_weights(offsets)}
    weights = tf.nest.map_structure(tf.constant, parts)
    counted = graph_multiply_adds(lambda weights: learner.loss(weights, batch, tf.constant([0, 1]))[0], weights)
    assert multiply_adds.of_script(script, {**FLAGS, "num_updates": num_updates}) == counted


@pytest.mark.parametrize("script", ["np_vanilla", "np_ib"])
def test_count_of_a_neural_process_step_is_the_graph_s(script, batch):
    rng = np.random.default_rng(0)
    decoder = init_neural_process(
        rng, dim_w=DIM_W, dim_y=1, dim_r=7, dim_z=6, hidden_r=[5, 4], hidden_g=[3],
        lift_divisor=2 if script == "np_ib" else 4,
    )  # fmt: skip
    encoder = networks.init_image_encoder(rng, DIM_IM, DIM_W * (2 if script == "np_ib" else 1))
    learner = NeuralProcess(
        objective=SQUARED_ERROR,
        init=None,
        encode=networks.image_encoder,
        num_hidden_r=2,
        num_hidden_g=1,
        stochastic_code=script == "np_ib",
    )
    parts = {"encoder": point_weights(encoder), "decoder": point_weights(decoder)}
    weights = tf.nest.map_structure(tf.constant, parts)
    counted = graph_multiply_adds(lambda weights: learner.loss(weights, batch, tf.constant([0, 1]))[0], weights)
    assert multiply_adds.of_script(script, FLAGS) == counted
