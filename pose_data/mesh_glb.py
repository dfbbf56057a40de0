"""GLB files, read by trimesh. What trimesh passes over in silence is rewritten for it first, or refused by name."""

import base64
import io
import json
import logging
import re
import struct

import numpy as np
import trimesh

from pose_data import polygons
from pose_data.file_kinds import without_mark

_JSON, _BIN = 0x4E4F534A, 0x004E4942
_TRIANGLES, _STRIP, _FAN = 4, 5, 6  # below are points and lines
_KINDS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_COLUMNS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
# Extensions that a file may require, since they do not change its triangles or are read here.
_HARMLESS = re.compile(r"KHR_mesh_quantization|(KHR|EXT|MSFT)_(materials|texture|lights?|animation|xmp)_?.*")
_NOT_READ = {
    "KHR_draco_mesh_compression": "its meshes are Draco-compressed",
    "EXT_meshopt_compression": "its data are meshopt-compressed",
    "KHR_meshopt_compression": "its data are meshopt-compressed",
    "EXT_mesh_gpu_instancing": "its meshes are placed by GPU instancing",
}


def read(data):
    """-> (vertices float [V, 3], triangles int [F, 3])"""
    logging.getLogger("trimesh").setLevel(logging.CRITICAL)  # it is an error, or it does not matter
    header, binary = _chunks(data)
    _refuse_extensions(header)
    header, binary = _Rewriter(header, binary).result()
    mesh = trimesh.load(io.BytesIO(_glb(header, binary)), "glb", force="mesh", process=False, skip_materials=True)
    faces = np.asarray(getattr(mesh, "faces", ()))
    if not len(faces):
        return np.empty((0, 3)), np.empty((0, 3), int)
    if not 0 <= faces.min() <= faces.max() < len(mesh.vertices):
        raise ValueError(f"a face refers to a vertex that is not one of its {len(mesh.vertices)}")
    return np.asarray(mesh.vertices, np.float64), faces


def _chunks(data):
    """-> (the JSON header as a dict, the bytes of the binary chunk)"""
    magic, version, length = struct.unpack("<4sII", data[:12].ljust(12, b"\0"))
    if magic != b"glTF":
        is_text = without_mark(data).lstrip().startswith(b"{")
        raise ValueError("it is glTF as text: export it as GLB" if is_text else "it does not begin with glTF")
    if version != 2:
        raise ValueError(f"it is of glTF version {version}, only 2 can be read")
    if length > len(data):
        raise ValueError(f"it ends after {len(data)} of {length} bytes")
    chunks, at = {}, 12
    while at + 8 <= length:
        size, kind = struct.unpack_from("<II", data, at)
        if at + 8 + size > length:
            raise ValueError("a chunk of it ends too early")
        chunks.setdefault(kind, data[at + 8 : at + 8 + size])
        at += 8 + size
    if _JSON not in chunks:
        raise ValueError("it has no JSON")
    header = json.loads(chunks[_JSON])
    if not isinstance(header, dict):
        raise ValueError("its JSON is no object")
    return header, chunks.get(_BIN, b"")


def _glb(header, binary):
    text = json.dumps(header).encode()
    chunks = b"".join(
        struct.pack("<II", len(chunk), kind) + chunk
        for kind, chunk in ((_JSON, text + b" " * (-len(text) % 4)), (_BIN, binary + bytes(-len(binary) % 4)))
    )
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def _refuse_extensions(header):
    names = [name for name in header.get("extensionsRequired", []) if not _HARMLESS.fullmatch(name)]
    names += [name for node in header.get("nodes", []) for name in node.get("extensions", {}) if "instancing" in name]
    # Compressed data may have a substitute for those who cannot read them; or only the room of one.
    for buffer in header.get("buffers", [])[1:]:
        names += [name for name in buffer.get("extensions", {}) if "meshopt" in name and "uri" not in buffer]
    for part in [part for mesh in header.get("meshes", []) for part in mesh["primitives"]]:
        used = [part["attributes"].get("POSITION"), part.get("indices")]
        is_there = all("bufferView" in header["accessors"][index] for index in used if index is not None)
        names += [name for name in part.get("extensions", {}) if "draco" in name and not is_there]
    for name in names[:1]:
        raise ValueError(f"{_NOT_READ.get(name, 'it requires an extension of glTF')} ({name}); export it without")


def _buffer(index, buffer, binary):
    """-> the bytes of a buffer: those of the chunk, or those in its URI."""
    uri = buffer.get("uri")
    if uri is not None and not uri.startswith("data:"):
        raise ValueError(f"its data are in another file, {uri[:80]}; export it as one GLB")
    if uri is not None:
        data = base64.b64decode(uri.partition(",")[2])
    else:
        data = b"" if index else binary
    if len(data) < buffer["byteLength"]:
        raise ValueError(f"a buffer has {len(data)} of {buffer['byteLength']} bytes")
    return data


class _Rewriter:
    """A header and its binary chunk with meshes of plain floats and triangles in them, as trimesh reads them."""

    def __init__(self, header, binary):
        self._header = header
        self._accessors = header.setdefault("accessors", [])
        self._views = header.setdefault("bufferViews", [])
        self._buffers = [_buffer(i, buffer, binary) for i, buffer in enumerate(header.get("buffers", []))]
        self._new = {}  # what an accessor was added for -> its index
        nodes = header.get("nodes", [])
        self._parents = {child: i for i, node in enumerate(nodes) for child in node.get("children", [])}
        self._places = {}  # node -> its matrix

    def result(self):
        """-> (header, binary chunk)"""
        header, nodes = self._header, self._header.get("nodes", [])
        meshes = header.get("meshes", [])
        header["meshes"] = [self._mesh(mesh) for mesh in meshes]
        for i, node in enumerate(nodes):
            if any(node.get("weights", [])):
                raise ValueError("a node changes the shape of its mesh (morph targets); export it with that applied")
            if "mesh" in node and "skin" in node:
                header["meshes"].append(self._mesh(meshes[node["mesh"]], i))
                node["mesh"] = len(header["meshes"]) - 1
            # Of a node with a camera, or with a mesh of no triangles, trimesh loses the children; so it does with some
            # names.
            if "mesh" in node and not header["meshes"][node["mesh"]]["primitives"]:
                del node["mesh"]
            node.pop("camera", None)
            node["name"] = f"node {i}"
        if nodes and not header.get("scenes"):
            header["scenes"] = [{"nodes": [i for i in range(len(nodes)) if i not in self._parents]}]
        # One buffer of all.
        offsets = np.cumsum([0, *(len(buffer) for buffer in self._buffers)]).tolist()
        for view in self._views:
            view["byteOffset"] = view.get("byteOffset", 0) + offsets[view["buffer"]]
            view["buffer"] = 0
        header["buffers"] = [{"byteLength": offsets[-1]}]
        return header, b"".join(self._buffers)

    def _mesh(self, mesh, skinned_node=None):
        """-> the mesh with nothing but triangles; as the skin of a node moves it"""
        parts = [part for part in mesh["primitives"] if part.get("mode", _TRIANGLES) >= _TRIANGLES]
        return {"primitives": [self._primitive(part, mesh.get("weights", []), skinned_node) for part in parts]}

    def _primitive(self, part, weights, skinned_node):
        """-> the part of a mesh with nothing but its triangles; weights: of its morph targets"""
        mode, indices, attributes = part.get("mode", _TRIANGLES), part.get("indices"), part["attributes"]
        position = attributes["POSITION"]
        accessor = self._accessors[position]
        if accessor["type"] != "VEC3" or (indices is not None and self._accessors[indices]["type"] != "SCALAR"):
            raise ValueError("a mesh has positions that are no VEC3, or indices that are no SCALAR")
        if mode > _FAN:
            raise ValueError(f"a mesh is drawn in mode {mode}, which glTF has not")
        targets = [
            (weight, target["POSITION"])
            for weight, target in zip(weights, part.get("targets", []), strict=False)
            if weight and "POSITION" in target
        ]
        if accessor.get("normalized") or "sparse" in accessor or targets or skinned_node is not None:
            what = str((attributes, targets, skinned_node))
            position = self._add(what, lambda: self._points(attributes, targets, skinned_node))
        if mode > _TRIANGLES or (indices is not None and "sparse" in self._accessors[indices]):
            corners = part.get("indices"), accessor["count"]
            indices = self._add((mode, *corners), lambda: self._corners(mode, *corners))
        return {"attributes": {"POSITION": position}, **({} if indices is None else {"indices": indices})}

    def _points(self, attributes, targets, skinned_node):
        """-> [count, 3]; targets: [(weight, accessor)], added; skinned_node: the node whose skin moves them, or None"""
        points = self._array(attributes["POSITION"])
        points = points + sum(weight * self._array(target) for weight, target in targets)
        if skinned_node is None or "JOINTS_0" not in attributes:
            return points
        skin = self._header["skins"][self._header["nodes"][skinned_node]["skin"]]
        moves = np.stack([self._place(joint) for joint in skin["joints"]])
        if "inverseBindMatrices" in skin:
            moves = moves @ self._array(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
        moves = np.linalg.inv(self._place(skinned_node)) @ moves  # by the standard its own place does not matter
        points = np.column_stack([points, np.ones(len(points))])
        moved, i = np.zeros_like(points), 0
        while f"JOINTS_{i}" in attributes:
            joints, weights = self._array(attributes[f"JOINTS_{i}"]), self._array(attributes[f"WEIGHTS_{i}"])
            moved += np.einsum("pj,pjab,pb->pa", weights, moves[joints], points)
            i += 1
        return moved[:, :3] / moved[:, 3:]

    def _place(self, index):
        """-> the matrix, [4, 4], that takes what lies in a node to the scene"""
        way = []
        while index is not None and index not in self._places:
            way.append(index)
            index = self._parents.get(index)
            if len(way) > len(self._header["nodes"]):
                raise ValueError("its nodes go in a circle")
        place = np.eye(4) if index is None else self._places[index]
        for index in reversed(way):
            node = self._header["nodes"][index]
            if "matrix" in node:
                local = np.reshape(node["matrix"], (4, 4)).T
            else:
                x, y, z, w = node.get("rotation", (0, 0, 0, 1))
                local = trimesh.transformations.quaternion_matrix([w, x, y, z])
                local = local @ np.diag([*node.get("scale", (1, 1, 1)), 1.0])
                local[:3, 3] = node.get("translation", (0, 0, 0))
            place = self._places[index] = place @ local
        return place

    def _corners(self, mode, indices, count):
        """-> [corners of triangles]"""
        corners = np.arange(count) if indices is None else self._array(indices)[:, 0].astype(np.int64)
        if mode == _TRIANGLES:
            return corners
        if mode == _STRIP:
            return polygons.strip_triangles(corners).reshape(-1)
        fan = np.stack([np.repeat(corners[:1], max(0, len(corners) - 2)), corners[1:-1], corners[2:]], axis=1)
        return fan.reshape(-1)

    def _array(self, index):
        """-> the values of an accessor, [count, columns]: sparse ones filled in, normalized ones made floats"""
        accessor = self._accessors[index]
        kind, columns = np.dtype(_KINDS[accessor["componentType"]]), _COLUMNS[accessor["type"]]
        values = self._values(accessor, accessor["count"], kind, columns)
        if "sparse" in accessor:
            sparse, values = accessor["sparse"], values.copy()
            index_kind = np.dtype(_KINDS[sparse["indices"]["componentType"]])
            where = self._values(sparse["indices"], sparse["count"], index_kind, 1)[:, 0]
            values[where] = self._values(sparse["values"], sparse["count"], kind, columns)
        if accessor.get("normalized") and kind.kind in "iu":
            values = np.maximum(values / np.iinfo(kind).max, -1)
        return values

    def _values(self, where, count, kind, columns):
        """-> [count, columns] of the buffer view in `where`, zeros without one"""
        if "bufferView" not in where:
            return np.zeros((count, columns), kind)
        view = self._views[where["bufferView"]]
        start = view.get("byteOffset", 0)
        data = memoryview(self._buffers[view["buffer"]])[start : start + view["byteLength"]]
        strides = view.get("byteStride", columns * kind.itemsize), kind.itemsize
        try:
            return np.ndarray((count, columns), kind, data, where.get("byteOffset", 0), strides)
        except (TypeError, ValueError) as error:
            raise ValueError("an accessor goes beyond its data") from error

    def _add(self, what, make):
        """Append make(), an array of points or corners, unless `what` was appended before; return its accessor."""
        if what not in self._new:
            array = make()
            is_points = array.ndim == 2
            data = array.astype("<f4" if is_points else "<u4").tobytes()
            kind = {"componentType": 5126, "type": "VEC3"} if is_points else {"componentType": 5125, "type": "SCALAR"}
            self._accessors.append({"bufferView": len(self._views), "count": len(array), **kind})
            self._views.append({"buffer": len(self._buffers), "byteLength": len(data)})
            self._buffers.append(data)
            self._new[what] = len(self._accessors) - 1
        return self._new[what]
