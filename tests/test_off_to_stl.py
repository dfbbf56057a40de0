import os

import numpy as np
import pytest
import trimesh
from cad_folder import error_line, lopsided_mesh, run, write_models

from metalearn.cli import UserError
from pose_data.meshes import SOURCE_SUFFIXES, read_triangles
from pose_data.off_to_stl import STL_HEADER, convert


@pytest.mark.parametrize("suffix", SOURCE_SUFFIXES)
def test_conversion_keeps_triangles_and_bounding_box(tmp_path, suffix):
    write_models(tmp_path, ["01"], suffix)
    stl_path = convert(tmp_path / f"01{suffix}")
    assert stl_path == tmp_path / "01.stl"
    assert stl_path.stat().st_size == 84 + 50 * len(lopsided_mesh().faces)  # binary
    mesh = trimesh.load(stl_path)
    expected = lopsided_mesh()
    if suffix == ".glb":  # y is up in it: (x, y, z) -> (x, -z, y)
        expected.apply_transform([[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    np.testing.assert_allclose(mesh.bounds, expected.bounds, atol=1e-6)
    np.testing.assert_allclose(mesh.volume, lopsided_mesh().volume, rtol=1e-5)


def test_up_says_which_axis_points_up(tmp_path):
    write_models(tmp_path, ["01"], ".glb")
    write_models(tmp_path, ["02"])
    convert(tmp_path / "01.glb", up="z")
    np.testing.assert_allclose(trimesh.load(tmp_path / "01.stl").bounds, lopsided_mesh().bounds, atol=1e-6)
    run("off_to_stl", CAD_dir=tmp_path, up="y")
    for name in ("01", "02"):
        np.testing.assert_allclose(np.ptp(trimesh.load(tmp_path / f"{name}.stl").bounds, axis=0)[2], 0.8, rtol=1e-6)


def test_an_up_to_date_stl_is_left_alone_and_an_old_one_written_again(tmp_path):
    write_models(tmp_path, ["01", "02"])
    stl_path = convert(tmp_path / "01.off")
    os.utime(stl_path, (1, 1))
    convert(tmp_path / "01.off")
    assert stl_path.stat().st_mtime == 1
    (tmp_path / "02.off").replace(tmp_path / "01.off")
    before = stl_path.read_bytes()
    convert(tmp_path / "01.off")
    assert stl_path.read_bytes() != before


@pytest.mark.parametrize("age", [1, 2**32])
def test_a_stl_of_the_user_is_never_written_over(tmp_path, age):
    write_models(tmp_path, ["car/01", "car/02", "chair/01"])
    mine = tmp_path / "car/01.stl"
    lopsided_mesh().apply_scale(3).export(mine)
    os.utime(mine, (age, age))
    before = mine.read_bytes()
    result = run("off_to_stl", CAD_dir=tmp_path)
    assert result.returncode == 1 and mine.read_bytes() == before
    assert result.stderr.splitlines() == [
        f"error: {mine}: not written by off_to_stl.py, so left alone; rename it or 01.off",
        "error: 1 of 3 models failed: fix, rename or remove the files named above",
    ]
    assert (tmp_path / "car/02.stl").read_bytes()[:80] == (tmp_path / "chair/01.stl").read_bytes()[:80] == STL_HEADER


def test_what_an_earlier_version_wrote_is_up_to_date(tmp_path):
    """Its header was 80 zeros."""
    write_models(tmp_path, ["01"])
    stl_path = convert(tmp_path / "01.off")
    stl_path.write_bytes(bytes(80) + stl_path.read_bytes()[80:])
    convert(tmp_path / "01.off")
    assert stl_path.read_bytes()[:80] == bytes(80)


def test_a_bad_file_does_not_keep_the_others_from_being_converted(tmp_path):
    write_models(tmp_path, ["car/02", "chair/01"])
    for name in ("car/01", "zebra/01"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.off").write_text("OFF\nbroken\n")
    result = run("off_to_stl", CAD_dir=tmp_path)
    lines = result.stderr.splitlines()
    assert result.returncode == 1 and len(lines) == 3 and lines[-1].startswith("error: 2 of 4 models failed")
    assert f"{tmp_path}/car/01.off: " in lines[0] and f"{tmp_path}/zebra/01.off: " in lines[1]
    assert {path.name for path in tmp_path.rglob("*.stl")} == {"02.stl", "01.stl"}


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
