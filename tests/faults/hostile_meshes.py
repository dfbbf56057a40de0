"""Meshes by their bytes: whole ones to be damaged, ones that must be refused, and odd ones that must be read."""

import struct

import numpy as np
import trimesh
from cad_folder import lopsided_mesh
from glb_cases import glb

from pose_data.meshes import SUFFIXES

SQUARE = "OFF\n4 2 0\n0 0 0\n1 0 0\n1 1 0\n0 1 1\n3 0 1 2\n3 0 2 3\n"


def seeds():
    """{suffix: meshes as bytes}"""
    meshes = lopsided_mesh(), trimesh.creation.icosphere(1)
    found = {suffix: [mesh.export(file_type=suffix[1:]) for mesh in meshes] for suffix in SUFFIXES}
    found[".ply"] += [mesh.export(file_type="ply", encoding="ascii") for mesh in meshes]
    found[".stl"] += [mesh.export(file_type="stl_ascii") for mesh in meshes]
    found[".off"].append(SQUARE)
    return {suffix: [m.encode() if isinstance(m, str) else m for m in found[suffix]] for suffix in found}


SEEDS = seeds()


def glb_of(count, nodes=1, primitives=1, view=True, uri=None):
    """A mesh of `count` points that stands in `nodes` places, each time in `primitives` parts."""
    data = np.random.default_rng(0).random((count if view else 3, 3)).astype("<f4").tobytes()
    accessor = {"componentType": 5126, "type": "VEC3", "count": count, **({"bufferView": 0} if view else {})}
    header = {
        "scenes": [{"nodes": list(range(nodes))}], "nodes": [{"mesh": 0}] * nodes,
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}] * primitives}], "accessors": [accessor],
        "bufferViews": [{"buffer": 0, "byteLength": len(data)}],
        "buffers": [{"byteLength": len(data), **({"uri": uri} if uri else {})}],
    }  # fmt: skip
    return glb(header, data)


def ply(vertices, faces, body, kind="ascii"):
    return (
        f"ply\nformat {kind} 1.0\nelement vertex {vertices}\nproperty float x\nproperty float y\nproperty float z\n"
        f"element face {faces}\nproperty list uchar int vertex_indices\nend_header\n"
    ).encode() + body


def stl(triangles, count=None):
    body = b"".join(bytes(12) + np.asarray(t, "<f4").tobytes() + b"\0\0" for t in triangles)
    return bytes(80) + struct.pack("<I", len(triangles) if count is None else count) + body


POINTS = b"0 0 0\n1 0 0\n0 1 0\n"
TRIANGLE = [[0, 0, 0], [1, 0, 0], [0, 1, 0]]
VS = b"v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\n"
SOLID = (
    "solid a\n"
    + "facet normal 0 0 1\nouter loop\n"
    + "vertex 0 0 {}\nvertex 1 0 0\nvertex 0 1 0\n"
    + "endloop\nendfacet\n"
)
REFUSED = {
    "nothing.off": b"",
    "nothing.stl": b"",
    "nothing.obj": b"",
    "nothing.ply": b"",
    "nothing.glb": b"",
    "header alone.off": b"OFF\n",
    "word.off": b"OFFICE\n1 2 3\n",
    "no counts.off": b"OFF\n\n\n",
    "huge counts.off": b"OFF\n99999999999 99999999999 0\n" + POINTS,
    "vertices.off": b"OFF\n99999999999 1 0\n" + POINTS,
    "more than an int64.off": b"OFF\n%s 1 0\n" % (b"9" * 400) + POINTS,
    "negative.off": b"OFF\n-1 -1 0\n",
    "negative faces.off": b"OFF\n3 -1 0\n" + POINTS,
    "half.off": b"OFF\n3 0.5 0\n" + POINTS,
    "no faces.off": b"OFF\n3 0 0\n" + POINTS,
    "one face fewer.off": SQUARE.replace("3 0 2 3\n", "").encode(),
    "one face more.off": SQUARE.encode() + b"3 0 1 3\n",
    "fewer than announced.off": SQUARE.replace("4 2", "4 3").encode(),
    "nan.off": b"OFF\n3 1 0\n0 0 0\n1 0 0\n0 nan 0\n3 0 1 2\n",
    "inf.off": b"OFF\n3 1 0\n0 0 0\n1 0 0\n0 inf 0\n3 0 1 2\n",
    "beyond float.off": b"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1e999 0\n3 0 1 2\n",
    "beyond float32.off": b"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1e300 0\n3 0 1 2\n",
    "beyond its square.off": b"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1e30 0\n3 0 1 2\n",
    "a point in float32.off": b"OFF\n3 1 0\n1e8 0 0\n100000001 0 0\n1e8 0.0 0\n3 0 1 2\n",
    "index beyond.off": SQUARE.replace("0 2 3", "0 2 4").encode(),
    "negative index.off": SQUARE.replace("0 2 3", "0 2 -1").encode(),
    "huge index.off": SQUARE.replace("0 2 3", "0 2 99999999999999999999").encode(),
    "corner short.off": SQUARE.replace("3 0 2 3", "4 0 2 3").encode(),
    "negative corners.off": SQUARE.replace("3 0 2 3", "-3 0 2 3").encode(),
    "huge face.off": SQUARE.replace("3 0 2 3", "9999999999 0 2 3").encode(),
    "words.off": SQUARE.replace("1 1 0", "a b c").encode(),
    "flat vertices.off": SQUARE.replace("1 1 0", "1 1").encode(),
    "one point.off": b"OFF\n3 1 0\n1 1 1\n1 1 1\n1 1 1\n3 0 1 2\n",
    "binary in a text.off": stl([TRIANGLE]),
    "stl.off": SOLID.format(0).encode() + b"endsolid\n",
    "off.stl": SQUARE.encode(),
    "off.ply": SQUARE.encode(),
    "off.glb": SQUARE.encode(),
    "stl.obj": stl([TRIANGLE]),
    "count too large.stl": stl([TRIANGLE], 2),
    "huge count.stl": stl([TRIANGLE], 2**32 - 1),
    "no triangles.stl": stl([]),
    "nan.stl": stl([np.full((3, 3), np.nan)]),
    "inf.stl": stl([[[0, 0, 0], [1, 0, np.inf], [0, 1, 0]]]),
    "point.stl": stl([np.ones((3, 3))]),
    "no end.stl": SOLID.format(0).encode(),
    "no end of the second.stl": (SOLID.format(0) + "endsolid\n" + SOLID.format(1)).encode(),
    "words.stl": (SOLID.format("x") + "endsolid\n").encode(),
    "vertices.stl": b"solid\n" + b"vertex 0 0 0\n" * 2 + b"endsolid\n",
    "beyond.obj": VS + b"f 1 2 5\n",
    "zero.obj": VS + b"f 0 1 2\n",
    "negative beyond.obj": VS + b"f -5 -1 -2\n",
    "huge.obj": VS + b"f 1 2 99999999999999999999\n",
    "points.obj": VS,
    "words.obj": VS.replace(b"v 1 0 0", b"v a b c") + b"f 1 2 3\n",
    "nan.obj": VS.replace(b"v 1 0", b"v nan 0") + b"f 1 2 3\n",
    "huge counts.ply": ply(10**15, 10**15, POINTS),
    "huge counts, binary.ply": ply(10**15, 10**15, bytes(99), "binary_little_endian"),
    "huge vertices.ply": ply(10**12, 1, POINTS + b"3 0 1 2\n"),
    "fewer faces.ply": ply(3, 2, POINTS + b"3 0 1 2\n"),
    "beyond.ply": ply(3, 1, POINTS + b"3 0 1 3\n"),
    "negative.ply": ply(3, 1, POINTS + b"3 0 1 -1\n"),
    "huge list.ply": ply(3, 1, np.array(TRIANGLE, "<f4").tobytes() + b"\xff" + bytes(12), "binary_little_endian"),
    "no end of the header.ply": b"ply\nformat ascii 1.0\nelement vertex 3\n",
    "no format.ply": ply(3, 1, POINTS, "odd"),
    "terabytes of zeros.glb": glb_of(10**12, view=False),
    "gigabytes of zeros.glb": glb_of(6 * 10**8, view=False),
    "beyond the data.glb": glb_of(3).replace(b'"count": 3', b'"count": 9'),
    "negative count.glb": glb_of(3).replace(b'"count": 3', b'"count":-3'),
    "a million places.glb": glb_of(30_000, nodes=20_000),
    "many parts.glb": glb_of(30_000, primitives=20_000),
    "circle.glb": glb({"scenes": [{"nodes": [0]}], "nodes": [{"children": [0]}], "meshes": []}),
    "file.glb": glb_of(3, uri="/etc/hostname"),
    "url.glb": glb_of(3, uri="http://127.0.0.1:9/x"),
    "deep.glb": glb({}).replace(b"{}  ", b"[" * 4),
    "words.glb": glb({"meshes": "x", "nodes": 3, "accessors": None}),
    "json bomb.glb": struct.pack("<IIIII", 0x46546C67, 2, 200020, 200000, 0x4E4F534A) + b"[" * 200000,
}
TAKEN = {
    "counts in the first line.off": SQUARE.replace("OFF\n", "OFF ").encode(),
    "no blank.off": SQUARE.replace("OFF\n", "OFF").encode(),
    "comments.off": SQUARE.replace("\n", " # x\n").encode(),
    "dos.off": SQUARE.replace("\n", "\r\n").encode(),
    "blank lines.off": SQUARE.replace("\n", "\n\n").encode(),
    "colours.off": SQUARE.replace("3 0 2 3", "3 0 2 3 255 0 0").encode(),
    "coloured vertices.off": SQUARE.replace("OFF", "COFF").replace("1 1 0", "1 1 0 1 2 3 4").encode(),
    "normals.off": SQUARE.replace("OFF", "NOFF").replace("1 1 0", "1 1 0 0 0 1").encode(),
    "byte order mark.off": b"\xef\xbb\xbf" + SQUARE.encode(),
    "quad.off": SQUARE.replace("4 2", "4 1").replace("3 0 1 2\n3 0 2 3", "4 0 1 2 3").encode(),
    "tabs.off": SQUARE.replace(" ", "\t").encode(),
    "capitals.OFF": SQUARE.encode(),
    "no newline.off": SQUARE.encode().rstrip(),
    "one face.stl": stl([TRIANGLE]),
    "zero area beside another.stl": stl([TRIANGLE, [TRIANGLE[0]] * 3]),
    "text.stl": (SOLID.format(1) + "endsolid\n").encode(),
    "a facet in its name.stl": (SOLID.format(1) + "endsolid\n").replace("solid a", "solid a facet").encode(),
    "solid in binary.stl": b"solid" + stl([TRIANGLE])[5:],
    "two corners.obj": VS + b"f 1 2 3\nf 1 2\n",
    "two corners.off": SQUARE.replace("3 0 2 3", "2 0 2").encode(),
    "utf16.off": SQUARE.encode("utf-16"),
    "relative.obj": VS + b"f -4 -3 -2\n",
    "slashes.obj": VS + b"vt 0 0\nvn 0 0 1\nf 1/1/1 2/1/1 3/1/1\n",
    "quad.obj": VS + b"f 1 2 3 4\n",
    "text.ply": ply(3, 1, POINTS + b"3 0 1 2\n"),
    "one place.glb": glb_of(3),
    "places.glb": glb_of(3, nodes=3),
}
