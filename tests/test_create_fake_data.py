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
