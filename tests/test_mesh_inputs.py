"""The CAD files of strangers that were once read wrong, where they are; and what all readers share."""

import numpy as np
import pytest
from cad_folder import REPO
from mesh_cases import area, normals

from metalearn.cli import UserError
from pose_data.meshes import read_triangles

INPUTS = REPO.parent / "shared/inputs"
CUBE = 12, 6, (0, 0, 0), (1, 1, 1)
# Triangles, area and bounding box in the file's axes.
VALUES = {
    "chair_y_up.glb": (72, 6.7, (-0.5, 0, -0.5), (0.5, 2.15, 0.5)),
    "quantized_normalized.glb": (36, 16.88, (-1, -0.3, -1), (4.3, 4, 1)),
    "triangle_fan.glb": (14, 49, (-1, -1, -1), (5, 1, 5)),
    "concave_L.obj": (20, 14, (0, 0, 0), (2, 2, 1)),
    "concave_L.off": (20, 14, (0, 0, 0), (2, 2, 1)),
    "half_indented.obj": (24, 12, (0, 0, 0), (3, 1, 1)),
    "half_tabs.obj": (24, 12, (0, 0, 0), (3, 1, 1)),
    **dict.fromkeys(
        [
            "tokens_over_lines.off", "stoff.off", "lower_case.off", "edges_as_faces.off", "cr_header.ply",
            "face_colours.ply", "strips.ply", "plain_trailing_newline.stl", "bom.obj",
        ],
        CUBE,
    ),
}  # fmt: skip
has_inputs = pytest.mark.skipif(not INPUTS.is_dir(), reason="needs the files")


@has_inputs
@pytest.mark.parametrize("name", VALUES)
def test_a_file_has_the_triangles_area_and_box_that_its_format_says(name):
    count, size, low, high = VALUES[name]
    triangles = read_triangles(INPUTS / name, up="z")
    assert len(triangles) == count
    np.testing.assert_allclose(area(triangles), size, rtol=1e-4)
    np.testing.assert_allclose([triangles.min(axis=(0, 1)), triangles.max(axis=(0, 1))], [low, high], atol=1e-4)


@has_inputs
def test_the_chair_stands_on_its_legs():
    triangles = read_triangles(INPUTS / "chair_y_up.glb")
    low, high = triangles.min(axis=(0, 1)), triangles.max(axis=(0, 1))
    np.testing.assert_allclose([low, high], [[-0.5, -0.5, 0], [0.5, 0.5, 2.15]], atol=1e-6)


@has_inputs
def test_a_mixed_binary_ply_is_read_whole():
    """126.606 is the area of its faces by their normals: the quads are not flat, and two triangles have more."""
    triangles = read_triangles(INPUTS / "mixed_binary_100_of_100.ply")
    assert triangles.shape == (150, 3, 3)
    np.testing.assert_allclose([triangles.min(axis=(0, 1)), triangles.max(axis=(0, 1))], [[0, 0, 0], [10, 10, 2]])
    quad, triangle = normals(triangles).reshape(50, 3, 3)[:, :2].sum(axis=1), normals(triangles)[2::3]
    faces = np.linalg.norm(np.concatenate([quad, triangle]), axis=1) / 2
    np.testing.assert_allclose(faces.sum(), 126.606, atol=1e-3)


@has_inputs
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("draco_three_parts.glb", "Draco-compressed"),
        ("quads_ascii_70_of_100.ply", "ends before its 100 face records do"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_for_the_right_reason(name, reason):
    with pytest.raises(UserError, match=rf"{name}: .*{reason}"):
        read_triangles(INPUTS / name)


@pytest.mark.skipif(not (REPO.parent / "shared/pascal3d/CAD").is_dir(), reason="needs the PASCAL3D+ models")
def test_all_67_pascal3d_models_are_read():
    paths = [path for path in (REPO.parent / "shared/pascal3d/CAD").glob("*/*.off")
             if path.parent.name not in ("bottle", "train")]  # fmt: skip
    counts = {f"{path.parent.name}/{path.stem}": len(read_triangles(path)) for path in paths}
    assert len(counts) == 67 and counts["motorbike/04"] == 237006


def test_up_turns_any_format(tmp_path):
    (tmp_path / "a.off").write_text("OFF\n3 1 0\n1 2 3\n4 5 6\n7 8 10\n3 0 1 2\n")
    np.testing.assert_array_equal(read_triangles(tmp_path / "a.off", "y")[0], [[1, -3, 2], [4, -6, 5], [7, -10, 8]])
