import itertools
import unicodedata
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont, ImageOps
from scripts import run_script

from classification import class_file, fonts
from metalearn.cli import UserError

NUM_DRAWINGS = 3
SIZE = 32  # pixels, the longer side of the glyphs that are compared here


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the script writes."""
    path = tmp_path_factory.mktemp("fonts")
    flags = [f"--out={path}", f"--drawings={NUM_DRAWINGS}", f"--contact_sheet={path / 'sheet.png'}"]
    done = run_script("classification", "fonts", *flags)
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def classes(folder):
    return class_file.load(folder / class_file.NAME)


@pytest.fixture(scope="module")
def characters(classes):
    return [chr(int(name.split()[0].removeprefix("U+"), 16)) for name in classes.names]


@pytest.fixture(scope="module")
def glyphs():
    return fonts.draw_glyphs()


def overlaps(characters, font_name):
    """[n, n]: the part of one glyph's ink within a pixel of the other's, both scaled to one size; the lesser of two."""
    file = Path(matplotlib.get_data_path(), "fonts/ttf", f"{font_name}.ttf")
    font = ImageFont.truetype(file, 60, layout_engine=ImageFont.Layout.BASIC)
    ink = np.zeros((len(characters), SIZE + 2, SIZE + 2), bool)
    for canvas, character in zip(ink, characters, strict=True):
        glyph = Image.new("L", (200, 200))
        ImageDraw.Draw(glyph).text((50, 50), character, 255, font)
        glyph = ImageOps.pad(glyph.crop(glyph.getbbox()), (SIZE, SIZE))
        canvas[1:-1, 1:-1] = np.asarray(glyph) > 127
    near = np.max([np.roll(ink, shift, (1, 2)) for shift in itertools.product((-1, 0, 1), repeat=2)], axis=0)
    ink, near = (array.reshape(len(array), -1).astype(np.float32) for array in (ink, near))
    covered = ink @ near.T / ink.sum(1, keepdims=True)
    return np.minimum(covered, covered.T)


def same_shape(characters):
    overlap = (overlaps(characters, "DejaVuSans") + overlaps(characters, "DejaVuSerif")) / 2
    return overlap > 0.975


def test_a_class_has_a_character_s_name_and_grey_drawings(classes, characters):
    assert 600 <= len(characters) <= 800
    assert classes.images.shape == (len(characters), NUM_DRAWINGS, fonts.SIDE, fonts.SIDE, 1)
    assert characters == sorted(characters) and set("28ABaq+") < set(characters)
    assert classes.names.tolist() == [f"U+{ord(one):04X} {unicodedata.name(one)}" for one in characters]
    assert set(classes.split.tolist()) == {""}


def test_same_seed_same_bytes_and_another_seed_other_drawings(folder, classes, glyphs, tmp_path, monkeypatch):
    rows = fonts.choose(glyphs[1])
    monkeypatch.setattr(fonts, "draw_glyphs", lambda: glyphs)
    monkeypatch.setattr(fonts, "choose", lambda _: rows)
    class_file.save(tmp_path / "again.npz", *fonts.draw_classes(NUM_DRAWINGS, seed=0))
    assert (tmp_path / "again.npz").read_bytes() == (folder / class_file.NAME).read_bytes()
    images, names = fonts.draw_classes(NUM_DRAWINGS, seed=1)
    assert names == classes.names.tolist()
    assert (images != classes.images).any((1, 2, 3, 4)).all()


def test_drawings_have_ink_and_differ_within_a_class(classes):
    images = classes.images[..., 0]
    assert (images.max((2, 3)) > 70).all() and ((images > 60).sum((2, 3)) >= 12).all()
    assert (images.mean((2, 3)) < 160).all()  # ink is light, the background black
    flat = images.reshape(*images.shape[:2], -1)
    for a, b in itertools.combinations(range(NUM_DRAWINGS), 2):
        assert (flat[:, a] != flat[:, b]).any(1).all()


def test_no_two_classes_have_one_shape(characters):
    assert same_shape(list("A\N{GREEK CAPITAL LETTER ALPHA}\N{CYRILLIC CAPITAL LETTER A}")).all()
    assert same_shape(list("sS")).all() and same_shape(list("zZ")).all() and not same_shape(list("nh"))[0, 1]
    same = np.triu(same_shape(characters), 1)
    assert [(characters[a], characters[b]) for a, b in np.argwhere(same)] == []


@pytest.mark.parametrize("names", [
    ["LATIN CAPITAL LETTER A", "GREEK CAPITAL LETTER ALPHA", "CYRILLIC CAPITAL LETTER A"],
    ["LATIN SMALL LETTER O", "LATIN CAPITAL LETTER O", "GREEK SMALL LETTER OMICRON", "CYRILLIC SMALL LETTER O"],
    ["LATIN SMALL LETTER X", "LATIN CAPITAL LETTER X", "CYRILLIC SMALL LETTER HA"],
    ["LATIN SMALL LETTER S", "LATIN CAPITAL LETTER S"],
    ["GREEK CAPITAL LETTER DELTA", "INCREMENT", "WHITE UP-POINTING TRIANGLE", "WHITE UP-POINTING SMALL TRIANGLE"],
    ["LATIN CAPITAL LETTER T", "GREEK CAPITAL LETTER TAU", "DOWN TACK"],
    ["LATIN CAPITAL LETTER U", "UNION"],
])  # fmt: skip
def test_one_of_the_characters_of_one_shape_is_kept(characters, names):
    assert sum(unicodedata.lookup(name) in characters for name in names) == 1


def test_no_glyph_of_a_class_is_its_font_s_replacement_glyph(glyphs, characters):
    ink = glyphs[1] > 127
    of_class = ink[[1 + glyphs[0].index(one) for one in characters]]
    assert ink[0].any() and (of_class.any((2, 3)).sum(1) >= 12).all()
    assert ((of_class & ink[0]).sum((2, 3)) <= 0.8 * (of_class | ink[0]).sum((2, 3))).all()


def test_contact_sheet_shows_each_class(folder, classes):
    sheet = np.asarray(Image.open(folder / "sheet.png"))
    for drawings in (classes.images[0, ..., 0], classes.images[-1, ..., 0]):
        strip = np.hstack(drawings)
        windows = np.lib.stride_tricks.sliding_window_view(sheet, strip[:, 0].shape, axis=0)
        assert (windows == strip[:, 0]).all(2).any()


@pytest.mark.parametrize(("flag", "message"), [
    ("--drawings=0", "--drawings"),
    ("--seed=-1", "--seed"),
    ("--contact_sheet=sheet", "--contact_sheet=sheet: give a file name that ends in .png"),
])  # fmt: skip
def test_bad_flags_are_refused(tmp_path, flag, message):
    done = run_script("classification", "fonts", f"--out={tmp_path}", flag)
    assert done.returncode == 1 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert message in done.stderr and not list(tmp_path.iterdir())


def test_a_missing_font_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(matplotlib, "get_data_path", lambda: str(tmp_path))
    with pytest.raises(UserError, match=r"DejaVuSans\.ttf: no such file.*reinstall matplotlib"):
        fonts.draw_glyphs()
