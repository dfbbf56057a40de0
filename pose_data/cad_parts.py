"""The parts that the shape builders of cad_craft.py, cad_road.py and cad_furniture.py are made of.

Every builder is called as builder(rng, index) and returns one trimesh.Trimesh of (V, 3) vertices and (F, 3)
faces: x is forward, y is left, z is up, and the longest side is about one unit. The index walks through the
styles of the class (a sail boat, a motor boat, ...), so that even a handful of objects differ in their parts;
the generator draws the proportions and the extras. No shape maps onto itself under a turn about the vertical
axis, except for the bottles; trains nearly do under a half turn. Both classes are skipped later.

Parts simply overlap (no boolean operations), and are at least about 0.03 thick: at 128x128 pixels thinner
ones vanish. In the comments, `s` is the side: -1 is right, 1 is left.
"""

from itertools import pairwise

import numpy as np
import trimesh
from shapely.geometry import Polygon
from trimesh import creation
from trimesh.transformations import rotation_matrix

# An extent is a (low, high) pair in either order, or a width centred on zero.


def _interval(extent):
    return (-extent / 2, extent / 2) if np.isscalar(extent) else (min(extent), max(extent))


def block(x, y, z):
    """An axis-aligned box over the extents x, y and z."""
    return creation.box(bounds=np.transpose([_interval(x), _interval(y), _interval(z)]))


def rod(start, end, radius=0.018):
    """A round bar between two points."""
    return creation.cylinder(radius=radius, segment=[start, end], sections=10)


def tubes(points, radius=0.018):
    """Bars along a polyline."""
    return [rod(start, end, radius) for start, end in pairwise(points)]


def disc(x, y, z, radius, width):
    """A solid wheel about the axis along y through (x, y, z)."""
    return creation.cylinder(radius, segment=[(x, y - width / 2, z), (x, y + width / 2, z)], sections=20)


def tyre(x, z, radius, tube):
    """A torus in the xz plane, of outer radius `radius`."""
    torus = creation.torus(radius - tube, tube, major_sections=24, minor_sections=8)
    return torus.apply_transform(rotation_matrix(np.pi / 2, (1, 0, 0))).apply_translation((x, 0, z))


def ball(size, at):
    """An ellipsoid with the three side lengths `size`, centred on `at`."""
    return creation.icosphere(subdivisions=2, radius=0.5).apply_scale(size).apply_translation(at)


def lathe(profile, axis="z", at=(0, 0, 0)):
    """A solid of revolution; profile lists (radius, position along the axis) with rising positions."""
    solid = creation.revolve(np.asarray(profile, float), sections=16)
    if axis == "x":
        solid.vertices = solid.vertices[:, [2, 0, 1]]  # a cyclic permutation is a rotation
    return solid.apply_translation(at)


def plan(outline, z):
    """A polygon in (x, y) extruded over the extent z."""
    low, high = _interval(z)
    return creation.extrude_polygon(Polygon(outline), high - low).apply_translation((0, 0, low))


def profile(outline, y):
    """A polygon in (x, z) extruded over the extent y."""
    low, high = _interval(y)
    return plan(outline, (-high, -low)).apply_transform(rotation_matrix(np.pi / 2, (1, 0, 0)))


def taper(solid, bottom=(1, 1), top=(1, 1)):
    """Scales x and y about the z axis by factors that run linearly from the bottom to the top."""
    v = solid.vertices.copy()
    height = (v[:, 2:] - v[:, 2].min()) / np.ptp(v[:, 2])
    v[:, :2] *= (1 - height) * bottom + height * np.asarray(top)
    solid.vertices = v
    return solid


def both(*parts):
    """The parts and their mirror images on the other side of the plane y = 0."""
    return [*parts, *(part.copy().apply_transform(np.diag((1, -1, 1, 1))) for part in parts)]


def join(parts, turn=0.0, by=(0, 0, 0)):
    """Joins parts into one mesh, then turns it about z (radians) and shifts it."""
    return trimesh.util.concatenate(parts).apply_transform(rotation_matrix(turn, (0, 0, 1))).apply_translation(by)


def shift(point, x=0.0, y=0.0, z=0.0):
    """The point, moved."""
    return np.add(point, (x, y, z))


def ellipse(a, b):
    """The outline of an ellipse with half axes a and b."""
    t = np.arange(24) * np.pi / 12
    return np.stack([a * np.cos(t), b * np.sin(t)], axis=1)


def crate(size, at):
    """An open box; `at` is the middle of its underside."""
    x, y, z = size
    walls = [block(x, y, (0, 0.03)), *both(block(x, (y / 2 - 0.03, y / 2), (0, z)))]
    walls += [block((s * (x / 2 - 0.03), s * x / 2), y, (0, z)) for s in (-1, 1)]
    return join(walls, by=at)


def pick(styles, index):
    """The style of object number `index`."""
    return styles[index % len(styles)]
