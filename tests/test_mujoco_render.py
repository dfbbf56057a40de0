import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from cad_folder import REPO, command, error_line, files_in, run, write_models
from PIL import Image

from pose_data import mujoco_render, pickles
from pose_data.cli import UserError

mujoco_render.choose_gl_backend()

NAMES = ["car/01", "car/02", "chair/01"]
SMALL = {"num_views": 4, "image_size": 64}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """(CAD folder, data folder) of one uninterrupted run with one worker, and what the run printed."""
    folder = tmp_path_factory.mktemp("pose data")
    write_models(folder / "CAD", NAMES)
    write_models(folder / "CAD", ["car/01"], ".stl")  # the same object once more
    (folder / "CAD" / "empty").mkdir()
    (folder / "CAD" / "car.mat").touch()
    (folder / "CAD" / "car" / ".DS_Store").touch()
    write_models(folder / "CAD", ["bottle/01", "train/01"])
    result = run("mujoco_render", CAD_dir=folder / "CAD", data_dir=folder / "data", num_workers=1, **SMALL)
    assert result.returncode == 0, result.stderr
    return folder / "CAD", folder / "data", result


def test_every_object_gets_its_views_and_labels(rendered):
    _, data_dir, _ = rendered
    expected = {f"{name}/{view}.png" for name in NAMES for view in range(4)}
    expected |= {f"{name}/label_{name.replace('/', '')}" for name in NAMES}
    assert set(files_in(data_dir / "rotate")) == expected
    with Image.open(data_dir / "rotate/car/01/3.png") as image:
        assert (image.size, image.mode) == ((64, 64), "L")
    rows = pickles.load(data_dir / "rotate/car/01/label_car01")
    np.testing.assert_array_equal(rows[:, :3], [[view, 0.5, 0.0] for view in range(4)])
    assert ((rows[:, 3] >= 0) & (rows[:, 3] < 1)).all() and len(set(rows[:, 3])) == 4


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
    assert angles.min() < 0.05 and angles.max() > 0.95


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


def test_a_second_run_renders_only_what_is_missing(rendered, tmp_path):
    cad_dir, data_dir, _ = rendered
    before = files_in(data_dir)
    (data_dir / "rotate/car/02/1.png").unlink()
    (data_dir / "rotate/chair/01/label_chair01").unlink()
    untouched = data_dir / "rotate/car/02/0.png"
    old_time = untouched.stat().st_mtime_ns
    result = run("mujoco_render", CAD_dir=cad_dir, data_dir=data_dir, contact_sheet=tmp_path / "sheet.png", **SMALL)
    assert result.returncode == 0 and "2 to render" in result.stdout, result.stderr
    assert files_in(data_dir) == before and untouched.stat().st_mtime_ns == old_time
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > sheet.height


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_leaves_no_workers_and_goes_on_to_the_same_files(rendered, tmp_path, signal_number):
    cad_dir, data_dir, _ = rendered
    many = {"CAD_dir": cad_dir, "data_dir": tmp_path, "image_size": 64, "num_views": 3000, "num_workers": 2}
    with subprocess.Popen(command("mujoco_render", **many), stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: len(list(tmp_path.rglob("*.png"))) > 5)
        process.send_signal(signal_number)
        errors = process.communicate(timeout=20)[1]
    if signal_number != signal.SIGKILL:
        assert process.returncode == 130 and errors.splitlines()[-1] == "interrupted" and "Traceback" not in errors
    wait_until(lambda: not processes_with(str(tmp_path)) and not children_rendering(tmp_path))
    if signal_number == signal.SIGKILL:
        # Fewer views are the first of the many, so the uninterrupted run tells what they must be.
        for path in tmp_path.glob("rotate/*/*/[0-3].png"):
            relative = path.relative_to(tmp_path)
            assert path.stem == "0" or (path.parent / f"{int(path.stem) - 1}.png").exists()
            assert path.read_bytes() == (data_dir / relative).read_bytes(), relative


def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def processes_with(text):
    """Ids of the processes whose command line contains `text`."""
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", errors="replace") as file:
                if text in file.read() and int(pid) != os.getpid():
                    found.append(pid)
        except OSError:
            pass
    return found


def children_rendering(folder):
    """Whether files still appear in `folder`: workers do not carry it in their command line."""
    before = len(list(folder.rglob("*.png")))
    time.sleep(0.5)
    return len(list(folder.rglob("*.png"))) > before


def test_a_model_that_cannot_be_rendered_is_named_and_the_others_are_rendered(tmp_path):
    write_models(tmp_path / "CAD", ["car/01"])
    (tmp_path / "CAD/car/02.off").write_text("OFF\nbroken\n")
    (tmp_path / "CAD/car/03.off").write_text("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n")
    result = run("mujoco_render", CAD_dir=tmp_path / "CAD", data_dir=tmp_path / "data", **SMALL)
    assert result.returncode == 1
    *named, summary = sorted(result.stderr.splitlines(), key=lambda line: "failed" in line)
    assert sorted(line.split(": ")[:2] for line in named) == [
        ["error", str(tmp_path / "CAD/car/02.off")],
        ["error", str(tmp_path / "CAD/car/03.off")],
    ]
    assert summary == "error: 2 of 3 objects failed: mend or remove the models named above"
    assert len(list((tmp_path / "data/rotate/car/01").glob("*.png"))) == 4
    assert not (tmp_path / "data/rotate/car/02").exists()


@pytest.mark.parametrize("change", [{"seed": 1}, {"num_views": 5}, {"image_size": 65}, {"CAD_dir": "other"}])
def test_other_settings_are_refused(rendered, change):
    cad_dir, data_dir, _ = rendered
    settings = json.loads((data_dir / "render_settings.json").read_text())
    assert settings == {"CAD_dir": str(cad_dir), "seed": 0, **SMALL}
    (name,) = change
    with pytest.raises(UserError, match=rf"--{name}={change[name]}: .*--overwrite .*another --data_dir"):
        mujoco_render.check_settings(data_dir, settings | change)
    mujoco_render.check_settings(data_dir, settings)


def test_overwrite_renders_anew(rendered, tmp_path):
    cad_dir, data_dir, _ = rendered
    first = {"CAD_dir": cad_dir, "data_dir": tmp_path, "num_views": 1, "image_size": 32}
    assert run("mujoco_render", **first).returncode == 0
    refused = run("mujoco_render", **(first | SMALL))
    assert refused.returncode == 1 and "--num_views=4" in refused.stderr
    assert run("mujoco_render", **(first | SMALL), overwrite=True).returncode == 0
    assert files_in(tmp_path) == files_in(data_dir)


def test_images_of_unknown_origin_are_not_mixed_with_new_ones(tmp_path):
    (tmp_path / "rotate").mkdir()
    with pytest.raises(UserError, match="unknown settings"):
        mujoco_render.check_settings(tmp_path, {"seed": 0})


@pytest.mark.parametrize("missing", ["CAD_dir", "data_dir"])
def test_a_missing_flag_is_named(tmp_path, missing):
    flags = {"CAD_dir": tmp_path, "data_dir": tmp_path}
    del flags[missing]
    assert f"--{missing}" in error_line(run("mujoco_render", **flags))


def test_a_folder_without_models_is_refused(tmp_path):
    with pytest.raises(UserError, match="--CAD_dir=.*nowhere: no such folder"):
        mujoco_render.find_models(tmp_path / "nowhere", [])
    write_models(tmp_path, ["train/01"])
    with pytest.raises(UserError, match=r"no models; expected .*<class>/<number>\.off"):
        mujoco_render.find_models(tmp_path, ["train"])
    assert mujoco_render.find_models(tmp_path, []) == {("train", "01"): tmp_path / "train/01.off"}


def test_a_back_end_that_does_not_work_is_named(tmp_path):
    code = "from pose_data.mujoco_render import *; run_main(lambda _: choose_gl_backend())"
    result = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "MUJOCO_GL": "vulkan"}, capture_output=True, text=True
    )
    assert "MUJOCO_GL=vulkan" in error_line(result) and "libegl1" in result.stderr


@pytest.mark.skipif(not (REPO.parent / "shared/pascal3d/CAD").is_dir(), reason="needs the PASCAL3D+ models")
def test_pascal3d_has_67_objects_without_bottle_and_train():
    assert len(mujoco_render.find_models(REPO.parent / "shared/pascal3d/CAD", ["bottle", "train"])) == 67
