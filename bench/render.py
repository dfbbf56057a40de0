"""Images a second of mujoco_render.py's worker, mesh to PNG files, against the bare OpenGL rate of the same scenes.

Bare: the scene is compiled and its context there; turn, draw, read back. One process, as one of the workers.

Command: python -m bench.render [--CAD_dir=CAD] [--json=FILE]
Cost: a minute. Without --CAD_dir the embedded models.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

from absl import flags

from bench import report
from metalearn.cli import run_main
from pose_data import mujoco_render

FLAGS = flags.FLAGS


def embedded_models(folder):
    """Make the embedded models in `folder`/CAD and return that folder."""
    command = [sys.executable, "-m", "pose_data.cad_models", f"--out_dir={folder}/CAD"]
    report.output_of(command)
    return Path(folder) / "CAD"


def main(_):
    os.environ["LP_NUM_THREADS"] = "0"  # as in a worker
    mujoco_render.choose_gl_backend()
    from pose_data import scene
    from pose_data.meshes import read_triangles

    with tempfile.TemporaryDirectory() as folder:
        models = mujoco_render.find_models(FLAGS.CAD_dir or embedded_models(folder), ["bottle", "train"])
        names = list(models)[:: max(1, len(models) // FLAGS.num_objects)][: FLAGS.num_objects]
        bare = whole = 0.0
        for class_name, object_name in names:
            angles = mujoco_render.view_angles(0, class_name, object_name, FLAGS.num_views)
            path, out = models[class_name, object_name], Path(folder) / "rotate" / class_name / object_name
            begun = time.monotonic()
            mujoco_render.render_object(mujoco_render.Task(path, out, FLAGS.num_views, 0, FLAGS.image_size))
            whole += time.monotonic() - begun
            compiled = scene.Scene(read_triangles(path), FLAGS.image_size)
            compiled.render(0.0)
            begun = time.monotonic()
            for angle in angles:
                compiled.render(angle)
            bare += time.monotonic() - begun
            compiled.close()
    images = len(names) * FLAGS.num_views
    rows = [
        {"what": "turn, draw, read back", "images_per_s": images / bare, "share": 1.0},
        {"what": "mesh file to PNG files", "images_per_s": images / whole, "share": bare / whole},
    ]
    notes = [f"{len(names)} models x {FLAGS.num_views} views at {FLAGS.image_size}x{FLAGS.image_size}, one process"]
    report.finish("render", rows, FLAGS.json, notes)


if __name__ == "__main__":
    flags.DEFINE_string("CAD_dir", None, "folder of CAD models; default: the embedded ones")
    flags.DEFINE_integer("num_objects", 12, "models to draw", lower_bound=1)
    flags.DEFINE_integer("num_views", 100, "views of each", lower_bound=1)
    flags.DEFINE_integer("image_size", 500, "width and height in pixels", lower_bound=16)
    flags.DEFINE_string("json", None, "file to write the numbers to")
    run_main(main)
