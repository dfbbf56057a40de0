"""The folder that mujoco_render.py fills: <class>/<object>/<view>.png and <class>/<object>/label_<class><object>."""

from pathlib import Path

from pose_data.cli import UserError


def object_folders(data_dir):
    """Return the folders <data_dir>/<class>/<object>, sorted by name; UserError when it has none or is nested."""
    data_dir = Path(data_dir)
    if not data_dir.is_dir():
        raise UserError(f"--data_dir={data_dir}: no such folder; make it with mujoco_render.py and cp -r")
    folders = sorted(folder for class_dir in _subfolders(data_dir) for folder in _subfolders(class_dir))
    for folder in folders:
        if _subfolders(folder):
            raise UserError(
                f"--data_dir={data_dir}: {folder} holds folders, not views, as when `cp -r` ran twice "
                f"or --data_dir is one folder too high; remove the copy and run cp -r once more"
            )
    if not folders:
        raise UserError(f"--data_dir={data_dir}: no <class>/<object> folders in it; run mujoco_render.py and cp -r")
    return folders


def label_path(folder):
    """Return the path of the label file in the object folder <class>/<object>."""
    return folder / f"label_{folder.parent.name}{folder.name}"


def image_paths(folder):
    """Return the views in an object folder as a dict view number -> path, in the order of the numbers."""
    views = {int(path.stem): path for path in folder.glob("*.png") if path.stem.isdecimal()}
    return dict(sorted(views.items()))


def _subfolders(folder):
    return [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
