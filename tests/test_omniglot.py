import functools
import hashlib
import io
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image
from scripts import REPO, run_script

from classification import class_file, omniglot
from metalearn.cli import UserError

SHARED = REPO.parent / "shared" / "omniglot"
BACKGROUND, EVALUATION = omniglot.MD5
FIRST = f"{BACKGROUND}/Greek/character01/0001_01.png"


def png(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def drawing(seed, width=105, height=105):
    return png(Image.fromarray(np.random.default_rng(seed).random((height, width)) < 0.5))


def members():
    """Two parts, with two characters and with one, 3 drawings each: {path: bytes}."""
    characters = [FIRST[:-12], f"{BACKGROUND}/Greek/character02", f"{EVALUATION}/Old Slavonic (ü)/character01"]
    paths = [f"{character}/0001_{index:02d}.png" for character in characters for index in (1, 2, 3)]
    return {path: drawing(seed) for seed, path in enumerate(paths)}


def write_zips(folder, files):
    for part in omniglot.MD5:
        with zipfile.ZipFile(folder / f"{part}.zip", "w") as archive:
            for path, data in files.items():
                if part in path:
                    archive.writestr(path, data)


def write_folders(folder, files):
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


def refused(folder, **options):
    with pytest.raises(UserError) as caught:
        omniglot.read(folder, **{"drawings": 3, **options})
    return str(caught.value)


@pytest.mark.skipif(not SHARED.exists(), reason="the Omniglot archives are not there")
def test_all_of_omniglot():
    classes = omniglot.read(SHARED)
    assert classes.images.shape == (1623, 20, 28, 28, 1) and classes.images.dtype == np.uint8
    assert classes.names.tolist() == sorted(classes.names) and set(classes.split) == {""}
    assert classes.names[0] == "Alphabet_of_the_Magi/character01"
    # Bright ink on a dark background, in every drawing.
    assert classes.images.mean((2, 3, 4)).max() < 127 and classes.images.mean() < 40
    assert classes.images.max((2, 3, 4)).min() > 150
    rng = np.random.default_rng(0)
    for part in omniglot.MD5:
        with zipfile.ZipFile(SHARED / f"{part}.zip") as archive:
            for name in rng.choice([name for name in archive.namelist() if name.endswith(".png")], 20):
                _, alphabet, character, file = name.split("/")
                image = Image.open(io.BytesIO(archive.read(name))).convert("L").resize((28, 28), Image.LANCZOS)
                row = classes.names.tolist().index(f"{alphabet}/{character}")
                stored = classes.images[row, int(file.split("_")[1].removesuffix(".png")) - 1, :, :, 0]
                np.testing.assert_array_equal(stored, 255 - np.asarray(image, int))


def test_archives_folders_and_folders_unpacked_into_one_of_their_name_give_the_same_bytes(tmp_path):
    folders = [tmp_path / name for name in ("zips", "folders", "deep")]
    folders[0].mkdir()
    write_zips(folders[0], members())
    write_folders(folders[1], members())
    write_folders(folders[2], {f"{path.split('/')[0]}/{path}": data for path, data in members().items()})
    for folder in folders:
        arguments = (f"--data_dir={folder}", f"--out={folder}/out", "--drawings=3")
        result = run_script("classification", "omniglot", *arguments)
        assert result.returncode == 0 and "3 characters x 3 drawings" in result.stdout, result.stderr
    assert len({(folder / "out" / class_file.NAME).read_bytes() for folder in folders}) == 1
    classes = class_file.load(folders[0] / "out" / class_file.NAME)
    assert classes.names.tolist() == ["Greek/character01", "Greek/character02", "Old Slavonic (ü)/character01"]


def test_hidden_files_and_those_of_macos_are_passed_over_and_the_first_drawings_taken(tmp_path):
    (tmp_path / "plain").mkdir()
    write_zips(tmp_path / "plain", members())
    extra = {f"__MACOSX/{BACKGROUND}/Greek/._x.png": b"x", f"{BACKGROUND}/.DS_Store": b"x", f"{BACKGROUND}/a.txt": b"x"}
    extra |= {f"{BACKGROUND}/Greek/character01/._0001_01.png": b"x", f"{BACKGROUND}/Greek/character01/9.png": b"x"}
    write_zips(tmp_path, members() | extra)
    for new, plain in zip(omniglot.read(tmp_path, 3), omniglot.read(tmp_path / "plain", 3), strict=True):
        np.testing.assert_array_equal(new, plain)


@pytest.mark.parametrize(
    ("path", "data", "message"),
    [
        (FIRST, b"no image", "0001_01.png: not a PNG or JPEG image; get the file anew"),
        (FIRST, b"", "0001_01.png: not a PNG or JPEG"),
        (FIRST, drawing(0)[:300], "0001_01.png: damaged image (image file is truncated"),
        (FIRST, png(Image.new("1", (20000, 10000))), "0001_01.png: damaged image (Image size (200000000 pixels)"),
        (FIRST, png(Image.new("I;16", (105, 105))), "0001_01.png: damaged image (pixels of kind I;16, not of 8"),
        (FIRST, drawing(0, 100, 105), "0001_01.png: 100x105 pixels, not square"),
        (FIRST.replace("01.png", "02.png"), drawing(0, 99, 99), "0001_02.png: 99 pixels a side, but"),
        (f"{BACKGROUND}/Greek/x.png", drawing(0), "Greek/x.png: not at <alphabet>/<character>/<drawing>.png"),
        (f"{BACKGROUND}/Greek/character03/1.png", drawing(0), "'Greek/character03', has 1 images; complete or remove"),
        (f"{BACKGROUND}/a\nb/c\udc80/1.png", drawing(0), "characters in its name that cannot be printed; rename it"),
        (f"{EVALUATION}/Greek/character01/1.png", drawing(0), "Greek/character01 is in the other part, too"),
    ],
)
def test_a_bad_drawing_is_named(tmp_path, path, data, message):
    write_folders(tmp_path, members() | {path: data})
    assert message in refused(tmp_path)


def encrypt(data):
    data = bytearray(data)
    for start, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(start) + offset] |= 1
    return bytes(data)


def add(name, data):
    file = io.BytesIO(data)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(name, b"")
    return file.getvalue()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[: len(data) // 2], "not a zip archive, or cut short"),
        (lambda data: b"<!DOCTYPE html>", "not a zip archive, or cut short"),
        (lambda data: b"", "not a zip archive, or cut short"),
        (lambda data: b"PK\x05\x06" + bytes(18), "no <alphabet>/<character>/<drawing>.png in it"),
        (encrypt, "is encrypted; unpack the archive with its password"),
        (lambda data: data.replace(b"IEND", b"IENE", 1), "0001_01.png: damaged (Bad CRC-32"),
        (functools.partial(add, "../evil.png"), "'../evil.png', lies outside the archive's folder"),
        (functools.partial(add, "/evil.png"), "'/evil.png', lies outside"),
        (functools.partial(add, "..\\evil.png"), "'../evil.png', lies outside"),
        (functools.partial(add, "c:\\evil.png"), "'c:/evil.png', lies outside"),
        (functools.partial(add, FIRST), "is twice in it"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_a_bad_archive_is_named(tmp_path, change, message):
    write_zips(tmp_path, members())
    path = tmp_path / f"{BACKGROUND}.zip"
    path.write_bytes(change(path.read_bytes()))
    line = refused(tmp_path)
    assert str(path) in line and message in line


def test_a_missing_part_is_named_with_where_to_get_it(tmp_path):
    write_folders(tmp_path, members())
    shutil.rmtree(tmp_path / EVALUATION)
    assert f"neither {EVALUATION}.zip nor a folder {EVALUATION} in it; give --download, or get" in refused(tmp_path)
    (tmp_path / EVALUATION).mkdir()
    assert f"{EVALUATION}: no <alphabet>/" in refused(tmp_path)


def test_the_script_prints_one_line_and_writes_nothing(tmp_path):
    write_folders(tmp_path, members())
    before = sorted(tmp_path.rglob("*"))
    result = run_script("classification", "omniglot", f"--data_dir={tmp_path}", f"--out={tmp_path}/out")
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith("error: ") and "has 3 images; complete or remove it, or lo" in result.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_without_a_network_download_says_where_to_put_the_files(tmp_path):
    arguments = (f"--data_dir={tmp_path / 'new'}", f"--out={tmp_path}/out", "--download")
    result = run_script("classification", "omniglot", *arguments, https_proxy="http://127.0.0.1:9", seconds=30)
    *_, line = result.stderr.splitlines()
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert line.startswith(f"error: {tmp_path}/new/{BACKGROUND}.zip: could not be fetched (URL fetch failure")
    assert f"get {BACKGROUND}.zip and {EVALUATION}.zip of github.com/brendenlake/omniglot" in line
    assert not list((tmp_path / "new").iterdir()) and not (tmp_path / "out").exists()


def test_download_checks_the_sum_and_leaves_alone_what_is_there(tmp_path, monkeypatch):
    (tmp_path / "site").mkdir()
    write_zips(tmp_path / "site", members())
    monkeypatch.setattr(omniglot, "URL", (tmp_path / "site").as_uri())
    assert "file hash does not match" in refused(tmp_path / "data", fetch=True)
    assert not list((tmp_path / "data").iterdir())
    write_folders(tmp_path / "data", {path: data for path, data in members().items() if BACKGROUND in path})
    sums = {part: hashlib.md5((tmp_path / "site" / f"{part}.zip").read_bytes()).hexdigest() for part in omniglot.MD5}
    monkeypatch.setattr(omniglot, "MD5", sums)
    assert omniglot.read(tmp_path / "data", 3, fetch=True).images.shape == (3, 3, 28, 28, 1)
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [BACKGROUND, f"{EVALUATION}.zip"]
