"""Views (PNG files) and labels of rotate/ and rotate_resize/ that are damaged, odd or made to harm."""

import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from cad_folder import files_in, write_views
from hostile_views import REFUSED, RESIZED, SIXTEEN_BIT, SIZE, noise, png
from outcomes import assert_each_read_or_refused, assert_success_or_one_line, mutants
from PIL import Image
from scripts import run_script

from pose_data import contact_sheet, data_gen, pickles, resize_images, rotate_folder


def read(path):
    data_gen.read_image(path)


def resize(path):
    resize_images.resize_image(path, SIZE)
    assert data_gen.read_image(path).shape == (SIZE, SIZE)


def sheet(path):
    folder = path.with_suffix("")
    write_views(folder, ["car/01"], num_views=1)
    shutil.copy(path, folder / "car/01/0.png")
    contact_sheet.write(folder, folder / "sheet.png")


@pytest.mark.parametrize("reader", [read, resize, sheet])
def test_views_of_another_kind_are_refused_by_name_or_resized(reader, tmp_path, record_property):
    kinds = {**REFUSED, **RESIZED}
    refusals = assert_each_read_or_refused(reader, tmp_path, [(f"{kind}.png", kinds[kind]) for kind in kinds])
    taken = {path.stem for path, refusal in refusals.items() if not refusal}
    assert taken == (set() if reader is read else set(RESIZED))
    record_property("inputs", len(refusals) if reader is read else 0)  # the same bytes again


@pytest.mark.parametrize("reader", [read, resize])
def test_a_damaged_view_is_taken_or_refused_by_name(reader, tmp_path, rounds, record_property):
    seeds = [png(noise(mode, (SIZE, SIZE))) for mode in ("L", "RGB", "P", "1")] + [SIXTEEN_BIT, REFUSED["animation"]]
    if reader is read:
        seeds = [png(noise()), png(Image.new("L", (SIZE, SIZE), 200))]
    contents = mutants(seeds, 100 * rounds, np.random.default_rng(rounds))
    named = [(f"input{i}.png", content) for i, content in enumerate(contents)]
    record_property("inputs", len(assert_each_read_or_refused(reader, tmp_path, named)))


@pytest.mark.parametrize("reader", [read, resize])
def test_a_truncated_view_is_refused_by_name(reader, tmp_path, rounds, record_property):
    whole = png(noise())
    pixels_end = len(whole) - 12 - 12  # the last chunk, and checksums of the one before, are no pixels
    seed = rounds if reader is read else rounds + 1000
    lengths = np.random.default_rng(seed).choice(pixels_end, min(60 * rounds, pixels_end // 2), replace=False)
    refusals = assert_each_read_or_refused(reader, tmp_path, [(f"cut at {n}.png", whole[:n]) for n in lengths])
    assert all(refusals.values()), [path.name for path, refusal in refusals.items() if not refusal]
    record_property("inputs", len(refusals))


ROWS = np.column_stack([np.arange(3), np.full(3, 0.5), np.zeros(3), [0.1, 3.2, 6.28]])


def changed(row, column, value):
    rows = ROWS.copy()
    rows[row, column] = value
    return rows


BAD_LABELS = {
    "no rows": ROWS[:0],
    "too few rows": ROWS[:2],
    "too many rows": np.concatenate([ROWS, [[3, 0.5, 0, 0.4]]]),
    "too few columns": ROWS[:, :3],
    "too many columns": np.column_stack([ROWS, ROWS[:, :1]]),
    "flat": ROWS.ravel(),
    "one more axis": ROWS[None],
    "one number": np.float64(1),
    "another order": ROWS[::-1],
    "one view twice": changed(2, 0, 1),
    "a view between two": changed(2, 0, 1.5),
    "a negative view": changed(0, 0, -1),
    "no view": changed(0, 0, np.nan),
    "an angle over a turn": changed(1, 3, 6.2831854),
    "an angle under 0": changed(1, 3, -1e-9),
    "x over 1": changed(1, 1, 1.0000001),
    "x under 0": changed(1, 1, -1e-9),
    "y over 1": changed(1, 2, 1.0000001),
    "y under -1": changed(1, 2, -1.0000001),
    "nan": changed(2, 3, np.nan),
    "inf": changed(2, 2, np.inf),
    "complex": ROWS.astype(complex),
    "text": ROWS.astype("U5"),
    "bytes": ROWS.astype("S5"),
    "booleans": ROWS.astype(bool),
    "a structure": np.zeros(3, [("view", "f8"), ("x", "f8"), ("y", "f8"), ("angle", "f8")]),
    "a dictionary": {"labels": ROWS},
    "nothing": None,
    "words": ["a", "b"],
    "ragged": [[0, 0.5, 0, 0.1], [1, 0.5]],
    "empty list": [],
    "large integers": [[0, 10**400, 0, 0], [1, 0, 0, 0], [2, 0, 0, 0]],
}
BAD_LABELS = {kind: rows.tolist() if isinstance(rows, np.ndarray) else rows for kind, rows in BAD_LABELS.items()}
BAD_LABELS["an array, as of earlier versions"] = ROWS
GOOD_LABELS = {
    "lists": ROWS.tolist(),
    "tuples": [tuple(row) for row in ROWS.tolist()],
    "arrays": list(ROWS),
    "NumPy's numbers": [list(row) for row in ROWS],
    "float32": list(ROWS.astype("f4")),
    "other byte order": list(ROWS.astype(">f8")),
}


def read_object(path):
    """The label file of an object of three views, as data_gen.py reads it."""
    folder = path.parent / "data" / path.stem
    write_views(folder.parent.parent, [f"data/{path.stem}"])
    shutil.copy(path, rotate_folder.label_path(folder))
    labels = data_gen.read_all_labels([folder])
    data_gen.read_views(folder, labels.shape[1])
    shutil.rmtree(folder)


def test_bad_labels_are_refused_by_name_and_good_ones_taken(tmp_path, record_property):
    kinds = {**BAD_LABELS, **GOOD_LABELS}
    contents = [(f"{kind}.label", pickle.dumps(kinds[kind], 3)) for kind in kinds]
    refusals = assert_each_read_or_refused(read_object, tmp_path, contents)
    assert {path.stem for path, refusal in refusals.items() if not refusal} == set(GOOD_LABELS)
    record_property("inputs", len(refusals))


def rename(old, new):
    return lambda folder: (folder / old).rename(folder / new)


def pipe(name):
    def make(folder):
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return make


def link(name, target):
    def make(folder):
        (folder / name).unlink()
        (folder / name).symlink_to(target)

    return make


FOLDERS = {
    "a view without a label": lambda folder: shutil.copy(folder / "0.png", folder / "3.png"),
    "a copy of a view": lambda folder: shutil.copy(folder / "0.png", folder / "0 (copy).png"),
    "leading zeros": rename("1.png", "01.png"),
    "both with and without zeros": lambda folder: shutil.copy(folder / "0.png", folder / "01.png"),
    "arabic digits": rename("1.png", "\u0661.png"),
    "superscript": rename("1.png", "\u00b9.png"),
    "a missing view": lambda folder: (folder / "2.png").unlink(),
    "a huge number": lambda folder: shutil.copy(folder / "0.png", folder / f"{'9' * 200}.png"),
    "a pipe for a view": pipe("1.png"),
    "a pipe for labels": pipe("label_car02"),
    "endless labels": link("label_car02", "/dev/zero"),
    "an endless view": link("1.png", "/dev/zero"),
    "a link in a circle": link("1.png", "1.png"),
    "labels in a circle": link("label_car02", "label_car02"),
    "a broken link": link("1.png", "nowhere"),
    "a folder for labels": lambda folder: ((folder / "label_car02").unlink(), (folder / "label_car02").mkdir()),
    "a folder for a view": lambda folder: ((folder / "1.png").unlink(), (folder / "1.png").mkdir()),
    "no views": lambda folder: [path.unlink() for path in folder.glob("*.png")],
}


@pytest.mark.parametrize("script", ["data_gen", "resize_images"])
def test_an_odd_object_folder_is_refused_by_name_and_earlier_output_stays(script, tmp_path, record_property):
    write_views(tmp_path / "good", ["car/01", "car/02"])
    flags = ["--num_val_objects=1", f"--out_dir={tmp_path}"] if script == "data_gen" else ["--num_workers=1"]
    run_script(
        "pose_data", "data_gen", f"--data_dir={tmp_path / 'good'}", "--num_val_objects=1", f"--out_dir={tmp_path}"
    )
    before = {path: path.read_bytes() for path in tmp_path.glob("*.pkl")}
    assert len(before) == 2
    fine = set()
    for kind, change in FOLDERS.items():
        data_dir = tmp_path / kind
        shutil.copytree(tmp_path / "good", data_dir)
        change(data_dir / "car/02")
        done = run_script("pose_data", script, f"--data_dir={data_dir}", *flags, seconds=60)
        assert_success_or_one_line(done, data_dir / "car/02")
        if not done.returncode:
            fine.add(kind)
        assert {path: path.read_bytes() for path in tmp_path.glob("*.pkl")} == before
    record_property("inputs", len(FOLDERS) if script == "data_gen" else 0)  # the same folders again
    of_labels = {"a pipe for labels", "endless labels", "labels in a circle"}
    no_matter = {"a view without a label", "a missing view", "no views", "a huge number"} | of_labels
    assert fine == (set() if script == "data_gen" else no_matter)


def test_damage_in_the_last_object_leaves_both_earlier_pickles(tmp_path, rounds, record_property):
    """Also where the objects before it were read and could be written."""
    names = [f"car/{number}" for number in range(4)]
    write_views(tmp_path / "views", names, num_views=2)
    flags = [f"--data_dir={tmp_path / 'views'}", "--num_val_objects=2", f"--out_dir={tmp_path / 'out'}"]
    rng, inputs = np.random.default_rng(rounds), 0
    for form in ("pickle", "shards"):
        for seed, path in enumerate(sorted((tmp_path / "views").rglob("*.png"))[: 8 * rounds : 2]):
            assert run_script("pose_data", "data_gen", *flags, f"--format={form}", "--seed=0").returncode == 0
            before, whole = files_in(tmp_path / "out"), path.read_bytes()
            for content in mutants([whole], rounds, rng):
                path.write_bytes(content)
                done = run_script("pose_data", "data_gen", *flags, f"--format={form}", f"--seed={seed + 1}", seconds=60)
                assert_success_or_one_line(done, path)
                assert done.returncode == 0 or files_in(tmp_path / "out") == before
                if done.returncode == 0:
                    before = files_in(tmp_path / "out")
                inputs += 1
            path.write_bytes(whole)
    record_property("inputs", inputs)


def test_resize_images_refuses_damaged_views_by_name_and_leaves_them(tmp_path, rounds, record_property):
    seeds = [png(noise("RGB", (200, 200))), png(noise("L", (200, 200))), png(noise())]
    for content in mutants(seeds, 3 * rounds, np.random.default_rng(rounds)):
        shutil.rmtree(tmp_path / "views", ignore_errors=True)
        write_views(tmp_path / "views", ["car/01"], num_views=2)
        path = Path(tmp_path / "views/car/01/1.png")
        path.write_bytes(content)
        done = run_script(
            "pose_data", "resize_images", f"--data_dir={tmp_path / 'views'}", "--num_workers=1", seconds=60
        )
        assert_success_or_one_line(done, path)
        assert done.returncode == 0 or path.read_bytes() == content
        assert not list(path.parent.glob(".*"))
    record_property("inputs", 3 * rounds)


def test_labels_that_a_script_wrote_are_read_again(tmp_path):
    write_views(tmp_path, ["car/01"])
    x, y, angle = np.array(pickles.load(tmp_path / "car/01/label_car01"))[:, 1:].T
    expected = np.column_stack([x, (y + 1) / 2, angle / 2 / np.pi])
    np.testing.assert_array_equal(rotate_folder.read_labels(tmp_path / "car/01"), expected)
