import json
import os
import pickle
import pickletools
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest
from cad_folder import REPO, command, error_line, files_in, lopsided_mesh, run, write_models
from PIL import Image

from metalearn.cli import UserError
from pose_data import mujoco_render

mujoco_render.choose_gl_backend()

NAMES = ["car/01", "car/02", "chair/01"]
SMALL = {"num_views": 40, "image_size": 64}
SMALL_ONE = {**SMALL, "num_workers": 1}  # starting a worker costs more than rendering these


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
    result = run("mujoco_render", CAD_dir=folder / "CAD", data_dir=folder / "data", **SMALL_ONE)
    assert result.returncode == 0, result.stderr
    return folder / "CAD", folder / "data", result


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


def test_a_second_run_renders_only_what_is_missing(rendered, tmp_path):
    cad_dir, data_dir, _ = rendered
    before = files_in(data_dir)
    (data_dir / "rotate/car/02/1.png").unlink()
    (data_dir / "rotate/chair/01/label_chair01").unlink()
    untouched = data_dir / "rotate/car/02/0.png"
    old_time = untouched.stat().st_mtime_ns
    result = run("mujoco_render", CAD_dir=cad_dir, data_dir=data_dir, contact_sheet=tmp_path / "sheet.png", **SMALL_ONE)
    assert result.returncode == 0 and "2 to render" in result.stdout, result.stderr
    assert files_in(data_dir) == before and untouched.stat().st_mtime_ns == old_time
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > sheet.height


def interrupt_run(stop, **flags):
    """Start a run, call `stop(process)` once it renders, and wait until none of its workers is left.

    It hears Ctrl-C even where these tests run in the background of a shell, which has its children ignore it.
    """
    data_dir = flags["data_dir"]
    process = subprocess.Popen(
        command("mujoco_render", num_workers=2, **flags),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    wait_until(lambda: len(list(data_dir.rglob("*.png"))) > 5)
    family = {process.pid, *children_of(process.pid)}
    assert len(family) > 2
    stop(process)
    errors = process.communicate(timeout=20)[1]
    wait_until(lambda: not family & running().keys())
    return process.returncode, errors


def running():
    """{process id: parent's id} of the processes that are alive."""
    alive = {}
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as file:
                state, parent = file.read().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            alive[int(pid)] = int(parent)
    return alive


def children_of(pid):
    return {child for child, parent in running().items() if parent == pid}


def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


needs_proc = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="reads /proc")


@needs_proc
def test_a_killed_run_leaves_no_workers_and_goes_on_to_the_same_files(rendered, tmp_path):
    cad_dir, data_dir, _ = rendered
    interrupt_run(subprocess.Popen.kill, CAD_dir=cad_dir, data_dir=tmp_path, **SMALL)
    done = files_in(tmp_path / "rotate")
    assert 5 < len(done) < len(files_in(data_dir / "rotate"))
    result = run("mujoco_render", CAD_dir=cad_dir, data_dir=tmp_path, **SMALL_ONE)
    assert result.returncode == 0, result.stderr
    assert files_in(tmp_path) == files_in(data_dir)


@needs_proc
@pytest.mark.parametrize(
    "stop",
    [
        lambda process: os.killpg(process.pid, signal.SIGINT),  # as Ctrl-C: to all processes of the run
        lambda process: process.terminate(),
    ],
)
def test_an_interrupted_run_ends_at_once_with_one_line(rendered, tmp_path, stop):
    start = []
    status, errors = interrupt_run(
        lambda process: (start.append(time.monotonic()), stop(process)),
        CAD_dir=rendered[0],
        data_dir=tmp_path,
        **(SMALL | {"num_views": 20_000}),
    )
    assert time.monotonic() - start[0] < 5
    assert status == 130 and errors.splitlines()[-1] == "interrupted" and "Traceback" not in errors


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


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"num_views": 41},
        {"image_size": 65},
        {"cull_faces": False},
        {"up": "y"},
        {"CAD_dir": "other"},
    ],
)
def test_other_settings_are_refused(rendered, change):
    cad_dir, data_dir, _ = rendered
    settings = json.loads((data_dir / "render_settings.json").read_text())
    assert settings == {"CAD_dir": str(cad_dir), "seed": 0, "cull_faces": True, "up": None, **SMALL}
    (name,) = change
    with pytest.raises(UserError, match=rf"--{name}={change[name]}: .*--overwrite .*another --data_dir"):
        mujoco_render.check_settings(data_dir, settings | change)
    mujoco_render.check_settings(data_dir, settings)


def test_overwrite_renders_anew(rendered, tmp_path):
    cad_dir, data_dir, _ = rendered
    (tmp_path / "rotate/bus/01").mkdir(parents=True)
    (tmp_path / "render_settings.json").write_text('{"num_views": 1}')
    refused = run("mujoco_render", CAD_dir=cad_dir, data_dir=tmp_path, **SMALL)
    assert refused.returncode == 1 and "error: --CAD_dir=" in refused.stderr
    assert run("mujoco_render", CAD_dir=cad_dir, data_dir=tmp_path, **SMALL_ONE, overwrite=True).returncode == 0
    assert files_in(tmp_path) == files_in(data_dir)
    assert not (tmp_path / "rotate/bus").exists()


def test_a_model_that_was_replaced_is_rendered_anew(rendered, tmp_path):
    """Its name may be the same, and its size; or its format another one. The other objects stay."""
    shutil.copytree(rendered[0], tmp_path / "CAD")
    flags = {"CAD_dir": tmp_path / "CAD", "data_dir": tmp_path / "data", "num_views": 3, "image_size": 64}
    assert run("mujoco_render", num_workers=1, **flags).returncode == 0
    before = files_in(tmp_path / "data/rotate")
    model = tmp_path / "CAD/car/02.off"
    turned = model.read_text().replace("0.15000000", "0.25000000")
    assert turned != model.read_text() and len(turned) == model.stat().st_size
    times = model.stat().st_atime, model.stat().st_mtime
    model.write_text(turned)
    os.utime(model, times)
    (tmp_path / "CAD/chair/01.off").unlink()
    write_models(tmp_path / "CAD", ["chair/00", "chair/01"], ".ply")
    result = run("mujoco_render", num_workers=1, **flags)
    assert result.returncode == 0 and "4 objects in 2 classes, 3 to render" in result.stdout, result
    after = files_in(tmp_path / "data/rotate")
    changed = {name.rpartition("/")[0] for name in before if after[name] != before[name]}
    assert changed == {"car/02", "chair/01"}
    assert "0 to render" in run("mujoco_render", num_workers=1, **flags).stdout


class GreyScene:
    """Stands in for scene.Scene: OpenGL's LLVM may crash in a process that has TensorFlow's, as this one."""

    def __init__(self, *_):
        pass

    def render(self, _):
        return np.full((32, 32, 3), 99, np.uint8)

    def close(self):
        pass


def test_a_kill_while_a_replaced_model_is_rendered_leaves_no_old_views(tmp_path, monkeypatch):
    from pose_data import scene

    monkeypatch.setattr(scene, "Scene", GreyScene)
    write_models(tmp_path, ["car/01", "car/02"])
    folder = tmp_path / "rotate/car/01"

    def task(name):
        return mujoco_render.Task(tmp_path / f"car/{name}.off", folder, num_views=2, seed=0, image_size=32)

    assert mujoco_render.render_object(task("01")) == 2
    assert mujoco_render.missing_views(folder, 2, mujoco_render.identify(tmp_path / "car/01.off")) == []
    assert mujoco_render.missing_views(folder, 2, mujoco_render.identify(tmp_path / "car/02.off")) == [0, 1]
    monkeypatch.setattr(mujoco_render.rotate_folder, "write_labels", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        mujoco_render.render_object(task("02"))
    assert not list(folder.glob("*.png"))


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


def test_objects_left_from_other_runs_are_mentioned(rendered, tmp_path):
    cad_dir, data_dir, _ = rendered
    (data_dir / "rotate/bus/01").mkdir(parents=True)
    result = run("mujoco_render", CAD_dir=cad_dir, data_dir=data_dir, **SMALL)
    shutil.rmtree(data_dir / "rotate/bus")
    assert f"warning: 1 more objects are left from other runs: {data_dir}/rotate/bus/01" in result.stderr


def test_images_of_unknown_origin_are_not_mixed_with_new_ones(tmp_path):
    (tmp_path / "rotate").mkdir()
    with pytest.raises(UserError, match="unknown settings"):
        mujoco_render.check_settings(tmp_path, {"seed": 0})


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
