"""A picture of some views of each object with their labels, to see at a glance whether data and labels fit."""

import numpy as np
from PIL import Image, ImageDraw

from metalearn.files import atomic_path
from pose_data import rotate_folder

NUM_VIEWS = 6
TILE = 110  # pixels, width and height of a view
TEXT = 14  # pixels, height of a line of text
OBJECTS_IN_ROW = 3


def write(rotate_dir, path):
    """Write up to six views of each object in `rotate_dir`, spread over the angles and sorted by them, to `path`."""
    folders = rotate_folder.object_folders(rotate_dir)
    cell_width, cell_height = NUM_VIEWS * TILE + TEXT, TILE + 2 * TEXT
    num_rows = -(-len(folders) // OBJECTS_IN_ROW)
    sheet = Image.new("L", (min(len(folders), OBJECTS_IN_ROW) * cell_width, num_rows * cell_height), "white")
    draw = ImageDraw.Draw(sheet)
    for index, folder in enumerate(folders):
        row, column = divmod(index, OBJECTS_IN_ROW)
        x, y = column * cell_width, row * cell_height
        draw.text((x, y), f"{folder.parent.name}/{folder.name}", fill="black")
        for angle, image_path in _spread_views(folder):
            with rotate_folder.open_view(image_path) as image:
                tile = image.convert("L").resize((TILE, TILE), Image.Resampling.LANCZOS)
            sheet.paste(tile, (x, y + TEXT))
            draw.text((x, y + TEXT + TILE), f"{angle * 360:.0f} deg", fill="black")
            x += TILE
    with atomic_path(path) as temporary:
        sheet.save(temporary)


def _spread_views(folder):
    """Return (angle in turns, image path) of up to NUM_VIEWS views, sorted by angle."""
    angles = rotate_folder.read_labels(folder)[:, 2]
    images = rotate_folder.image_paths(folder)
    by_angle = sorted((angles[view], path) for view, path in images.items() if view < len(angles))
    chosen = np.linspace(0, len(by_angle) - 1, min(NUM_VIEWS, len(by_angle))).round().astype(int)
    return [by_angle[index] for index in chosen]
