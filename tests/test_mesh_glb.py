"""GLB: a cube in every form that glTF has, and files that must be refused, with the reason."""

import base64
import json

import numpy as np
import pytest
from glb_cases import FORMS, Builder, draco_with_a_fallback, plain, quantized, sparse
from mesh_cases import POINTS, area, assert_cube

from metalearn.cli import UserError
from pose_data.meshes import read_triangles


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


def fallback():
    """The room of uncompressed data, without them."""
    builder = refused()
    room = {"byteLength": 9, "extensions": {"EXT_meshopt_compression": {"fallback": True}}}
    return builder.bytes(buffers=[{"byteLength": len(builder.data)}, room], extensionsUsed=["EXT_meshopt_compression"])


def beyond():
    builder = Builder()
    sparse(builder)
    builder.header["accessors"][-1]["sparse"]["values"]["byteOffset"] = 99
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
    "meshopt, not required": (fallback(), "its data are meshopt-compressed"),
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
    "mode": (refused(meshes=[{"primitives": [{"attributes": {"POSITION": 0}, "mode": 7}]}]).bytes(), "mode 7"),
    "sparse beyond": (beyond(), "an accessor goes beyond its data"),
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
