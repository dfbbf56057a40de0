"""A run folder becomes a learner again: the one whose numbers its result.json has."""

import importlib
import json

import numpy as np
import pytest
import tiny
from absl.testing import flagsaver
from scripts import REPO, Fork

from metalearn import checkpoints, evaluation
from metalearn.cli import UserError
from metalearn.restore import restore
from pose_code.pose_learners import load_splits


@pytest.fixture(scope="module")
def runs(data_dir, tmp_path_factory):
    """{script: run folder} of both families."""
    folder, draws = tmp_path_factory.mktemp("runs"), "--num_theta_samples=2"
    return {
        "np_bbb": tiny.trained("np_bbb", data_dir, folder / "np_bbb", draws),
        "maml_ib": tiny.trained("maml_ib", data_dir, folder / "maml_ib", draws, "--test_num_updates=2"),
    }


def restored_errors(folders):
    """In one process, pose scripts and a sinusoid's: the errors on the held-out objects."""
    from sinusoid import cnp

    assert cnp  # its flags are its own
    for folder in folders:
        run = restore(folder)
        _, split = load_splits(run.flags)
        settings = {"seed": 0, "episodes": 1, "num_draws": 2, "batch_size": 2}
        errors = evaluation.evaluate(run.learner.objective, run.predict, split, **settings).errors
        print(json.dumps([run.script.__name__, *map(float, errors)]))


def test_restored_learners_have_the_errors_of_their_results(runs):
    done = Fork(restored_errors, list(runs.values())).wait()
    assert done.returncode == 0, done.stderr
    for (script, folder), line in zip(runs.items(), done.stdout.strip().splitlines()[-2:], strict=True):
        name, *errors = json.loads(line)
        assert name == f"pose_code.{script}"
        np.testing.assert_allclose(errors, json.loads((folder / "result.json").read_text())["per_object"], rtol=1e-4)


def test_a_run_with_averages_of_its_weights_comes_back_with_these(data_dir, tmp_path):
    folder = tiny.trained("np_vanilla", data_dir, tmp_path, "--ema_decay=0.5")
    weights = restore(folder).weights["decoder"].mean
    with np.load(folder / "checkpoint-final.npz") as stored:
        for name, array in weights.items():
            np.testing.assert_array_equal(array, stored[f"ema/decoder/{name}"])
        assert any((array.numpy() != stored[f"decoder/{name}"]).any() for name, array in weights.items())


def test_a_run_from_before_scripts_were_recorded_is_found_by_its_method(runs, tmp_path):
    path = runs["np_bbb"] / "checkpoint-final.npz"
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files if name != "note"}
    note = checkpoints.load_note(path)
    checkpoints.save(tmp_path / "checkpoint-final.npz", arrays, {k: v for k, v in note.items() if k != "script"})
    assert restore(tmp_path).script.__name__ == "pose_code.np_bbb"
    checkpoints.save(tmp_path / "checkpoint-final.npz", arrays, note | {"script": "nowhere.np_bbb"})
    with pytest.raises(UserError, match=r"made by nowhere\.np_bbb, which cannot be imported"):
        restore(tmp_path)


def test_a_folder_without_a_checkpoint_is_refused(tmp_path):
    with pytest.raises(UserError, match="no checkpoint; give the folder of a training run"):
        restore(tmp_path)


def define_every_script_s_flags():
    """In one process, as in a notebook that restores runs of several domains."""
    scripts = sorted(path for path in REPO.glob("*/*.py") if "\ndef make_learner()" in path.read_text())
    for path in scripts * 2:
        with flagsaver.flagsaver():
            importlib.import_module(f"{path.parent.name}.{path.stem}").define_flags()
    print({path.parent.name for path in scripts})


def test_scripts_of_all_domains_define_their_flags_in_one_process():
    done = Fork(define_every_script_s_flags).wait()
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in ("classification", "pose_code", "sinusoid"))
