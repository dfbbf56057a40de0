"""CAD models -> binary STL, beside the source: 01.off (also .obj, .ply, .glb) gives 01.stl.

    python off_to_stl.py --CAD_dir=CAD

Takes about 0.05 s a model; models whose .stl is newer than the source are skipped. Rendering does not need this
step (mujoco_render.py reads every format itself, so the CAD folder may be read-only): it is for other tools.
"""

from pathlib import Path

import numpy as np
from absl import flags
from stl import mesh as numpy_stl

from pose_data.cli import UserError, atomic_path, run_main

FLAGS = flags.FLAGS

SOURCE_SUFFIXES = (".off", ".obj", ".ply", ".glb")
SUFFIXES = (*SOURCE_SUFFIXES, ".stl")  # also the order of preference where two files have the same stem


def read_triangles(path):
    """Return the corners of the triangles of a CAD file: float64 [triangles, 3 corners, 3 (x, y, z)], file's units.

    Raises UserError, naming the file, when it cannot be read, has no triangles or has no finite, positive size.
    """
    import trimesh  # here: it takes a second, and not every process that imports this module reads meshes

    try:
        mesh = trimesh.load(path, force="mesh", process=False)
        triangles = np.asarray(mesh.triangles, dtype=np.float64)
    except Exception as error:  # the readers of trimesh raise whatever a broken file makes them trip over
        raise UserError(f"{path}: cannot be read as a mesh ({type(error).__name__}: {error})") from error
    if len(triangles) == 0:
        raise UserError(f"{path}: has no triangles")
    if not np.isfinite(triangles).all():
        raise UserError(f"{path}: has a corner that is not a finite number")
    if np.ptp(triangles.reshape(-1, 3), axis=0).max() <= 0:
        raise UserError(f"{path}: all its corners are one point")
    return triangles


def stl_bytes(triangles):
    """Return `triangles` ([triangles, 3, 3]) as the bytes of a binary STL file (float32, same units)."""
    # Not numpy-stl's save(), which writes the date: equal meshes shall give equal files.
    stl = numpy_stl.Mesh(np.zeros(len(triangles), dtype=numpy_stl.Mesh.dtype), calculate_normals=False)
    stl.vectors[:] = triangles
    stl.update_normals()
    return bytes(80) + np.uint32(len(triangles)).tobytes() + stl.data.tobytes()


def convert(path):
    """Write `path` as .stl beside it unless that is up to date; return the path of the .stl file."""
    path = Path(path)
    stl_path = path.with_suffix(".stl")
    if not (stl_path.exists() and stl_path.stat().st_mtime > path.stat().st_mtime):
        data = stl_bytes(read_triangles(path))
        with atomic_path(stl_path) as temporary:
            temporary.write_bytes(data)
    return stl_path


def main(_):
    sources = [path for path in sorted(Path(FLAGS.CAD_dir).rglob("*")) if path.suffix.lower() in SOURCE_SUFFIXES]
    if not sources:
        raise UserError(f"--CAD_dir={FLAGS.CAD_dir}: no {', '.join(SOURCE_SUFFIXES)} files in it")
    for source in sources:
        convert(source)
    print(f"{len(sources)} models have an up-to-date .stl beside them")


def define_flags():
    flags.DEFINE_string("CAD_dir", None, "Folder of CAD models, searched with its subfolders.", required=True)


if __name__ == "__main__":
    define_flags()
    run_main(main)
