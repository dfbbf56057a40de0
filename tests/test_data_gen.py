import json
import os
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest
from cad_folder import REPO, error_line, run, write_models, write_views
from PIL import Image

from metalearn.cli import UserError
from pose_data import pickles, shards
from pose_data.data_gen import read_all_labels, read_views, split_objects
from pose_data.rotate_folder import object_folders

NAMES = ["boat/01", "bus/01", "car/01", "car/02"]


def test_pickles_hold_the_views_and_labels_of_each_object(tmp_path):
    write_views(tmp_path / "in", NAMES)
    result = run("data_gen", data_dir=tmp_path / "in", out_dir=tmp_path / "out", num_val_objects=1)
    assert result.returncode == 0, result.stderr
    images, labels = pickles.load(tmp_path / "out/train_data.pkl")
    val_images, val_labels = pickles.load(tmp_path / "out/val_data.pkl")
    assert images.shape == (3, 3, 128, 128) and images.dtype == np.uint8
    assert labels.shape == (3, 3, 3) and labels.dtype == np.float64
    assert val_images.shape == (1, 3, 128, 128) and val_labels.shape == (1, 3, 3)
    val_name = result.stdout.split()[-1]
    train_names = [name for name in NAMES if name != val_name]
    assert json.loads((tmp_path / "out/train_names.json").read_text()) == train_names
    assert json.loads((tmp_path / "out/val_names.json").read_text()) == [val_name]
    for object_index, name in enumerate(train_names):
        for view in range(3):
            np.testing.assert_array_equal(
                images[object_index][view], Image.open(tmp_path / "in" / name / f"{view}.png")
            )
        rows = np.array(pickles.load(tmp_path / "in" / name / f"label_{name.replace('/', '')}"))
        np.testing.assert_array_equal(labels[object_index], np.column_stack([*[[0.5] * 3] * 2, rows[:, 3] / 2 / np.pi]))


def test_label_files_of_the_paper_s_code_are_read(tmp_path):
    """A pickle of protocol 2 of a list of rows [i, x, y, angle in radians], whose numbers may be NumPy's."""
    write_views(tmp_path, ["car/01"], num_views=3)
    rows = [[0, 0.5, 0.0, 0.0], [1, 0.25, -1.0, np.pi], [2, 1.0, 0.5, np.float64(1.5 * np.pi)]]
    (tmp_path / "car/01/label_car01").write_bytes(pickle.dumps(rows, protocol=2))
    expected = [[0.5, 0.5, 0.0], [0.25, 0.0, 0.5], [1.0, 0.75, 0.75]]
    np.testing.assert_allclose(read_all_labels(object_folders(tmp_path)), [expected], rtol=1e-15)


def test_label_files_of_an_earlier_version_are_refused_with_the_remedy(tmp_path):
    write_views(tmp_path, ["car/01"])
    pickles.dump(np.array([[view, 0.5, 0.0, 0.3] for view in range(3)]), tmp_path / "car/01/label_car01")
    with pytest.raises(UserError, match=r"label_car01: written by an earlier version; .*--overwrite"):
        read_all_labels(object_folders(tmp_path))


def test_view_10_follows_view_9(tmp_path):
    write_views(tmp_path, ["car/01"], num_views=11)
    (folder,) = object_folders(tmp_path)
    np.testing.assert_array_equal(read_views(folder, 11)[10], Image.open(tmp_path / "car/01/10.png"))


def test_the_split_depends_on_seed_and_names_but_not_on_their_order():
    names = [f"{number:02d}" for number in range(40)]
    train, val, _ = split_objects(names, 15, seed=0)
    assert sorted(train + val) == names and len(val) == 15
    assert split_objects(names[::-1], 15, seed=0) == (train, val, [])
    assert split_objects(names, 15, seed=1)[1] != val


def test_a_third_split_takes_the_default_splits_validation_objects_for_test_and_others_for_validation(tmp_path):
    write_views(tmp_path / "in", NAMES)
    run("data_gen", data_dir=tmp_path / "in", out_dir=tmp_path / "two", num_val_objects=1)
    split = run("data_gen", data_dir=tmp_path / "in", out_dir=tmp_path / "out", num_val_objects=2, num_test_objects=1)
    assert split.returncode == 0, split.stderr
    images = {name: pickles.load(tmp_path / f"out/{name}_data.pkl")[0] for name in ("train", "val", "test")}
    assert {name: len(part) for name, part in images.items()} == {"train": 1, "val": 2, "test": 1}
    np.testing.assert_array_equal(images["test"], pickles.load(tmp_path / "two/val_data.pkl")[0])
    assert len(np.unique(np.concatenate(list(images.values())), axis=0)) == 4
    again = run("data_gen", data_dir=tmp_path / "in", out_dir=tmp_path / "out", num_val_objects=1)
    assert f"{tmp_path}/out/test_data.pkl: removed, it was of an earlier split" in again.stdout
    assert not list((tmp_path / "out").glob("test_*"))  # its object may be among the training objects now


def test_shards_hold_what_the_pickles_hold(tmp_path):
    write_views(tmp_path / "in", NAMES)
    for name in ("pickle", "shards"):
        made = run("data_gen", data_dir=tmp_path / "in", out_dir=tmp_path / name, num_val_objects=1, format=name)
        assert made.returncode == 0, made.stderr
    for part, num_objects in (("train", 3), ("val", 1)):
        images, labels = pickles.load(tmp_path / f"pickle/{part}_data.pkl")
        split = shards.Shards(tmp_path / f"shards/{part}_data")
        np.testing.assert_array_equal(np.stack(list(split)), images)
        np.testing.assert_array_equal(split.labels, labels)
        assert len(split.names) == num_objects and set(split.names) < set(NAMES)


def test_training_needs_an_object():
    with pytest.raises(UserError, match="--num_val_objects=4"):
        split_objects(NAMES, 4, seed=0)


def break_size(folder):
    Image.new("L", (500, 500)).save(folder / "1.png")


def break_mode(folder):
    Image.new("RGB", (128, 128)).save(folder / "1.png")


def break_image(folder):
    (folder / "1.png").write_bytes((folder / "1.png").read_bytes()[:500])


def remove_view(folder):
    (folder / "1.png").unlink()


def remove_labels(folder):
    (folder / "label_car01").unlink()


def cut_labels(folder):
    (folder / "label_car01").write_bytes(b"\x80")


def change_labels(column, value):
    def change(folder):
        rows = pickles.load(folder / "label_car01")
        rows[1][column] = value
        pickles.dump(rows, folder / "label_car01")

    return change


def drop_last_view(folder):
    pickles.dump(pickles.load(folder / "label_car01")[:-1], folder / "label_car01")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (break_size, "1.png: not 128x128 grey; run resize_images.py first"),
        (break_mode, "1.png: not 128x128 grey; run resize_images.py first"),
        (break_image, "1.png: damaged"),
        (remove_view, "1.png: missing; run mujoco_render.py"),
        (remove_labels, "label_car01: missing; run mujoco_render.py"),
        (cut_labels, "label_car01: no usable labels"),
        (change_labels(0, 7), "label_car01: expected one row"),
        (change_labels(3, 6.3), "label_car01: expected x in [0, 1]"),
        (change_labels(3, np.nan), "label_car01: expected x in [0, 1]"),
        (drop_last_view, "car/01: 2 views, but"),
    ],
)
def test_damaged_data_is_named(tmp_path, damage, message):
    write_views(tmp_path, NAMES)
    damage(tmp_path / "car/01")
    with pytest.raises(UserError) as caught:
        folders = object_folders(tmp_path)
        labels = read_all_labels(folders)
        for folder in folders:
            read_views(folder, labels.shape[1])
    assert message in str(caught.value) and str(tmp_path) in str(caught.value)


def test_a_copy_nested_by_a_second_cp_is_refused(tmp_path):
    write_views(tmp_path, NAMES)
    write_views(tmp_path / "rotate", NAMES)
    assert "`cp -r` ran twice" in error_line(run("data_gen", data_dir=tmp_path, num_val_objects=1))


def test_the_four_commands_run_as_written_from_inside_pose_data(tmp_path):
    """Also with blanks in the folder names, and they leave the pickles in the current folder."""
    work = tmp_path / "my work"
    shutil.copytree(REPO / "pose_data", work / "pose_data", ignore=shutil.ignore_patterns("__pycache__"))
    write_models(work / "my CAD", [f"car/{number:02d}" for number in range(1, 17)])
    script = """
        set -e
        IFS=
        python mujoco_render.py --CAD_dir=${CAD_DIR} --data_dir=${DATA_DIR}
        cp -r ${DATA_DIR}/rotate ${DATA_DIR}/rotate_resize
        python resize_images.py --data_dir=${DATA_DIR}/rotate_resize
        python data_gen.py --data_dir=${DATA_DIR}/rotate_resize
    """
    # The defaults are 100 views of 500x500; a shorter default keeps this test short.
    source = work / "pose_data/mujoco_render.py"
    source.write_text(source.read_text().replace('"num_views", 100', '"num_views", 2'))
    environment = {
        **os.environ,
        "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}",
        "PYTHONPATH": str(work),
        "CAD_DIR": str(work / "my CAD"),
        "DATA_DIR": str(work / "my data"),
    }
    result = subprocess.run(
        ["bash", "-c", script], cwd=work / "pose_data", env=environment, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stdout + result.stderr
    images, labels = pickles.load(work / "pose_data/train_data.pkl")
    assert images.shape == (1, 2, 128, 128) and labels.shape == (1, 2, 3)
    images, labels = pickles.load(work / "pose_data/val_data.pkl")
    assert images.shape == (15, 2, 128, 128) and labels.shape == (15, 2, 3)
    assert (images[:, 0] != images[:, 1]).any(axis=(1, 2)).all()
