"""A cube as a GLB file in every form that glTF has, put together by hand."""

import json
import struct

import numpy as np
from mesh_cases import POINTS, QUADS, TRIANGLES

KINDS = {np.dtype(kind): number for number, kind in
         {5120: "i1", 5121: "u1", 5122: "i2", 5123: "u2", 5125: "u4", 5126: "f4"}.items()}  # fmt: skip
CORNERS = TRIANGLES.reshape(-1)


def glb(header, data=b""):
    """The bytes of a GLB file."""
    text = json.dumps({"asset": {"version": "2.0"}, **header}).encode()
    text += b" " * (-len(text) % 4)
    data += bytes(-len(data) % 4)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(data), 0x004E4942) + data
    return struct.pack("<III", 0x46546C67, 2, 12 + len(chunks)) + chunks


class Builder:
    """A GLB file in the making."""

    def __init__(self):
        self.data = b""
        self.header = {"accessors": [], "bufferViews": [], "meshes": [], "nodes": [], "scenes": [{"nodes": []}]}

    def view(self, array, **more):
        self.data += bytes(-len(self.data) % 4)
        array = np.ascontiguousarray(array)
        place = {"buffer": 0, "byteOffset": len(self.data), "byteLength": array.nbytes}
        self.header["bufferViews"].append({**place, **more})
        self.data += array.tobytes()
        return len(self.header["bufferViews"]) - 1

    def accessor(self, array, view=True, **more):
        array = np.asarray(array)
        accessor = {"componentType": KINDS[array.dtype], "count": len(array)}
        accessor["type"] = "VEC3" if array.ndim == 2 else "SCALAR"
        if view:
            accessor["bufferView"] = self.view(array)
        self.header["accessors"].append({**accessor, **more})
        return len(self.header["accessors"]) - 1

    def mesh(self, *primitives, **more):
        self.header["meshes"].append({"primitives": list(primitives), **more})
        return len(self.header["meshes"]) - 1

    def node(self, root=True, **node):
        self.header["nodes"].append(node)
        index = len(self.header["nodes"]) - 1
        if root:
            self.header["scenes"][0]["nodes"].append(index)
        return index

    def primitive(self, points=None, corners=CORNERS, **more):
        position = self.accessor((POINTS if points is None else points).astype("f4"))
        indices = {} if corners is None else {"indices": self.accessor(np.asarray(corners, "u2"))}
        return {"attributes": {"POSITION": position}, **indices, **more}

    def bytes(self, **more):
        return glb({**self.header, "buffers": [{"byteLength": len(self.data)}], **more}, self.data)


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


def skin(builder):
    """Half of the points hang on a joint below another one, which has been moved since they were bound; the place of
    the mesh's own node does not matter."""
    on_second = POINTS[:, 2].astype(int)
    part = builder.primitive(POINTS * [1, 1, 0.5] + np.outer(on_second, [3, 0, 0]))
    part["attributes"]["JOINTS_0"] = builder.accessor(np.outer(on_second, [1, 0, 0, 0]).astype("u1"))
    weights = np.tile(np.array([255, 0, 0, 0], "u1"), (8, 1))
    part["attributes"]["WEIGHTS_0"] = builder.accessor(weights, normalized=True)
    matrices = np.tile(np.eye(4, dtype="f4"), (2, 1, 1))
    matrices[0, :3, 3] = [-5, 0, 0]  # the inverse of the joint's place
    matrices[1] = np.linalg.inv([[0, -1, 0, 3], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    bind = builder.accessor(matrices.transpose(0, 2, 1).reshape(2, 16))
    for name, index in (
        ("VEC4", part["attributes"]["JOINTS_0"]),
        ("VEC4", part["attributes"]["WEIGHTS_0"]),
        ("MAT4", bind),
    ):
        builder.header["accessors"][index]["type"] = name
    second = builder.node(False, rotation=[0, 0, 0.5**0.5, 0.5**0.5], translation=[-5, 0, 0.5])
    first = builder.node(translation=[5, 0, 0], children=[second])
    builder.header["skins"] = [{"joints": [first, second], "inverseBindMatrices": bind}]
    builder.node(mesh=builder.mesh(part), skin=0, translation=[7, 8, 9], scale=[2, 2, 2])


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
    points_and_lines, sparse, sparse_indices, morph_targets, skin, tree, instances, several_scenes, no_scenes,
    attributes_and_extensions, draco_with_a_fallback,
]  # fmt: skip
