"""Renders that were interrupted, that are there already, or of models that were replaced."""

import json
import os
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest
from cad_folder import SMALL, SMALL_ONE, command, files_in, run, write_models
from PIL import Image

from metalearn.cli import UserError
from pose_data import mujoco_render

mujoco_render.choose_gl_backend()


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
