"""Data pickles, label pickles and shards that are damaged, odd or made to harm."""

import io
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from cad_folder import write_views
from hostile_pickles import ATTACKS, BOMBS, random_opcodes
from hostile_shards import INDICES, OBJECTS, SHARDS, SIDE, VIEWS, good_data
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from outcomes import assert_each_read_or_refused, assert_success_or_one_line, mutants
from scripts import run_script

from metalearn.cli import UserError
from pose_code.pose_dataset import PoseSplit
from pose_data import contact_sheet, pickles, rotate_folder, shards

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def open_split(path):
    """As the training scripts use it."""
    split = PoseSplit(path, SIDE, 1, 1, 2)
    split.sample(np.random.default_rng(0), 2)
    list(split.evaluation_batches(0, 1, 2))


def open_labels(path):
    """As data_gen.py and the contact sheet use the label file of an object."""
    folder = path.parent / "class" / path.stem
    folder.mkdir(parents=True)
    shutil.copy(path, rotate_folder.label_path(folder))
    try:
        rotate_folder.read_labels(folder)
    finally:
        shutil.rmtree(folder)


def open_index(path):
    """A folder of shards with this file for its index."""
    _open_shards(path, "index.npz")


def open_shard(path):
    _open_shards(path, "00001.npy")


def _open_shards(path, name):
    folder = path.with_suffix("")
    shards.write(folder, good_data()[0], good_data()[1], [f"car/{i}" for i in range(OBJECTS)])
    shutil.copy(path, folder / name)
    try:
        open_split(folder)
    finally:
        shutil.rmtree(folder)


def named(contents, suffix=".pkl"):
    return [(f"input{i}{suffix}", content) for i, content in enumerate(contents)]


@pytest.mark.parametrize("reader", [open_split, open_labels])
def test_a_damaged_pickle_is_read_or_refused_by_name(reader, tmp_path, rounds, record_property):
    data = good_data() if reader is open_split else np.column_stack([np.arange(VIEWS), good_data()[1][0]])
    seeds = [pickle.dumps(data, protocol) for protocol in PROTOCOLS]
    contents = named(mutants(seeds, 150 * rounds, np.random.default_rng(rounds)))
    refusals = assert_each_read_or_refused(reader, tmp_path, contents)
    record_property("inputs", len(refusals))
    assert sum(map(bool, refusals.values())) > len(refusals) / 4


@pytest.mark.parametrize("cut", ["pickle", "index", "shard"])
def test_a_truncated_file_is_refused_by_name_wherever_it_is_cut(cut, tmp_path, rounds, record_property):
    buffer = io.BytesIO()
    if cut == "pickle":
        reader, whole = open_split, pickle.dumps(good_data(), 3)
    elif cut == "index":
        np.savez(buffer, labels=good_data()[1], names=np.array(["car/1"] * OBJECTS))
        reader, whole = open_index, buffer.getvalue()
    else:
        np.save(buffer, good_data()[0][1])
        reader, whole = open_shard, buffer.getvalue()
    lengths = range(len(whole))
    if len(whole) > 60 * rounds:
        lengths = sorted(np.random.default_rng(rounds).choice(len(whole), 60 * rounds, replace=False))
    refusals = assert_each_read_or_refused(reader, tmp_path, named((whole[:n] for n in lengths), ".cut"))
    record_property("inputs", len(refusals))
    assert all(refusals.values()), [str(path) for path, refusal in refusals.items() if not refusal]


@pytest.mark.parametrize("reader", [open_index, open_shard])
def test_damaged_shards_are_read_or_refused_by_name(reader, tmp_path, rounds, record_property):
    images, labels = good_data()
    seeds = []
    for save in (np.savez, np.savez_compressed) if reader is open_index else (np.save,):
        buffer = io.BytesIO()
        if save is np.save:
            save(buffer, images[1])
        else:
            save(buffer, labels=labels, names=np.array(["car/1"] * OBJECTS))
        seeds.append(buffer.getvalue())
    contents = named(mutants(seeds, 60 * rounds, np.random.default_rng(rounds)), ".shard")
    record_property("inputs", len(assert_each_read_or_refused(reader, tmp_path, contents)))


@pytest.mark.parametrize("reader, kinds", [(open_index, INDICES), (open_shard, SHARDS)])
def test_shards_of_another_kind_are_refused_by_name(reader, kinds, tmp_path, record_property):
    refusals = assert_each_read_or_refused(reader, tmp_path, [(f"{kind}.shard", kinds[kind]) for kind in kinds])
    assert all(refusals.values()), refusals
    record_property("inputs", len(refusals))


any_shape = hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=5)
objects = st.one_of(st.integers(), st.none(), st.text(max_size=3))
any_array = st.one_of(
    hnp.arrays(st.one_of(hnp.scalar_dtypes(), hnp.nested_dtypes()), any_shape),
    hnp.arrays(object, any_shape, elements=objects),
)
shapes = st.tuples(st.integers(0, 4), st.integers(0, 6), st.sampled_from([8, 8, 8, 0, 7]), st.just(8))
image_arrays = st.builds(np.zeros, shapes, st.sampled_from([np.uint8, np.uint8, np.int64, bool, "U1", "S3"]))
numbers = st.one_of(st.floats(0, 1), st.floats(), st.just(1.0), st.just(-0.0), st.just(5e-324), st.just(1 + 1e-9))
label_arrays = st.builds(
    lambda shape, last, value, dtype: np.full((*shape[:2], last), value).astype(dtype),
    shapes, st.sampled_from([3, 3, 3, 0, 4]), numbers, st.sampled_from(["f8", "f4", "f2", ">f8", "c16", "U5", "?"]),
)  # fmt: skip
jagged = st.recursive(
    st.one_of(st.integers(), st.floats(), st.text(max_size=3), st.none(), any_array),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=2), inner, max_size=3)),
    max_leaves=12,
)
data = st.one_of(
    st.tuples(image_arrays, label_arrays), st.lists(st.one_of(image_arrays, jagged), min_size=2, max_size=2), jagged
)


@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning", "ignore::RuntimeWarning")  # while they are made
def test_data_of_any_shape_and_type_are_taken_or_refused_by_name(tmp_path, rounds, record_property):
    seen = set()

    @settings(
        max_examples=150 * rounds, deadline=None, derandomize=rounds == 1, database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], print_blob=True,
    )  # fmt: skip
    @given(data, st.sampled_from(PROTOCOLS))
    @example([np.zeros((0, 4, 8, 8), np.uint8), np.zeros((0, 4, 3))], 3)
    @example([np.zeros((3, 4, 8, 8), np.uint8), np.full((3, 4, 3), 1e300)], 3)
    @example([np.zeros((3, 4, 8, 8), np.uint8), np.zeros((3, 4, 3), complex)], 3)
    @example([np.zeros((3, 4, 8, 8), np.uint8), [[[10**400] * 3] * 4] * 3], 3)
    @example([[], []], 3)
    def check(value, protocol):
        try:
            content = pickle.dumps(value, protocol)
        except (pickle.PicklingError, ValueError, TypeError):
            return
        path = tmp_path / "input.pkl"
        path.write_bytes(content)
        seen.add(content)
        try:
            open_split(path)
        except UserError as error:
            assert "input.pkl" in str(error)
        else:
            images, labels = pickles.load(path)
            assert np.isfinite(np.asarray(labels)).all() and np.asarray(images).dtype == np.uint8

    check()
    record_property("inputs", len(seen))


def listed(contents):
    """{name: iterable of bytes} as named files, none twice."""
    return [
        (f"{name} {i}.pkl", content) for name in contents for i, content in enumerate(dict.fromkeys(contents[name]))
    ]


@pytest.mark.parametrize("reader", [open_split, open_labels])
def test_no_code_of_a_pickle_runs(reader, tmp_path, record_property):
    canary = tmp_path / "canary"
    contents = listed({name: attack(str(canary)) for name, attack in ATTACKS.items()})
    contents = contents[:: 1 if reader is open_split else 10]  # both readers are one at last
    refusals = assert_each_read_or_refused(reader, tmp_path, contents)
    assert not canary.exists()
    assert all(refusals.values()), [path.name for path, refusal in refusals.items() if not refusal]
    record_property("inputs", len(refusals) if reader is open_split else 0)  # the same bytes again


def attack_then_read(path):
    """After each attack a good pickle still reads as what was written."""
    pickles.dump(good_data(), path.with_suffix(".good"))
    try:
        open_split(path)
    finally:
        for a, b in zip(pickles.load(path.with_suffix(".good")), good_data(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_pickle_takes_neither_memory_nor_time_beyond_its_size(tmp_path, record_property):
    contents = listed({name: bomb() for name, bomb in BOMBS.items()})
    refusals = assert_each_read_or_refused(attack_then_read, tmp_path, contents)
    assert all(refusals.values()), [path.name for path, refusal in refusals.items() if not refusal]
    record_property("inputs", len(refusals))


def test_any_sequence_of_opcodes_is_read_or_refused(tmp_path, rounds, record_property):
    rng = np.random.default_rng(rounds)
    contents = named(dict.fromkeys(random_opcodes(rng, str(tmp_path / "canary")) for _ in range(150 * rounds)))
    record_property("inputs", len(assert_each_read_or_refused(attack_then_read, tmp_path, contents)))
    assert not (tmp_path / "canary").exists()


def sheet(path):
    """The contact sheet of an object whose labels this is."""
    folder = path.with_suffix("")
    write_views(folder, ["car/01"], num_views=2)
    shutil.copy(path, folder / "car/01/label_car01")
    contact_sheet.write(folder, folder / "sheet.png")


def test_the_contact_sheet_runs_no_code_and_names_unusable_labels(tmp_path, record_property):
    canary = tmp_path / "canary"
    contents = [next(iter(attack(str(canary)))) for attack in ATTACKS.values()]
    contents += [pickle.dumps(value) for value in (np.zeros(3), np.zeros((2, 3)), np.full((2, 4), np.nan), {}, 1, None)]
    refusals = assert_each_read_or_refused(sheet, tmp_path, named(contents, ".label"))
    assert not canary.exists() and all(refusals.values())
    record_property("inputs", 6)


def test_the_scripts_refuse_bad_pickles_and_leave_earlier_output(tmp_path, rounds, record_property):
    write_views(tmp_path / "views", ["car/01", "car/02"], num_views=4)
    label = tmp_path / "views/car/02/label_car02"
    rng, good = np.random.default_rng(rounds), label.read_bytes()
    arguments = [f"--data_dir={tmp_path / 'views'}", f"--out_dir={tmp_path}", "--num_val_objects=1"]
    assert run_script("pose_data", "data_gen", *arguments).returncode == 0
    before = {name: (tmp_path / name).read_bytes() for name in ("train_data.pkl", "val_data.pkl")}
    inputs = list(mutants([good], 6 * rounds, rng))
    for content in inputs:
        label.write_bytes(content)
        done = run_script("pose_data", "data_gen", *arguments, seconds=60)
        assert_success_or_one_line(done, label, label.parent)
        if done.returncode:
            assert all((tmp_path / name).read_bytes() == content for name, content in before.items())
        else:
            before = {name: (tmp_path / name).read_bytes() for name in before}
    for content in mutants([before["train_data.pkl"]], 2 * rounds, rng):
        (tmp_path / "train_data.pkl").write_bytes(content)
        flags = [f"--data_dir={tmp_path}", f"--logdir={tmp_path / 'logs'}", "--num_updates=1", "--update_batch_size=2"]
        done = run_script("pose_code", "np_vanilla", *flags, "--dim_im=16", "--meta_batch_size=1", seconds=100)
        assert_success_or_one_line(done, tmp_path / "train_data.pkl")
        inputs.append(content)
    record_property("inputs", len(inputs))
    assert not list(Path(tmp_path).glob(".*"))
