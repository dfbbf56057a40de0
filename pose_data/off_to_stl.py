"""CAD models -> binary STL, beside the source: 01.off (also .obj, .ply, .glb) gives 01.stl.

    python off_to_stl.py --CAD_dir=CAD

Takes about 0.05 s a model; models whose .stl is newer than the source are skipped. Rendering does not need this
step (mujoco_render.py reads every format itself, so the CAD folder may be read-only): it is for other tools.
"""

import codecs
import contextlib
import io
import itertools
import logging
import os
import re
import warnings
from pathlib import Path

import numpy as np
from absl import flags
from stl import mesh as numpy_stl

from metalearn.cli import UserError, run_main
from metalearn.files import atomic_path

FLAGS = flags.FLAGS

SOURCE_SUFFIXES = (".off", ".obj", ".ply", ".glb")
SUFFIXES = (*SOURCE_SUFFIXES, ".stl")  # also the order of preference where two files have the same stem
MAX_COORDINATE = 1e9  # the squares of areas fit in float32


def read_triangles(path):
    """Return the corners of the triangles of a CAD file: float64 [triangles, 3 corners, 3 (x, y, z)], file's units.

    Polygons are cut into fans. Raises UserError, naming the file, when it cannot be read, is cut short, refers to
    corners that are not there, has no triangles or has no finite, positive size as float32.
    """
    path = Path(path)
    if not path.is_file():  # to open a pipe would wait for ever
        raise UserError(f"{path}: cannot be read as a mesh (no such file)")
    is_off = path.suffix.lower() == ".off"
    if not is_off:
        import trimesh  # noqa: F401 - here: it takes a second; and before the limit, for its libraries are large
    try:
        data = path.read_bytes()
        # Of what a file holds some readers make far more: a GLB can show one mesh a million times.
        with _memory_limit(2**29 + 100 * len(data)), warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)  # of NumPy: numbers out of range
            read = _read_off if is_off else _read_with_trimesh
            vertices, faces = read(data, path.suffix[1:].lower())
            if len(faces) and not 0 <= faces.min() <= faces.max() < len(vertices):
                raise ValueError(f"a face has a corner that is none of its {len(vertices)} vertices")
            triangles = np.asarray(vertices, np.float64)[faces].reshape(len(faces), 3, 3)
    except Exception as error:  # the readers of trimesh raise whatever a broken file makes them trip over
        raise UserError(f"{path}: cannot be read as a mesh ({type(error).__name__}: {str(error)[:200]})") from error
    if len(triangles) == 0:
        raise UserError(f"{path}: has no triangles")
    if not np.isfinite(triangles).all():
        raise UserError(f"{path}: has a corner that is not a finite number")
    if np.abs(triangles).max() > MAX_COORDINATE:
        raise UserError(f"{path}: has coordinates beyond {MAX_COORDINATE:g}; scale the model down")
    if np.ptp(triangles.astype(np.float32).reshape(-1, 3), axis=0).max() <= 0:
        raise UserError(f"{path}: all its corners are one point; if it is tiny and far from 0, move it there")
    return triangles


def _read_off(data, _):
    """-> (vertices float [V, 3], triangles int [F, 3]) of the text of an OFF file."""
    lines = (line.partition(b"#")[0].split() for line in data.removeprefix(codecs.BOM_UTF8).splitlines())
    lines = [line for line in lines if line]
    if not lines or not re.fullmatch(rb"C?N?OFF.*", lines[0][0]):
        raise ValueError("it does not begin with OFF")
    # The numbers may follow in the same line, even without a blank, as in ModelNet.
    first = [lines[0][0].partition(b"OFF")[2], *lines[0][1:]]
    counts, *lines = [line for line in (list(filter(None, first)), *lines[1:]) if line]
    num_vertices, num_faces = (int(count) for count in counts[:2])
    if min(num_vertices, num_faces) < 0 or len(lines) != num_vertices + num_faces:
        raise ValueError(f"{len(lines)} lines follow its numbers of {num_vertices} vertices and {num_faces} faces")
    if any(len(line) < 3 for line in lines[:num_vertices]):
        raise ValueError("a vertex has fewer than three numbers")
    vertices = np.array([line[:3] for line in lines[:num_vertices]], np.float64).reshape(-1, 3)
    triangles = []
    for line in lines[num_vertices:]:
        size = int(line[0])  # what follows the corners is a colour
        corners = [int(corner) for corner in line[1 : size + 1]]
        if len(corners) < 3 or len(corners) != size:
            raise ValueError(f"a face says it has {size} corners and has {len(line) - 1}")
        triangles += [(corners[0], b, c) for b, c in itertools.pairwise(corners[1:])]
    return vertices, np.array(triangles, np.int64).reshape(-1, 3)


def _read_with_trimesh(data, file_type):
    """-> (vertices float [V, 3], triangles int [F, 3]) of an OBJ, PLY, GLB or STL file.

    Other files that it refers to, materials and textures, are never opened.
    """
    import trimesh

    logging.getLogger("trimesh").setLevel(logging.CRITICAL)  # it is an error, or it does not matter
    mesh = trimesh.load(io.BytesIO(data), file_type, force="mesh", process=False, skip_materials=True)
    faces = np.asarray(mesh.faces)
    if not (len(faces) and faces.dtype.kind in "iu"):
        return np.empty((0, 3)), np.empty((0, 3), int)
    # trimesh makes do with as much as there is.
    if file_type == "obj" and len(re.findall(rb"^[ \t]*f[ \t]", data, re.MULTILINE)) > len(faces):
        raise ValueError("it has faces of fewer than three corners")
    if file_type == "obj" and re.search(rb"^[ \t]*f[ \t](.*[ \t])?-?0+([/\s]|$)", data, re.MULTILINE):
        raise ValueError("a face has a corner 0; the first is 1")
    if file_type == "ply":
        announced = re.search(rb"^element\s+face\s+(\d+)", data, re.MULTILINE)
        if announced and int(announced[1]) > len(faces):
            raise ValueError(f"it has {len(faces)} of {int(announced[1])} faces")
    if file_type == "stl" and len(data) != 84 + 50 * len(faces) and _num_facets(data) != len(faces):
        raise ValueError("it ends too early, or has lines that are no STL")
    return mesh.vertices, faces


def _num_facets(data):
    """Of an ASCII STL file."""
    return len(re.findall(rb"^[ \t]*endfacet\b", data, re.MULTILINE | re.IGNORECASE))


@contextlib.contextmanager
def _memory_limit(num_bytes):
    """Within, a MemoryError ends what takes more than `num_bytes` more memory; on Linux only."""
    try:
        import resource

        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limits = [limit for limit in (soft, hard, taken + num_bytes) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min(limits), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


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
    for source in sources:
        convert(source)
    print(f"{len(sources)} models have an up-to-date .stl beside them")


def define_flags():
    flags.DEFINE_string("CAD_dir", None, "Folder of CAD models, searched with its subfolders.", required=True)


if __name__ == "__main__":
    define_flags()
    run_main(main)
