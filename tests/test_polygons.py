import numpy as np
import pytest
from mesh_cases import area, normals

from pose_data import polygons

SQUARE = [[0, 0], [4, 0], [4, 4], [0, 4]]
L_SHAPE = [[0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2]]
SHAPES = {
    "L": (L_SHAPE, 3),
    "L with corners on its edges": ([[0, 0], [1, 0], [2, 0], [2, 0.5], [2, 1], [1, 1], [1, 2], [0.5, 2], [0, 2]], 3),
    "a corner twice": ([[0, 0], [2, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2]], 3),
    "arrowhead": ([[0, 0], [2, -1], [0, 3], [-2, -1]], 6),
    "comb": ([[0, 0], [7, 0], [7, 3], [6, 3], [6, 1], [5, 1], [5, 3], [4, 3], [4, 1], [3, 1], [3, 3], [2, 3], [2, 1],
              [1, 1], [1, 3], [0, 3]], 15),
    "a window, by a cut to it": ([*SQUARE, [0, 0], [1, 1], [1, 3], [3, 3], [3, 1], [1, 1]], 12),
    "a ring, by a cut": ([[0, 0], [4, 0], [4, 4], [0, 4], [0, 2], [1, 2], [1, 3], [3, 3], [3, 1], [1, 1], [1, 2],
                          [0, 2]], 12),
    "hexagon": ([[2, 0], [1, 2], [-1, 2], [-2, 0], [-1, -2], [1, -2]], 12),
    "triangle with corners on its edges": ([[0, 0], [1, 0], [2, 0], [1, 1], [0, 2], [0, 1]], 2),
    "thin": ([[0, 0], [1e3, 0], [1e3, 1e-3], [500, 5e-4], [0, 1e-3]], 0.75),
}  # fmt: skip
ANY_TURN = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
TILTS = [np.eye(3), ANY_TURN, np.eye(3)[[1, 2, 0]], -np.eye(3)[::-1]]


def cut(points):
    """The triangles of one polygon, [triangles, 3, 3]."""
    return points[polygons.triangulate(points, [len(points)], np.arange(len(points)))]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("tilt", range(len(TILTS)))
def test_a_polygon_is_covered_once_and_faces_its_way(shape, tilt):
    """Whatever its plane, its first corner and its sense."""
    outline, expected = SHAPES[shape]
    points = np.column_stack([outline, np.zeros(len(outline))]) @ TILTS[tilt] * 3 + [5, -7, 11]
    for start in range(len(points)):
        for order in (1, -1):
            turned = np.roll(points, start, axis=0)[::order]
            triangles = cut(turned)
            np.testing.assert_allclose(area(triangles), 9 * expected, rtol=1e-6)
            whole = np.cross(turned, np.roll(turned, -1, axis=0)).sum(axis=0)  # Newell's normal, twice the area long
            np.testing.assert_allclose(normals(triangles).sum(axis=0), whole, atol=1e-6 * np.abs(whole).max())


@pytest.mark.parametrize("seed", range(5))
def test_stars_of_any_number_of_corners_are_covered(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(4, 200))
    angles = np.sort(rng.random(count)) * 2 * np.pi
    flat = np.column_stack([np.cos(angles), np.sin(angles)]) * rng.uniform(0.1, 1, (count, 1))
    points = np.column_stack([flat, np.zeros(count)]) @ ANY_TURN
    x, y = flat.T
    shoelace = abs((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) / 2
    np.testing.assert_allclose(area(cut(points)), shoelace, rtol=1e-6)


def test_fans_are_kept_where_they_are_right():
    """Triangles, convex polygons and those that are not flat but convex as seen along their normal, in their order."""
    points = np.random.default_rng(0).normal(size=(9, 3)) * 0.1 + np.column_stack(
        [*[f(np.arange(9) * 2 * np.pi / 9) for f in (np.cos, np.sin)], np.zeros(9)]
    )
    corners = [0, 1, 2, 0, 2, 4, 6, 8, 3, 5, 0, 3, 6, 0, 1, 2, 3, 4, 5, 6, 7, 8]
    triangles = polygons.triangulate(points, [3, 4, 2, 1, 3, 9], corners)
    assert triangles[:4].tolist() == [[0, 1, 2], [0, 2, 4], [0, 4, 6], [0, 3, 6]]
    assert triangles[4:].tolist() == [[0, i, i + 1] for i in range(1, 8)]


def test_triangles_stay_in_the_order_of_their_polygons():
    points = np.column_stack([L_SHAPE, np.zeros(6)])
    triangles = polygons.triangulate(points, [3, 6, 3], [0, 1, 2, 1, 2, 3, 4, 5, 0, 3, 4, 5])
    assert triangles[0].tolist() == [0, 1, 2] and triangles[-1].tolist() == [3, 4, 5] and len(triangles) == 6


@pytest.mark.parametrize(
    "points",
    [
        np.zeros((6, 3)),
        np.arange(15).reshape(5, 3),  # in a line
        np.array([[0, 0, 0], [1, 1, 0], [1, 0, 0], [0, 1, 0]]),  # a bow tie
        np.array([[0, 0, 0], [1, 0, 0], [0, np.nan, 0], [0, 0, 1]]),
        np.array([[0, 0, 0], [1e200, 0, 0], [1e200, 1e200, 0], [0, np.inf, 0]]),
        np.random.default_rng(0).normal(size=(300, 3)),
    ],
)
def test_a_polygon_without_a_plane_gives_triangles_of_its_corners(points):
    triangles = polygons.triangulate(points, [len(points)], np.arange(len(points)))
    assert triangles.shape[1] == 3 and set(triangles.flat) <= set(range(len(points)))


def test_faces_of_one_or_two_corners_and_none_at_all_are_left_out():
    assert polygons.triangulate(np.zeros((3, 3)), [2, 1, 3], [0, 1, 2, 0, 1, 2]).tolist() == [[0, 1, 2]]
    assert polygons.triangulate(np.zeros((3, 3)), [2], [0, 1]).shape == (0, 3)
    assert polygons.triangulate(np.zeros((0, 3)), [], []).shape == (0, 3)


@pytest.mark.parametrize("corner", [-1, 3, 2**62])
def test_a_corner_that_is_not_there_is_refused(corner):
    with pytest.raises(ValueError, match="not one of its 3"):
        polygons.triangulate(np.zeros((3, 3)), [3], [0, 1, corner])


def test_a_concave_polygon_that_would_take_minutes_is_refused():
    points = np.random.default_rng(0).normal(size=(polygons.MAX_CONCAVE_CORNERS + 1, 3))
    with pytest.raises(ValueError, match="more than 20000 corners"):
        cut(points)


def test_strips_turn_every_other_triangle_and_leave_out_joints():
    assert polygons.strip_triangles([0, 1, 2, 3, 4]).tolist() == [[0, 1, 2], [2, 1, 3], [2, 3, 4]]
    assert polygons.strip_triangles([0, 1, 2, 2, 3, 3, 4, 5]).tolist() == [[0, 1, 2], [4, 3, 5]]
    assert polygons.strip_triangles([0, 1]).shape == polygons.strip_triangles([]).shape == (0, 3)
