"""One MuJoCo scene: an object on a table under a lamp, seen by the camera of gym's Pusher-v2.

Lengths are metres, angles are radians about the vertical axis. Lamp, table, object and camera are those of the paper's
released code; every attribute that is not set here is MuJoCo's default there and here.
"""

import sys

import mujoco
import numpy as np
from gymnasium.envs.mujoco.mujoco_rendering import OffScreenViewer

OBJECT_X, OBJECT_Y = 0.5, 0.0  # where the bounding box of an object at angle 0 has its centre
OBJECT_REST_Z = -0.324  # height of the object's lowest point
CAMERA_DISTANCE = 4.0  # of gym's free camera; azimuth 90, elevation -45 degrees are MuJoCo's

# The two discs are invisible. They are here for the camera, which looks at the median of all geoms. MuJoCo's default
# quality (4 samples a pixel, a shadow map of 4096) takes four times as long and cannot be told from this in 128x128
# pixels. Without balanceinertia, which changes nothing that is seen, rounding makes MuJoCo refuse one flat mesh in ten.
_DISC = """<body pos="0.45 -0.05 -0.323"><geom type="cylinder" size="0.08 0.001" rgba="1 0 0 0"/></body>"""
SCENE_XML = f"""
<mujoco>
  <compiler balanceinertia="true"/>
  <visual>
    <quality offsamples="0" shadowsize="512"/>
  </visual>
  <worldbody>
    <light pos="0 0 5" dir="0 0 -1" diffuse="0.5 0.5 0.5"/>
    <geom name="table" type="plane" pos="0.5 0.2 -0.4" size="1 1.6 1"/>
    <body name="object"/>
    {_DISC}{_DISC}
  </worldbody>
</mujoco>
"""


def placement(corners):
    """Scale of a mesh and position of its origin that put it on the table: float, float64 [3] in metres.

    corners: [n, 3] in any unit. Scaled, its longest side is 1.2 or, if it was 0.5 or less, 1.68.
    """
    low, high = corners.min(axis=0), corners.max(axis=0)
    longest = (high - low).max()
    obj_scale = 5 if longest > 0.5 else 7
    scale = obj_scale * 0.0012 * 200 / longest
    middle_x, middle_y, _ = scale * (low + high) / 2
    return scale, np.array([OBJECT_X - middle_x, OBJECT_Y - middle_y, OBJECT_REST_Z - scale * low[2]])


def off_origin(triangles):
    """How far the middle of the bounding box is from the axis that a mesh is turned about, as a share of the longest
    side. triangles: [n, 3, 3]."""
    low, high = triangles.min(axis=(0, 1)), triangles.max(axis=(0, 1))
    return float(np.hypot(*(low + high)[:2] / 2) / (high - low).max())


def _distinct(corners):
    """The distinct rows of `corners`, [n, 3], and which of them each is, int32 [n]: np.unique, five times faster."""
    order = np.lexsort(corners.T)
    ordered = corners[order]
    is_new = np.concatenate([[True], (ordered[1:] != ordered[:-1]).any(axis=1)])
    which = np.empty(len(corners), np.int32)
    which[order] = np.cumsum(is_new) - 1
    return ordered[is_new], which


class Scene:
    """The scene around one mesh; compiled once, rendered at any angle."""

    def __init__(self, triangles, image_size=500, cull_faces=True):
        """`triangles`: [triangles, 3, 3] in any unit; images are image_size x image_size pixels.

        cull_faces: as MuJoCo by default, do not draw faces that look away from the camera.

        Raises ValueError when MuJoCo cannot compile the mesh.
        """
        self._viewer = None
        corners = triangles.reshape(-1, 3)
        scale, position = placement(corners)
        vertices, faces = _distinct((corners * scale).astype(np.float32))
        spec = mujoco.MjSpec.from_string(SCENE_XML)
        spec.visual.global_.offwidth = spec.visual.global_.offheight = image_size
        # As arrays: MuJoCo refuses STL files of more than 200,000 triangles, and no file name ever enters the XML.
        # A shell may be flat or open.
        spec.add_mesh(
            name="object",
            uservert=vertices.ravel(),
            userface=faces,
            inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL,
        )
        body = spec.body("object")
        body.pos = position
        body.add_geom(
            name="object",
            type=mujoco.mjtGeom.mjGEOM_MESH,
            meshname="object",
            rgba=[1, 1, 1, 1],
            contype=0,
            conaffinity=0,
        )
        self.model = spec.compile()
        self.data = mujoco.MjData(self.model)
        self._image_size, self._cull_faces = image_size, cull_faces

    def turn(self, angle):
        """Turn the object to `angle` about its mesh's own origin, counter-clockwise from above."""
        self.model.body("object").quat[:] = np.cos(angle / 2), 0, 0, np.sin(angle / 2)
        mujoco.mj_forward(self.model, self.data)

    def render(self, angle):
        """Return the view of the object turned to `angle`: uint8 [image_size, image_size, 3]."""
        self.turn(angle)
        if self._viewer is None:
            self._viewer = OffScreenViewer(self.model, self.data, self._image_size, self._image_size)
            self._viewer.cam.azimuth, self._viewer.cam.elevation = 90, -45
            self._viewer.cam.distance = CAMERA_DISTANCE
            self._viewer.scn.flags[mujoco.mjtRndFlag.mjRND_CULL_FACE] = self._cull_faces
        # The viewer sets the camera once; upstream built a new one for each image.
        self._viewer.cam.lookat[:] = np.median(self.data.geom_xpos, axis=0)
        self._viewer.make_context_current()  # scenes may take turns
        return self._draw()

    def _draw(self):
        """The viewer's render("rgb_array") without the depths, which it reads back to throw them away."""
        viewer, image = self._viewer, np.empty((self._image_size, self._image_size, 3), np.uint8)
        everything = mujoco.mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(self.model, self.data, viewer.vopt, viewer.pert, viewer.cam, everything, viewer.scn)
        mujoco.mjr_render(viewer.viewport, viewer.scn, viewer.con)
        mujoco.mjr_readPixels(image, None, viewer.viewport, viewer.con)
        return image[::-1]  # OpenGL's first row is the lowest

    def close(self):
        """Free the OpenGL context."""
        if self._viewer is not None:
            self._viewer.make_context_current()  # or the buffers of another scene are freed
            self._viewer.con.free()
            self._viewer.close()
            self._viewer = None

    def __del__(self):
        if not sys.is_finalizing():  # OpenGL is gone by then
            self.close()
