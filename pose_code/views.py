"""Views of one object, rendered from its CAD model or read from a folder, as the training data are made."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from metalearn import workers
from metalearn.cli import UserError
from pose_code.paper import off_by
from pose_data import rotate_folder
from pose_data.meshes import read_triangles
from pose_data.mujoco_render import view_angles
from pose_data.opengl import choose_gl_backend
from pose_data.resize_images import shrink

IMAGE_SIZE = 128  # of the views in the data that learners are trained on
RENDER_SIZE = 500
_ALIKE, _FAR = 1.0, 60.0  # grey levels on average, degrees


class Views(NamedTuple):
    """Of one object: images uint8 [n, 128, 128]; labels float [n, 3] as in the data, the angle in turns, or None."""

    images: np.ndarray
    labels: np.ndarray | None

    def part(self, rows):
        """The views of a slice."""
        return Views(self.images[rows], None if self.labels is None else self.labels[rows])

    def degrees(self):
        """Their angles: [n]."""
        return 360.0 * self.labels[:, 2]


class Model(NamedTuple):
    """A CAD model to render, turned about the middle of its bounding box."""

    path: Path
    num_views: int
    seed: int  # of the angles
    up: str | None = None  # as in read_triangles
    cull_faces: bool = True


def render(models):
    """Views of each of a list of `Model`, rendered in processes of their own: the libraries under TensorFlow and those
    under OpenGL crash in one. Raises UserError if one cannot be read or drawn."""
    choose_gl_backend()
    views = {}
    tasks = [(model.path, i, model) for i, model in enumerate(models)]
    workers.run_tasks(_render, tasks, workers.default_num_workers(), lambda result: views.update([result]))
    return [views[i] for i in range(len(models))]


def _render(task):
    from pose_data import scene  # here: the parent process needs no OpenGL

    path, i, model = task
    angles = view_angles(model.seed, path.parent.name, path.stem, model.num_views)
    triangles = read_triangles(path, model.up)
    corners = triangles.reshape(-1, 3)
    # A model far from its own origin would swing out of the picture; the training data's are around theirs.
    triangles = triangles - [*(corners.min(axis=0) + corners.max(axis=0))[:2] / 2, 0.0]
    try:
        drawn = scene.Scene(triangles, RENDER_SIZE, model.cull_faces)
    except ValueError as error:
        raise UserError(f"{path}: cannot be drawn ({error})") from None
    views = [Image.fromarray(drawn.render(angle)[:, :, 0]) for angle in angles]
    drawn.close()
    labels = np.column_stack([np.full_like(angles, scene.OBJECT_X), np.full_like(angles, 0.5), angles / (2 * np.pi)])
    return i, Views(np.stack([np.asarray(shrink(view, IMAGE_SIZE)) for view in views]), labels)


def read(folder, need_labels=True):
    """Views of a folder <class>/<object>, rendered or resized; without need_labels its label file may be missing.
    Raises UserError naming what is wrong."""
    folder = Path(folder).resolve()
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give one with 0.png, 1.png, ... and a label file")
    paths = rotate_folder.image_paths(folder)
    if not paths:
        raise UserError(f"{folder}: no views 0.png, 1.png, ... in it")
    images = []
    for path in paths.values():
        with rotate_folder.open_view(path) as view:
            if view.width != view.height or view.width < IMAGE_SIZE:
                raise UserError(
                    f"{path}: {view.width}x{view.height} pixels; give square views of {IMAGE_SIZE} pixels or more"
                )
            images.append(np.asarray(shrink(view, IMAGE_SIZE)))
    if not need_labels and not rotate_folder.label_path(folder).exists():
        return Views(np.stack(images), None)
    labels = rotate_folder.read_labels(folder)
    if max(paths) >= len(labels):
        raise UserError(f"{rotate_folder.label_path(folder)}: {len(labels)} labels, but there is a {max(paths)}.png")
    return Views(np.stack(images), labels[list(paths)])


def look_alike(views):
    """(angle, angle, grey levels) of the most similar pair of views at least 60 degrees apart, if they differ by less
    than a grey level on average, else None."""
    images, angles = views.images.astype(np.float32), views.degrees()
    first, second = np.triu_indices(len(images), 1)
    far = off_by(angles[first], angles[second]) >= _FAR
    pairs = list(zip(first[far], second[far], strict=True))
    if not pairs:
        return None
    differences = [np.abs(images[i] - images[j]).mean() for i, j in pairs]
    smallest = int(np.argmin(differences))
    i, j = pairs[smallest]
    return (angles[i], angles[j], differences[smallest]) if differences[smallest] < _ALIKE else None
