"""Damaged files in a run's folder: refused by name, or read as they were; never taken for something else."""

import numpy as np
import pytest
from scripts import run_script
from test_kills import assert_same_records, data_dir, records, training  # noqa: F401 - data_dir: a fixture

from pose_code import checkpoints
from pose_data.cli import UserError


def damage(data, rng):
    """The bytes cut short, with some of them changed, doubled, left out, zeroed, or foreign."""
    data = bytearray(data)
    at, size = int(rng.integers(len(data))), int(rng.geometric(0.02))
    match rng.integers(6):
        case 0:
            del data[at:]
        case 1:
            data[at] ^= 1 << rng.integers(8)
        case 2:
            data[at : at + size] = rng.bytes(size)
        case 3:
            data[at:at] = data[at : at + size]
        case 4:
            del data[at : at + size]
        case 5:
            data[at : at + size] = bytes(size)
    return bytes(data)


def test_a_damaged_checkpoint_is_refused_by_name_or_holds_what_it_held(tmp_path, rounds, record_property):
    path, rng = tmp_path / "c.npz", np.random.default_rng(0)
    arrays = {"encoder/kernel": rng.normal(size=(3, 4)).astype(np.float32), "adam/0": np.int64(7)}
    note = {"method": "np_bbb", "flags": {"beta": 0.1}, "step": 3, "seconds": 1.5}
    checkpoints.save(path, arrays, note)
    whole, refused = path.read_bytes(), 0
    for number in range(300 * rounds):
        path.write_bytes(damage(whole, np.random.default_rng(number)))
        try:
            assert checkpoints.load_note(path) == note, f"seed {number}"
            loaded = checkpoints.load(path)
            assert loaded.keys() == arrays.keys(), f"seed {number}"
            for name, array in loaded.items():
                np.testing.assert_array_equal(array, arrays[name], err_msg=f"seed {number}")
        except UserError as error:
            assert str(error).startswith(f"{path}: damaged checkpoint") and "delete it" in str(error)
            refused += 1
    assert refused > 100 * rounds
    record_property("inputs", 300 * rounds)


@pytest.mark.parametrize(
    "name", ["checkpoint-last.npz", "checkpoint-final.npz", "result.json", "curve.csv", "flags.cfg"]
)
def test_a_run_goes_on_from_a_damaged_folder_or_says_which_file_to_delete(
    name, data_dir, tmp_path, rounds, record_property  # noqa: F811
):  # fmt: skip
    assert run_script(*training("pose_code/np_bbb", data_dir, tmp_path / "whole")).returncode == 0
    (whole,) = (tmp_path / "whole").iterdir()
    expected = records(whole)
    script = training("pose_code/np_bbb", data_dir, tmp_path / "logs")
    assert run_script(*script, "--num_updates=6").returncode == 0
    folder = tmp_path / "logs" / whole.name
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for number in range(2 * rounds):
        for path in folder.iterdir():
            path.unlink()
        for other, data in before.items():
            (folder / other).write_bytes(damage(data, np.random.default_rng(number)) if other == name else data)
        done = run_script(*script)
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
            assert len(errors) == 1 and "Traceback" not in done.stderr, f"seed {number}: {done.stderr}"
            assert str(folder / name) in errors[0] and "delete it" in errors[0], f"seed {number}: {errors[0]}"
            (folder / name).unlink()
            done = run_script(*script)
        assert done.returncode == 0, f"seed {number}: {done.stderr}"
        if name == "curve.csv":  # the rows that the damaged one had
            (folder / name).write_bytes((whole / name).read_bytes())
        assert_same_records(folder, expected)
    record_property("inputs", 2 * rounds)
