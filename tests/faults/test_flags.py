"""Numeric flags of the training scripts at their edges: a result, or one line that says what is wrong."""

import importlib
import json

import numpy as np
import pytest
from absl import flags
from scripts import Fork, run_script
from tiny import TINY_FINETUNE, TINY_MAML, TINY_NP, TINY_SINUSOID

SCRIPTS = {
    "pose_code/np_bbb": [*TINY_NP, "--num_updates=2"],
    "pose_code/maml_bbb": [*TINY_MAML, "--metatrain_iterations=2"],
    "pose_code/maml_ib": [*TINY_MAML, "--metatrain_iterations=2"],
    "pose_code/finetune": [*TINY_FINETUNE, "--metatrain_iterations=2"],
    "sinusoid/maml": [*TINY_SINUSOID, "--metatrain_iterations=2", "--regularizer=activations"],
    "sinusoid/cnp": [*TINY_SINUSOID, "--num_updates=2", "--regularizer=weights"],
}


def edges(script):
    """[(flag, value)] of a script's own numeric flags: bounds, one beyond, and what no bound would stop."""
    cases = []
    for name, upper_bound, is_float in json.loads(Fork(print_numeric_flags, script.replace("/", ".")).wait().stdout):
        if is_float:
            values = ["nan", "inf", "-inf", "-1", "0", "1e-300", "1e30", "1e300"]
        else:
            values = ["-1", "0", "1", str(2**31), str(2**63), "1.5", ""]
        if upper_bound is not None:
            values.append(str(upper_bound + 1))
        cases += [(name, value) for value in values]
    return cases


def print_numeric_flags(module):
    script = importlib.import_module(module)
    script.define_flags()
    own = [
        (flag.name, flag.parser.upper_bound, isinstance(flag.parser, flags.FloatParser))
        for name, of_module in flags.FLAGS.flags_by_module_dict().items()
        for flag in of_module
        if not name.startswith(("absl", "tensorflow"))
        and isinstance(flag.parser, flags.FloatParser | flags.IntegerParser)
    ]
    print(json.dumps(sorted(own)))


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_numeric_flag_at_its_edge_gives_a_result_or_one_line(
    script, data_dir, tmp_path, rounds, record_property
):  # fmt: skip
    """--rounds=1 tries three, --rounds=35 every one of them."""
    cases = edges(script)
    order = np.random.default_rng(rounds).permutation(len(cases))[: 8 * rounds if rounds > 1 else 3]
    folder, name = script.split("/")
    data = [f"--data_dir={data_dir}"] if folder == "pose_code" else []
    for number, (flag, value) in enumerate(cases[i] for i in order):
        logdir = tmp_path / str(number)
        arguments = [f"--logdir={logdir}", *data, *SCRIPTS[script], f"--{flag}={value}"]
        done = run_script(folder, name, *arguments, seconds=100, gigabytes=16)
        errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        case = f"{script} --{flag}={value}: {done.returncode} {done.stderr[-2000:]}"
        assert "Traceback" not in done.stderr and done.returncode in (0, 1), case
        assert len(errors) == done.returncode, case
        if errors:
            assert f"--{flag}" in errors[0] or "not finite" in errors[0] or "the loss of iteration" in errors[0], case
        results = list(logdir.rglob("result.json"))
        assert bool(results) == (done.returncode == 0), case
    record_property("inputs", len(order))
