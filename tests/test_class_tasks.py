"""Tasks of classes that keep their labels, and of those that do not."""

import numpy as np
import pytest

from classification.class_file import Classes
from classification.tasks import ClassTasks, split_classes
from metalearn.cli import UserError

WAYS, SHOTS, QUERY = 3, 2, 4


def numbered(total, images=8, split=None):
    """Classes whose first pixel says the class and whose second pixel says the image."""
    array = np.zeros((total, images, 2, 2, 1), np.uint8)
    array[:, :, 0, 0, 0] = np.arange(total)[:, None]
    array[:, :, 0, 1, 0] = np.arange(images)
    names = np.array([f"class {i}" for i in range(total)])
    return Classes(array, names, np.array(split or [""] * total))


def make(total=11, **settings):
    return ClassTasks(numbered(total), ways=WAYS, shots=SHOTS, query_shots=QUERY, num_tasks=5, **settings)


def classes_and_labels(x, y):
    return x[..., 0, 0, 0].astype(int), y.argmax(-1)


def labels_of_classes(batch):
    """{class: set of the labels that it has in a MetaBatch}."""
    found = {}
    for x, y in ((batch.support_x, batch.support_y), (batch.query_x, batch.query_y)):
        for one, label in zip(*(array.ravel() for array in classes_and_labels(x, y)), strict=True):
            found.setdefault(int(one), set()).add(int(label))
    return found


@pytest.mark.parametrize("settings", [{}, {"fixed_labels": True}, {"fixed_labels": True, "task_sets": True}])
def test_a_task_has_one_class_per_label_and_other_images_of_it_in_its_query_set(settings):
    batch = make(**settings).sample(np.random.default_rng(0), 50)
    assert batch.support_x.shape == (50, WAYS * SHOTS, 2, 2, 1) and batch.query_y.shape == (50, WAYS * QUERY, WAYS)
    assert set(np.unique(batch.query_y)) == {0.0, 1.0} and (batch.query_y.sum(-1) == 1).all()
    for task in range(50):
        one_of, images = {}, {}
        for x, y, number in (
            (batch.support_x[task], batch.support_y[task], SHOTS), (batch.query_x[task], batch.query_y[task], QUERY),
        ):  # fmt: skip
            classes, labels = classes_and_labels(x, y)
            assert (np.bincount(labels, minlength=WAYS) == number).all()
            for point, (one, label) in enumerate(zip(classes, labels, strict=True)):
                assert one_of.setdefault(label, one) == one
                image = (one, x[point, 0, 1, 0])
                assert image not in images
                images[image] = True
        assert len(set(one_of.values())) == WAYS


def test_a_class_keeps_its_label_in_training_and_has_every_label_where_tasks_are_mutually_exclusive():
    fixed = labels_of_classes(make(fixed_labels=True).sample(np.random.default_rng(0), 300))
    assert len(fixed) == 11 and all(len(labels) == 1 for labels in fixed.values())
    assert sorted(np.bincount([labels.pop() for labels in fixed.values()])) == [3, 4, 4]  # evenly over the labels
    drawn = labels_of_classes(make().sample(np.random.default_rng(0), 300))
    assert len(drawn) == 11 and all(len(labels) == WAYS for labels in drawn.values())


def test_classes_of_different_sets_meet_in_a_task_unless_task_sets_are_asked_for():
    def combinations(**settings):
        batch = make(fixed_labels=True, **settings).sample(np.random.default_rng(0), 400)
        return {tuple(sorted(set(task))) for task in batch.query_x[..., 0, 0, 0].tolist()}

    assert len(combinations()) == 4 * 4 * 3
    sets = combinations(task_sets=True)
    assert len(sets) == 4  # of 11 classes: the last set's third class is one of another set
    assert sorted(sum(sets, ())) == sorted([*range(11), *set.intersection(*map(set, pairs_of(sets)))])


def pairs_of(sets):
    """The two sets that share a class."""
    return next((a, b) for a in sets for b in sets if a != b and set(a) & set(b))


def test_the_points_of_a_set_are_in_random_order():
    batch = make(fixed_labels=True).sample(np.random.default_rng(0), 200)
    firsts = batch.support_y[:, 0].mean(axis=0)
    assert (np.abs(firsts - 1 / WAYS) < 0.12).all()


def test_labels_and_evaluation_depend_on_their_seeds_alone():
    def labels(seed):
        return labels_of_classes(make(fixed_labels=True, label_seed=seed).sample(np.random.default_rng(0), 300))

    assert labels(0) == labels(0) != labels(1)
    tasks = make()
    first, again, other = (list(tasks.evaluation_batches(seed, 2, 4)) for seed in (0, 0, 1))
    assert [numbers.tolist() for numbers, _ in first] == [[0, 1, 2, 3], [4, 0, 1, 2], [3, 4]]
    assert all(len(batch.query_x) == 4 for _, batch in first)  # the last one is padded
    for (_, a), (_, b), (_, c) in zip(first, again, other, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True)) and not np.array_equal(a[0], c[0])


def test_accuracy_per_class_is_of_the_class_of_each_query_image():
    tasks = make()
    images = np.concatenate([batch.query_x[: len(n)] for n, batch in tasks.evaluation_batches(3, 20, 7)])
    points = {"accuracy": np.where(images[..., 0, 0, 0] % 2, 100.0, 25.0).ravel()}  # whatever the labels
    found = tasks.details(3, points)["per_class"]
    assert found == {f"class {i}": 100.0 if i % 2 else 25.0 for i in range(11)}


def test_held_out_classes_are_disjoint_and_a_search_does_not_touch_those_of_the_test():
    classes = numbered(50)
    train, test = split_classes(classes, 40, 0, "test")
    fewer, validation = split_classes(classes, 40, 0, "validation")
    assert [len(part.names) for part in (train, test, fewer, validation)] == [40, 10, 32, 8]
    assert set(fewer.names) | set(validation.names) == set(train.names)
    assert not set(train.names) & set(test.names) and not set(fewer.names) & set(validation.names)
    assert set(split_classes(classes, 40, 1, "test")[1].names) != set(test.names)
    assert len(split_classes(classes, None, 0, "test")[0].names) == 37


def test_the_source_s_own_division_is_kept():
    classes = numbered(6, split=["train", "val", "test", "train", "val", "train"])
    assert [part.names.tolist() for part in split_classes(classes, None, 5, "test")] == [
        ["class 0", "class 3", "class 5"], ["class 2"],
    ]  # fmt: skip
    assert split_classes(classes, None, 5, "validation")[1].names.tolist() == ["class 1", "class 4"]


def test_the_fingerprint_is_of_the_classes_and_of_what_their_labels_are_drawn_from():
    prints = [
        make().fingerprint, make(10).fingerprint, make(fixed_labels=True).fingerprint,
        make(fixed_labels=True, label_seed=1).fingerprint, make(fixed_labels=True, task_sets=True).fingerprint,
    ]  # fmt: skip
    assert len(set(prints)) == 5 and make().fingerprint == prints[0]
    settings = {"ways": WAYS, "shots": SHOTS, "query_shots": QUERY, "num_tasks": 5}
    classes = numbered(6, 8)
    fewer, others = classes.images[:, :-1], classes.images.copy()
    others[:, 1:] += 1
    of_images = [classes._replace(images=images) for images in (classes.images, fewer, others)]
    all_prints = [ClassTasks(part, **settings).fingerprint for part in of_images]
    assert len(set(all_prints)) == 3 and len({text.partition("-")[0] for text in all_prints}) == 1  # as of earlier runs


@pytest.mark.parametrize(
    "total, images, message", [(2, 8, "--ways=3: a split has 2 classes"), (5, 5, "needs 6 of a class, and each has 5")]
)
def test_a_task_that_cannot_be_drawn_is_an_error(total, images, message):
    with pytest.raises(UserError, match=message):
        ClassTasks(numbered(total, images), ways=WAYS, shots=SHOTS, query_shots=QUERY, num_tasks=5)


def test_all_classes_for_training_leave_none_for_the_test():
    with pytest.raises(UserError, match="--num_train_classes=50: there are 50 in all"):
        split_classes(numbered(50), 50, 0, "test")
