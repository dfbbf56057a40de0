"""The pose data: load a split, sample meta-batches. A task is one object (or `num_classes` of them)."""

import hashlib
import json
import zlib
from pathlib import Path

import numpy as np

from metalearn.cli import UserError
from metalearn.tasks import MetaBatch, padded_batches
from pose_code.paper import LABEL_SCALE
from pose_data import pickles
from pose_data.shards import Shards


class PoseSplit:
    """Objects of one split: images, a uint8 array or Shards [objects, views, side, side]; labels, float32 [.., dim_y];
    names, <class>/<object> each. A MetaBatch's x is uint8 [tasks, K, dim_im, dim_im, 1], which the encoder scales to
    [0, 1]; y is in turns x 10; K = num_classes * update_batch_size.

    With label_noise, `sample` adds a random angle to the labels of each task, modulo a full turn ("Meta-learning
    requires meta-augmentation", Rajendran et al., 2020): where zero is must then be read off the support set. The angle
    is "uniform" or one of the "quarters" of a turn. eval_label_noise: the same for `evaluation_batches`, drawn from
    their seed. eval_shots: support views per class in `evaluation_batches`; the query views stay those of `shots`.
    With distinct_tasks, no object occurs twice in what `sample` draws as long as there
    are enough of them.
    """

    label_noise = eval_label_noise = "none"
    distinct_tasks, eval_shots = False, None

    def __init__(self, path, dim_im, dim_y, num_classes, shots):
        """Reads a pickle of `data_gen`, or opens a folder of its shards. Raises UserError with the name if it is
        missing or not one, or if a task of num_classes objects with 2 x shots views each cannot be drawn."""
        images, labels, names = _load(Path(path))
        if images.dtype != np.uint8 or len(images.shape) != 4 or images.shape[2] != images.shape[3]:
            raise UserError(f"{path}: images are {images.dtype} {images.shape}, not uint8 [objects, views, side, side]")
        if labels.shape != (*images.shape[:2], 3):
            raise UserError(f"{path}: labels are {labels.shape}, not {(*images.shape[:2], 3)}; make the file again")
        if labels.dtype.kind not in "fiu":
            raise UserError(f"{path}: labels are {labels.dtype}, not numbers; make the file again")
        if 0 in images.shape:
            raise UserError(f"{path}: images are {images.shape}: empty; make the file again")
        if not (labels.min() >= 0 and labels.max() <= 1):
            raise UserError(f"{path}: labels run from {labels.min():g} to {labels.max():g}, not within [0, 1]")
        if not 1 <= dim_y <= 3:
            raise UserError(f"--dim_y={dim_y}: a label has 3 numbers (x, y, angle); give 1 (angle), 2 or 3")
        if not 1 <= num_classes <= len(images):
            raise UserError(f"--num_classes={num_classes}: {path} has {len(images)} objects")
        if not 1 <= shots <= images.shape[1] // 2:
            raise UserError(
                f"--update_batch_size={shots}: support and query need {2 * shots} views of an object and {path} "
                f"has {images.shape[1]}"
            )
        side = images.shape[-1]
        if not 1 <= dim_im <= side or side % dim_im:
            raise UserError(f"--dim_im={dim_im}: {path} has images of {side} pixels; give {side} or a divisor of it")
        if len(names) != len(images):
            raise UserError(f"{path}: {len(images)} objects, but {len(names)} names; run data_gen.py again")
        # A view of each object, as the labels of other renders may be the same.
        parts = json.dumps(names).encode() + labels.tobytes(), b"".join(views[0].tobytes() for views in images)
        self.fingerprint = "-".join(hashlib.sha256(part).hexdigest()[:16] for part in parts)
        self.names, self.num_classes, self.shots, self.dim_im = names, num_classes, shots, dim_im
        if type(images) is np.ndarray and dim_im < side:  # in memory: reduced once; shards: when they are read
            images = np.stack([reduce_images(views, dim_im) for views in images])
        self.images = images
        self.labels = labels[..., -dim_y:].astype(np.float32) * LABEL_SCALE

    def __len__(self):
        return len(self.images)

    def gather(self, objects, views):
        """MetaBatch of given objects [tasks, num_classes] and views [tasks, num_classes, K + shots]: K of the support
        set, then the query set's."""
        tasks, num_support = len(objects), views.shape[-1] - self.shots
        pairs = zip(objects.ravel(), views.reshape(-1, views.shape[-1]), strict=True)
        x = np.stack([reduce_images(self.images[i][rows], self.dim_im) for i, rows in pairs])
        x = x.reshape(*views.shape, self.dim_im, self.dim_im, 1)
        y = self.labels[objects[..., None], views]

        def points(a):
            return a.reshape(tasks, -1, *a.shape[3:])

        return MetaBatch(
            points(x[:, :, :num_support]), points(y[:, :, :num_support]),
            points(x[:, :, num_support:]), points(y[:, :, num_support:]),
        )  # fmt: skip

    def sample(self, rng, meta_batch_size):
        """The sampler: tasks of num_classes distinct objects, 2 x shots distinct views each, half support, half query;
        each task drawn independently, as upstream."""
        wanted = meta_batch_size * self.num_classes
        if self.distinct_tasks:
            whole = len(self) // self.num_classes * self.num_classes  # a task's objects are of one permutation
            rounds = [rng.permutation(len(self))[:whole] for _ in range(-(-wanted // whole))]
            objects = np.concatenate(rounds)[:wanted].reshape(meta_batch_size, self.num_classes)
        else:
            objects = np.stack([rng.permutation(len(self))[: self.num_classes] for _ in range(meta_batch_size)])
        batch = self.gather(objects, self._draw_views(rng, objects.shape))
        return _turn_labels(batch, _draw_turns(self.label_noise, rng, meta_batch_size))

    def evaluation_batches(self, seed, episodes, batch_size):
        """The evaluation protocol's episodes: each object `episodes` times, views fixed by `seed`, support labels too.

        Yields (objects [tasks], MetaBatch of batch_size tasks); the last batch is filled up with repeated tasks, and
        `objects` is shorter there. With num_classes > 1 an object's task also holds the objects that follow it.
        """
        first = np.tile(np.arange(len(self)), episodes)
        objects = (first[:, None] + np.arange(self.num_classes)) % len(self)
        rng = np.random.default_rng(seed)
        views, turns = (
            self._draw_views(rng, objects.shape, self.eval_shots),
            _draw_turns(self.eval_label_noise, rng, len(first)),
        )
        for numbers, rows in padded_batches(first, batch_size):
            yield numbers, _turn_labels(self.gather(objects[rows], views[rows]), turns[rows])

    def _draw_views(self, rng, shape, num_support=None):
        """Distinct views for each of an array of objects: int [*shape, num_support (unset: shots) + shots]. The query
        views, which come last, are the same for each num_support."""
        views = np.argsort(rng.random((*shape, self.labels.shape[1])), axis=-1)
        support, query, others = np.split(views, [self.shots, 2 * self.shots], axis=-1)
        support = np.concatenate([support, others], axis=-1)[..., : num_support or self.shots]
        return np.concatenate([support, query], axis=-1)


def _draw_turns(label_noise, rng, tasks):
    """The angle to add to each task's labels, in turns: float [tasks]."""
    if label_noise == "none":
        return np.zeros(tasks)
    return rng.random(tasks) if label_noise == "uniform" else rng.integers(4, size=tasks) / 4


def _turn_labels(batch, turns):
    """The MetaBatch with each task's angles, the last of its labels, turned by `turns` [tasks], modulo a full turn."""
    if not turns.any():
        return batch
    turn = np.zeros((len(turns), 1, batch.support_y.shape[-1]), np.float32)
    turn[:, 0, -1] = turns * LABEL_SCALE
    support_y, query_y = (np.mod(y + turn, LABEL_SCALE) for y in (batch.support_y, batch.query_y))
    return batch._replace(support_y=support_y, query_y=query_y)


def _load(path):
    """(images, labels, names of the objects) of a pickle or, if there is only that, of the folder of shards of the same
    name."""
    folder = path if path.is_dir() else path.with_suffix("")
    if path.is_dir() or (folder.is_dir() and not path.exists()):
        images = Shards(folder)
        return images, images.labels, images.names.tolist()
    try:
        images, labels = (np.asarray(array) for array in pickles.load(path))
        return images, labels, _names(path, images)
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such file; make it with pose_data/data_gen.py, or set --data_dir and --data"
        ) from None
    except (ValueError, TypeError) as e:
        raise UserError(f"{path}: not a pickle of data_gen ([images, labels]): {e}") from None


def _names(path, images):
    """Names of a pickle's objects: of data_gen's list beside it, else number and hash, which tell the same objects."""
    listed = path.with_name(f"{path.stem.removesuffix('_data')}_names.json")
    if not listed.exists():
        return [f"{i}-{zlib.crc32(views.tobytes()):08x}" for i, views in enumerate(images)]
    try:
        names = json.loads(listed.read_text())
    except (ValueError, RecursionError) as error:
        raise UserError(f"{listed}: damaged ({error}); run data_gen.py again, or delete it") from None
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise UserError(f"{listed}: not a list of names; run data_gen.py again, or delete it")
    return names


def reduce_images(images, dim_im):
    """Images at dim_im pixels a side, by means over square blocks. uint8 [n, side, side] -> [n, dim_im, dim_im]."""
    k = images.shape[-1] // dim_im
    if k == 1:
        return images
    return np.rint(images.reshape(-1, dim_im, k, dim_im, k).mean(axis=(2, 4))).astype(np.uint8)
