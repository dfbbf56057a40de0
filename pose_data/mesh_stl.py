"""STL files, binary and text."""

import re

import numpy as np

from pose_data.file_kinds import plain_text

_FACET = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_HEADER_SIZE = 84
# The words of a facet and where they stand in its 21.
_WORDS = {0: b"facet", 1: b"normal", 5: b"outer", 6: b"loop", 7: b"vertex", 11: b"vertex", 15: b"vertex",
          19: b"endloop", 20: b"endfacet"}  # fmt: skip


def read(data):
    """-> (vertices float [V, 3], triangles int [F, 3])"""
    num_facets = int.from_bytes(data[80:84], "little")
    size = _HEADER_SIZE + num_facets * _FACET.itemsize
    # A text has a number of facets beyond any file here. A binary one may begin with "solid", too.
    if len(data) >= max(size, _HEADER_SIZE) and _is_padding(data[size:]):
        corners = np.frombuffer(data, _FACET, num_facets, _HEADER_SIZE)["corners"]
    else:
        text = plain_text(data).rstrip(b"\0\x1a \t\n")
        if not re.match(rb"\s*solid\b", text, re.IGNORECASE) or b"\0" in text:
            if len(data) < _HEADER_SIZE:
                raise ValueError("it is no STL: it neither begins with `solid` nor has the 84 bytes of a binary one")
            what = "ends too early" if len(data) < size else "has more after them"
            raise ValueError(f"it announces {num_facets} facets, {size} bytes, and {what}: it has {len(data)} bytes")
        corners = _read_text(text)
    return corners.reshape(-1, 3).astype(np.float64), np.arange(3 * len(corners)).reshape(-1, 3)


def _is_padding(rest):
    return len(rest) < _FACET.itemsize or not rest.strip(b"\0 \t\r\n")


def _read_text(text):
    """-> float [facets, 3 corners, 3]"""
    text = text.lower()
    num_facets = text.count(b"endfacet")
    text, num_ends = re.subn(rb"endsolid\b[^\n]*", b"", text)
    # A name, which may be any words, ends with the line, or before a facet that follows in it.
    text, num_solids = re.subn(rb"(?m)solid\b[^\n]*?(?=[ \t]facet[ \t]+normal\b|$)", b"", text)
    words = text.split()
    if num_ends < num_solids:
        raise ValueError("it ends too early: `endsolid` is missing")
    if len(words) != 21 * num_facets or any(words[i::21].count(word) != num_facets for i, word in _WORDS.items()):
        raise ValueError("it has a facet that is not: facet normal, outer loop, three vertices, endloop, endfacet")
    numbers = [words[i::21] for i in (8, 9, 10, 12, 13, 14, 16, 17, 18)]
    return np.array([list(map(float, column)) for column in numbers]).T.reshape(-1, 3, 3)
