"""Draws the embedded classes: characters of many alphabets and symbols, in the fonts that matplotlib ships.

    python -m classification.fonts --out=FOLDER --contact_sheet=characters.png

1. Candidates are the letters, numbers and symbols without decomposition that 12 of 16 DejaVu and STIX fonts draw,
   without modifiers (small copies of others) and mere lines.
2. Each glyph is scaled until the longer side of its ink has one length: a class is a shape, whatever its size.
3. Of characters with one shape (Latin A, Greek Alpha and Cyrillic A; o and O) the first by code point is a class.
4. A drawing of a class is a font, then a random affine and a smooth elastic distortion, in 28x28 grey.

Command: python -m classification.fonts --out=FOLDER
Cost: COST on one core, and 800 MB of memory; FOLDER/classes.npz takes SIZE MB.

A class depends on (seed, code point) alone. The same seed gives the same bytes, given the same NumPy and Pillow; another
seed gives other drawings of the same classes.
"""

import collections
import itertools
import unicodedata
from pathlib import Path

import matplotlib
import numpy as np
from absl import flags
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont

from classification import class_file
from metalearn.cli import UserError, run_main
from metalearn.files import atomic_path

# Its other fonts draw other glyphs at these code points (cm*, STIXNonUni*, STIXSiz*, LastResort) or few (*Display).
FAMILIES = (
    ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"),
    ("DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-Oblique", "DejaVuSansMono-BoldOblique"),
    ("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic"),
    ("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta"),
)
FONTS = sum(FAMILIES, ())
MIN_FONTS = 12
# Words in the names of characters that differ from another in weight, as bold fonts do, or in proportions only.
_SKIPPED_WORDS = {"HEAVY", "BLOCK", "RECTANGLE"}
# Below are lines and pieces of brackets, which differ in a pixel or two; above are j, I and arrows.
MIN_WIDTH = 0.2
# Just above are one shape in two weights (small o and the degree sign, two right arrows) and letters with and without a
# small hook; pairs just below are easy to tell apart.
MAX_SIMILARITY = 0.93

SIDE = 28  # pixels of a drawing
_CANVAS = 2 * SIDE  # pixels; glyphs are drawn and distorted at twice the size
_INK = 40  # pixels of the canvas, the longer side of a glyph's ink: it stays inside when rotated and shifted
_EM = 112  # pixels, the font size
_NO_CHARACTER = "\U0010ffff"  # no font has it: drawing it gives the font's replacement glyph, a box
_SHEET_DRAWINGS, _SHEET_COLUMNS, _TEXT = 5, 12, 12  # contact sheet; pixels, the height of a line of text


def _font_file(name):
    path = Path(matplotlib.get_data_path(), "fonts", "ttf", f"{name}.ttf")
    if not path.is_file():
        raise UserError(f"{path}: no such file, though matplotlib ships it; reinstall matplotlib")
    return str(path)


def _is_candidate(character):
    return (
        unicodedata.category(character) in {"Lu", "Ll", "Lo", "Nd", "Nl", "No", "Sm", "Sc", "So"}
        and not unicodedata.decomposition(character)
        and not _SKIPPED_WORDS & set(unicodedata.name(character, "BLOCK").split())
    )


def _draw_glyph(font, character):
    """uint8 [_CANVAS, _CANVAS], ink 255 in the middle; zeros if the glyph is blank."""
    image = Image.new("L", (3 * _EM, 3 * _EM))
    ImageDraw.Draw(image).text((_EM, _EM), character, 255, font)
    canvas = Image.new("L", (_CANVAS, _CANVAS))
    if box := image.getbbox():
        ink = image.crop(box)
        size = [max(1, round(length * _INK / max(ink.size))) for length in ink.size]
        canvas.paste(ink.resize(size, Image.Resampling.BILINEAR), [(_CANVAS - length) // 2 for length in size])
    return np.asarray(canvas)


def draw_glyphs():
    """(candidates by code point, their glyphs uint8 [1 + candidates, fonts, 2 * SIDE, 2 * SIDE], undistorted).

    First among the glyphs are the replacement glyphs; a font without a character has zeros. Raises UserError if a font
    is missing.
    """
    files = [_font_file(name) for name in FONTS]
    maps = [{chr(code) for code, index in FT2Font(file).get_charmap().items() if index} for file in files]
    characters = [
        character
        for character, count in sorted(collections.Counter(itertools.chain(*maps)).items())
        if count >= MIN_FONTS and _is_candidate(character)
    ]
    glyphs = np.zeros((1 + len(characters), len(FONTS), _CANVAS, _CANVAS), np.uint8)
    for column, (file, drawn) in enumerate(zip(files, maps, strict=True)):
        font = ImageFont.truetype(file, _EM, layout_engine=ImageFont.Layout.BASIC)
        glyphs[0, column] = _draw_glyph(font, _NO_CHARACTER)
        for row, character in enumerate(characters, 1):
            if character in drawn:
                glyphs[row, column] = _draw_glyph(font, character)
    return characters, glyphs


def _features(glyphs):
    """float32 [n, 2 * SIDE * SIDE] of glyphs [n, _CANVAS, _CANVAS]: the product of two rows is the mean correlation of
    the glyphs and of the glyphs stretched to a square. Stretched ones tell arrows apart, the others rectangles."""
    images = np.zeros((len(glyphs), 2, SIDE, SIDE), np.float32)
    images[:, 0] = _halve(glyphs)
    for row, glyph in enumerate(map(Image.fromarray, glyphs)):
        if box := glyph.getbbox():
            images[row, 1, 4:-4, 4:-4] = glyph.crop(box).resize((SIDE - 8, SIDE - 8), Image.Resampling.BILINEAR)
    for axis in (2, 3):  # blurred, strokes that are a pixel apart still meet; the margin is empty
        images = (np.roll(images, 1, axis) + 2 * images + np.roll(images, -1, axis)) / 4
    images -= images.mean((2, 3), keepdims=True)
    images /= np.maximum(np.linalg.norm(images, axis=(2, 3), keepdims=True), 1e-6) * np.sqrt(2)
    return images.reshape(len(glyphs), -1)


def similarities(glyphs):
    """float [n, n] of glyphs [n, fonts, 2 * SIDE, 2 * SIDE]: 1 for one shape.

    The mean over the fonts of a family, of the family in which two characters are most alike: serifs, for one, may
    distinguish a capital from a small letter that have one shape without.
    """
    has = glyphs.any((2, 3)).astype(np.float32)
    result = np.full((len(glyphs), len(glyphs)), -1, np.float32)
    for start in range(0, len(FONTS), len(FAMILIES[0])):
        columns = range(start, start + len(FAMILIES[0]))
        total = sum(features @ features.T for features in (_features(glyphs[:, column]) for column in columns))
        np.maximum(result, total / np.maximum(has[:, columns] @ has[:, columns].T, 1), out=result)
    return result


def relative_widths(glyphs):
    """float [n]: spread of the ink across its longest direction, whichever that is, by the spread along it, mean over
    fonts of glyphs [n, fonts, 2 * SIDE, 2 * SIDE]; 0 for blank ones."""
    has = glyphs.any((2, 3))
    weights = glyphs.reshape(*has.shape, -1) / np.maximum(glyphs.sum((2, 3), dtype=np.float32), 1)[..., None]
    y, x = np.mgrid[:_CANVAS, :_CANVAS].reshape(2, -1).astype(np.float32)
    mean_x, mean_y, xx, yy, xy = np.moveaxis(weights @ np.stack([x, y, x * x, y * y, x * y], 1), 2, 0)
    var_x, var_y, covariance = xx - mean_x**2, yy - mean_y**2, xy - mean_x * mean_y
    middle, radius = (var_x + var_y) / 2, np.hypot((var_x - var_y) / 2, covariance)  # of a 2x2 matrix's eigenvalues
    ratios = np.sqrt(np.maximum(middle - radius, 0) / np.maximum(middle + radius, 1e-6))
    return ratios.sum(1) / np.maximum(has.sum(1), 1)


def choose(glyphs):
    """Rows of glyphs [n, fonts, ...] that become classes: unlike the replacement glyphs, row 0, and all rows before."""
    similar = similarities(glyphs) > MAX_SIMILARITY
    enough = glyphs.any((2, 3)).sum(1) >= MIN_FONTS  # some fonts map a character to an empty glyph
    enough &= relative_widths(glyphs) >= MIN_WIDTH
    chosen = [0]
    for row in np.flatnonzero(enough[1:]) + 1:
        if not similar[row, chosen].any():
            chosen.append(row)
    return np.array(chosen[1:])


def _halve(images):
    """uint8 [n, 2 * SIDE, 2 * SIDE] or floats -> float32 [n, SIDE, SIDE], means of blocks."""
    return images.reshape(len(images), SIDE, 2, SIDE, 2).mean((2, 4), dtype=np.float32)


# Weights of a grid's 5 knots for each pixel of the canvas: smooth interpolation along one axis.
_SMOOTH = np.asarray(Image.fromarray(np.eye(5, dtype=np.float32)).resize((5, _CANVAS), Image.Resampling.BICUBIC))


def distort(glyphs, rng):
    """Drawings uint8 [n, SIDE, SIDE] of glyphs [n, 2 * SIDE, 2 * SIDE], each distorted in its own way."""
    n = len(glyphs)
    angle, shear = np.deg2rad(rng.uniform(-12, 12, n)), rng.uniform(-0.2, 0.2, n)
    scale, shift = rng.uniform(0.8, 1.1, (n, 2, 1, 1)), rng.uniform(-3, 3, (n, 2, 1, 1))
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.moveaxis(np.array([[cos, -sin], [sin, cos + shear]]), 2, 0)
    centre = (_CANVAS - 1) / 2
    offsets = np.mgrid[:_CANVAS, :_CANVAS] - centre - shift
    source = np.einsum("nij,njyx->niyx", matrix, offsets / scale) + centre
    source += np.einsum("yk,nikl,xl->niyx", _SMOOTH, rng.normal(0, 1.4, (n, 2, 5, 5)), _SMOOTH, optimize=True)
    source = source.clip(0, _CANVAS - 1.001)  # the margin is empty
    corner = source.astype(int)
    y, x = np.moveaxis(source - corner, 1, 0)
    top, left = np.moveaxis(corner, 1, 0)
    at = np.arange(n)[:, None, None]
    upper = glyphs[at, top, left] * (1 - x) + glyphs[at, top, left + 1] * x
    lower = glyphs[at, top + 1, left] * (1 - x) + glyphs[at, top + 1, left + 1] * x
    return _halve(upper * (1 - y) + lower * y).round().astype(np.uint8)


def draw_classes(num_drawings=20, seed=0):
    """(images uint8 [classes, num_drawings, SIDE, SIDE, 1], ink 255 on 0; names such as "U+0030 DIGIT ZERO")."""
    characters, glyphs = draw_glyphs()
    rows = choose(glyphs)
    images = np.zeros((len(rows), num_drawings, SIDE, SIDE, 1), np.uint8)
    for image, row in zip(images, rows, strict=True):
        rng = np.random.default_rng([seed, ord(characters[row - 1])])
        fonts = np.resize(rng.permutation(np.flatnonzero(glyphs[row].any((1, 2)))), num_drawings)
        image[..., 0] = distort(glyphs[row, fonts], rng)
    chosen = [characters[row - 1] for row in rows]
    return images, [f"U+{ord(character):04X} {unicodedata.name(character)}" for character in chosen]


def write_contact_sheet(path, images, names):
    """A picture of the first drawings of each class under its code point. Raises UserError for a name without .png."""
    width, height = _SHEET_DRAWINGS * SIDE + 4, SIDE + _TEXT + 2
    sheet = Image.new("L", (_SHEET_COLUMNS * width, -(-len(images) // _SHEET_COLUMNS) * height), 96)
    draw = ImageDraw.Draw(sheet)
    for index, (drawings, name) in enumerate(zip(images, names, strict=True)):
        x, y = index % _SHEET_COLUMNS * width, index // _SHEET_COLUMNS * height
        draw.text((x, y), name.split()[0], 255)
        sheet.paste(Image.fromarray(np.hstack(drawings[:_SHEET_DRAWINGS, ..., 0])), (x, y + _TEXT))
    try:
        with atomic_path(path) as temporary:
            sheet.save(temporary)
    except ValueError as error:  # Pillow knows the format by the name
        raise UserError(f"--contact_sheet={path}: give a file name that ends in .png") from error


def main(_):
    args = flags.FLAGS
    if not args.out:
        raise UserError("--out is empty; name a folder, such as --out=characters")
    images, names = draw_classes(args.drawings, args.seed)
    path = Path(args.out, class_file.NAME)
    class_file.save(path, images, names)
    if args.contact_sheet:
        write_contact_sheet(args.contact_sheet, images, names)
    print(f"wrote {len(images)} classes of {args.drawings} drawings to {path}")


if __name__ == "__main__":
    flags.DEFINE_string("out", "", f"folder to write {class_file.NAME} to")
    flags.DEFINE_integer("seed", 0, "another seed gives other drawings", lower_bound=0)
    flags.DEFINE_integer("drawings", 20, "drawings of each class", lower_bound=1, upper_bound=1000)
    flags.DEFINE_string("contact_sheet", "", "picture of the classes to write, such as characters.png")
    run_main(main)
