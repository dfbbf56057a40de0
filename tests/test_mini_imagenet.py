"""On made-up copies of the two layouts: the data set may not be passed on."""

import csv
import os
import shutil

import numpy as np
import pytest
from PIL import Image
from scripts import run_script

from classification import class_file, mini_imagenet
from metalearn.cli import UserError

CLASSES = {"train": ["n02", "n01"], "val": ["n04"], "test": ["n03 (ünï)"]}


@pytest.fixture
def folders(tmp_path):
    """train|val|test/<class>/*: 3 images a class, of two formats and two sizes."""
    rng = np.random.default_rng(0)
    for split, names in CLASSES.items():
        for name in names:
            folder = tmp_path / "folders" / split / name
            folder.mkdir(parents=True)
            for index, (shape, suffix) in enumerate([((84, 84), "png"), ((60, 90), "jpg"), ((84, 84), "JPEG")]):
                image = rng.integers(256, size=(*shape, 3), dtype=np.uint8)
                Image.fromarray(image).save(folder / f"{name}{index}.{suffix}")
    return tmp_path / "folders"


@pytest.fixture
def tables(folders, tmp_path):
    """The same images in images/, with train.csv, val.csv, test.csv."""
    root = tmp_path / "tables"
    (root / "images").mkdir(parents=True)
    for split in CLASSES:
        with open(root / f"{split}.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["filename", "label"])
            for path in sorted((folders / split).glob("*/*"), reverse=True):
                shutil.copy(path, root / "images")
                writer.writerow([path.name, path.parent.name])
    return root


def refused(folder, num_images=3):
    with pytest.raises(UserError) as caught:
        mini_imagenet.read(folder, images_per_class=num_images)
    return str(caught.value)


def test_both_layouts_give_the_same_bytes(folders, tables):
    for root in (folders, tables):
        flags = (f"--data_dir={root}", f"--out={root}/out", "--images_per_class=3")
        result = run_script("classification", "mini_imagenet", *flags)
        assert result.returncode == 0, result.stderr
        assert "4 classes (2 train, 1 val, 1 test) x 3 images" in result.stdout and "0 s left" in result.stdout
    path = folders / "out" / class_file.NAME
    assert path.read_bytes() == (tables / "out" / class_file.NAME).read_bytes()
    classes = class_file.load(path)
    assert classes.names.tolist() == ["n01", "n02", "n04", "n03 (ünï)"]
    assert classes.split.tolist() == ["train", "train", "val", "test"]
    assert classes.images.shape == (4, 3, 84, 84, 3)


def test_images_are_resized_only_where_they_have_another_size(folders):
    images = mini_imagenet.read(folders, images_per_class=2).images[0]
    np.testing.assert_array_equal(images[0], Image.open(folders / "train/n01/n010.png"))
    expected = Image.open(folders / "train/n01/n011.jpg").resize((84, 84), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(images[1], expected)
    assert mini_imagenet.read(folders, side=20, images_per_class=1).images.shape == (4, 1, 20, 20, 3)


def test_images_of_other_kinds_become_colours_and_hidden_files_are_passed_over(folders):
    before = mini_imagenet.read(folders, images_per_class=3)
    with Image.open(folders / "train/n01/n012.JPEG") as image:
        image.convert("L").save(folders / "train/n01/n012.JPEG")
        image.convert("CMYK").save(folders / "train/n02/n022.JPEG")
    (folders / "train/.hidden").mkdir()
    (folders / "__MACOSX").mkdir()
    for name in ("train/.DS_Store", "train/n01/._n010.png", "train/n01/.a.png", "train/n01/list.txt"):
        (folders / name).write_bytes(b"x")
    after = mini_imagenet.read(folders, images_per_class=3)
    assert after.names.tolist() == before.names.tolist()
    assert (after.images[0, 2, ..., 0] == after.images[0, 2, ..., 1]).all()
    np.testing.assert_array_equal(after.images[:, :2], before.images[:, :2])


def write(path, data):
    def change(root):
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_bytes(data)

    return change


def edit(path, change):
    return lambda root: (root / path).write_bytes(change((root / path).read_bytes()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (write("train/n01/n010.png", b"no image"), "n010.png: not a PNG or JPEG image"),
        (edit("train/n01/n011.jpg", lambda data: data[: len(data) // 2]), "n011.jpg: damaged image (image file is tr"),
        (lambda root: (root / "val/n04/n041.jpg").unlink(), "'n04', has 2 images; complete or remove it, or lower --i"),
        (lambda root: (root / "val/n09").mkdir(), "class 'n09' has 0 images; complete"),
        (lambda root: (root / "val/n04").rename(root / "val/n01"), "class 'n01' is in train and in val; remove"),
        (lambda root: shutil.rmtree(root / "test"), "test: missing, and the others need it"),
        (lambda root: shutil.rmtree(root / "val/n04"), "val: no classes there"),
        (write("train/x.png", b""), "train/x.png: not at train/<class>/<image>"),
        (lambda root: os.mkfifo(root / "val/n04/a.png"), "val/n04/a.png: no such file, or not a plain file"),
        (lambda root: (root / "val/n04/a.png").symlink_to("nowhere"), "val/n04/a.png: no such file, or not a plain"),
    ],
)
def test_bad_folders_are_named(folders, change, message):
    change(folders)
    line = refused(folders)
    assert message in line and "\n" not in line


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (edit("val.csv", lambda data: data.replace(b"label", b"class")), "val.csv: its first line does not have the c"),
        (write("val.csv", b""), "val.csv: its first line does not have the columns filename and label"),
        (edit("val.csv", lambda data: data.splitlines()[0]), "val: no classes there or in the csv"),
        (edit("val.csv", lambda data: data + b"x.png,n04"), "val.csv, line 5: no image"),
        (edit("val.csv", lambda data: data + b"x.png"), "val.csv, line 5: no filename or no label"),
        (edit("val.csv", lambda data: data + b"../x.png,n04"), "val.csv, line 5: ../x.png is not below"),
        (edit("val.csv", lambda data: data + b"./n040.png,n04"), "val.csv, line 5: n040.png is also in line 4"),
        (edit("val.csv", lambda data: data + b"n010.png,n01"), "class 'n01' is in train and in val"),
        (edit("val.csv", lambda data: data + b"n010.png,n\xfc"), "val.csv: not UTF-8 text"),
        (edit("val.csv", lambda data: data.decode().encode("utf-16")), "val.csv: not UTF-8 text"),
        (edit("val.csv", lambda data: data + b'"' + bytes(200_000)), "val.csv: not a table"),
        (lambda root: (root / "val.csv").unlink(), "val.csv: missing, and the others need it"),
        (lambda root: shutil.rmtree(root / "images"), "images: missing, and the others need it"),
    ],
)
def test_bad_tables_are_named(tables, change, message):
    change(tables)
    line = refused(tables)
    assert message in line and "\n" not in line


def test_a_table_may_begin_with_a_byte_order_mark(tables):
    edit("val.csv", lambda data: b"\xef\xbb\xbf" + data)(tables)
    assert mini_imagenet.read(tables, images_per_class=3).names[2] == "n04"


def test_an_empty_folder_gets_one_line_and_nothing_is_written(tmp_path):
    flags = (f"--data_dir={tmp_path}", f"--out={tmp_path}/out")
    result = run_script("classification", "mini_imagenet", *flags)
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith(f"error: --data_dir={tmp_path}: neither images/ with train.csv")
    assert not list(tmp_path.iterdir())
