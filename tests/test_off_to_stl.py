import os

import numpy as np
import pytest
import trimesh
from cad_folder import error_line, lopsided_mesh, run, write_models

from metalearn.cli import UserError
from pose_data.off_to_stl import SOURCE_SUFFIXES, convert, read_triangles


@pytest.mark.parametrize("suffix", SOURCE_SUFFIXES)
def test_conversion_keeps_triangles_and_bounding_box(tmp_path, suffix):
    write_models(tmp_path, ["01"], suffix)
    stl_path = convert(tmp_path / f"01{suffix}")
    assert stl_path == tmp_path / "01.stl"
    assert stl_path.stat().st_size == 84 + 50 * len(lopsided_mesh().faces)  # binary
    mesh = trimesh.load(stl_path)
    np.testing.assert_allclose(mesh.bounds, lopsided_mesh().bounds, atol=1e-6)
    np.testing.assert_allclose(mesh.volume, lopsided_mesh().volume, rtol=1e-5)


def test_polygons_become_triangles(tmp_path):
    (tmp_path / "a.off").write_text("OFF\n4 1 0\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n4 0 1 2 3\n")
    assert read_triangles(tmp_path / "a.off").shape == (2, 3, 3)


def test_an_up_to_date_stl_is_left_alone(tmp_path):
    write_models(tmp_path, ["01"])
    stl_path = convert(tmp_path / "01.off")
    stl_path.write_text("mine")
    os.utime(tmp_path / "01.off", (1, 1))
    convert(tmp_path / "01.off")
    assert stl_path.read_text() == "mine"
    os.utime(stl_path, (0, 0))
    convert(tmp_path / "01.off")
    assert stl_path.stat().st_size > 84


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "cannot be read"),
        ("OFF\n3 1 0\n0 0 0\n", "cannot be read"),
        ("OFF\n3 0 0\n0 0 0\n1 0 0\n0 1 0\n", "no triangles|cannot be read"),
        ("OFF\n3 1 0\n0 0 0\n1 0 0\n0 nan 0\n3 0 1 2\n", "not a finite number"),
        ("OFF\n3 1 0\n1 1 1\n1 1 1\n1 1 1\n3 0 1 2\n", "one point"),
    ],
)
def test_a_broken_model_is_named(tmp_path, content, reason):
    (tmp_path / "bad.off").write_text(content)
    with pytest.raises(UserError, match=rf"bad\.off: .*({reason})"):
        read_triangles(tmp_path / "bad.off")


def test_the_script_converts_a_tree(tmp_path):
    write_models(tmp_path / "my CAD", ["car/01", "car/02", "chair/01"])
    assert run("off_to_stl", CAD_dir=tmp_path / "my CAD").returncode == 0
    assert len(list((tmp_path / "my CAD").rglob("*.stl"))) == 3


def test_the_script_refuses_a_folder_without_models(tmp_path):
    assert "--CAD_dir=" in error_line(run("off_to_stl", CAD_dir=tmp_path))
