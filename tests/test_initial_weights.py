"""What each script's weights are at iteration 0: the released scripts' distributions, and --init=glorot's."""

import math

import numpy as np
import pytest
from learners import script, trainer

SCRIPTS = ("maml_vanilla", "maml_bbb", "maml_ib", "finetune", "np_vanilla", "np_bbb", "np_ib", "np_all_bbb")
VAR = {"maml_bbb": -20.0, "np_bbb": -3.0, "np_all_bbb": -3.0}


def glorot_std(shape):
    return math.sqrt(2 / (math.prod(shape[:-2]) * (shape[-2] + shape[-1])))


def released(script, name, shape):
    """Mean and standard deviation of a tensor."""
    module, layer = name.split("/")[:2]
    bayesian = script in VAR and (module == "encoder" or script == "np_all_bbb")
    if name.endswith("_rho"):
        return VAR[script], 0.1
    if bayesian:
        return 0.0, 0.1
    if not name.endswith("kernel"):
        return 0.0, 0.0
    if module == "decoder" and (script == "np_ib" or layer.startswith(("lift", "pair", "task"))):
        return 0.0, 0.05
    return 0.0, 1.0 if layer == "head_out" else glorot_std(shape)


def glorot(script, name, shape):
    module = name.split("/")[0]
    if name.endswith("_rho"):
        return VAR[script], 0.0
    if not name.endswith("kernel"):
        return 0.0, 0.0
    return 0.0, 0.1 if script in VAR and (module == "encoder" or script == "np_all_bbb") else glorot_std(shape)


@pytest.mark.parametrize("init", [released, glorot])
@pytest.mark.parametrize("name", SCRIPTS)
def test_weights_at_iteration_0_have_the_stated_distributions(name, init):
    with script(name, "--dim_im=64", f"--init={init.__name__}") as module:
        arrays = {
            key: array for key, array in trainer(module).trials.arrays_of(0).items() if not key.startswith("adam")
        }
    for key, array in arrays.items():
        mean, std = init(name, key, array.shape)
        tolerance = 0.1 * std if array.size >= 1000 else 4 * std / math.sqrt(2 * array.size)
        assert abs(math.sqrt(np.mean((array - mean) ** 2.0)) - std) <= tolerance, (key, array.shape)
        assert abs(array.mean() - mean) <= 4.5 * std / math.sqrt(array.size) + 1e-6, (key, array.shape)
    if name == "np_ib":
        assert arrays["decoder/lift0/kernel"].shape == (1, 32 if init is released else 16)
