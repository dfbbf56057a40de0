"""A cube in the forms that files of CAD models have, and what must be read from them."""

import numpy as np

POINTS = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
QUADS = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])  # outwards
TRIANGLES = QUADS[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)


def rows(array, end="\n"):
    """The lines of a text of numbers."""
    return "".join(" ".join(f"{number:g}" for number in row) + end for row in array)


def normals(triangles):
    """Half of their length is the area."""
    return np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])


def area(triangles):
    return np.linalg.norm(normals(triangles), axis=1).sum() / 2


def volume(triangles):
    """Positive for a closed surface whose triangles all face outwards."""
    return np.einsum("ti,ti->", triangles[:, 0], normals(triangles)) / 6


def assert_cube(triangles, low=(0, 0, 0), high=(1, 1, 1)):
    assert triangles.shape == (12, 3, 3) and triangles.dtype == np.float64
    np.testing.assert_allclose(triangles.min(axis=(0, 1)), low, atol=1e-6)
    np.testing.assert_allclose(triangles.max(axis=(0, 1)), high, atol=1e-6)
    size = np.subtract(high, low)
    np.testing.assert_allclose(area(triangles), 2 * (size * np.roll(size, 1)).sum(), rtol=1e-5)
    np.testing.assert_allclose(volume(triangles), size.prod(), rtol=1e-5)
