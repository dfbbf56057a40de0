"""Wavefront OBJ files: their vertices and polygons. Materials and groups do not matter here."""

import re

import numpy as np

from pose_data import polygons
from pose_data.file_kinds import plain_text

_NOT_READ = {
    b"surf": "free-form surfaces", b"bzp": "Bezier patches", b"bsp": "B-spline patches", b"cdp": "Cardinal patches",
    b"call": "a call of another file",
}  # fmt: skip


def read(data):
    """-> (vertices float [V, 3], triangles int [F, 3])"""
    text = plain_text(data)
    if b"\0" in text:
        raise ValueError("it has zero bytes: it is no text")
    text = re.sub(rb"#[^\n]*", b"", text)
    text = re.sub(rb"\\[ \t]*\n", b" ", text)  # a line that continues
    points, sizes, corners = [], [], []
    for line in text.split(b"\n"):
        words = line.split()
        if not words:
            continue
        keyword = words[0].lower()
        if keyword == b"v":
            if len(words) < 4:
                raise ValueError("a vertex has fewer than three numbers")
            points += words[1:4]  # a weight or a colour may follow
        elif keyword in (b"f", b"fo"):
            indices = [int(word.partition(b"/")[0]) for word in words[1:]]
            if not indices or 0 in indices:
                raise ValueError("a face has a corner 0; the first is 1" if indices else "a face has no corners")
            count = len(points) // 3  # a negative one counts back from the last vertex so far
            if min(indices) < -count:
                raise ValueError(f"a face has a corner {min(indices)}, there are {count} vertices before it")
            sizes.append(len(indices))
            corners += [index - 1 if index > 0 else count + index for index in indices]
        elif keyword in _NOT_READ:
            raise ValueError(f"it has {_NOT_READ[keyword]}; export it as polygons")
    vertices = np.array(list(map(float, points))).reshape(-1, 3)
    return vertices, polygons.triangulate(vertices, sizes, corners)
