"""Draws the embedded classes: characters of many alphabets and symbols, in the fonts that matplotlib ships.

1. Candidates: letters, numbers and symbols without decomposition, no mere lines, in 12 of 16 DejaVu and STIX fonts.
2. Each glyph is scaled until the longer side of its ink has one length: a class is a shape, whatever its size.
3. Of characters with one shape (Latin A, Greek Alpha and Cyrillic A; o and O) the first by code point is a class.
4. A drawing of a class is a font, then a random affine and a smooth elastic distortion, in 28x28 grey.

Command: python -m classification.fonts --out=FOLDER --contact_sheet=characters.png
Cost: 8 seconds on one core, 320 MB of memory; FOLDER/classes.npz takes 3 MB.

Flags change drawings, not classes. The bytes depend on the versions of Python, NumPy, Pillow and matplotlib too.
"""

import unicodedata
from pathlib import Path

import matplotlib
import numpy as np
from absl import flags
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont, ImageOps

from classification import class_file
from metalearn.cli import UserError, run_main
from metalearn.files import atomic_path, prepare_picture

# Its other fonts draw other glyphs at these code points (cm*, STIXNonUni*, STIXSiz*, LastResort) or few (*Display).
FAMILIES = (
    ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"),
    ("DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-Oblique", "DejaVuSansMono-BoldOblique"),
    ("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic"),
    ("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta"),
)
FONTS = sum(FAMILIES, ())
MIN_FONTS = 12
_CATEGORIES = {"Lu", "Ll", "Lo", "Nd", "Nl", "No", "Sm", "Sc", "So"}  # not Lm and Sk, the modifiers
# Words in names of mere variants in weight or proportions and of parts of boxes; characters that repeat another by eye.
_SKIPPED = {"HEAVY", "BLOCK", "RECTANGLE", "BOX", "N-ARY", *"∟\u222a∩Ո∃\u22a4△▵▽○◯◦≂ᴈՏ"}
# Below are lines and pieces of brackets, which differ in a pixel or two; above are j, I and arrows.
MIN_WIDTH = 0.2
# Just above: Greek Delta and the increment sign, y and y with a hook; just below: arrows with one and two heads.
MAX_SIMILARITY = 0.945

SIDE = 28  # pixels of a drawing
_CANVAS = 2 * SIDE  # pixels; glyphs are drawn and distorted at twice the size
_INK = 40  # pixels of the canvas, the longer side of a glyph's ink: room is left to rotate and shift it
_EM = 112  # pixels, the font size
_NO_CHARACTER = "\U0010ffff"  # no font has it: drawing it gives the font's replacement glyph, a box
_SHEET_DRAWINGS, _SHEET_COLUMNS, _TEXT = 5, 12, 12  # of the contact sheet; _TEXT: pixels, the height of a line


def _halve(images):
    """Means of blocks: [n, 2 * SIDE, 2 * SIDE] -> float32 [n, SIDE, SIDE]."""
    return images.reshape(len(images), SIDE, 2, SIDE, 2).mean((2, 4), dtype=np.float32)


def _is_candidate(character):
    skipped = not _SKIPPED.isdisjoint([character, *unicodedata.name(character, "").split()])
    return unicodedata.category(character) in _CATEGORIES and not (unicodedata.decomposition(character) or skipped)


def _draw_glyph(font, character):
    """uint8 [_CANVAS, _CANVAS], ink 255 in the middle; zeros if the glyph is blank."""
    image = Image.new("L", (3 * _EM, 3 * _EM))
    ImageDraw.Draw(image).text((_EM, _EM), character, 255, font)
    ink = ImageOps.pad(image.crop(image.getbbox()), (_INK, _INK), Image.Resampling.BILINEAR)
    return np.asarray(ImageOps.expand(ink, (_CANVAS - _INK) // 2))


def draw_glyphs():
    """(characters by code point, glyphs uint8 [1 + characters, fonts, 2 * SIDE, 2 * SIDE], undistorted).
    Row 0 has the replacement glyphs; a font without a character has zeros. Raises UserError if a font is missing."""
    files = [Path(matplotlib.get_data_path(), "fonts", "ttf", f"{name}.ttf") for name in FONTS]
    if missing := [str(file) for file in files if not file.is_file()]:
        raise UserError(f"{missing[0]}: no such file, though matplotlib ships it; reinstall matplotlib")
    maps = [{chr(code) for code, index in FT2Font(str(file)).get_charmap().items() if index} for file in files]
    characters = sorted(c for c in filter(_is_candidate, set.union(*maps)) if sum(c in m for m in maps) >= MIN_FONTS)
    glyphs = np.zeros((1 + len(characters), len(FONTS), _CANVAS, _CANVAS), np.uint8)
    for column, (file, drawn) in enumerate(zip(files, maps, strict=True)):
        font = ImageFont.truetype(file, _EM, layout_engine=ImageFont.Layout.BASIC)
        for row, character in enumerate([_NO_CHARACTER, *characters]):
            if row == 0 or character in drawn:
                glyphs[row, column] = _draw_glyph(font, character)
    return characters, glyphs


def _features(glyphs):
    """float32 [n, 2 * SIDE * SIDE] of glyphs [n, _CANVAS, _CANVAS]: the product of two rows is the mean correlation of
    the glyphs and of the glyphs stretched to a square. Stretched ones tell arrows apart, the others rectangles."""
    inks = (glyph.crop(glyph.getbbox()) for glyph in map(Image.fromarray, glyphs))
    stretched = np.array([ink.resize((SIDE - 8, SIDE - 8), Image.Resampling.BILINEAR) for ink in inks])
    images = np.stack([_halve(glyphs), np.pad(stretched, ((0, 0), (4, 4), (4, 4)))], 1)
    for axis in (2, 3):  # blurred, strokes that are a pixel apart still meet; the margin is empty
        images = (np.roll(images, 1, axis) + 2 * images + np.roll(images, -1, axis)) / 4
    images = np.sqrt(images)  # so that the weight of strokes counts less
    images -= images.mean((2, 3), keepdims=True)
    images /= np.maximum(np.linalg.norm(images, axis=(2, 3), keepdims=True), 1e-6) * np.sqrt(2)
    return images.reshape(len(glyphs), -1)


def similarities(glyphs):
    """float [n, n] of glyphs [n, fonts, 2 * SIDE, 2 * SIDE]: 1 for one shape. It is the mean over a family's fonts, in
    the family where two characters are most alike: serifs can tell a capital from a small letter of the same shape."""
    has = glyphs.any((2, 3)).astype(np.float32)
    result = np.full((len(glyphs), len(glyphs)), -1, np.float32)
    for columns in np.split(np.arange(len(FONTS)), len(FAMILIES)):
        total = sum(features @ features.T for features in (_features(glyphs[:, column]) for column in columns))
        np.maximum(result, total / np.maximum(has[:, columns] @ has[:, columns].T, 1), out=result)
    return result


def relative_widths(glyphs):
    """float [n]: spread of the ink across its longest direction, whichever that is, by the spread along it, mean over
    fonts of glyphs [n, fonts, 2 * SIDE, 2 * SIDE]; 0 for blank ones."""
    has = glyphs.any((2, 3))
    weights = glyphs.reshape(*has.shape, -1) / np.maximum(glyphs.sum((2, 3), dtype=np.float32), 1)[..., None]
    points = np.mgrid[:_CANVAS, :_CANVAS].reshape(2, -1).astype(np.float32) - _CANVAS / 2
    mean = weights @ points.T
    square = weights @ (points[:, None] * points).reshape(4, -1).T
    variances = np.linalg.eigvalsh(square.reshape(*has.shape, 2, 2) - mean[..., None] * mean[..., None, :])
    ratios = np.sqrt(np.maximum(variances[..., 0], 0) / np.maximum(variances[..., 1], 1e-6))
    return ratios.sum(1) / np.maximum(has.sum(1), 1)


def choose(glyphs):
    """Rows of glyphs [n, fonts, ...] that become classes: unlike the replacement glyphs, row 0, and all rows before."""
    num_fonts = glyphs.any((2, 3)).sum(1)  # some fonts map a character to a blank glyph
    rows = np.append(0, np.flatnonzero((num_fonts >= MIN_FONTS) & (relative_widths(glyphs) >= MIN_WIDTH)))
    similar = similarities(glyphs[rows]) > MAX_SIMILARITY
    chosen = [0]
    for index in range(1, len(rows)):
        if not similar[index, chosen].any():
            chosen.append(index)
    return rows[chosen[1:]]


def distort(glyphs, rng):
    """Drawings uint8 [n, SIDE, SIDE] of glyphs [n, 2 * SIDE, 2 * SIDE], each distorted in its own way."""
    n, centre = len(glyphs), (_CANVAS - 1) / 2
    angle, shear = np.deg2rad(rng.uniform(-12, 12, n)), rng.uniform(-0.2, 0.2, n)
    scale, shift = rng.uniform(0.8, 1.1, (n, 2, 1, 1)), rng.uniform(-3, 3, (n, 2, 1, 1))
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle) + shear, np.cos(angle)]])
    offsets = (np.mgrid[:_CANVAS, :_CANVAS] - centre - shift) / scale
    source = np.einsum("ijn,njyx->niyx", matrix, offsets) + centre
    # Shifts of a 5x5 grid; a column of `smooth` interpolates one of its rows or columns to all pixels.
    smooth = np.asarray(Image.fromarray(np.eye(5, dtype=np.float32)).resize((5, _CANVAS), Image.Resampling.BICUBIC))
    source += np.einsum("yk,nikl,xl->niyx", smooth, rng.normal(0, 1.4, (n, 2, 5, 5)), smooth, optimize=True)
    source = source.clip(0, _CANVAS - 1.001)  # the margin is empty
    top, left = np.moveaxis(source.astype(int), 1, 0)
    y, x = np.moveaxis(source % 1, 1, 0)
    at, corners = np.arange(n)[:, None, None], ((0, 0), (0, 1), (1, 0), (1, 1))
    drawn = sum(glyphs[at, top + i, left + j] * np.abs((1 - i - y) * (1 - j - x)) for i, j in corners)
    return _halve(drawn).round().astype(np.uint8)


def draw_classes(num_drawings=20, seed=0):
    """(images uint8 [classes, num_drawings, SIDE, SIDE, 1], ink 255 on 0; names such as "U+0030 DIGIT ZERO")."""
    characters, glyphs = draw_glyphs()
    rows = choose(glyphs)
    images, names = np.zeros((len(rows), num_drawings, SIDE, SIDE, 1), np.uint8), []
    for image, row in zip(images, rows, strict=True):
        code = ord(characters[row - 1])
        rng = np.random.default_rng([seed, code])
        fonts = np.resize(rng.permutation(np.flatnonzero(glyphs[row].any((1, 2)))), num_drawings)
        image[..., 0] = distort(glyphs[row, fonts], rng)
        names.append(f"U+{code:04X} {unicodedata.name(chr(code))}")
    return images, names


def write_contact_sheet(path, images, names):
    """A picture of the first drawings of each class under its code point."""
    width, height = _SHEET_DRAWINGS * SIDE + 4, _TEXT + SIDE + 2
    sheet = Image.new("L", (_SHEET_COLUMNS * width, -(-len(images) // _SHEET_COLUMNS) * height), 96)
    for index, (drawings, name) in enumerate(zip(images, names, strict=True)):
        x, y = index % _SHEET_COLUMNS * width, index // _SHEET_COLUMNS * height
        ImageDraw.Draw(sheet).text((x, y), name.split()[0], 255)
        sheet.paste(Image.fromarray(np.hstack(drawings[:_SHEET_DRAWINGS, ..., 0])), (x, y + _TEXT))
    with atomic_path(path) as temporary:
        sheet.save(temporary)


def main(argv):
    del argv
    args = flags.FLAGS
    if args.contact_sheet:
        prepare_picture("contact_sheet", args.contact_sheet)
    images, names = draw_classes(args.drawings, args.seed)
    path = Path(args.out, class_file.NAME)
    class_file.save(path, images, names)
    if args.contact_sheet:
        write_contact_sheet(args.contact_sheet, images, names)
    print(f"wrote {len(images)} classes of {args.drawings} drawings to {path}")


if __name__ == "__main__":
    flags.DEFINE_string("out", None, f"folder to write {class_file.NAME} to", required=True)
    flags.DEFINE_integer("seed", 0, "another seed gives other drawings", lower_bound=0)
    flags.DEFINE_integer("drawings", 20, "drawings of each class", lower_bound=1, upper_bound=1000)
    flags.DEFINE_string("contact_sheet", "", "picture of the classes to write, such as characters.png")
    run_main(main)
