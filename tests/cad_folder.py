"""Small CAD folders and real command lines for the tests of pose_data."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import trimesh

REPO = Path(__file__).resolve().parents[1]
NAMES = ["car/01", "car/02", "chair/01"]  # of the fixture `rendered`
SMALL = {"num_views": 40, "image_size": 64}
SMALL_ONE = {**SMALL, "num_workers": 1}  # starting a worker costs more than rendering these


def lopsided_mesh():
    """A long box with a post at one end: every angle looks different."""
    post = trimesh.creation.box((0.1, 0.1, 0.4), trimesh.transformations.translation_matrix((0.05, 0.3, 0.2)))
    return trimesh.util.concatenate([trimesh.creation.box((0.3, 0.8, 0.2)), post])


def write_models(cad_dir, names, suffix=".off"):
    """Write a lopsided mesh as <cad_dir>/<name><suffix> for each name, each a little longer than the one before."""
    for index, name in enumerate(names):
        path = Path(cad_dir) / f"{name}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        lopsided_mesh().apply_scale((1, 1 + 0.1 * index, 1)).export(path)


def command(module, **flags):
    """The command line `python -m pose_data.<module> --flag=value ...`."""
    return [sys.executable, "-m", f"pose_data.{module}", *(f"--{name}={value}" for name, value in flags.items())]


def run(module, **flags):
    """Run a script to its end; the result has returncode, stdout and stderr."""
    return subprocess.run(command(module, **flags), capture_output=True, text=True, timeout=120)


def error_line(result):
    """The one line on stderr of a script that refused its work."""
    assert result.returncode == 1, result
    lines = result.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), result.stderr
    return lines[0]


def files_in(folder):
    """{relative path: bytes} of the visible files in a folder."""
    paths = [path for path in Path(folder).rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def write_views(data_dir, names, num_views=3, size=128):
    """Write noise views and labels in the layout of rotate/, as resize_images.py leaves them."""
    from PIL import Image

    from pose_data import rotate_folder

    rng = np.random.default_rng(0)
    for name in names:
        folder = Path(data_dir) / name
        folder.mkdir(parents=True)
        for view in range(num_views):
            Image.fromarray(rng.integers(256, size=(size, size), dtype=np.uint8)).save(folder / f"{view}.png")
        rotate_folder.write_labels(folder, 0.5, 0.0, rng.random(num_views) * 2 * np.pi)
