import pickle
import pickletools

import numpy as np
import pytest
import trimesh
from cad_folder import NAMES, REPO, SMALL, SMALL_ONE, error_line, files_in, lopsided_mesh, run, write_models
from PIL import Image

from metalearn.cli import UserError
from pose_data import mujoco_render

mujoco_render.choose_gl_backend()


def test_every_object_gets_its_views_and_labels(rendered):
    _, data_dir, _ = rendered
    expected = {f"{name}/{view}.png" for name in NAMES for view in range(SMALL["num_views"])}
    expected |= {f"{name}/label_{name.replace('/', '')}" for name in NAMES}
    assert set(files_in(data_dir / "rotate")) == expected
    with Image.open(data_dir / "rotate/car/01/3.png") as image:
        assert (image.size, image.mode) == ((64, 64), "L")


def test_a_label_file_is_a_pickle_of_protocol_2_of_a_list_of_rows_with_the_angle_in_radians(rendered):
    path = rendered[1] / "rotate/car/01/label_car01"
    assert [arg for opcode, arg, _ in pickletools.genops(path.read_bytes()) if opcode.name == "PROTO"] == [2]
    rows = pickle.loads(path.read_bytes())
    assert type(rows) is list and [row[:3] for row in rows] == [[view, 0.5, 0.0] for view in range(SMALL["num_views"])]
    angles = [row[3] for row in rows]
    assert all(type(angle) is float and 0 <= angle < 2 * np.pi for angle in angles) and max(angles) > 5
    assert len(set(angles)) == SMALL["num_views"]


def test_empty_classes_and_stray_files_are_mentioned(rendered):
    cad_dir, _, result = rendered
    assert result.stderr.splitlines() == [
        "warning: class empty has no models",
        f"warning: ignored 1 files that are not models, such as {cad_dir}/car.mat",
    ]
    assert "3 objects in 2 classes" in result.stdout


def test_angles_depend_on_seed_and_names_only():
    angles = mujoco_render.view_angles(0, "car", "01", 100)
    np.testing.assert_array_equal(angles, mujoco_render.view_angles(0, "car", "01", 100))
    others = [(1, "car", "01"), (0, "bus", "01"), (0, "car", "02"), (0, "01", "car")]
    assert all((mujoco_render.view_angles(*other, 100) != angles).all() for other in others)
    assert angles.min() < 0.5 and angles.max() > 5.8


def test_two_workers_and_another_order_give_the_same_files(rendered, tmp_path):
    cad_dir, data_dir, _ = rendered
    (tmp_path / "CAD").mkdir()
    (tmp_path / "CAD" / "a_first_class").mkdir()
    write_models(tmp_path / "CAD", ["a_first_class/01"])
    for name in ("chair", "car"):
        (tmp_path / "CAD" / name).symlink_to(cad_dir / name)
    result = run("mujoco_render", CAD_dir=tmp_path / "CAD", data_dir=tmp_path / "data", num_workers=2, **SMALL)
    assert result.returncode == 0, result.stderr
    new = files_in(tmp_path / "data" / "rotate")
    assert {name: data for name, data in new.items() if name[0] != "a"} == files_in(data_dir / "rotate")


def test_a_model_that_cannot_be_rendered_is_named_and_the_others_are_rendered(tmp_path):
    write_models(tmp_path / "CAD", ["car/01"])
    (tmp_path / "CAD/car/02.off").write_text("OFF\nbroken\n")
    (tmp_path / "CAD/car/03.off").write_text("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n")
    result = run("mujoco_render", CAD_dir=tmp_path / "CAD", data_dir=tmp_path / "data", **SMALL_ONE)
    assert result.returncode == 1
    *named, summary = sorted(result.stderr.splitlines(), key=lambda line: "failed" in line)
    assert sorted(line.split(": ")[:2] for line in named) == [
        ["error", str(tmp_path / "CAD/car/02.off")],
        ["error", str(tmp_path / "CAD/car/03.off")],
    ]
    assert summary == "error: 2 of 3 objects failed: fix or remove the models named above"
    assert len(list((tmp_path / "data/rotate/car/01").glob("*.png"))) == SMALL["num_views"]
    assert not (tmp_path / "data/rotate/car/02").exists()


def test_a_model_that_turns_about_a_point_beside_it_is_named(tmp_path):
    write_models(tmp_path / "CAD", ["car/01", "car/02"])
    path = tmp_path / "CAD/car/02.off"
    trimesh.load(path).apply_translation([0.2, 0.0, 5.0]).export(path)
    result = run("mujoco_render", CAD_dir=tmp_path / "CAD", data_dir=tmp_path / "data", num_views=1, num_workers=1)
    assert result.returncode == 0
    (line,) = result.stderr.splitlines()  # 0.2 of 0.88; how high it is does not matter
    assert line == f"warning: {path}: it turns about a point 23% of its longest side off its middle"


def test_up_turns_the_models(tmp_path):
    """A GLB with y up, and an OFF with y up of which --up says so, are drawn as the OFF with z up."""
    write_models(tmp_path / "z up", ["car/01"])
    mesh = lopsided_mesh().apply_transform([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    for folder, suffix, flags in (("z up", ".off", {}), ("y up", ".off", {"up": "y"}), ("glb", ".glb", {})):
        path = tmp_path / folder / f"car/01{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if folder != "z up":
            mesh.export(path)
        flags = {"CAD_dir": tmp_path / folder, "data_dir": tmp_path / "data" / folder, "num_views": 2, **flags}
        assert run("mujoco_render", image_size=64, num_workers=1, **flags).returncode == 0
    images = [np.array(Image.open(path), int) for path in sorted((tmp_path / "data").rglob("1.png"))]
    assert len(images) == 3
    assert max(np.abs(image - images[0]).mean() for image in images) < 0.5


@pytest.mark.parametrize("name", ["photo.png", "0.png", "b" * 240])
def test_a_name_that_looks_like_a_view_or_is_very_long_is_rendered_and_read(tmp_path, name):
    class_name = "a" * (150 if len(name) > 200 else 3)
    write_models(tmp_path / "CAD", [f"{class_name}/{name}"])
    flags = {"CAD_dir": tmp_path / "CAD", "data_dir": tmp_path / "data", "num_views": 2, "image_size": 32}
    for expected in ("1 to render", "0 to render"):
        result = run("mujoco_render", num_workers=1, contact_sheet=tmp_path / "sheet.png", **flags)
        assert (result.returncode, result.stderr) == (0, "") and expected in result.stdout
    folder = tmp_path / "data/rotate" / class_name / name
    assert list(mujoco_render.rotate_folder.image_paths(folder)) == [0, 1]
    assert mujoco_render.rotate_folder.read_labels(folder).shape == (2, 3)


def test_a_missing_flag_is_named(tmp_path):
    assert "--CAD_dir" in error_line(run("mujoco_render", data_dir=tmp_path))


def test_a_folder_without_models_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"--CAD_dir=.*nowhere: no such folder"):
        mujoco_render.find_models(tmp_path / "nowhere", [])
    write_models(tmp_path, ["train/01"])
    with pytest.raises(UserError, match=r"no models; expected .*<class>/<number>\.off"):
        mujoco_render.find_models(tmp_path, ["train"])
    assert mujoco_render.find_models(tmp_path, []) == {("train", "01"): tmp_path / "train/01.off"}


@pytest.mark.skipif(not (REPO.parent / "shared/pascal3d/CAD").is_dir(), reason="needs the PASCAL3D+ models")
def test_pascal3d_has_67_objects_without_bottle_and_train():
    assert len(mujoco_render.find_models(REPO.parent / "shared/pascal3d/CAD", ["bottle", "train"])) == 67
