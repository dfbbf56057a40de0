"""Step 1 of the pose data: renders each CAD model at random angles on a table.

    python mujoco_render.py --CAD_dir=CAD --data_dir=DATA

reads CAD/<class>/<number>.off (or .obj, .ply, .glb, .stl) and writes, per model,
DATA/rotate/<class>/<number>/<view>.png (500x500, grey) and label_<class><number>, a pickled list of rows
[view, x, y, angle] as the paper's code wrote them: x and y in metres (constant), the angle in radians in [0, 2 pi).

Costs about 20 ms of CPU a view in software OpenGL: one to two minutes for 67 models x 100 views on two cores.
Run again after an interruption: only what is missing is rendered, to the same images, and all views of a model that was
replaced since.
"""

import concurrent.futures
import errno
import hashlib
import json
import os
import shutil
import sys
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import flags
from PIL import Image

from metalearn import workers
from metalearn.cli import UserError, run_main
from metalearn.files import atomic_path, prepare_picture
from pose_data import contact_sheet, rotate_folder
from pose_data.meshes import SUFFIXES, define_up_flag, read_triangles
from pose_data.opengl import choose_gl_backend

FLAGS = flags.FLAGS

SETTINGS_FILE = "render_settings.json"
MODEL_FILE = ".model.json"  # in the folder of an object


def find_models(cad_dir, classes_to_skip):
    """Return {(class, object): path of the model}, sorted, of the PASCAL3D+-like folder `cad_dir`.

    Of the files with one stem (01.off and the 01.stl made from it) the first of SUFFIXES is the model. Prints warnings
    for classes without models and for files that are left out; raises UserError when there is no model at all.
    """
    cad_dir = Path(cad_dir)
    if not cad_dir.is_dir():
        raise UserError(f"--CAD_dir={cad_dir}: no such folder")
    models, doubles, strays = {}, [], [path for path in cad_dir.iterdir() if not path.is_dir() and path.name[0] != "."]
    for class_dir in sorted(path for path in cad_dir.iterdir() if path.is_dir()):
        if class_dir.name in classes_to_skip or class_dir.name.startswith("."):
            continue
        files = [path for path in class_dir.iterdir() if not path.name.startswith(".")]
        found = [path for path in files if path.suffix.lower() in SUFFIXES and path.is_file()]
        strays += set(files) - set(found)
        if not found:
            _warn(f"class {class_dir.name} has no models")
        # The preferred format comes last, and stays.
        for path in sorted(found, key=lambda path: (-SUFFIXES.index(path.suffix.lower()), path.name)):
            models[class_dir.name, path.stem] = path
        for path in found:
            model = models[class_dir.name, path.stem]
            was_made_from_it = path.suffix.lower() == ".stl" != model.suffix.lower()
            if model != path and not was_made_from_it:
                doubles.append(path)
    if doubles:
        _warn(f"ignored {len(doubles)} models of the same names as others, such as {min(doubles)}")
    if strays:
        _warn(f"ignored {len(strays)} files that are not models, such as {min(strays)}")
    if not models:
        raise UserError(
            f"--CAD_dir={cad_dir}: no models; expected {cad_dir}/<class>/<number>.off (or {', '.join(SUFFIXES[1:])})"
            f" in classes other than {','.join(classes_to_skip)}"
        )
    return dict(sorted(models.items()))


def _warn(message):
    _print_line(f"warning: {message}")


def _print_line(message):
    print(" ".join(message.split()), file=sys.stderr, flush=True)  # a name may have a newline in it


def view_angles(seed, class_name, object_name, num_views):
    """Return the angles of an object's views, in radians in [0, 2 pi): float64 [num_views].

    They depend on nothing else than the arguments, so neither order nor number of workers matters.
    """
    names = [zlib.crc32(name.encode(errors="surrogateescape")) for name in (class_name, object_name)]
    return np.random.default_rng([seed, *names]).random(num_views) * 2 * np.pi


class Task(NamedTuple):
    """An object to render."""

    model_path: Path
    folder: Path  # <class>/<object> to write to
    num_views: int
    seed: int  # of `view_angles`
    image_size: int = 500
    cull_faces: bool = True
    up: str | None = None  # as in read_triangles


def render_object(task):
    """Render the missing views of the object of a Task and return how many."""
    from pose_data import scene  # here: the parent process needs no OpenGL

    folder, identity = task.folder, identify(task.model_path)
    missing = missing_views(folder, task.num_views, identity)
    if not missing:
        return 0
    angles = view_angles(task.seed, folder.parent.name, folder.name, task.num_views)
    triangles = read_triangles(task.model_path, task.up)
    object_scene = scene.Scene(triangles, task.image_size, task.cull_faces)
    if (off := scene.off_origin(triangles)) > 0.15:
        _warn(f"{task.model_path}: it turns about a point {off:.0%} of its longest side off its middle")
    folder.mkdir(parents=True, exist_ok=True)
    if rendered_model(folder) != identity:  # first the old views go, so that no kill leaves them beside new ones
        for path in rotate_folder.image_paths(folder).values():
            path.unlink()
        with atomic_path(folder / MODEL_FILE) as temporary:
            temporary.write_text(json.dumps(identity) + "\n")
    rotate_folder.write_labels(folder, scene.OBJECT_X, scene.OBJECT_Y, angles)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:  # a view is compressed while the next one is drawn
        saving = None
        for view in missing:
            image = object_scene.render(angles[view])
            if saving:
                saving.result()  # or views that a GPU draws faster than they are compressed would fill the memory
            saving = pool.submit(_save, image, folder / f"{view}.png")
        saving.result()
    object_scene.close()
    return len(missing)


def _save(image, path):
    """Write a render, uint8 [side, side, 3], as a grey PNG: the scene is grey, all channels are alike."""
    with atomic_path(path) as temporary:
        Image.fromarray(image[:, :, 0]).save(temporary, compress_level=1, compress_type=zlib.Z_RLE)


def missing_views(folder, num_views, identity):
    """Return the numbers of the views that are not yet in `folder`; all of them when its label file is missing or the
    views are of another model than that of `identity`."""
    is_same = rotate_folder.label_path(folder).exists() and rendered_model(folder) == identity
    done = rotate_folder.image_paths(folder) if is_same else {}
    return [view for view in range(num_views) if view not in done]


def identify(model_path):
    """Return {"file": name, "size": in bytes, "sha256": of its bytes} of a model file; the name alone if it cannot be
    read, which is said when it is to be rendered."""
    name = os.fsencode(model_path.name).decode(errors="backslashreplace")
    try:
        data = model_path.read_bytes()
    except OSError:
        return {"file": name}
    return {"file": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def rendered_model(folder):
    """Return the identity of the model whose views are in `folder`, None when it is not known."""
    try:
        return json.loads((folder / MODEL_FILE).read_text())
    except (FileNotFoundError, ValueError, RecursionError):
        return None


def try_render_object(task):
    """Return (model path, number of views rendered, None), or (model path, 0, why it cannot be rendered)."""
    try:
        return task.model_path, render_object(task), None
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:  # a full disk, no permission to write: no fault of the model
            raise
        return task.model_path, 0, f"{error.strerror}; give its class or the model a shorter name"
    except Exception as error:  # whatever is wrong with one model, the others are rendered and this one is named
        return task.model_path, 0, " ".join(str(error).split()) or type(error).__name__


def check_settings(data_dir, settings):
    """Refuse to mix images of different settings in `data_dir`; note the settings there on the first run."""
    path = data_dir / SETTINGS_FILE
    way_out = "give --overwrite to render all anew, or another --data_dir"
    if path.exists():
        try:
            old = dict(json.loads(path.read_text()))
        except (ValueError, TypeError, RecursionError) as error:
            raise UserError(f"{path}: damaged ({error}); {way_out}") from error
        for name, value in settings.items():
            if old.get(name) != value:
                raise UserError(f"--{name}={value}: {data_dir} was rendered with {name}={old.get(name)}; {way_out}")
    elif (data_dir / "rotate").exists():
        raise UserError(f"{data_dir}/rotate: rendered with unknown settings ({path.name} is missing); {way_out}")
    else:
        data_dir.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(settings, indent=1) + "\n")


def main(_):
    if FLAGS.contact_sheet:
        prepare_picture("contact_sheet", FLAGS.contact_sheet)
    models = find_models(FLAGS.CAD_dir, FLAGS.classes_to_skip)
    choose_gl_backend()
    data_dir = Path(FLAGS.data_dir)
    rotate_dir = data_dir / "rotate"
    if FLAGS.overwrite and rotate_dir.exists():
        shutil.rmtree(rotate_dir)
    if FLAGS.overwrite:
        (data_dir / SETTINGS_FILE).unlink(missing_ok=True)
    settings = {name: FLAGS[name].value for name in ("seed", "num_views", "image_size", "cull_faces", "up")}
    check_settings(data_dir, {"CAD_dir": str(Path(FLAGS.CAD_dir).resolve()), **settings})

    same = FLAGS.num_views, FLAGS.seed, FLAGS.image_size, FLAGS.cull_faces, FLAGS.up
    tasks = [
        Task(path, rotate_dir / class_name / object_name, *same) for (class_name, object_name), path in models.items()
    ]
    todo = [task for task in tasks if missing_views(task.folder, task.num_views, identify(task.model_path))]
    print(f"{len(tasks)} objects in {len({class_name for class_name, _ in models})} classes, {len(todo)} to render")
    num_failed, progress = 0, workers.Progress("rendered", len(todo))

    def report(result):
        nonlocal num_failed
        path, num_images, reason = result
        if reason:
            num_failed += 1
            _print_line(f"error: {path}: {reason.removeprefix(f'{path}: ')}")
        progress.add(num_images)

    workers.run_tasks(try_render_object, todo, FLAGS.num_workers, report)

    if num_failed < len(tasks):
        if FLAGS.contact_sheet:
            contact_sheet.write(rotate_dir, FLAGS.contact_sheet)
        others = set(rotate_folder.object_folders(rotate_dir)) - {task.folder for task in tasks}
        if others:
            _warn(f"{len(others)} more objects are left from other runs: {min(others)}")
    if num_failed:
        raise UserError(f"{num_failed} of {len(tasks)} objects failed: fix or remove the models named above")
    print(f"all {len(tasks)} objects x {FLAGS.num_views} views are in {rotate_dir}")


def define_flags():
    flags.DEFINE_string("CAD_dir", None, "Folder of CAD models, <class>/<number>.off as in PASCAL3D+.", required=True)
    flags.DEFINE_string("data_dir", None, "Folder to write rotate/ to.", required=True)
    flags.DEFINE_integer("num_views", 100, "Views of each object.", 1, rotate_folder.MAX_NUM_VIEWS)
    flags.DEFINE_integer("seed", 0, "Seed of the angles.", lower_bound=0)
    flags.DEFINE_integer(
        "image_size", 500, "Width and height of the renders in pixels.", 16, rotate_folder.MAX_IMAGE_SIZE
    )
    flags.DEFINE_bool(
        "cull_faces", True, "Draw no faces that look away from the camera, as the paper's code. --nocull_faces is for "
        "models whose faces point inwards or are open sheets, of which parts are missing in the contact sheet.",
    )  # fmt: skip
    define_up_flag()
    flags.DEFINE_integer("num_workers", workers.default_num_workers(), "Processes.", 1, workers.MAX_NUM_WORKERS)
    flags.DEFINE_list("classes_to_skip", ["bottle", "train"], "Classes left out, as in the paper's code.")
    flags.DEFINE_bool("overwrite", False, "Delete DATA_DIR/rotate first.")
    flags.DEFINE_string("contact_sheet", None, "Also write a picture of six views of each object to this file.")


if __name__ == "__main__":
    define_flags()
    run_main(main)
