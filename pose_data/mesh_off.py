"""OFF files, as Geomview defines them: any order and case of the prefixes, free-form or in lines."""

import itertools
import re

import numpy as np

from pose_data import polygons
from pose_data.file_kinds import plain_text

# The numbers may follow without a blank, as in ModelNet.
_HEADER = re.compile(rb"\s*((?:ST|[C4Nn])*)OFF(?![A-Za-z_])([ \t]+(?i:BINARY)\b)?")
_EXTRA_COLUMNS = {b"ST": 2, b"C": 4, b"N": 3}  # texture coordinates, colour, normal


def read(data):
    """-> (vertices float [V, 3], triangles int [F, 3])"""
    text = re.sub(rb"#[^\n]*", b"", plain_text(data))
    word = text.split(None, 1)[0] if text.strip() else b""
    if word == word.lower() or word == b"Off":  # of the prefixes only n, the number of dimensions, is not N, normals
        text = text.replace(word, word.upper(), 1)
    header = _HEADER.match(text)
    if not header and not re.match(rb"\s*\d+\s+\d", text):  # the word may be missing
        raise ValueError("it does not begin with OFF")
    if header and header[2]:
        raise ValueError("it is a binary OFF; save it as text")
    prefixes = re.findall(rb"ST|[C4Nn]", header[1]) if header else []
    text = text[header.end() :] if header else text
    if b"n" in prefixes:
        dimensions, text = _take(text, 1)
        if dimensions != [3]:
            raise ValueError(f"it is {dimensions[0]}-dimensional, not of 3 dimensions")
    # The number of edges, which nothing needs, may be missing where a line ends.
    first_line = text.lstrip().partition(b"\n")[0].split()
    (num_vertices, num_faces, *_), text = _take(text, 2 if len(first_line) == 2 else 3)
    if min(num_vertices, num_faces) < 0:
        raise ValueError(f"it says it has {num_vertices} vertices and {num_faces} faces")
    width = 4 if b"4" in prefixes else 3
    columns = width + sum(_EXTRA_COLUMNS.get(prefix, 0) for prefix in prefixes)
    points, sizes, corners = _read_body(text, num_vertices, num_faces, width, columns)
    vertices = points[:, :3] / points[:, 3:] if width == 4 else points
    return vertices, polygons.triangulate(vertices, sizes, corners)


def _take(text, count):
    """-> (the first `count` whole numbers of the text, the rest of it)"""
    numbers = re.match(rb"\s*" + rb"\s+".join([rb"([+-]?\d{1,18})\b(?!\.)"] * count), text)
    if not numbers:
        raise ValueError("its numbers of vertices and faces are missing, or are no whole numbers")
    return [int(number) for number in numbers.groups()], text[numbers.end() :]


def _read_body(text, num_vertices, num_faces, width, columns):
    """-> (vertices float [V, width], numbers of corners [F], corners [their sum])"""
    tokens = text.split()
    start = num_vertices * columns
    too_short = f"it ends before its {num_vertices} vertices and {num_faces} faces do"
    if len(tokens) < num_vertices * width + num_faces:
        raise ValueError(too_short)
    # Nearly all files: faces of one size and nothing behind them.
    size = int(tokens[start]) if num_faces and start < len(tokens) else 0
    if size > 0 and len(tokens) == start + num_faces * (size + 1):
        faces = tokens[start:]
        if faces[:: size + 1].count(tokens[start]) == num_faces:
            points = np.array(list(map(float, tokens[:start]))).reshape(-1, columns)[:, :width]
            del faces[:: size + 1]
            return points, np.full(num_faces, size), list(map(int, faces))
    # Behind a vertex or a face may be more in the line (a colour), or the next one may follow in it.
    lines = [line.split() for line in text.split(b"\n")]
    ends = np.repeat(np.cumsum([len(line) for line in lines]), [len(line) for line in lines]).tolist()
    reasons = []
    for vertices_in_lines, faces_in_lines in itertools.product([True, False], repeat=2):
        try:
            starts, at = [], 0
            for _ in range(num_vertices):
                starts.append(at)
                at = ends[at + width - 1] if vertices_in_lines else at + columns
            sizes, corners = [], []
            for _ in range(num_faces):
                size = int(tokens[at])
                if size < 1:
                    raise ValueError(f"a face says that it has {size} corners")
                sizes.append(size)
                corners += tokens[at + 1 : at + 1 + size]
                at = ends[at + size] if faces_in_lines else at + 1 + size
            if at < len(tokens):
                raise ValueError(f"more follows its {num_vertices} vertices and {num_faces} faces")
            if at == len(tokens):
                points = [[float(number) for number in tokens[i : i + width]] for i in starts]
                return np.array(points).reshape(-1, width), sizes, list(map(int, corners))
        except IndexError:
            pass
        except ValueError as error:
            reasons.append(error)
    raise reasons[0] if reasons else ValueError(too_short)
