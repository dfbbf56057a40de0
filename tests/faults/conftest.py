"""Fixtures of the fault tests."""

import pytest
from scripts import run_script


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    sizes = ["--num_train_objects=5", "--num_val_objects=3", "--num_views=6", "--dim_im=16"]
    made = run_script("pose_data", "create_fake_data", f"--out_dir={folder}", *sizes)
    assert made.returncode == 0, made.stderr
    return folder
