"""The tests of pose_data/scene.py; test_scene.py runs them in a process without TensorFlow."""

import numpy as np
import pytest
from cad_folder import lopsided_mesh

from pose_data import mujoco_render

mujoco_render.choose_gl_backend()  # before MuJoCo is imported; the scripts run by other tests inherit it

from pose_data import scene  # noqa: E402

SQUARE = np.array([[[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 0], [1, 0, 0], [1, 1, 0]]], float)


@pytest.fixture(scope="module")
def lopsided():
    made = scene.Scene(lopsided_mesh().triangles, image_size=200)
    yield made
    made.close()


def world_corners(made):
    """Corners of the object's mesh where MuJoCo puts them, [corners, 3] in metres."""
    geom = made.data.geom("object")
    return made.model.mesh_vert @ geom.xmat.reshape(3, 3).T + geom.xpos


@pytest.mark.parametrize(
    ("longest", "expected"), [(1.0, 5 * 0.24), (0.51, 5 * 0.24), (0.5, 7 * 0.24), (0.01, 7 * 0.24), (300, 5 * 0.24)]
)
def test_the_longest_side_is_1_2_metres_or_1_68_for_small_models(longest, expected):
    triangles = lopsided_mesh().triangles
    triangles = triangles * (longest / np.ptp(triangles.reshape(-1, 3), axis=0).max())
    assert np.ptp(scene.place_mesh(triangles).reshape(-1, 3), axis=0).max() == pytest.approx(expected)


@pytest.mark.parametrize("angle", [0, 0.2, 0.7])
def test_the_object_rests_at_its_place_whatever_the_angle(lopsided, angle):
    lopsided.turn(angle)
    assert world_corners(lopsided)[:, 2].min() == pytest.approx(-0.324, abs=1e-5)


def test_the_bounding_box_is_centred_on_the_place_it_turns_about():
    made = scene.Scene(lopsided_mesh().apply_translation((3, -7, 11)).triangles)
    made.turn(0)
    corners = world_corners(made)
    np.testing.assert_allclose((corners.min(axis=0) + corners.max(axis=0))[:2] / 2, [0.5, 0], atol=1e-5)


def test_an_angle_in_turns_turns_counter_clockwise_from_above(lopsided):
    lopsided.turn(0)
    centred = world_corners(lopsided) - [0.5, 0, 0]
    lopsided.turn(0.25)
    expected = centred @ [[0, 1, 0], [-1, 0, 0], [0, 0, 1]] + [0.5, 0, 0]
    np.testing.assert_allclose(world_corners(lopsided), expected, atol=1e-5)


def test_renders_differ_by_angle_and_repeat_after_a_turn(lopsided):
    first, other = lopsided.render(0.1), lopsided.render(0.35)
    assert first.shape == (200, 200, 3) and first.dtype == np.uint8
    assert np.mean(first != other) > 0.02
    assert np.mean(np.abs(lopsided.render(1.1).astype(int) - first)) < 0.1
    np.testing.assert_array_equal(lopsided.render(0.1), first)


def test_the_camera_is_that_of_pusher(lopsided):
    lopsided.render(0.3)
    camera = lopsided._renderer.viewer.cam
    assert (camera.azimuth, camera.elevation, camera.distance) == (90, -45, 4)
    np.testing.assert_allclose(camera.lookat, np.median(lopsided.data.geom_xpos, axis=0))


def test_the_object_stands_out_from_the_table_and_casts_a_shadow():
    plate = scene.Scene(SQUARE, image_size=200)
    levels = set(plate.render(0.125)[:, :, 0].ravel().tolist())
    plate.close()
    assert len(levels) >= 4  # surround, table, shadow, object
    assert sorted(levels)[-1] > 200  # the table


def test_images_may_be_larger_than_mujocos_default_buffer():
    made = scene.Scene(lopsided_mesh().triangles, image_size=700)
    image = made.render(0)
    made.close()
    assert image.shape == (700, 700, 3)
    assert image[-60:].max() > 0 and image[:, 600:].max() > 0


@pytest.mark.parametrize(
    "triangles", [SQUARE, SQUARE[:, :, [0, 2, 1]], SQUARE[:, ::-1], lopsided_mesh().triangles[:-5]]
)
def test_flat_open_and_inside_out_meshes_are_drawn(triangles):
    made = scene.Scene(triangles, image_size=100)
    empty = made.model.geom("object").rgba.copy()
    image = made.render(0.1)
    made.model.geom("object").rgba[:] = 0  # invisible
    without = made.render(0.1)
    made.model.geom("object").rgba[:] = empty
    made.close()
    assert np.mean(image != without) > 0.01


def test_a_mesh_that_mujoco_refuses_raises():
    with pytest.raises(ValueError, match="vertices"):
        scene.Scene(SQUARE[:1])
