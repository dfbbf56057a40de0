"""GLB files put together by hand, as exporters do that use what the format has."""

import json
import struct

import numpy as np
from mesh_cases import POINTS, TRIANGLES

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
