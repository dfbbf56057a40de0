"""One MuJoCo scene: an object on a table under a lamp, seen by the camera of gym's Pusher-v2.

Lengths are metres, angles are turns about the vertical axis. The numbers of table, object and camera are
those of the paper's released code.
"""

import mujoco
import numpy as np
from gymnasium.envs.mujoco.mujoco_rendering import MujocoRenderer

from pose_data.off_to_stl import stl_bytes

OBJECT_X, OBJECT_Y = 0.5, 0.0
OBJECT_REST_Z = -0.324  # height of the object's lowest point
CAMERA = {"trackbodyid": -1, "distance": 4.0}  # free camera; azimuth 90, elevation -45 degrees are MuJoCo's

# The mesh comes as an asset in memory, so no file name ever enters the XML. inertia="shell" lets flat and open
# meshes compile. Renders are shrunk to 128x128, where 4 samples a pixel and a finer shadow map cannot be told
# from this (0.4 of 255 grey levels on average) but cost five times as much in software. Without balanceinertia, which
# changes nothing that is seen, rounding makes MuJoCo refuse one flat mesh in ten.
SCENE_XML = f"""
<mujoco>
  <compiler balanceinertia="true"/>
  <visual>
    <global azimuth="90" elevation="-45" offwidth="{{image_size}}" offheight="{{image_size}}"/>
    <quality offsamples="0" shadowsize="512"/>
    <headlight ambient="0.3 0.3 0.3" diffuse="0.3 0.3 0.3" specular="0 0 0"/>
    <map znear="0.1" zfar="10"/>
  </visual>
  <statistic extent="1.2" center="0.5 0 -0.3"/>
  <asset>
    <mesh name="object" file="object.stl" inertia="shell"/>
  </asset>
  <worldbody>
    <light pos="0.5 0 3" dir="0 0 -1" directional="true" diffuse="0.6 0.6 0.6" specular="0 0 0" castshadow="true"/>
    <geom name="table" type="plane" pos="0.5 0.2 -0.4" size="1 1.6 0.1" rgba="0.8 0.8 0.8 1"/>
    <body name="object" pos="{OBJECT_X} {OBJECT_Y} {OBJECT_REST_Z}">
      <geom name="object" type="mesh" mesh="object" contype="0" conaffinity="0" rgba="0.5 0.5 0.5 1"/>
    </body>
  </worldbody>
</mujoco>
"""


def place_mesh(triangles):
    """Scale and shift a mesh to table size: on z = 0, its bounding box centred on x = y = 0 to turn in place.

    Args and result: [triangles, 3 corners, 3]; the result is in metres, 1.2 or 1.68 along its longest side.
    """
    corners = triangles.reshape(-1, 3)
    low, high = corners.min(axis=0), corners.max(axis=0)
    longest = (high - low).max()
    obj_scale = 5 if longest > 0.5 else 7
    origin = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
    return (triangles - origin) * (obj_scale * 0.0012 * 200 / longest)


class Scene:
    """The scene around one mesh; compiled once, rendered at any angle."""

    def __init__(self, triangles, image_size=500):
        """`triangles`: [triangles, 3, 3] in any unit; images are image_size x image_size pixels.

        Raises ValueError when MuJoCo cannot compile the mesh.
        """
        assets = {"object.stl": stl_bytes(place_mesh(triangles))}
        self.model = mujoco.MjModel.from_xml_string(SCENE_XML.format(image_size=image_size), assets)
        self.data = mujoco.MjData(self.model)
        self._image_size = image_size
        self._renderer = None

    def turn(self, angle):
        """Turn the object to `angle`, in turns about the vertical axis, counter-clockwise from above."""
        half = np.pi * angle
        self.model.body("object").quat[:] = np.cos(half), 0, 0, np.sin(half)
        mujoco.mj_forward(self.model, self.data)

    def render(self, angle):
        """Return the view of the object turned to `angle` (turns): uint8 [image_size, image_size, 3]."""
        self.turn(angle)
        if self._renderer is None:
            self._renderer = MujocoRenderer(self.model, self.data, CAMERA, self._image_size, self._image_size)
            self._renderer.render("rgb_array")  # creates the viewer
            # CAD models often have triangles that face inwards; culled, those would leave holes.
            self._renderer.viewer.scn.flags[mujoco.mjtRndFlag.mjRND_CULL_FACE] = False
        # The viewer sets the camera once; upstream built a new one for each image.
        self._renderer.viewer.cam.lookat[:] = np.median(self.data.geom_xpos, axis=0)
        return self._renderer.render("rgb_array")

    def close(self):
        """Free the OpenGL context."""
        if self._renderer is not None:
            self._renderer.close()
