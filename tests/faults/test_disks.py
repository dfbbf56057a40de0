"""A full disk and a read-only one: one clear line, and what was good before is whole and resumes afterwards."""

import os
import subprocess

import numpy as np
import pytest
from cad_folder import command, write_models, write_views
from scripts import run_script
from tiny_runs import all_files, assert_same_records, records, training

from metalearn import checkpoints


@pytest.fixture
def disk(tmp_path):
    """A folder on a disk of its own, of 16 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"cannot mount a disk: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(disk, left):
    """Fill the disk up to `left` bytes, which are rounded down to whole pages."""
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    (disk / "filler").write_bytes(bytes(max(0, free - left)))


def remount(disk, how):
    subprocess.run(["mount", "-o", f"remount,{how}", disk], check=True)


def assert_one_line(completed, reason):
    """The run failed with one line that says why and names a file."""
    lines = [line for line in completed.stderr.splitlines() if line.startswith("error: ")]
    assert completed.returncode == 1 and len(lines) == 1 and "Traceback" not in completed.stderr, completed.stderr
    assert reason in lines[0] and "/" in lines[0] and "memory" not in lines[0], lines[0]


FULL, READ_ONLY = "No space left on device", "Read-only file system"


@pytest.mark.parametrize("reason", [FULL, READ_ONLY])
def test_training_on_a_disk_that_ends_keeps_its_last_checkpoint_and_goes_on(
    reason, data_dir, disk, tmp_path, rounds, record_property
):  # fmt: skip
    whole = training("pose_code/np_bbb", data_dir, tmp_path / "whole")
    assert run_script(*whole).returncode == 0
    (folder,) = (tmp_path / "whole").iterdir()
    expected = records(folder)
    script = training("pose_code/np_bbb", data_dir, disk / "logs")
    for number in range(rounds):
        begun = run_script(*script, "--num_updates=4")
        assert begun.returncode == 0, begun.stderr
        before = all_files(disk / "logs")
        if reason == FULL:
            fill(disk, np.random.default_rng(number).integers(0, 60_000))
        else:
            remount(disk, "ro")
        assert_one_line(run_script(*script), reason)
        after = all_files(disk / "logs")
        for name, data in before.items():
            if name.endswith(("npz", "json")):
                assert after[name] == data, f"round {number}: {name}"
        if reason == FULL:
            (disk / "filler").unlink()
        else:
            remount(disk, "rw")
        assert checkpoints.load_note(disk / "logs" / folder.name / "checkpoint-last.npz")["step"] >= 4 - 1
        assert run_script(*script).returncode == 0
        assert_same_records(disk / "logs" / folder.name, expected)
        subprocess.run(["rm", "-r", disk / "logs"], check=True)
    record_property("inputs", rounds)


@pytest.mark.parametrize("reason", [FULL, READ_ONLY])
@pytest.mark.parametrize("step", ["mujoco_render", "resize_images", "data_gen", "data_gen shards", "off_to_stl"])
def test_a_step_of_the_pose_data_on_a_disk_that_ends_goes_on_to_the_same_bytes(
    step, reason, disk, tmp_path, rounds, record_property
):
    kind = "shards" if step == "data_gen shards" else "pickle"

    def run():
        line = {
            "mujoco_render": ("mujoco_render", dict(CAD_dir=disk / "CAD", data_dir=disk, num_views=20, image_size=64)),
            "resize_images": ("resize_images", dict(data_dir=disk / "views")),
            "data_gen": ("data_gen", dict(data_dir=disk / "views", out_dir=disk, num_val_objects=1, format=kind)),
            "off_to_stl": ("off_to_stl", dict(CAD_dir=disk / "CAD")),
        }[step.split()[0]]
        return subprocess.run(command(line[0], **line[1]), capture_output=True, text=True, timeout=120)

    expected = None
    for number in range(-1, rounds):  # first as it should be
        subprocess.run(["rm", "-rf", *disk.iterdir()], check=True)
        write_models(disk / "CAD", ["car/01", "car/02"])
        if step not in ("mujoco_render", "off_to_stl"):
            write_views(disk / "views", ["car/01", "car/02"], 10, 200 if step == "resize_images" else 128)
        if expected is not None:
            if reason == FULL:
                fill(disk, np.random.default_rng(number).integers(0, 8_000))
            else:
                remount(disk, "ro")
            assert_one_line(run(), reason)
            if reason == FULL:
                (disk / "filler").unlink()
            else:
                remount(disk, "rw")
        assert run().returncode == 0
        expected = expected or all_files(disk)
        assert all_files(disk) == expected
    record_property("inputs", rounds)
