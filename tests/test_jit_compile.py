"""XLA compiles the training steps of the pose scripts that tests/test_execution_flags.py does not run with it."""

import learners
import numpy as np
import pytest
import tensorflow as tf
import tiny

from metalearn.tasks import MetaBatch


@pytest.mark.parametrize("script", ["maml_vanilla", "maml_ib", "finetune", "np_bbb", "np_ib", "np_all_bbb"])
def test_xla_compiles_the_training_step(script):
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(1, 1, 2, 3, 16, 16, 1)).astype(np.uint8)
    labels = rng.random((1, 1, 2, 3, 1)).astype(np.float32)
    settings = [*tiny.of_script(script, 1), "--num_threads=0", "--jit_compile"]
    with learners.script(script, *settings, *([] if script.startswith("np") else ["--norm=none"])) as module:
        trainer = learners.trainer(module)
        losses = trainer.train_steps(MetaBatch(images, labels, images, labels), tf.constant([[[0, 0]]]))
    assert np.isfinite(losses[0, trainer.metric_names.index("full_loss")])
