import json

import numpy as np
from cad_folder import files_in, run

from pose_data import pickles


def test_fake_pickles_have_the_format_and_repeat_with_the_seed(tmp_path):
    small = {"num_train_objects": 4, "num_val_objects": 2, "num_views": 5, "dim_im": 32}
    for name in ("a", "b"):
        assert run("create_fake_data", out_dir=tmp_path / name, **small).returncode == 0
    assert files_in(tmp_path / "a") == files_in(tmp_path / "b")
    for name, num_objects in (("train", 4), ("val", 2)):
        images, labels = pickles.load(tmp_path / "a" / f"{name}_data.pkl")
        assert images.shape == (num_objects, 5, 32, 32) and images.dtype == np.uint8
        assert labels.shape == (num_objects, 5, 3) and labels.dtype == np.float64
        assert (labels >= 0).all() and (labels <= 1).all() and len(np.unique(labels[..., 2])) == num_objects * 5


def test_nothing_of_earlier_data_is_left(tmp_path):
    for name in ("train_names.json", "val_names.json", "test_names.json", "test_data.pkl"):
        (tmp_path / name).write_text('["boat/01"]')
    small = {"num_train_objects": 2, "num_val_objects": 1, "num_views": 2, "dim_im": 8}
    done = run("create_fake_data", out_dir=tmp_path, **small)
    assert done.returncode == 0 and "test_data.pkl: removed, it was of earlier data" in done.stdout
    names = {path.name: json.loads(path.read_text()) for path in tmp_path.glob("*.json")}
    assert names == {"train_names.json": ["noise/0", "noise/1"], "val_names.json": ["noise/0"]}
    assert not (tmp_path / "test_data.pkl").exists()
