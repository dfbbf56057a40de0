"""N-way K-shot tasks: of classes that each keep one label, or of any classes with labels drawn anew."""

import hashlib

import numpy as np

from metalearn.cli import UserError
from metalearn.tasks import MetaBatch, padded_batches


class ClassTasks:
    """Tasks of one split's classes (see metalearn/tasks.py). A MetaBatch's x is uint8 [tasks, N * K, side, side,
    channels], y is float32 [tasks, N * K, N], one-hot; points are in random order.

    fixed_labels: each class has one label in all tasks, drawn once from `label_seed`, so that classes can be learned by
    heart: the paper's non-mutually-exclusive tasks. A task then has one class of each label. Otherwise a task has any N
    classes in random order. task_sets: with fixed labels the classes are divided into disjoint sets of one class per
    label, and a task is one of these sets.
    """

    def __init__(
        self, classes, *, ways, shots, query_shots, num_tasks, fixed_labels=False, task_sets=False, label_seed=0
    ):
        """classes: class_file.Classes. shots, query_shots: support and query images per class. num_tasks: that an
        evaluation visits. Raises UserError if a task cannot be drawn."""
        if not 2 <= ways <= len(classes.names):
            raise UserError(f"--ways={ways}: a split has {len(classes.names)} classes; give 2 to that many")
        if shots + query_shots > classes.images.shape[1]:
            raise UserError(
                f"--update_batch_size={shots}: with {query_shots} query images (--query_shots) a task needs "
                f"{shots + query_shots} of a class, and each has {classes.images.shape[1]}"
            )
        self.classes, self.ways, self.shots, self.query_shots = classes, ways, shots, query_shots
        self.num_tasks, self.task_sets, self.fixed_labels = num_tasks, task_sets, fixed_labels
        order = np.random.default_rng(label_seed).permutation(len(classes.names))
        self.classes_of_label = [order[label::ways] for label in range(ways)]  # classes, where labels are fixed
        labels = f"{label_seed},{ways},{task_sets}" if fixed_labels else ""
        of_classes, of_images = classes.fingerprints
        self.fingerprint = hashlib.sha256((of_classes + labels).encode()).hexdigest()[:16] + f"-{of_images}"

    def __len__(self):
        return self.num_tasks

    def sample(self, rng, meta_batch_size):
        """Random tasks, each drawn independently."""
        return self._gather(*self._draw(rng, meta_batch_size))

    def evaluation_batches(self, seed, episodes, batch_size):
        """`num_tasks * episodes` tasks that depend on `seed` alone, as (task numbers, MetaBatch of batch_size)."""
        tasks = np.tile(np.arange(self.num_tasks), episodes)
        drawn = self._draw(np.random.default_rng(seed), len(tasks))
        for numbers, rows in padded_batches(tasks, batch_size):
            yield numbers, self._gather(*(array[rows] for array in drawn))

    def details(self, seed, points):
        """The accuracy of each class, in percent, over all its query images in `evaluation_batches(seed, ...)`."""
        total = len(points["accuracy"]) // (self.ways * self.query_shots)
        classes, _, _, _, order = self._draw(np.random.default_rng(seed), total)
        of_point = np.take_along_axis(classes, order // self.query_shots, axis=1).ravel()
        sums = np.bincount(of_point, points["accuracy"], len(self.classes.names))
        counts = np.bincount(of_point, minlength=len(self.classes.names))
        means = {str(self.classes.names[i]): float(sums[i] / counts[i]) for i in np.flatnonzero(counts)}
        return {"per_class": {name: round(mean, 2) for name, mean in means.items()}}

    def _draw(self, rng, tasks):
        """Classes int [tasks, N] in the order of their labels and, of the support and then the query set, images of
        each class [tasks, N, n] and the order of the points [tasks, N * n], point i being image i % n of class i // n.
        """
        if not self.fixed_labels:
            classes = np.argsort(rng.random((tasks, len(self.classes.names))), axis=1)[:, : self.ways]
        elif self.task_sets:
            sets = rng.integers(
                len(self.classes_of_label[0]), size=tasks
            )  # where a label has a class less, its first again
            classes = np.stack([members[sets % len(members)] for members in self.classes_of_label], axis=1)
        else:
            members = self.classes_of_label
            classes = np.stack([rows[rng.integers(len(rows), size=tasks)] for rows in members], axis=1)
        scores = rng.random((tasks, self.ways, self.classes.images.shape[1]), np.float32)
        images = np.argsort(scores, axis=-1)[..., : self.shots + self.query_shots]
        orders = [np.argsort(rng.random((tasks, self.ways * n)), axis=1) for n in (self.shots, self.query_shots)]
        return classes, images[..., : self.shots], orders[0], images[..., self.shots :], orders[1]

    def _gather(self, classes, *sets):
        arrays = []
        for images, order in zip(sets[::2], sets[1::2], strict=True):
            label = order // images.shape[-1]
            image = np.take_along_axis(images.reshape(len(images), -1), order, axis=1)
            of_class = np.take_along_axis(classes, label, axis=1)
            arrays += [self.classes.images[of_class, image], np.eye(self.ways, dtype=np.float32)[label]]
        return MetaBatch(*arrays)


def split_classes(classes, num_train, seed, held_out):
    """The classes to train on and the held-out ones, as two Classes.

    Where the source has a division it is kept. Else `num_train` classes drawn from `seed` (None: three quarters) are
    for training and the others for test. held_out: "test", or "validation": a fifth of the training classes (the
    source's own, if it has them) is then held out in place of the test classes, which are not used. Raises UserError if
    num_train is not possible.
    """
    if classes.split.any():
        if num_train:
            raise UserError(
                f"--num_train_classes={num_train}: these classes have a division of their own; leave it out"
            )
        names = "train", {"test": "test", "validation": "val"}[held_out]
        return [classes.take(np.flatnonzero(classes.split == name)) for name in names]
    total = len(classes.names)
    num_train = num_train or total * 3 // 4
    if num_train >= total:
        raise UserError(f"--num_train_classes={num_train}: there are {total} in all; leave some for the test")
    order = np.random.default_rng(seed).permutation(total)
    train, test = np.split(order, [num_train])
    if held_out == "validation":
        train, test = np.split(train, [num_train - num_train // 5])
    return [classes.take(train), classes.take(test)]
