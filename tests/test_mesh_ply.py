"""PLY: a cube in every form that the format has, and files that must be refused, with the reason."""

import gzip

import numpy as np
import pytest
from mesh_cases import POINTS, QUADS, TRIANGLES, area, assert_cube

from metalearn.cli import UserError
from pose_data.meshes import read_triangles

CODES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4",
    "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4",
    "float32": "f4", "float64": "f8",
}  # fmt: skip
ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": None}
VERTEX = [("float", "x"), ("float", "y"), ("float", "z")]
FACE = [("list uchar int", "vertex_indices")]
STRIP = [0, 1, 2, 3, 7, 1, 5, 0, 4, 2, 6, 7, 4, 5]


def ply(form, *elements, end="\n", comment="made by hand"):
    """elements: (name, [(type, property)], [a list of values of each record, lists for list properties])"""
    header, body = ["ply", f"format {form} 1.0", f"comment {comment}", "obj_info end_header"], b""
    for name, properties, records in elements:
        header.append(f"element {name} {len(records)}")
        header += [f"property {kind} {property_name}" for kind, property_name in properties]
        for record in records:
            values = []  # (type, number)
            for (kind, _), value in zip(properties, record, strict=True):
                is_list, *kinds = kind.split() if kind.startswith("list") else ("", kind)
                values += [(kinds[0], len(value))] if is_list else []
                values += [(kinds[-1], number) for number in (value if is_list else [value])]
            if ORDERS[form]:
                body += b"".join(
                    np.array(number).astype(ORDERS[form] + CODES[kind]).tobytes() for kind, number in values
                )
            else:
                body += (" ".join(f"{number:g}" for _, number in values) + end).encode()
    return (end.join([*header, "end_header"]) + end).encode() + body


def cube(form, vertex=VERTEX, face=FACE, faces=QUADS, tail=(), name="face", **options):
    """`vertex`, `face`: properties; those that are none of a cube's are 7s. `tail`: more elements."""
    points = [[dict(zip("xyz", point, strict=True)).get(name, 7) for _, name in vertex] for point in POINTS.tolist()]
    rows = [[list(row) if "vert" in name else [7, 7] if "list" in kind else 7 for kind, name in face] for row in faces]
    return ply(form, ("vertex", vertex, points), (name, face, rows), *tail, **options)


MIXED = [*QUADS[:3].tolist(), *TRIANGLES[6:8].tolist(), QUADS[4].tolist(), [0, 1], *TRIANGLES[10:].tolist()]
FORMS = {
    "quads": {},
    "triangles": dict(faces=TRIANGLES),
    "mixed": dict(faces=MIXED),
    "CR": dict(end="\r"),
    "CRLF": dict(end="\r\n"),
    "uint8 uint32": dict(face=[("list uint8 uint32", "vertex_indices")]),
    "int ushort": dict(face=[("list int ushort", "vertex_indices")], faces=MIXED),
    "uint uchar": dict(face=[("list uint uchar", "vertex_index")]),
    "float64": dict(vertex=[("float64", "x"), ("float64", "y"), ("float64", "z")]),
    "integers": dict(vertex=[("int8", "x"), ("int16", "y"), ("int32", "z")]),
    "colours and normals": dict(
        vertex=[("float", "nx"), ("uchar", "red"), ("float", "z"), ("float", "y"), ("double", "x")]
    ),
    "face colours": dict(face=[*FACE, ("uchar", "red"), ("uchar", "green"), ("uchar", "blue")]),
    "face colours first, mixed": dict(face=[("uchar", "red"), *FACE, ("float", "quality")], faces=MIXED),
    "texture coordinates": dict(face=[("list uchar float", "texcoord"), *FACE], faces=MIXED),
    "edges and materials": dict(
        tail=[
            ("edge", [("int", "vertex1"), ("int", "vertex2"), ("uchar", "red")], [[0, 1, 9], [1, 3, 9]]),
            ("material", [("list uchar uchar", "name"), ("float", "shine")], [[[65, 66], 1], [[67], 1]]),
            ("nothing", [], []),
        ]
    ),
    "strips": dict(name="tristrips", faces=[STRIP], face=[("list int int", "vertex_indices")]),
    "strips that a -1 ends": dict(
        name="tristrips", face=[("list int int", "vertex_indices")], faces=[[*quad[[0, 1, 3, 2]], -1] for quad in QUADS]
    ),
    "one list of strips": dict(
        name="tristrips",
        face=[("list int int", "vertex_indices")],
        faces=[[corner for quad in QUADS for corner in (*quad[[0, 1, 3, 2]], -1)]],
    ),
}


@pytest.mark.parametrize("form", ORDERS)
@pytest.mark.parametrize("name", FORMS)
def test_a_cube_in_every_form_is_read(tmp_path, form, name):
    (tmp_path / "cube.ply").write_bytes(cube(form, **FORMS[name]))
    assert_cube(read_triangles(tmp_path / "cube.ply"))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_text_with_a_byte_order_mark_is_read(tmp_path, encoding):
    (tmp_path / "cube.ply").write_bytes(cube("ascii").decode().encode(encoding))
    assert_cube(read_triangles(tmp_path / "cube.ply"))


@pytest.mark.parametrize("form", ORDERS)
def test_padding_at_the_end_is_read(tmp_path, form):
    (tmp_path / "cube.ply").write_bytes(cube(form) + (b"\n \n" if form == "ascii" else b"\n" + bytes(50)))
    assert_cube(read_triangles(tmp_path / "cube.ply"))


@pytest.mark.parametrize("form", ORDERS)
def test_a_concave_face_keeps_its_area(tmp_path, form):
    points = [[0, 0, 1], [2, 0, 1], [2, 1, 1], [1, 1, 1], [1, 2, 1], [0, 2, 1]]
    for start in range(6):
        outline = [(start + i) % 6 for i in range(6)]
        (tmp_path / "l.ply").write_bytes(
            ply(form, ("vertex", VERTEX, points), ("face", FACE, [[outline], [[0, 1, 2]]]))
        )
        triangles = read_triangles(tmp_path / "l.ply")
        assert len(triangles) == 5
        np.testing.assert_allclose(area(triangles), 4)


ASCII, BINARY = cube("ascii"), cube("binary_little_endian")
REFUSED = {
    "84 of 102 quads": (cube("ascii", faces=np.tile(QUADS, (17, 1)))[:-180], "ends before its 102 face records do"),
    "cut": (ASCII[:-4], "ends before its 6 face records do"),
    "cut binary": (BINARY[:-1], "ends before its 6 face records do"),
    "cut mixed": (cube("binary_big_endian", faces=MIXED)[:-1], "ends before its 9 face records do"),
    "cut points": (BINARY[: -6 * 17 - 40], "ends before its 8 vertex records do"),
    "more": (ASCII + b"4 0 1 2 3\n", "more than it announces"),
    "more binary": (BINARY + BINARY[-17:], "more than it announces"),
    "words": (ASCII.replace(b"0 0 1", b"0 0 x"), "words among its numbers"),
    "beyond": (ASCII.replace(b"4 0 1", b"4 0 8"), "a face refers to a vertex that is not one of its 8"),
    "negative": (ASCII.replace(b"4 0 1", b"4 0 -1"), "a face refers to a vertex that is not one of its 8"),
    "infinite": (ASCII.replace(b"4 0 1", b"4 0 inf"), "a corner that is no whole number"),
    "half": (ASCII.replace(b"4 0 1", b"4 0 0.5"), "a corner that is no whole number"),
    "half a list": (ASCII.replace(b"4 0 1", b"3.5 0 1"), "a list of 3.5 values"),
    "no list": (ASCII.replace(b"4 0 1", b"-4 0 1"), "a list of -4.0 values"),
    "strip beyond": (cube("ascii", name="tristrips", faces=[[0, 1, 2, 9]], face=[("list int int", "vertex_indices")]),
                     "a face refers to a vertex that is not one of its 8"),
    "another list": (ASCII.replace(b"vertex_indices", b"corners"), "element face has no list vertex_indices"),
    "flat": (ASCII.replace(b"float z", b"float w"), "no x, y and z"),
    "points": (ply("ascii", ("vertex", VERTEX, POINTS)), "has no triangles"),
    "type": (ASCII.replace(b"float z", b"half z"), "its header has the line 'property half z'"),
    "count": (ASCII.replace(b"face 6", b"face six"), "its header has the line 'element face six'"),
    "twice": (cube("ascii", tail=[("face", FACE, [])]), "its header has the line 'element face 0'"),
    "negative count": (ASCII.replace(b"face 6", b"face -6"), "announces -6 face records"),
    "format": (ASCII.replace(b"ascii", b"binary"), "its header has the line 'format binary 1.0'"),
    "no format": (ASCII.replace(b"format", b"comment"), "no line `format`"),
    "no end": (ASCII.replace(b"\nend_header", b"\nend"), "its header has no end"),
    "magic": (b"x" + ASCII, "does not begin with ply"),
    "zipped": (gzip.compress(BINARY), "it is gzip-compressed: gunzip it"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_for_the_right_reason(tmp_path, name):
    content, reason = REFUSED[name]
    (tmp_path / "bad.ply").write_bytes(content)
    with pytest.raises(UserError, match=rf"bad\.ply: .*{reason}"):
        read_triangles(tmp_path / "bad.ply")
