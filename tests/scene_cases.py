"""The tests of pose_data/scene.py; test_scene.py runs them in a process without TensorFlow."""

import numpy as np
import pytest
from cad_folder import lopsided_mesh
from PIL import Image

from pose_data import cad_models, mujoco_render

mujoco_render.choose_gl_backend()  # before MuJoCo is imported; the scripts run by other tests inherit it

import mujoco  # noqa: E402

from pose_data import scene  # noqa: E402

SQUARE = np.array([[[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 0], [1, 0, 0], [1, 1, 0]]], float)


@pytest.fixture(scope="module")
def lopsided():
    """A mesh off its own origin, in a compiled scene."""
    made = scene.Scene(lopsided_mesh().apply_translation((0.3, -0.7, 1.1)).triangles, image_size=200)
    yield made
    made.close()


def world_corners(made):
    """Corners of the object's mesh where MuJoCo puts them, [corners, 3] in metres."""
    geom = made.data.geom("object")
    return made.model.mesh_vert @ geom.xmat.reshape(3, 3).T + geom.xpos


def difference(image, other):
    """Share of the pixels that differ by more than rounding does."""
    return np.mean(np.abs(image.astype(int) - other).max(axis=2) > 8)


def test_every_number_is_that_of_the_released_scene(lopsided):
    """As the facts about the released code list them; MuJoCo's defaults are asked of an empty scene."""
    model = lopsided.model
    default = mujoco.MjModel.from_xml_string('<mujoco><worldbody><light/><geom size="1"/></worldbody></mujoco>')
    assert model.nlight == 1 and model.ngeom == 4
    for name in ("ambient", "diffuse", "specular"):
        np.testing.assert_array_equal(getattr(model.vis.headlight, name), getattr(default.vis.headlight, name))
    np.testing.assert_array_equal(model.light_pos, [[0, 0, 5]])
    np.testing.assert_array_equal(model.light_dir, [[0, 0, -1]])
    np.testing.assert_allclose(model.light_diffuse, [[0.5, 0.5, 0.5]])
    for name in ("type", "cutoff", "exponent", "ambient", "specular", "attenuation", "castshadow"):
        np.testing.assert_array_equal(getattr(model, f"light_{name}"), getattr(default, f"light_{name}"))
    table, thing, *discs = (model.geom(i) for i in range(4))
    np.testing.assert_allclose(table.pos, [0.5, 0.2, -0.4])
    np.testing.assert_allclose(table.size, [1, 1.6, 1])
    np.testing.assert_allclose(table.rgba, [0.5, 0.5, 0.5, 1])
    np.testing.assert_allclose(thing.rgba, [1, 1, 1, 1])
    lopsided.turn(0)
    for disc in discs:
        assert disc.rgba[3] == 0 and disc.type == mujoco.mjtGeom.mjGEOM_CYLINDER
        np.testing.assert_allclose(disc.size[:2], [0.08, 0.001])
        np.testing.assert_allclose(lopsided.data.geom(disc.id).xpos, [0.45, -0.05, -0.323])


RELEASED_SCENE = """
<mujoco>
  <compiler balanceinertia="true"/>
  <visual><global offwidth="500" offheight="500"/></visual>
  <asset><mesh name="m" file="m.stl" scale="{s} {s} {s}" inertia="shell"/></asset>
  <worldbody>
    <light diffuse=".5 .5 .5" pos="0 0 5" dir="0 0 -1"/>
    <geom type="plane" pos="0.5 0.2 -0.4" size="1 1.6 1"/>
    <body pos="{x} {y} {z}" euler="0 0 {degrees}">
      <geom type="mesh" mesh="m" rgba="1 1 1 1" contype="0" conaffinity="0"/>
    </body>
    <body pos="0.45 -0.05 -0.323"><geom type="cylinder" size="0.08 0.001" rgba="1 0 0 0"/></body>
    <body pos="0.45 -0.05 -0.323"><geom type="cylinder" size="0.08 0.001" rgba="1 0 0 0"/></body>
  </worldbody>
</mujoco>
"""


def released_image(mesh, angle):
    """The released code's image of a mesh, at MuJoCo's default quality: 500x500, made in one piece from its numbers."""
    low, high = mesh.bounds
    s = 5 * 0.0012 * 200 / (high - low).max()
    x, y, z = 0.5 - s * (low[0] + high[0]) / 2, -s * (low[1] + high[1]) / 2, -0.324 - s * low[2]
    xml = RELEASED_SCENE.format(s=s, x=x, y=y, z=z, degrees=np.rad2deg(angle))
    model = mujoco.MjModel.from_xml_string(xml, {"m.stl": mesh.export(file_type="stl")})
    data, camera = mujoco.MjData(model), mujoco.MjvCamera()
    mujoco.mj_forward(model, data)
    camera.azimuth, camera.elevation, camera.distance = 90, -45, 4
    camera.lookat[:] = np.median(data.geom_xpos, axis=0)
    with mujoco.Renderer(model, 500, 500) as renderer:
        renderer.update_scene(data, camera)
        return renderer.render()


def shrunk(image):
    return np.asarray(Image.fromarray(image).resize((128, 128), Image.Resampling.LANCZOS).convert("L"), float)


@pytest.mark.parametrize(("class_name", "angle"), [("chair", 0.7), ("aeroplane", 3.0), ("bicycle", 5.5)])
def test_an_image_cannot_be_told_from_the_released_scene_at_mujocos_default_quality(class_name, angle):
    mesh = cad_models.build(class_name, 0).apply_translation((0.2, 0.1, -0.4))
    made = scene.Scene(np.asarray(mesh.triangles))
    image = made.render(angle)
    made.close()
    released = released_image(mesh, angle)
    assert np.abs(shrunk(image) - shrunk(released)).mean() < 0.6  # of 255 grey levels


@pytest.mark.parametrize(
    ("longest", "expected"), [(1.0, 5 * 0.24), (0.51, 5 * 0.24), (0.5, 7 * 0.24), (0.01, 7 * 0.24), (300, 5 * 0.24)]
)
def test_the_longest_side_is_1_2_metres_or_1_68_for_small_models(longest, expected):
    corners = lopsided_mesh().triangles.reshape(-1, 3)
    corners = corners * (longest / np.ptp(corners, axis=0).max())
    scale, _ = scene.placement(corners)
    assert np.ptp(corners * scale, axis=0).max() == pytest.approx(expected)


@pytest.mark.parametrize("angle", [0, 1.2, 4.4])
def test_the_object_rests_on_the_table_whatever_the_angle(lopsided, angle):
    lopsided.turn(angle)
    assert world_corners(lopsided)[:, 2].min() == pytest.approx(-0.324, abs=1e-5)


def test_the_bounding_box_is_centred_on_its_place_at_angle_0(lopsided):
    lopsided.turn(0)
    corners = world_corners(lopsided)
    np.testing.assert_allclose((corners.min(axis=0) + corners.max(axis=0))[:2] / 2, [0.5, 0], atol=1e-5)


def test_an_angle_in_radians_turns_about_the_mesh_s_own_origin_counter_clockwise_from_above(lopsided):
    lopsided.turn(0)
    origin = lopsided.model.body("object").pos
    centred = world_corners(lopsided) - origin
    lopsided.turn(np.pi / 2)
    expected = centred @ [[0, 1, 0], [-1, 0, 0], [0, 0, 1]] + origin
    np.testing.assert_allclose(world_corners(lopsided), expected, atol=1e-5)


def test_renders_differ_by_angle_and_repeat_after_a_turn(lopsided):
    first, other = lopsided.render(0.6), lopsided.render(2.2)
    assert first.shape == (200, 200, 3) and first.dtype == np.uint8
    assert np.mean(first != other) > 0.02
    assert np.mean(np.abs(lopsided.render(0.6 + 2 * np.pi).astype(int) - first)) < 0.1
    np.testing.assert_array_equal(lopsided.render(0.6), first)


@pytest.mark.parametrize("is_closed", [True, False])
def test_two_scenes_take_turns_and_the_end_of_one_leaves_the_other(lopsided, is_closed):
    image, other = lopsided.render(0), scene.Scene(lopsided_mesh().triangles, image_size=120)
    smaller = other.render(0)
    np.testing.assert_array_equal(lopsided.render(0), image)
    np.testing.assert_array_equal(other.render(0), smaller)
    lopsided.render(0)
    if is_closed:
        other.close()
    del other
    np.testing.assert_array_equal(lopsided.render(0), image)


def test_the_camera_is_that_of_pusher_and_looks_at_the_median_of_table_object_and_two_discs(lopsided):
    lopsided.render(2)
    camera = lopsided._viewer.cam
    assert (camera.azimuth, camera.elevation, camera.distance) == (90, -45, 4)
    thing = lopsided.data.geom("object").xpos
    geoms = [[0.5, 0.2, -0.4], thing, [0.45, -0.05, -0.323], [0.45, -0.05, -0.323]]
    np.testing.assert_allclose(camera.lookat, np.median(geoms, axis=0), atol=1e-6)


def test_an_image_is_grey_with_a_black_ground_a_dark_table_a_darker_shadow_and_a_white_object():
    box = scene.Scene(lopsided_mesh().triangles, image_size=200)
    image = box.render(0.8)
    box.close()
    assert (image == image[..., :1]).all()
    grey = image[..., 0]
    assert grey[0, 0] == 0 and 60 < grey[-20, 100] < 130  # table in front of the object
    assert grey.max() > 200
    assert np.mean((grey > 25) & (grey < 60)) > 0.005  # shadow, and the sides that look away from the lamp


def test_images_may_be_larger_than_mujocos_default_buffer():
    made = scene.Scene(lopsided_mesh().triangles, image_size=700)
    image = made.render(0)
    made.close()
    assert image.shape == (700, 700, 3)
    assert image[-60:].max() > 0 and image[:, 600:].max() > 0


@pytest.mark.parametrize(
    "triangles", [SQUARE, SQUARE[:, :, [0, 2, 1]], SQUARE[:, ::-1], lopsided_mesh().triangles[:-5]]
)
def test_flat_open_and_inside_out_meshes_are_drawn_without_culling(triangles):
    made = scene.Scene(triangles, image_size=100, cull_faces=False)
    image = made.render(0.6)
    made.model.geom("object").rgba[:] = 0  # invisible
    without = made.render(0.6)
    made.close()
    assert difference(image, without) > 0.01


def test_faces_that_look_away_are_culled():
    sheet, from_below = (scene.Scene(triangles, image_size=100) for triangles in (SQUARE, SQUARE[:, ::-1]))
    assert difference(sheet.render(0.6), from_below.render(0.6)) > 0.05
    sheet.close()
    from_below.close()


@pytest.mark.parametrize("class_name", cad_models.CLASSES)
def test_the_embedded_models_have_no_hole_when_culled(class_name):
    for index in range(cad_models.CLASSES[class_name]):
        triangles = np.asarray(cad_models.build(class_name, index).triangles)
        culled, whole = (scene.Scene(triangles, image_size=128, cull_faces=cull) for cull in (True, False))
        assert difference(culled.render(index), whole.render(index)) < 2e-4, index + 1
        culled.close()
        whole.close()


def test_a_mesh_of_more_than_200_000_faces_is_drawn():
    many = np.repeat(lopsided_mesh().triangles, 9000, axis=0)  # MuJoCo takes no such STL
    assert len(many) > 200_000
    made = scene.Scene(many, image_size=100)
    assert made.render(1).max() > 200
    made.close()


def test_a_mesh_that_mujoco_refuses_raises():
    with pytest.raises(ValueError, match="vertices"):
        scene.Scene(SQUARE[:1])
