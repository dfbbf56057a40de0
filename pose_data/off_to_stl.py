"""CAD models -> binary STL, beside the source: 01.off (also .obj, .ply, .glb) gives 01.stl, with z up.

    python off_to_stl.py --CAD_dir=CAD

Takes about 0.05 s per model; a .stl that is up to date is left alone, and so is one that this script has not written.
Rendering does not need this step (mujoco_render.py reads every format itself, so the CAD folder may be read-only): it
is for other tools.
"""

import os
import sys
from pathlib import Path

import numpy as np
from absl import flags
from stl import mesh as numpy_stl

from metalearn.cli import UserError, run_main
from metalearn.files import atomic_path
from pose_data.meshes import SOURCE_SUFFIXES, define_up_flag, read_triangles

FLAGS = flags.FLAGS

# The first 80 bytes of a file that may be written again: any other .stl is the user's own.
STL_HEADER = b"binary STL written by off_to_stl.py, which may replace it".ljust(80, b"\0")


def stl_bytes(triangles):
    """Return `triangles` ([triangles, 3, 3]) as the bytes of a binary STL file (float32, same units)."""
    # Not numpy-stl's save(), which writes the date: equal meshes shall give equal files.
    stl = numpy_stl.Mesh(np.zeros(len(triangles), dtype=numpy_stl.Mesh.dtype), calculate_normals=False)
    stl.vectors[:] = triangles
    stl.update_normals()
    return STL_HEADER + np.uint32(len(triangles)).tobytes() + stl.data.tobytes()


def convert(path, up=None):
    """Write `path` as .stl beside it unless that is up to date; return the path of the .stl file.

    `up`: as in read_triangles. Raises UserError for a .stl of other triangles that this script has not written.
    """
    stl_path = Path(path).with_suffix(".stl")
    data = stl_bytes(read_triangles(path, up))
    old = stl_path.read_bytes() if stl_path.is_file() else None
    if old is not None and old[len(STL_HEADER) :] == data[len(STL_HEADER) :]:
        return stl_path
    if old is not None and not old.startswith(STL_HEADER):
        raise UserError(f"{stl_path}: not written by off_to_stl.py, so left alone; rename it or {Path(path).name}")
    with atomic_path(stl_path) as temporary:
        temporary.write_bytes(data)
    return stl_path


def find_sources(cad_dir):
    """Return the paths of the models in `cad_dir` and its subfolders, sorted; UserError when there are none, or two
    that would become one .stl."""
    if not os.path.isdir(cad_dir):
        raise UserError(f"--CAD_dir={cad_dir}: no such folder")
    sources, seen = {}, set()
    for folder, subfolders, names in os.walk(cad_dir, followlinks=True, onerror=_raise):
        if os.path.realpath(folder) in seen:  # a link in a circle
            subfolders.clear()
            continue
        seen.add(os.path.realpath(folder))
        for path in sorted(Path(folder, name) for name in names):
            if path.suffix.lower() in SOURCE_SUFFIXES and not path.name.startswith("."):
                other = sources.setdefault(path.with_suffix(".stl"), path)
                if other != path:
                    raise UserError(f"{path}: would become the same .stl as {other.name} beside it; rename one")
    if not sources:
        raise UserError(f"--CAD_dir={cad_dir}: no {', '.join(SOURCE_SUFFIXES)} files in it")
    return sorted(sources.values())


def _raise(error):
    raise error


def main(_):
    sources = find_sources(FLAGS.CAD_dir)
    num_failed = 0
    for source in sources:
        try:
            convert(source, FLAGS.up)
        except UserError as error:
            num_failed += 1
            print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    if num_failed:
        raise UserError(f"{num_failed} of {len(sources)} models failed: fix, rename or remove the files named above")
    print(f"{len(sources)} models have an up-to-date .stl beside them")


def define_flags():
    flags.DEFINE_string("CAD_dir", None, "Folder of CAD models, searched with its subfolders.", required=True)
    define_up_flag()


if __name__ == "__main__":
    define_flags()
    run_main(main)
