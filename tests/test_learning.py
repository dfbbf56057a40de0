"""The learners learn what the paper says they do, on the smallest problem that can be memorized."""

import json

from scripts import REPO, start_script

SETTINGS = ["--test_shots=5", "--num_test_tasks=200", "--num_theta_samples=10", "--num_threads=1"]


def start(preset, logdir, *arguments):
    flagfile = f"--flagfile={REPO}/presets/sinusoid/released/{preset}.cfg"
    return start_script("sinusoid", "cnp", flagfile, f"--logdir={logdir}", *SETTINGS, *arguments)


def errors(run, logdir):
    """Error on the training tasks, on test tasks, and on these with shuffled support labels."""
    done = run.wait()
    assert done.returncode == 0, done.stderr
    (path,) = logdir.glob("*/result.json")
    result = json.loads(path.read_text())
    return [result[name] for name in ("meta_train_mse", "meta_test_mse", "shuffled_support_mse")]


def test_a_cnp_memorizes_and_meta_regularization_on_weights_makes_it_use_its_support_set(tmp_path):
    shorter = ["--num_updates=4000", "--meta_batch_size=10", "--init=glorot", "--update_lr=2e-3", "--rho_lr=1e-2"]
    regularized = start("cnp_weights", tmp_path / "w", *shorter, "--beta=0.5")
    train, test, shuffled = errors(start("cnp_none", tmp_path / "none", "--num_updates=3000"), tmp_path / "none")
    assert train < 0.1 and test > 0.7 and abs(shuffled - test) < 0.05  # by heart, whatever the support labels
    train, test, shuffled = errors(regularized, tmp_path / "w")
    assert test < 0.45 and shuffled > 1.1 * test
