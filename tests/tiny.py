"""Settings and data with which a training run takes seconds."""

import numpy as np
from scripts import run_script

from pose_data import pickles

TINY = [
    "--dim_im=16", "--update_batch_size=3", "--meta_batch_size=2", "--eval_episodes=1", "--num_theta_samples=1",
    "--summary_every=1", "--checkpoint_every=1", "--num_threads=1",
]  # fmt: skip
TINY_NP = [*TINY, "--dim_w=8", "--dim_z=8", "--dim_r=8", "--n_hidden_units_r=8", "--n_hidden_units_g=8"]
TINY_MAML = [*TINY, "--num_filters=4", "--dim_w=16", "--num_updates=1", "--test_num_updates=1"]
TINY_FINETUNE = [flag for flag in TINY_MAML if not flag.startswith("--num_updates")]
TINY_SINUSOID = ["--update_batch_size=3", "--num_theta_samples=1", "--summary_every=1", "--checkpoint_every=1"]


def of_script(script, iterations):
    """The flags of a pose script for a run of some iterations."""
    if script.startswith("np"):
        return [*TINY_NP, f"--num_updates={iterations}"]
    return [*(TINY_FINETUNE if script == "finetune" else TINY_MAML), f"--metatrain_iterations={iterations}"]


def run(script, data_dir, logdir, *flags):
    """Run a pose script for four iterations as a user does, from inside pose_code."""
    evaluation = ["--eval_episodes=2", "--num_theta_samples=2", "--checkpoint_every=2"]
    folders = [f"--data_dir={data_dir}", f"--logdir={logdir}"]
    return run_script("pose_code", script, *folders, *of_script(script, 4), *evaluation, *flags)


def trained(script, data_dir, logdir, *flags):
    """The run folder of a pose script's run of two iterations, the only one below `logdir`."""
    folders = [f"--data_dir={data_dir}", f"--logdir={logdir}"]
    done = run_script("pose_code", script, *folders, *of_script(script, 2), *flags)
    assert done.returncode == 0, done.stderr
    (folder,) = logdir.iterdir()
    return folder


def load(folder):
    """{name: array} of a finished run's checkpoint."""
    with np.load(folder / "checkpoint-final.npz") as arrays:
        return {name: arrays[name] for name in arrays.files if name != "note"}


def write_data(folder):
    """Pickles of random images of 16x16 pixels: five objects to train on, three held out, six views each."""
    rng = np.random.default_rng(0)
    for name, objects in (("train", 5), ("val", 3)):
        images = rng.integers(256, size=(objects, 6, 16, 16)).astype(np.uint8)
        pickles.dump([images, rng.random((objects, 6, 3))], folder / f"{name}_data.pkl")
    return folder
