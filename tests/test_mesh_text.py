"""OFF, OBJ and STL: a cube in every form that these formats have, and files that must be refused, with the reason."""

import gzip

import numpy as np
import pytest
from mesh_cases import POINTS, QUADS, TRIANGLES, area, assert_cube, rows

from metalearn.cli import UserError
from pose_data.meshes import read_triangles

V, F = rows(POINTS), rows(np.column_stack([np.full(6, 4), QUADS]))
OFF = f"OFF\n8 6 12\n{V}{F}"
COLOURED_FACES = rows(np.column_stack([np.full(6, 4), QUADS, np.tile([3, 0, 1], (6, 1))]))


def wide(*numbers):
    """The vertices with more numbers behind each."""
    return rows(np.column_stack([POINTS, np.tile(numbers, (8, 1))]))


OFFS = {
    "plain": OFF,
    "lower case": OFF.replace("OFF", "off"),
    "no edges in the counts": OFF.replace("8 6 12", "8 6"),
    "counts in the first line": OFF.replace("OFF\n", "OFF "),
    "counts without a blank": OFF.replace("OFF\n", "OFF"),
    "counts over lines": OFF.replace("8 6 12", "8\n6\n12"),
    "no word": OFF.removeprefix("OFF\n"),
    "all in one line": OFF.replace("\n", " "),
    "a number per line": OFF.replace(" ", "\n"),
    "faces over lines": f"OFF\n8 6 0\n{V}{F.replace(' ', chr(10))}",
    "vertices over lines": f"OFF\n8 6 0\n{V.replace(' ', chr(10))}{F}",
    "two faces per line": f"OFF\n8 6 0\n{V}" + " ".join(F.split("\n")[:3]) + "\n" + " ".join(F.split("\n")[3:]),
    "face colours": f"OFF\n8 6 0\n{V}{COLOURED_FACES}",
    "a colour index": f"OFF\n8 6 0\n{V}{F.replace(chr(10), ' 3' + chr(10))}",
    "colours of some faces": f"OFF\n8 6 0\n{V}{F.replace(chr(10), ' 0.5 0.5 0.5' + chr(10), 2)}",
    "faces over lines, with colours": f"OFF\n8 6 0\n{V}"
    + "".join(f"4\n{a} {b}\n{c} {d} 9 9 9\n" for a, b, c, d in QUADS),
    "edges and points": f"OFF\n8 9 0\n{V}{F}2 0 1\n1 3\n2 1 3\n",
    "triangles and quads": f"OFF\n8 7 0\n{V}3 0 1 3\n3 0 3 2\n{F.partition(chr(10))[2]}",
    "comments": "# a cube\n" + OFF.replace("\n", " # 4 5\n"),
    "CRLF": OFF.replace("\n", "\r\n"),
    "CR": OFF.replace("\n", "\r"),
    "tabs and blank lines": OFF.replace(" ", "\t").replace("\n", "\n\n"),
    "COFF": f"COFF\n8 6 0\n{wide(1, 0, 0, 1)}{F}",
    "COFF of three": f"COFF\n8 6 0\n{wide(255, 0, 0)}{F}",
    "COFF over lines": f"COFF\n8 6 0\n{wide(1, 0, 0, 1).replace(' ', chr(10))}{F}",
    "NOFF": f"NOFF\n8 6 0\n{wide(0, 0, 1)}{F}",
    "CNOFF": f"CNOFF\n8 6 0\n{wide(0, 0, 1, 255, 0, 0, 255)}{COLOURED_FACES}",
    "NCOFF": f"NCOFF\n8 6 0\n{wide(0, 0, 1, 255, 0, 0, 255)}{F}",
    "STOFF": f"STOFF\n8 6 0\n{wide(0.5, 0.5)}{F}",
    "STCNOFF": f"STCNOFF\n8 6 0\n{wide(0, 0, 1, 1, 0, 0, 1, 0.5, 0.5)}{F}",
    "stoff": f"stoff\n8 6 0\n{wide(0.5, 0.5)}{F}",
    "4OFF": f"4OFF\n8 6 0\n{rows(np.column_stack([POINTS * 2, np.full(8, 2)]))}{F}",
    "nOFF": f"nOFF\n3\n8 6 0\n{V}{F}",
    "4nOFF": f"4nOFF 3\n8 6 0\n{rows(np.column_stack([POINTS * 4, np.full(8, 4)]))}{F}",
}


def obj(keyword, array):
    return "".join(f"{keyword} {line}\n" for line in rows(array).splitlines())


def obj_faces(corner):
    return "".join("f " + " ".join(corner.format(i) for i in quad) + "\n" for quad in QUADS + 1)


OBJ_V, OBJ_F = obj("v", POINTS), obj("f", QUADS + 1)
OBJ = OBJ_V + OBJ_F
OBJS = {
    "plain": OBJ,
    "triangles": OBJ_V + obj("f", TRIANGLES + 1),
    "indented": OBJ.replace("f ", "  f ").replace("v ", "\tv  "),
    "tabs": OBJ.replace(" ", "\t"),
    "half of it tabs": OBJ_V + obj("f", QUADS[:3] + 1) + obj("f", QUADS[3:] + 1).replace(" ", "\t"),
    "CRLF": OBJ.replace("\n", "\r\n"),
    "CR": OBJ.replace("\n", "\r"),
    "comments": "# cube\n" + OBJ.replace("\n", " # f 1 2 3\n"),
    "comments that end in a backslash": OBJ.replace("f 1", "# C:\\models\\\nf 1"),
    "continued lines": OBJ_V + OBJ_F.replace(" ", " \\\n"),
    "continued lines, CRLF": OBJ_V + OBJ_F.replace(" ", " \\\r\n"),
    "negative": OBJ_V + obj("f", QUADS - 8),
    "negative, after each face's own vertices": "".join(obj("v", POINTS[quad]) + "f -4 -3 -2 -1\n" for quad in QUADS),
    "texture and normals": "vt 0 0\nvn 0 0 1\n" + OBJ_V + obj_faces("{}/1/1"),
    "normals": "vn 0 0 1\n" + OBJ_V + obj_faces("{}//1"),
    "texture": "vt 0 0\n" + OBJ_V + obj_faces("{}/1"),
    "faces first": OBJ_F + OBJ_V,
    "coloured vertices": obj("v", np.column_stack([POINTS, np.ones((8, 3))])) + OBJ_F,
    "weights": obj("v", np.column_stack([POINTS, np.ones(8)])) + OBJ_F,
    "groups and materials": "mtllib none.mtl\no f\ng v 1 2 3\ns off\nusemtl a#b\n" + OBJ + "l 1 2\np 3\n",
    "edges as faces": OBJ + "f 1 2\nf 1\n",
    "capitals": OBJ.upper(),
    "fo": OBJ_V + obj("fo", QUADS + 1),
}


def facets(triangles):
    return "".join(
        "facet normal 0 0 0\n outer loop\n" + obj("  vertex", POINTS[triangle]) + " endloop\nendfacet\n"
        for triangle in triangles
    )


SOLID = f"solid a cube\n{facets(TRIANGLES)}endsolid a cube\n"
FACETS = np.zeros(12, [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
FACETS["corners"] = POINTS[TRIANGLES]
STL = bytes(80) + (12).to_bytes(4, "little") + FACETS.tobytes()
STLS = {
    "binary": STL,
    "a trailing newline": STL + b"\n",
    "trailing zeros": STL + bytes(512),
    "solid in its header": b"solid cube" + STL[10:],
    "text": SOLID,
    "capitals": SOLID.upper(),
    "CRLF": SOLID.replace("\n", "\r\n"),
    "CR": SOLID.replace("\n", "\r"),
    "tabs": SOLID.replace(" ", "\t").replace("solid\ta\tcube", "solid a cube"),
    "no name": SOLID.replace(" a cube", ""),
    "words of the format in its name": SOLID.replace("a cube", "a facet vertex loop"),
    "one line": SOLID.replace("\n", " "),
    "two solids": f"solid a\n{facets(TRIANGLES[:6])}endsolid a\n\nsolid b\n{facets(TRIANGLES[6:])}endsolid b\n",
    "normals that are no numbers": SOLID.replace("normal 0 0 0", "normal nan -1.#IND inf"),
    "exponents": SOLID.replace("vertex 1 ", "vertex 1.000000e+00 "),
    "zeros at the end": SOLID + "\0\0\x1a",
}


def texts():
    for suffix, forms in ((".off", OFFS), (".obj", OBJS), (".stl", STLS)):
        for name, form in forms.items():
            yield pytest.param(suffix, form if isinstance(form, bytes) else form.encode(), id=f"{name}{suffix}")
    for suffix, form in ((".off", OFF), (".obj", OBJ), (".stl", SOLID)):
        for encoding in ("utf-8-sig", "utf-16", "utf-32"):
            yield pytest.param(suffix, form.encode(encoding), id=f"{encoding}{suffix}")


@pytest.mark.parametrize(("suffix", "data"), list(texts()))
def test_a_cube_in_every_form_is_read(tmp_path, suffix, data):
    (tmp_path / f"cube{suffix}").write_bytes(data)
    assert_cube(read_triangles(tmp_path / f"cube{suffix}"))


L_SHAPE = np.array([[1, 1], [1, 2], [0, 2], [0, 0], [2, 0], [2, 1]])


@pytest.mark.parametrize("start", range(6))
@pytest.mark.parametrize("suffix", [".off", ".obj"])
def test_a_concave_face_keeps_its_area_from_whatever_corner_it_begins(tmp_path, suffix, start):
    points = np.column_stack([np.roll(L_SHAPE, start, axis=0), np.zeros(6)])
    if suffix == ".off":
        text = f"OFF\n6 1 0\n{rows(points)}6 0 1 2 3 4 5\n"
    else:
        text = obj("v", points) + "f 1 2 3 4 5 6\n"
    (tmp_path / f"l{suffix}").write_text(text)
    triangles = read_triangles(tmp_path / f"l{suffix}")
    assert len(triangles) == 4
    np.testing.assert_allclose(area(triangles), 3)


REFUSED = [
    ("binary.off", "OFF BINARY\n" + OFF[4:], "binary OFF"),
    ("binary, lower case.off", "off binary\n" + OFF[4:], "binary OFF"),
    ("binary prefixes.off", "COFF BINARY\n" + OFF[4:], "binary OFF"),
    ("dimensions.off", f"nOFF 5\n8 6 0\n{V}{F}", "5-dimensional"),
    ("short.off", OFF[:-12], "ends before its 8 vertices and 6 faces"),
    ("long.off", OFF + "4 0 1 2 3\n", "more follows its 8 vertices and 6 faces"),
    ("beyond.off", OFF.replace("4 0 1 3 2", "4 0 1 3 8"), "a face refers to a vertex that is not one of its 8"),
    ("negative.off", OFF.replace("4 0 1 3 2", "4 0 1 3 -2"), "a face refers to a vertex that is not one of its 8"),
    ("infinite.off", f"4OFF\n8 6 0\n{rows(np.column_stack([POINTS, np.zeros(8)]))}{F}", "divide|finite"),
    ("points.off", f"OFF\n8 1 0\n{V}2 0 1\n", "has no triangles"),
    ("huge.off", OFF.replace("4 0 1 3 2", f"4 0 1 3 {9 * 10**30}"), "a vertex that is not one of its 8"),
    ("empty.off", "", "it is empty"),
    ("blank.off", "\n", "does not begin with OFF"),
    ("zipped.off", gzip.compress(OFF.encode(), mtime=0), "it is gzip-compressed: gunzip it"),
    ("zipped.obj", b"PK\3\4" + OBJ.encode(), "it is a zip archive: unzip it"),
    ("zipped.stl", gzip.compress(STL, mtime=0), "it is gzip-compressed"),
    ("page.off", "<!DOCTYPE html><html>404</html>", "it is a web page"),
    ("lfs.obj", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
    ("zero.obj", OBJ.replace("f 1 2", "f 0 2"), "a face has a corner 0; the first is 1"),
    ("before.obj", "f -1 -2 -3\n" + OBJ, "corner -3, there are 0 vertices before it"),
    ("beyond.obj", OBJ.replace("f 1 2", "f 9 2"), "a face refers to a vertex that is not one of its 8"),
    ("huge.obj", OBJ.replace("f 1 2", f"f {9 * 10**30} 2"), "a face refers to a vertex that is not one of its 8"),
    ("surface.obj", OBJ_V + "cstype bezier\nsurf 0 1 0 1 1 2 3 4\n", "free-form surfaces"),
    ("call.obj", OBJ + "call other.obj\n", "a call of another file"),
    ("no text.obj", OBJ.encode("utf-16-le"), "zero bytes"),
    ("short.stl", STL[:-1], "announces 12 facets, 684 bytes, and ends too early: it has 683 bytes"),
    ("long.stl", STL + STL[84:], "announces 12 facets, 684 bytes, and has more after them"),
    ("no count.stl", STL[:80] + bytes(4) + STL[84:], "announces 0 facets, 84 bytes, and has more"),
    ("empty.stl", STL[:80] + bytes(4), "has no triangles"),
    ("no end.stl", SOLID[: -len("endsolid a cube\n")], "`endsolid` is missing"),
    ("cut.stl", SOLID[:400] + "\nendsolid\n", "a facet that is not"),
    ("quads.stl", SOLID.replace(" endloop", "  vertex 0 0 0\n endloop"), "a facet that is not"),
    ("tiny.stl", "facet", "neither begins with `solid` nor has the 84 bytes"),
    ("unknown.xyz", "1 2 3", "known are .off"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "reason"), REFUSED)
def test_what_cannot_be_read_is_refused_for_the_right_reason(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=rf"^\S*{name.partition('.')[0]}\.\w+: .*({reason})"):
        read_triangles(tmp_path / name)
