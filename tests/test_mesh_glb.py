"""GLB: a cube in every form that glTF has, and files that must be refused, with the reason."""

import base64
import json

import numpy as np
import pytest
from glb_builder import CORNERS, KINDS, Builder
from mesh_cases import POINTS, QUADS, TRIANGLES, area, assert_cube

from pose_data.cli import UserError
from pose_data.meshes import read_triangles


def plain(builder):
    builder.node(mesh=builder.mesh(builder.primitive()))


def no_indices(builder):
    builder.node(mesh=builder.mesh(builder.primitive(POINTS[CORNERS], None)))


def index_kinds(builder):
    parts = [builder.primitive(corners=CORNERS[:0]) for _ in range(3)]
    for i, kind in enumerate(("u1", "u2", "u4")):
        parts[i]["indices"] = builder.accessor(CORNERS[12 * i : 12 * i + 12].astype(kind))
    builder.node(mesh=builder.mesh(*parts))


def stride(builder):
    part = builder.primitive()
    rows = np.column_stack([np.full((8, 2), 9), POINTS, np.full((8, 1), 9)]).astype("f4")
    accessor = builder.header["accessors"][part["attributes"]["POSITION"]]
    accessor.update(bufferView=builder.view(rows, byteStride=24), byteOffset=8)
    builder.node(mesh=builder.mesh(part))


def strips(builder):
    strip = [0, 1, 2, 3, 7, 1, 5, 0, 4, 2, 6, 7, 4, 5]
    builder.node(mesh=builder.mesh(builder.primitive(corners=strip, mode=5)))


def strips_without_indices(builder):
    parts = [builder.primitive(POINTS[quad[[0, 1, 3, 2]]], None, mode=5) for quad in QUADS]
    builder.node(mesh=builder.mesh(*parts))


def fans(builder):
    builder.node(mesh=builder.mesh(*(builder.primitive(corners=quad, mode=6) for quad in QUADS)))


def fans_without_indices(builder):
    builder.node(mesh=builder.mesh(*(builder.primitive(POINTS[quad], None, mode=6) for quad in QUADS)))


def points_and_lines(builder):
    others = [builder.primitive(POINTS * 5, [0, 1, 2, 3], mode=mode) for mode in range(4)]
    builder.node(mesh=builder.mesh(*others, builder.primitive()))
    parent = builder.node(mesh=builder.mesh(*others), translation=[9, 9, 9])
    builder.header["nodes"][parent]["children"] = [builder.node(False, mesh=builder.mesh(others[0]))]


def quantized(kind, normalized):
    def build(builder):
        part = builder.primitive()
        limits = np.iinfo(kind)
        rows = np.zeros((8, 4), kind)  # padded to four bytes, as the standard asks
        rows[:, :3] = POINTS * limits.max if limits.min == 0 else np.where(POINTS, limits.max, limits.min)
        accessor = builder.header["accessors"][part["attributes"]["POSITION"]]
        view = builder.view(rows, byteStride=rows.strides[0])
        accessor.update(componentType=KINDS[np.dtype(kind)], bufferView=view, normalized=normalized)
        low, high = (0 if limits.min == 0 else -1, 1) if normalized else (limits.min, limits.max)
        size = 1 / (high - low)
        builder.node(mesh=builder.mesh(part), scale=[size] * 3, translation=[-low * size] * 3)
        builder.header["extensionsUsed"] = builder.header["extensionsRequired"] = ["KHR_mesh_quantization"]

    return build


def sparse(builder, base=True, **more):
    moved = POINTS.astype("f4") * [1, 1, 0.5] if base else np.zeros((8, 3))
    where = np.flatnonzero((moved != POINTS).any(axis=1)).astype("u1")
    part = builder.primitive()
    part["attributes"]["POSITION"] = builder.accessor(
        moved.astype("f4"),
        view=base,
        sparse={
            "count": len(where),
            "indices": {"bufferView": builder.view(where), "componentType": 5121},
            "values": {"bufferView": builder.view(POINTS[where].astype("f4"))},
        },
        **more,
    )
    builder.node(mesh=builder.mesh(part))


def sparse_indices(builder):
    part = builder.primitive()
    part["indices"] = builder.accessor(
        np.where(np.arange(36) == 35, 0, CORNERS).astype("u2"),
        sparse={
            "count": 1,
            "indices": {"bufferView": builder.view(np.array([35], "u2")), "componentType": 5123},
            "values": {"bufferView": builder.view(CORNERS[35:].astype("u2"))},
        },
    )
    builder.node(mesh=builder.mesh(part))


def morph_targets(builder):
    part = builder.primitive(POINTS * [1, 1, 0.5])
    part["targets"] = [
        {"POSITION": builder.accessor((POINTS * [0, 0, 1]).astype("f4"))},
        {"POSITION": builder.accessor((POINTS * 7).astype("f4"))},
    ]
    builder.node(mesh=builder.mesh(part, weights=[0.5, 0]))


def tree(builder):
    """Each face is a node below others, moved there and back by a matrix, a rotation and a scale; one is mirrored."""
    for i, quad in enumerate(QUADS):
        mirror = [-1, 1, 1] if i == 0 else [1, 1, 1]
        points = POINTS[quad] * mirror
        part = builder.primitive(points[[2, 0, 1, 3]] / 2, [1, 2, 0, 1, 0, 3] if i else [1, 0, 2, 1, 3, 0])
        mesh = builder.mesh(part, name="the same name")
        leaf = builder.node(False, mesh=mesh, scale=[2 * m for m in mirror], name="world" if i == 1 else "face")
        matrix = np.eye(4)[[1, 2, 0, 3]] + np.outer([1, 2, 3, 0], [0, 0, 0, 1])
        middle = builder.node(False, children=[leaf], matrix=matrix.T.reshape(-1).tolist(), camera=0)
        turned = {"rotation": [0.5, 0.5, 0.5, 0.5]}  # (x, y, z) -> (z, x, y)
        top = builder.node(False, children=[middle], **turned, translation=[-3, -1, -2])
        builder.node(children=[top])
    builder.header["cameras"] = [{"type": "perspective", "perspective": {"yfov": 1, "znear": 1}}]


def instances(builder):
    """One triangle mesh in all twelve places."""
    mesh = builder.mesh(builder.primitive(np.eye(3) * 0.5, [0, 1, 2]))
    for triangle in POINTS[TRIANGLES]:
        matrix = np.eye(4)
        # The plane through the three unit vectors goes to that of the triangle, and its normal to the triangle's.
        normal = np.cross(triangle[1] - triangle[0], triangle[2] - triangle[0])
        basis = np.column_stack([*(np.eye(3)[1:] - np.eye(3)[0]), np.ones(3)])
        goal = np.column_stack([*(triangle[1:] - triangle[0]), normal])
        matrix[:3, :3] = goal @ np.linalg.inv(basis)
        matrix[:3, 3] = triangle[0] - matrix[:3, :3] @ np.eye(3)[0]
        matrix[:3, :3] *= 2
        builder.node(mesh=mesh, matrix=matrix.T.reshape(-1).tolist())


def several_scenes(builder):
    plain(builder)
    other = builder.node(False, mesh=0, scale=[3, 3, 3])
    builder.header["scenes"].insert(0, {"nodes": [other]})
    builder.header["scene"] = 1


def no_scenes(builder):
    plain(builder)
    builder.header["nodes"].append({"children": [0], "translation": [0, 0, 0]})
    del builder.header["scenes"]


def attributes_and_extensions(builder):
    part = builder.primitive(material=0)
    part["attributes"]["NORMAL"] = builder.accessor(np.zeros((8, 3), "f4"))
    part["attributes"]["COLOR_0"] = builder.accessor(np.zeros((8, 3), "u1"), normalized=True)
    builder.node(mesh=builder.mesh(part), extensions={"KHR_lights_punctual": {"light": 0}})
    builder.header["materials"] = [{"extensions": {"KHR_materials_unlit": {}}}]
    builder.header["extensionsRequired"] = ["KHR_materials_unlit", "KHR_texture_transform", "EXT_texture_webp"]


def draco_with_a_fallback(builder):
    extension = {"KHR_draco_mesh_compression": {"bufferView": 0, "attributes": {"POSITION": 0}}}
    builder.node(mesh=builder.mesh(builder.primitive(extensions=extension)))


FORMS = [
    plain, no_indices, index_kinds, stride, strips, strips_without_indices, fans, fans_without_indices,
    points_and_lines, sparse, sparse_indices, morph_targets, tree, instances, several_scenes, no_scenes,
    attributes_and_extensions, draco_with_a_fallback,
]  # fmt: skip


def read(path, builder, **more):
    path.write_bytes(builder.bytes(**more))
    return read_triangles(path, up="z")


@pytest.mark.parametrize("build", FORMS)
def test_a_cube_in_every_form_is_read(tmp_path, build):
    builder = Builder()
    build(builder)
    assert_cube(read(tmp_path / "cube.glb", builder))


@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "u2"])
def test_quantized_points_are_scaled(tmp_path, kind, normalized):
    builder = Builder()
    quantized(kind, normalized)(builder)
    assert_cube(read(tmp_path / "cube.glb", builder))


def test_sparse_points_without_others_and_normalized_ones(tmp_path):
    builder = Builder()
    sparse(builder, base=False)
    assert_cube(read(tmp_path / "cube.glb", builder))


@pytest.mark.parametrize("mime", ["application/octet-stream", "application/gltf-buffer"])
def test_data_in_a_uri_are_read_beside_those_of_the_chunk(tmp_path, mime):
    builder = Builder()
    plain(builder)
    data = builder.data
    builder.data = b""
    position = builder.header["bufferViews"][0]
    builder.header["bufferViews"][1].update(byteOffset=0)
    indices, builder.data = data[position["byteLength"] :], data[: position["byteLength"]]
    builder.header["bufferViews"][1]["buffer"] = 1
    uri = f"data:{mime};base64,{base64.b64encode(indices).decode()}"
    buffers = [{"byteLength": len(builder.data)}, {"byteLength": len(indices), "uri": uri}]
    assert_cube(read(tmp_path / "cube.glb", builder, buffers=buffers))


def test_y_is_up_by_default(tmp_path):
    builder = Builder()
    builder.node(mesh=builder.mesh(builder.primitive(POINTS * [1, 3, 2])))
    read(tmp_path / "box.glb", builder)
    for up in (None, "y"):
        assert_cube(read_triangles(tmp_path / "box.glb", up), (0, -2, 0), (1, 0, 3))
    assert_cube(read_triangles(tmp_path / "box.glb", "z"), (0, 0, 0), (1, 3, 2))


def refused(**header):
    """The plain cube with another header, which a function may change."""
    builder = Builder()
    plain(builder)
    builder.header.update(header)
    return builder


def draco():
    builder = Builder()
    draco_with_a_fallback(builder)
    del builder.header["accessors"][0]["bufferView"]
    return builder.bytes()


def external(uri):
    return refused().bytes(buffers=[{"byteLength": 9, "uri": uri}])


def posed():
    builder = refused()
    builder.header["nodes"][0]["weights"] = [0.5]
    return builder.bytes()


CUBE = refused().bytes()
REFUSED = {
    "draco": (refused(extensionsRequired=["KHR_draco_mesh_compression"]).bytes(), "its meshes are Draco-compressed"),
    "draco, not required": (draco(), "its meshes are Draco-compressed"),
    "meshopt": (refused(extensionsRequired=["EXT_meshopt_compression"]).bytes(), "its data are meshopt-compressed"),
    "meshopt of Khronos": (refused(extensionsRequired=["KHR_meshopt_compression"]).bytes(), "meshopt-compressed"),
    "instancing": (
        refused(nodes=[{"mesh": 0, "extensions": {"EXT_mesh_gpu_instancing": {}}}]).bytes(),
        "GPU instancing",
    ),
    "unknown extension": (refused(extensionsRequired=["ACME_curves"]).bytes(), r"requires .* \(ACME_curves\)"),
    "another file": (external("chair.bin"), "in another file, chair.bin; export it as one GLB"),
    "a url": (external("http://127.0.0.1:9/x"), "in another file, http"),
    "morph targets of a node": (posed(), "morph targets"),
    "text": (json.dumps({"asset": {"version": "2.0"}}).encode(), "it is glTF as text: export it as GLB"),
    "version 1": (CUBE[:4] + b"\1" + CUBE[5:], "glTF version 1"),
    "cut": (CUBE[:-4], r"it ends after \d+ of \d+ bytes"),
    "not a GLB": (b"ply\n", "does not begin with glTF"),
    "no triangles": (refused(meshes=[{"primitives": []}]).bytes(), "has no triangles"),
    "flat positions": (CUBE.replace(b'"VEC3"', b'"VEC2"'), "positions that are no VEC3"),
    "short buffer": (refused().bytes(buffers=[{"byteLength": 10**6}]), r"a buffer has \d+ of 1000000 bytes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_for_the_right_reason(tmp_path, name):
    content, reason = REFUSED[name]
    (tmp_path / "bad.glb").write_bytes(content)
    with pytest.raises(UserError, match=rf"bad\.glb: .*{reason}"):
        read_triangles(tmp_path / "bad.glb")


def test_a_mesh_that_lies_in_several_nodes_is_drawn_in_each(tmp_path):
    builder = Builder()
    mesh = builder.mesh(builder.primitive())
    for x in (0, 3, 6):
        builder.node(mesh=mesh, translation=[x, 0, 0])
    triangles = read(tmp_path / "three.glb", builder)
    assert len(triangles) == 36 and triangles[..., 0].max() == 7
    np.testing.assert_allclose(area(triangles), 18)
