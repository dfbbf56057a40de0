"""The sampler, the evaluation episodes, and what a split refuses."""

import json
from unittest import mock

import numpy as np
import pytest
from learners import script

from metalearn import training
from metalearn.cli import UserError
from metalearn.files import atomic_path
from pose_code.pose_dataset import PoseSplit
from pose_data import pickles, shards

OBJECTS, VIEWS, SIDE = 7, 12, 8


@pytest.fixture
def path(tmp_path):
    """Images and labels that name their object and view: pixel = object * 20 + view, angle = the same / 200."""
    number = np.arange(OBJECTS)[:, None] * 20 + np.arange(VIEWS)
    images = np.broadcast_to(number[..., None, None], (OBJECTS, VIEWS, SIDE, SIDE)).astype(np.uint8)
    labels = np.stack([np.full_like(number, 0.5, float), np.zeros_like(number, float), number / 200], axis=-1)
    pickles.dump([images, labels], tmp_path / "train_data.pkl")
    return tmp_path / "train_data.pkl"


def numbers(x):
    """Object * 20 + view of each point, from its image: [tasks, K]."""
    return x[:, :, 0, 0, 0].astype(int)


def test_images_and_labels_stay_together_in_label_units(path):
    batch = PoseSplit(path, SIDE, 1, 1, 4).sample(np.random.default_rng(0), 3)
    assert batch.support_x.shape == batch.query_x.shape == (3, 4, SIDE, SIDE, 1) and batch.support_x.dtype == np.uint8
    np.testing.assert_allclose(batch.support_y[..., 0], numbers(batch.support_x) / 20, rtol=1e-6)
    np.testing.assert_allclose(batch.query_y[..., 0], numbers(batch.query_x) / 20, rtol=1e-6)


def test_objects_have_the_names_beside_the_pickle_or_number_and_hash(path):
    unnamed = PoseSplit(path, SIDE, 1, 1, 4).names
    assert len(set(unnamed)) == OBJECTS and unnamed[3].startswith("3-")
    names = [f"car/{i}" for i in range(OBJECTS)]
    listed = path.with_name("train_names.json")
    listed.write_text(json.dumps(names))
    assert PoseSplit(path, SIDE, 1, 1, 4).names == names
    for content, why in ((json.dumps(names[1:]), "7 objects, but 6 names"), ("[1", "damaged"), ("{}", "not a list")):
        listed.write_text(content)
        with pytest.raises(UserError, match=why):
            PoseSplit(path, SIDE, 1, 1, 4)


def test_a_task_is_one_object_and_no_view_repeats(path):
    split = PoseSplit(path, SIDE, 1, 1, 6)
    for seed in range(20):
        batch = split.sample(np.random.default_rng(seed), 4)
        points = np.concatenate([numbers(batch.support_x), numbers(batch.query_x)], axis=1)
        objects = points // 20
        assert (objects == objects[:, :1]).all()
        assert all(len(set(task)) == 12 for task in points)


def test_num_classes_mixes_that_many_objects_in_a_task(path):
    batch = PoseSplit(path, SIDE, 1, 3, 4).sample(np.random.default_rng(0), 2)
    for points in (batch.support_x, batch.query_x):
        assert points.shape[:2] == (2, 12)
        assert all(sorted(np.unique(task // 20, return_counts=True)[1]) == [4, 4, 4] for task in numbers(points))


def turns_of(batch):
    """By how much each task's labels are turned, in label units: [tasks]; asserts that it is one angle for a task."""
    turns = []
    for x, y in ((batch.support_x, batch.support_y), (batch.query_x, batch.query_y)):
        np.testing.assert_allclose(y[..., :2], np.broadcast_to([5.0, 0.0], (*y.shape[:2], 2)))  # x and y as they were
        assert (y >= 0).all() and (y < 10).all() and y.dtype == np.float32
        turns.append((y[..., 2] - numbers(x) / 20 + 1e-4) % 10 - 1e-4)
    turns = np.concatenate(turns, axis=1)
    np.testing.assert_allclose(turns, np.repeat(turns[:, :1], turns.shape[1], axis=1), atol=1e-4)
    return turns[:, 0]


@pytest.mark.parametrize("label_noise", ["none", "uniform", "quarters"])
def test_label_noise_turns_all_labels_of_a_task_by_one_angle(label_noise, path):
    split = PoseSplit(path, SIDE, 3, 1, 4)
    split.label_noise = label_noise
    turns = turns_of(split.sample(np.random.default_rng(0), 40))
    if label_noise == "none":
        np.testing.assert_allclose(turns, 0.0, atol=1e-4)
    elif label_noise == "quarters":
        np.testing.assert_allclose(np.unique(turns.round(3)), [0.0, 2.5, 5.0, 7.5])
    else:
        assert turns.std() > 1 and len(np.unique(turns.round(3))) == 40


def test_an_evaluation_has_label_noise_of_its_own_fixed_by_its_seed(path):
    split = PoseSplit(path, SIDE, 3, 1, 4)
    split.label_noise = "uniform"
    for _, batch in split.evaluation_batches(0, 1, 4):
        np.testing.assert_allclose(turns_of(batch), 0.0, atol=1e-4)
    plain = [batch.query_x for _, batch in split.evaluation_batches(0, 3, 4)]
    split.eval_label_noise = "quarters"
    first, again = (list(split.evaluation_batches(0, 3, 4)) for _ in range(2))
    assert len(np.unique(np.concatenate([turns_of(batch) for _, batch in first]).round(3))) > 1
    for x, (_, a), (_, b) in zip(plain, first, again, strict=True):
        np.testing.assert_array_equal(x, a.query_x)  # the same views
        np.testing.assert_array_equal(a.query_y, b.query_y)


def test_more_or_fewer_support_views_leave_the_query_views_as_they_are(path):
    split = PoseSplit(path, SIDE, 1, 1, 4)
    plain = [batch for _, batch in split.evaluation_batches(0, 2, 4)]
    for shots in (1, 4, 8):
        split.eval_shots = shots
        for expected, (_, batch) in zip(plain, split.evaluation_batches(0, 2, 4), strict=True):
            np.testing.assert_array_equal(batch.query_x, expected.query_x)
            both = min(shots, 4)
            np.testing.assert_array_equal(batch.support_x[:, :both], expected.support_x[:, :both])
            views = np.concatenate([numbers(batch.support_x), numbers(batch.query_x)], axis=1)
            assert views.shape[1] == shots + 4 and all(len(set(task)) == shots + 4 for task in views)


def objects_of(split, seed, meta_batch_size):
    """First object of each task of a meta-batch."""
    return list(numbers(split.sample(np.random.default_rng(seed), meta_batch_size).support_x)[:, 0] // 20)


def test_each_task_is_drawn_by_itself_unless_distinct_tasks_are_asked_for(path):
    split = PoseSplit(path, SIDE, 1, 1, 2)
    drawn = [objects_of(split, seed, 4) for seed in range(200)]
    np.testing.assert_allclose(np.bincount(np.ravel(drawn)) / 800, 1 / OBJECTS, atol=0.04)
    different = np.mean([len(set(objects)) == 4 for objects in drawn])
    assert abs(different - 6 / 7 * 5 / 7 * 4 / 7) < 0.1
    split.distinct_tasks = True
    assert all(len(set(objects_of(split, seed, 4))) == 4 for seed in range(20))
    assert sorted(objects_of(split, 0, 2 * OBJECTS)) == sorted([*range(OBJECTS)] * 2)  # each object again
    split = PoseSplit(path, SIDE, 1, 3, 2)
    split.distinct_tasks = True
    for seed in range(20):
        objects = numbers(split.sample(np.random.default_rng(seed), 5).support_x) // 20
        assert all(len(set(task)) == 3 for task in objects)


def test_evaluation_visits_each_object_equally_and_is_fixed_by_its_seed(path):
    split = PoseSplit(path, SIDE, 1, 1, 2)
    first, again = (list(split.evaluation_batches(5, 3, 4)) for _ in range(2))
    assert sorted(np.concatenate([objects for objects, _ in first])) == sorted([*range(OBJECTS)] * 3)
    for (objects, batch), (_, same) in zip(first, again, strict=True):
        assert (numbers(batch.support_x)[: len(objects), 0] // 20 == objects).all() and len(batch.support_x) == 4
        np.testing.assert_array_equal(batch.support_x, same.support_x)
    other = next(iter(split.evaluation_batches(6, 3, 4)))[1]
    assert (numbers(other.support_x) != numbers(first[0][1].support_x)).any()


def test_dim_im_takes_means_of_blocks(tmp_path):
    images = np.random.default_rng(0).integers(256, size=(2, 4, 8, 8)).astype(np.uint8)
    pickles.dump([images, np.zeros((2, 4, 3))], tmp_path / "a.pkl")
    batch = PoseSplit(tmp_path / "a.pkl", 4, 1, 1, 2).gather(np.array([[1]]), np.array([[[2, 0, 1, 3]]]))
    assert batch.support_x.shape == (1, 2, 4, 4, 1)
    assert abs(int(batch.support_x[0, 0, 3, 0, 0]) - images[1, 2, 6:8, 0:2].mean()) <= 0.5


@pytest.mark.parametrize("dim_im", [SIDE, SIDE // 2])
def test_shards_give_the_same_tasks_as_the_pickle(path, tmp_path, dim_im):
    images, labels = pickles.load(path)
    shards.write(tmp_path / "shards", iter(images), labels, [f"car/{i}" for i in range(OBJECTS)])
    pair = [PoseSplit(where, dim_im, 1, 2, 3) for where in (path, tmp_path / "shards")]
    for a, b in zip(*(split.sample(np.random.default_rng(0), 3) for split in pair), strict=True):
        np.testing.assert_array_equal(a, b)
    for (_, a), (_, b) in zip(*(split.evaluation_batches(0, 1, 4) for split in pair), strict=True):
        np.testing.assert_array_equal(a.query_x, b.query_x)
    path.rename(tmp_path / "other.pkl")
    (tmp_path / "shards").rename(tmp_path / "train_data")
    assert len(PoseSplit(path, dim_im, 1, 1, 3)) == OBJECTS  # asked for train_data.pkl, there is the folder


def test_damaged_shards_are_named(path, tmp_path):
    images, labels = pickles.load(path)
    folder = tmp_path / "shards"
    shards.write(folder, iter(images), labels, ["x"] * OBJECTS)
    (folder / "00003.npy").write_bytes((folder / "00003.npy").read_bytes()[:200])
    with pytest.raises(UserError, match=r"00003\.npy: damaged"):
        PoseSplit(folder, SIDE, 1, 1, 2)
    np.save(folder / "00003.npy", images[3, :2])
    with pytest.raises(UserError, match=r"00003\.npy: uint8 \(2, 8, 8\), not"):
        PoseSplit(folder, SIDE, 1, 1, 2)
    (folder / "index.npz").unlink()
    with pytest.raises(UserError, match=r"not a folder of data_gen\.py"):
        PoseSplit(folder, SIDE, 1, 1, 2)


def test_shards_appear_whole_or_not_at_all_and_replace_older_ones(path, tmp_path):
    images, labels = pickles.load(path)
    folder = tmp_path / "shards"

    def write(images, labels):
        with atomic_path(folder) as temporary:
            shards.write(temporary, images, labels, ["x"] * len(labels))

    def broken():
        yield images[0]
        raise OSError("disk full")

    write(iter(images), labels)
    with pytest.raises(OSError, match="disk full"):
        write(broken(), labels)
    assert len(shards.Shards(folder)) == OBJECTS
    write(iter(images[:2]), labels[:2])
    assert len(list(folder.iterdir())) == 3 and not list(tmp_path.glob(".*"))


def test_label_noise_is_of_the_training_tasks_and_eval_label_noise_of_other_held_out_ones(data_dir):
    flags = [f"--data_dir={data_dir}", "--dim_im=16", "--update_batch_size=3", "--label_noise=uniform"]
    flags += ["--distinct_tasks", "--eval_label_noise=quarters", "--eval_shots=2"]
    with script("np_vanilla", *flags) as module, mock.patch.object(training, "run") as run:
        module.main([])
    (_, train, val), settings = run.call_args
    found = {"train": train, "val": val, **settings["other_vals"]}
    assert {
        name: (part.label_noise, part.eval_label_noise, part.eval_shots, part.distinct_tasks)
        for name, part in found.items()
    } == {
        "train": ("uniform", "none", None, True), "val": ("none", "none", None, False),
        "label_noise_quarters": ("none", "quarters", None, False), "2_shots": ("none", "none", 2, False),
    }  # fmt: skip
