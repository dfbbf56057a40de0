"""XLA compiles the training steps of the pose scripts that tests/test_execution_flags.py does not run with it."""

import contextlib
import re

import learners
import numpy as np
import pytest
import tensorflow as tf
import tiny


@contextlib.contextmanager
def trainer_of(script, *more):
    settings = [*tiny.of_script(script, 1), "--num_threads=0", "--jit_compile", *more]
    with learners.script(script, *settings, *([] if script.startswith("np") else ["--norm=none"])) as module:
        yield learners.trainer(module)


@pytest.mark.parametrize("script", ["maml_vanilla", "maml_ib", "finetune", "np_bbb", "np_ib", "np_all_bbb"])
def test_xla_compiles_the_training_step(script):
    with trainer_of(script) as trainer:
        losses = trainer.train_steps(*learners.batch())
    assert np.isfinite(losses[0, trainer.metric_names.index("full_loss")])


def test_a_vectorized_inner_loop_is_not_compiled_anew_for_each_meta_batch():
    """XLA compiles again for other values of what it takes for a constant, which is then no input of its program."""
    args = learners.batch()
    with trainer_of("maml_vanilla", "--inner_loop=vectorized") as trainer:
        traced, compiled = trainer.train_steps.of(*args)
        program = compiled.experimental_get_compiler_ir(*tf.nest.flatten(args))(stage="stablehlo")
    main = re.search(r"func @main\((.*)\) ->", program)[1]
    assert len(re.findall(r"%arg\d+:", main)) == len(traced.inputs)
