"""The triangles of CAD files: OFF, OBJ, PLY, GLB and STL, one module each (mesh_off.py ...)."""

import contextlib
import importlib
import warnings
from pathlib import Path

import numpy as np
from absl import flags

from metalearn.cli import UserError
from pose_data.file_kinds import other_kind

SOURCE_SUFFIXES = (".off", ".obj", ".ply", ".glb")
SUFFIXES = (*SOURCE_SUFFIXES, ".stl")  # also the order of preference where two files have the same stem
MAX_COORDINATE = 1e9  # the squares of areas fit in float32


def read_triangles(path, up=None):
    """Return the corners of the triangles of a CAD file: float64 [triangles, 3 corners, 3 (x, y, z)], file's units.

    z is up in the result; `up` says which axis is in the file, "y" or "z": by default y for GLB, as glTF has it, z for
    the others. Polygons are cut into triangles; lines and points are left out.
    Raises UserError, naming the file, when it cannot be read, is cut short, refers to corners that are not there, has
    no triangles or has no finite, positive size as float32.
    """
    path = Path(path)
    if not path.is_file():  # opening a pipe would block
        raise UserError(f"{path}: cannot be read as a mesh (no such file)")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(f"{path}: cannot be read as a mesh (known are {', '.join(SUFFIXES)})")
    # Before the limit: the libraries that it imports are large.
    reader = importlib.import_module(f"pose_data.mesh_{suffix[1:]}")
    try:
        data = path.read_bytes()
        kind = other_kind(data)
        if kind:
            raise UserError(f"{path}: cannot be read as a mesh: it is {kind}")
        # Of what a file holds some readers make far more: a GLB can show one mesh a million times.
        with _memory_limit(2**29 + 100 * len(data)), warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)  # of NumPy: numbers out of range
            vertices, faces = reader.read(data)
            triangles = vertices[faces]
    except UserError:
        raise
    except Exception as error:  # readers raise whatever a broken file makes them trip over
        why = str(error)[:200] if type(error) is ValueError else f"{type(error).__name__}: {str(error)[:200]}"
        raise UserError(f"{path}: cannot be read as a mesh ({why})") from error
    if len(triangles) == 0:
        raise UserError(f"{path}: has no triangles")
    if not np.isfinite(triangles).all():
        raise UserError(f"{path}: has a corner that is not a finite number")
    if np.abs(triangles).max() > MAX_COORDINATE:
        raise UserError(f"{path}: has coordinates beyond {MAX_COORDINATE:g}; scale the model down")
    if np.ptp(triangles.astype(np.float32).reshape(-1, 3), axis=0).max() <= 0:
        raise UserError(f"{path}: all its corners are one point; if it is tiny and far from 0, move it there")
    if (up or ("y" if suffix == ".glb" else "z")) == "y":
        triangles = triangles[..., [0, 2, 1]] * [1.0, -1.0, 1.0]  # (x, y, z) -> (x, -z, y)
    return triangles


def define_up_flag():
    """Define --up, for read_triangles."""
    flags.DEFINE_enum("up", None, ["y", "z"], "The axis that points up in the models. By default y for .glb, else z.")


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
