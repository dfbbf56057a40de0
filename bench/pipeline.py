"""From a CAD folder to pickles, seconds a stage, at several numbers of objects: how cost grows.

The stages are the commands of `bash run.sh data`. More objects than there are models are copies under other names.

Command: python -m bench.pipeline [--CAD_dir=CAD] [--objects=16,65,260] [--json=FILE]
Cost: at the defaults about eight minutes on two cores. Without --CAD_dir the embedded models.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

from absl import flags

from bench import report
from bench.render import embedded_models
from metalearn.cli import run_main
from pose_data import mujoco_render

FLAGS = flags.FLAGS


def run_stages(cad_dir, models, num_objects, folder):
    """A row of the table: the seconds of each stage for num_objects of the models."""
    for i in range(num_objects):
        (class_name, object_name), path = models[i % len(models)]
        copy = cad_dir / class_name / f"{object_name}-{i // len(models)}{path.suffix}"
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    common = {"data_dir": folder / "rotate_resize", "num_val_objects": max(1, num_objects // 5)}
    stages = {
        "render": ("mujoco_render", {"CAD_dir": cad_dir, "data_dir": folder, "num_views": FLAGS.num_views}),
        "copy": (None, None),
        "resize": ("resize_images", {"data_dir": folder / "rotate_resize"}),
        "pickle": ("data_gen", {**common, "out_dir": folder}),
        "shards": ("data_gen", {**common, "out_dir": folder, "format": "shards"}),
    }
    row = {"objects": num_objects, "views": FLAGS.num_views}
    for stage, (script, script_flags) in stages.items():
        begun = time.monotonic()
        if script is None:
            shutil.copytree(folder / "rotate", folder / "rotate_resize")
        else:
            command = [sys.executable, "-m", f"pose_data.{script}", *(f"--{k}={v}" for k, v in script_flags.items())]
            report.output_of(command)
        row[stage] = time.monotonic() - begun
    row["total"] = sum(row[stage] for stage in stages if stage != "shards")
    return row


def main(_):
    counts = [int(number) for number in FLAGS.objects]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        models = mujoco_render.find_models(FLAGS.CAD_dir or embedded_models(folder), ["bottle", "train"])
        for number in counts:
            print(f"{number} objects ...", file=sys.stderr, flush=True)
            work = Path(folder) / str(number)
            work.mkdir()
            rows.append(run_stages(work / "CAD", list(models.items()), number, work))
            shutil.rmtree(work)
    report.finish("pipeline", rows, FLAGS.json)


if __name__ == "__main__":
    flags.DEFINE_string("CAD_dir", None, "folder of CAD models; default: the embedded ones")
    flags.DEFINE_list("objects", "16,65,260", "numbers of objects")
    flags.DEFINE_integer("num_views", 100, "views of each object", lower_bound=1)
    flags.DEFINE_string("json", None, "file to write the numbers to")
    run_main(main)
