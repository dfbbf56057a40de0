"""Polygons and strips of a mesh, cut into triangles."""

import mapbox_earcut
import numpy as np

MAX_CONCAVE_CORNERS = 20_000  # of one face: cutting it takes up to the square of that, here two seconds
_ROUNDING = 1e-6  # of a polygon's area: a fan may have a triangle that is turned over by less


def triangulate(vertices, sizes, corners):
    """Cut polygons into triangles that cover them, and face the same way.

    Polygon i has the next `sizes[i]` of `corners` (int [sum(sizes)], indices into `vertices`, float [V, 3]); points
    and edges, of one or two corners, are left out. Returns int64 [triangles, 3] in the order of the polygons: fans from
    the first corner where these cover the polygon, as they do for all convex ones; ears elsewhere. Raises ValueError
    for an index beyond the vertices and for a concave polygon of more than MAX_CONCAVE_CORNERS.
    """
    sizes, corners = np.asarray(sizes, np.int64), np.asarray(corners)
    if len(corners) and not 0 <= corners.min() <= corners.max() < len(vertices):
        raise ValueError(f"a face refers to a vertex that is not one of its {len(vertices)}")
    corners = corners.astype(np.int64)
    starts = np.cumsum(sizes) - sizes
    parts, polygons = [np.empty((0, 3), np.int64)], [np.empty(0, np.int64)]
    for size in np.unique(sizes[sizes > 2]):
        chosen = np.flatnonzero(sizes == size)
        rows = corners[starts[chosen, None] + np.arange(size)]  # [polygons, size]
        covers = _fan_covers(vertices[rows]) if size > 3 else np.ones(len(rows), bool)
        fans = np.stack([np.broadcast_to(rows[:, :1], (len(rows), size - 2)), rows[:, 1:-1], rows[:, 2:]], axis=-1)
        parts.append(fans[covers].reshape(-1, 3))
        polygons.append(np.repeat(chosen[covers], size - 2))
        for i in np.flatnonzero(~covers):
            parts.append(rows[i][_ears(vertices[rows[i]])])
            polygons.append(np.full(len(parts[-1]), chosen[i]))
    return np.concatenate(parts)[np.argsort(np.concatenate(polygons), kind="stable")]


def _fan_covers(points):
    """Whether the fan from the first corner of each polygon (`points`: [polygons, corners, 3]) covers it: none of its
    triangles is turned over. True as well where there is no area to cover."""
    with np.errstate(all="ignore"):  # of coordinates that are no numbers, or too large for their squares
        spokes = points[:, 1:] - points[:, :1]
        normals = np.cross(spokes[:, :-1], spokes[:, 1:])  # [polygons, corners - 2, 3]
        whole = normals.sum(axis=1, keepdims=True)  # Newell's normal, as long as twice the area
        shares = (normals * whole).sum(axis=-1) / (whole * whole).sum(axis=-1)
    return ~(shares < -_ROUNDING).any(axis=1)


def _ears(points):
    """Cut one polygon, [corners, 3], by clipping ears in its own plane; return int [triangles, 3 corners]."""
    if len(points) > MAX_CONCAVE_CORNERS:
        raise ValueError(f"a concave face has more than {MAX_CONCAVE_CORNERS} corners; cut it into triangles")
    spokes = points - points[0]
    normal = np.cross(spokes[1:-1], spokes[2:]).sum(axis=0)
    normal /= np.linalg.norm(normal)
    side = np.cross(normal, np.eye(3)[np.abs(normal).argmin()])
    side /= np.linalg.norm(side)
    flat = np.ascontiguousarray(spokes @ np.stack([side, np.cross(normal, side)], axis=1))
    triangles = mapbox_earcut.triangulate_float64(flat, np.array([len(flat)], np.uint32)).reshape(-1, 3)
    # All ears face one way, which need not be the polygon's.
    a, b, c = flat[triangles].transpose(1, 2, 0)
    area = ((b - a)[0] * (c - a)[1] - (b - a)[1] * (c - a)[0]).sum()
    return triangles[:, ::-1] if area < 0 else triangles


def strip_triangles(strip):
    """Return the triangles of one strip of vertices (int [corners]) as int64 [triangles, 3]; every other one is turned,
    so that all face the same way, and those that only join two strips, with a corner twice, are left out."""
    strip = np.asarray(strip, np.int64)
    triangles = np.stack([strip[:-2], strip[1:-1], strip[2:]], axis=1) if len(strip) > 2 else np.empty((0, 3), np.int64)
    triangles[1::2] = triangles[1::2, [1, 0, 2]]
    a, b, c = triangles.T
    return triangles[(a != b) & (b != c) & (c != a)]
