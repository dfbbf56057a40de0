"""Damaged files in a run's folder: refused by name, or read as they were; never taken for something else."""

import csv
import shutil

import numpy as np
import pytest
from outcomes import mutants
from scripts import run_script
from tiny_runs import assert_same_records, records, training

from metalearn import checkpoints
from metalearn.cli import UserError


def test_a_damaged_checkpoint_is_refused_by_name_or_holds_what_it_held(tmp_path, rounds, record_property):
    path, rng = tmp_path / "c.npz", np.random.default_rng(0)
    arrays = {"encoder/kernel": rng.normal(size=(3, 4)).astype(np.float32), "adam/0": np.int64(7)}
    note = {"method": "np_bbb", "flags": {"beta": 0.1}, "step": 3, "seconds": 1.5}
    checkpoints.save(path, arrays, note)
    whole, refused = path.read_bytes(), 0
    for number, damaged in enumerate(mutants([whole], 300 * rounds, rng)):
        path.write_bytes(damaged)
        try:
            assert checkpoints.load_note(path) == note, f"mutant {number}"
            loaded = checkpoints.load(path, {name: array.shape for name, array in arrays.items()})
            for name, array in loaded.items():
                np.testing.assert_array_equal(array, arrays[name], err_msg=f"mutant {number}")
        except UserError as error:
            assert str(error).startswith(
                (f"{path}: damaged checkpoint", f"{path}: holds the weights of another network")
            )
            refused += 1
    assert refused > 100 * rounds
    record_property("inputs", 300 * rounds)


@pytest.fixture(scope="module")
def half_done(data_dir, tmp_path_factory):
    """(name of a run's folder, its files as bytes after half of the iterations, its records after all)."""
    logdir = tmp_path_factory.mktemp("logs")
    script, files = training("pose_code/np_bbb", data_dir, logdir), []
    for flags in (["--num_updates=6"], []):
        assert run_script(*script, *flags).returncode == 0
        (folder,) = logdir.iterdir()
        files.append({path.name: path.read_bytes() for path in folder.iterdir()})
    return folder, *files, records(folder)


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))[1:]


@pytest.mark.parametrize(
    "name", ["checkpoint-last.npz", "checkpoint-final.npz", "result.json", "curve.csv", "flags.cfg"]
)
def test_a_run_goes_on_from_a_damaged_folder_or_says_which_file_to_delete(
    name, half_done, data_dir, tmp_path, rounds, record_property
):  # fmt: skip
    whole, before, after, expected = half_done
    script, folder = training("pose_code/np_bbb", data_dir, tmp_path), tmp_path / whole.name
    for number, damaged in enumerate(mutants([before[name]], rounds, np.random.default_rng(0))):
        folder.mkdir()
        for other, data in (before | {name: damaged}).items():
            (folder / other).write_bytes(data)
        done = run_script(*script)
        if name == "curve.csv" and not done.returncode:  # a number that is another number cannot be told
            (folder / name).write_bytes(after[name])
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
            assert len(errors) == 1 and "Traceback" not in done.stderr, f"mutant {number}: {done.stderr}"
            assert str(folder / name) in errors[0] and "delete it" in errors[0], f"mutant {number}: {errors[0]}"
            (folder / name).unlink()
            done = run_script(*script)
            if name == "curve.csv":  # the rows up to the checkpoint are gone, and the others as they should be
                assert [row[0] for row in rows_of(folder / name)] == [str(i) for i in range(7, 13)]
                (folder / name).write_bytes(after[name])
        assert done.returncode == 0, f"mutant {number}: {done.stderr}"
        assert_same_records(folder, expected)
        shutil.rmtree(folder)
    record_property("inputs", rounds)
