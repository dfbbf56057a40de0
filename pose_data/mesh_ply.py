"""PLY files: text or binary, of either byte order, with polygons or triangle strips, among whatever else."""

import re
import struct

import numpy as np

from pose_data import polygons
from pose_data.file_kinds import plain_text, without_mark

# Letters that mean the same to struct and to NumPy.
_TYPES = {
    "char": "b", "int8": "b", "uchar": "B", "uint8": "B", "short": "h", "int16": "h", "ushort": "H", "uint16": "H",
    "int": "i", "int32": "i", "uint": "I", "uint32": "I", "float": "f", "float32": "f", "double": "d", "float64": "d",
}  # fmt: skip
_BYTE_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_INDICES = ("vertex_indices", "vertex_index")


def read(data):
    """-> (vertices float [V, 3], triangles int [F, 3])"""
    byte_order, elements, body = _read_header(without_mark(data))
    if not byte_order:  # a text becomes a binary file in which all is a double
        try:
            body = np.array(list(map(float, body.split())), "<f8").tobytes()
        except ValueError as error:
            raise ValueError(f"it has words among its numbers: {error}") from error
    found, at = {}, 0
    for name, count, properties in elements:
        try:
            found[name], at = _read_element(body, at, count, properties)
        except struct.error as error:
            raise ValueError(f"it ends before its {count} {name} records do") from error
    if len(body) - at >= 8 and body[at:].strip(b"\0 \t\r\n"):  # padding may follow
        raise ValueError("it has more than it announces")
    vertex = found.get("vertex", {})
    if not vertex.keys() >= set("xyz"):
        raise ValueError("its vertices have no x, y and z")
    vertices = np.stack([vertex[axis][1].astype(np.float64) for axis in "xyz"], axis=1)
    sizes, corners = _indices(found, "face")
    triangles = _strips(*_indices(found, "tristrips"))
    sizes = np.concatenate([sizes, np.full(len(triangles), 3)])
    return vertices, polygons.triangulate(vertices, sizes, np.concatenate([corners, triangles.reshape(-1)]))


def _read_header(data):
    """-> (byte order: "<", ">" or "" for text; [(element, count, [(property, type, type of its size, None if it is no
    list)])]; the bytes that follow)"""
    start = re.match(rb"ply[ \t]*(\r?\n|\r)", data)
    if not start:
        raise ValueError("it does not begin with ply")
    # After the last line begin bytes that may look like a line end.
    line_end = rb"\r" if start[1] == b"\r" else rb"\r?\n"
    end = re.search(line_end + rb"end_header[ \t]*" + line_end, data)
    if not end:
        raise ValueError("its header has no end")
    byte_order, elements = None, []
    for line in plain_text(data[start.end() : end.start()]).decode(errors="replace").split("\n"):
        try:
            keyword, *words = line.split() or [""]
            if keyword == "format":
                byte_order = _BYTE_ORDERS[words[0]]
            elif keyword == "element":
                if any(name == words[0] for name, _, _ in elements):
                    raise ValueError
                elements.append((words[0], int(words[1]), []))
            elif keyword == "property":
                is_list = words[0] == "list"
                types = [_TYPES[word] for word in (words[1:3] if is_list else words[:1])]
                types = [byte_order + letter if byte_order else "<d" for letter in types]
                elements[-1][2].append((words[-1], types[-1], types[0] if is_list else None))
        except (LookupError, ValueError) as error:
            raise ValueError(f"its header has the line {line[:80]!r}") from error
        if elements and elements[-1][1] < 0:
            raise ValueError(f"it announces {elements[-1][1]} {elements[-1][0]} records")
    if byte_order is None:
        raise ValueError("its header has no line `format`")
    return byte_order, elements, data[end.end() :]


def _read_element(data, at, count, properties):
    """-> ({property: (sizes of its lists, int [count]; all their values, [sum of sizes])}, where the next element
    begins). A property that is no list has lists of one. Raises struct.error when the data end too early."""
    if not (count and properties):
        return {name: (np.zeros(0, np.int64), np.zeros(0)) for name, _, _ in properties}, at
    first = _spans(data, at, properties)
    alike = _read_alike(data, at, count, properties, first)
    if alike:
        return alike, at + count * (first[-1][1] - at)
    records = []
    for _ in range(count):
        records.append(_spans(data, at, properties))
        at = records[-1][-1][1]
    found = {}
    for (name, kind, _), spans in zip(properties, zip(*records, strict=True), strict=True):
        sizes = np.array([end - start for start, end in spans]) // np.dtype(kind).itemsize
        found[name] = sizes, np.frombuffer(b"".join([data[start:end] for start, end in spans]), kind)
    return found, at


def _spans(data, at, properties):
    """-> [(where its values begin, where they end) of each property] of the record that begins at `at`"""
    found = []
    for _, kind, size_kind in properties:
        length = 1
        if size_kind:
            (length,) = struct.unpack_from(size_kind, data, at)
            if not (length >= 0 and length == length // 1):
                raise ValueError(f"it has a list of {length} values")
            at += struct.calcsize(size_kind)
        found.append((at, at + int(length) * struct.calcsize(kind)))
        at = found[-1][1]
    if at > len(data):
        raise struct.error
    return found


def _read_alike(data, at, count, properties, first):
    """Where all records have lists as long as those of the first, whose spans are `first`: what _read_element returns
    first; else None."""
    fields = {}
    for i, ((_, kind, size_kind), (start, end)) in enumerate(zip(properties, first, strict=True)):
        fields[str(i)] = (kind, ((end - start) // struct.calcsize(kind),)), start - at
        if size_kind:
            fields[f"size {i}"] = size_kind, start - at - struct.calcsize(size_kind)
    record = np.dtype({
        "names": list(fields), "formats": [kind for kind, _ in fields.values()],
        "offsets": [offset for _, offset in fields.values()], "itemsize": first[-1][1] - at,
    })  # fmt: skip
    if at + count * record.itemsize > len(data):
        return None
    records = np.frombuffer(data, record, count, at)
    if any((records[name] != records[name][0]).any() for name in fields if name.startswith("size")):
        return None
    return {
        name: (np.full(count, records[str(i)].shape[1]), records[str(i)].reshape(-1))
        for i, (name, _, _) in enumerate(properties)
    }


def _indices(found, element):
    """-> (numbers of corners [F], corners [their sum]) of the faces or strips; empty without such an element."""
    properties = found.get(element, {})
    name = next((name for name in _INDICES if name in properties), None)
    if properties and not name:
        raise ValueError(f"its element {element} has no list vertex_indices")
    sizes, corners = properties[name] if name else (np.zeros(0, np.int64), np.zeros(0))
    if not ((corners == np.floor(corners)) & (np.abs(corners) < 2**53)).all():
        raise ValueError("a face has a corner that is no whole number")
    return sizes, corners.astype(np.int64)


def _strips(sizes, corners):
    """-> the triangles of strips: int [triangles, 3]. A -1 ends a strip within its list."""
    lists = np.split(corners, np.cumsum(sizes)[:-1]) if len(sizes) else []
    strips = [part for strip in lists for part in np.split(strip, np.flatnonzero(strip == -1))]
    return np.concatenate([np.empty((0, 3), np.int64), *(polygons.strip_triangles(s[s != -1]) for s in strips)])
