import numpy as np
import pytest
from cad_folder import run, write_views
from PIL import Image

from metalearn.cli import UserError
from metalearn.files import prepare_picture
from pose_data import contact_sheet, rotate_folder
from pose_data.contact_sheet import NUM_VIEWS, OBJECTS_IN_ROW, TEXT, TILE


def test_views_stand_in_the_order_of_their_angles(tmp_path):
    write_views(tmp_path / "rotate", ["car/01"], num_views=9)
    turns = rotate_folder.read_labels(tmp_path / "rotate/car/01")[:, 2]
    for view, angle in enumerate(turns):  # brightness shows the angle
        Image.new("L", (128, 128), int(angle * 200)).save(tmp_path / f"rotate/car/01/{view}.png")
    contact_sheet.write(tmp_path / "rotate", tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    shown = sheet[TEXT + TILE // 2, TILE // 2 : NUM_VIEWS * TILE : TILE].tolist()
    assert shown == sorted(shown) and len(shown) == NUM_VIEWS
    assert shown[0] == int(turns.min() * 200) and shown[-1] == int(turns.max() * 200)


def test_all_objects_have_a_place(tmp_path):
    write_views(tmp_path / "rotate", [f"car/{number}" for number in range(OBJECTS_IN_ROW + 1)], num_views=2)
    contact_sheet.write(tmp_path / "rotate", tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (OBJECTS_IN_ROW * (NUM_VIEWS * TILE + TEXT), 2 * (TILE + 2 * TEXT))


def test_a_file_name_without_an_image_suffix_is_refused_before_anything_is_rendered(tmp_path):
    with pytest.raises(UserError, match=r"--contact_sheet=.*sheet: give a file name that ends in \.png"):
        prepare_picture("contact_sheet", tmp_path / "sheet")
    done = run("mujoco_render", CAD_dir=tmp_path, data_dir=tmp_path / "data", contact_sheet="sheet")
    assert done.returncode == 1 and "error: --contact_sheet=sheet: give a file name" in done.stderr


def test_the_folder_of_a_sheet_is_made(tmp_path):
    prepare_picture("contact_sheet", tmp_path / "a/b/sheet.png")
    write_views(tmp_path / "rotate", ["car/01"])
    contact_sheet.write(tmp_path / "rotate", tmp_path / "a/b/sheet.png")
    assert (tmp_path / "a/b/sheet.png").is_file()
