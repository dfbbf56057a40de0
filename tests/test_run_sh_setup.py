"""What run.sh does before it trains: its virtual environment and the pose data."""

import shutil
import subprocess

import pytest
import run_sh


@pytest.fixture
def run(tmp_path):
    return run_sh.in_a_copy(tmp_path)


def fake_python(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)


def test_two_cad_folders_never_share_their_data_and_one_that_does_not_exist_is_named(run, tmp_path):
    where = set()
    for name in ("a-b/CAD", "a/b/CAD"):
        (tmp_path / name).mkdir(parents=True)
        done = run("data", check=False, DATA_DIR="", CAD_DIR=str(tmp_path / name), WORK_DIR=str(tmp_path / "work"))
        (render,) = (line.split() for line in done.stdout.splitlines() if "pose_data.mujoco_render" in line)
        where |= {word for word in render if word.startswith("--data_dir=")}
    assert len(where) == 2
    refused = run("data", check=False, DATA_DIR="", CAD_DIR=str(tmp_path / "nowhere"))
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"error: CAD_DIR={tmp_path}/nowhere: no such folder")


def test_setup_takes_tensorflow_with_cuda_where_there_is_a_gpu(run, tmp_path):
    (tmp_path / "bin/nvidia-smi").write_text("#!/bin/sh\necho 'GPU 0: NVIDIA H100 (UUID: GPU-1)'\n")
    shutil.rmtree(tmp_path / "a clone/.venv")
    python = tmp_path / "bin/python3"
    python.write_text("#!/bin/bash\n[[ $2 != venv ]] || { mkdir -p .venv/bin; cp ../bin/fake .venv/bin/python; }\n")
    (tmp_path / "bin/fake").write_text('#!/bin/bash\necho "PYTHON $*"\n')
    for path in (python, tmp_path / "bin/fake"):
        path.chmod(0o755)
    done = run("setup", check=False)
    assert done.returncode == 0 and "for an NVIDIA GPU, and the CPU" in done.stdout
    assert "-r requirements.txt tensorflow[and-cuda]" in done.stdout


def test_views_are_resized_anew_until_there_are_pickles(run, tmp_path):
    data = tmp_path / "begun"
    (data / "rotate/chair/02").mkdir(parents=True)
    (data / "rotate_resize/chair/01").mkdir(parents=True)
    _, commands = run("data", DATA_DIR=str(data))
    assert [command.split()[0] for command in commands[-2:]] == ["pose_data.resize_images", "pose_data.data_gen"]
    assert [path.name for path in (data / "rotate_resize/chair").iterdir()] == ["02"]
    (data / "rotate").rename(data / "elsewhere")
    failed = run("data", check=False, DATA_DIR=str(data))
    assert failed.returncode == 1 and "rotate_resize: its rotate/" in failed.stderr
    assert (data / "rotate_resize/chair/02").is_dir()


def test_setup_adds_to_a_virtual_environment_in_which_runs_may_be_training(run, tmp_path):
    fake_python(tmp_path / "bin/python3", "exit 1")  # would make it anew
    venv = tmp_path / "a clone/.venv"
    assert run("table2", PRESET="small", TRIALS="1")[1][0].startswith("metalearn.sweep")  # nothing to set up
    done = run("test", check=False)
    assert "pip install --quiet --disable-pip-version-check -e .[test]" in done.stdout
    listed = (venv / "installed").read_text().splitlines()
    assert "[test]" in listed and "pip" not in run("setup", check=False).stdout
    with (tmp_path / "a clone/requirements.txt").open("a") as file:
        file.write("another\n")
    done = run("setup", check=False)
    assert done.returncode == 0 and "pip install --quiet --disable-pip-version-check -r requirements.txt" in done.stdout
    now = (venv / "installed").read_text().splitlines()
    assert len(now) == 1 and now[0] not in listed  # what tests need may be another version now


def test_setup_that_fails_is_not_taken_for_done(run, tmp_path):
    stub = tmp_path / "a clone/.venv/bin/python"
    stub.write_text(stub.read_text() + '[[ "$2 $3" != "pip install" ]] || exit 1\n')
    (tmp_path / "a clone/.venv/installed").unlink()
    for command in ("setup", "table2"):
        if command == "table2":  # packages of other versions over those that were there
            (tmp_path / "a clone/.venv/installed").write_text("1 1\n")
        done = run(command, check=False, PRESET="small")
        assert done.returncode == 1 and "sweep" not in done.stdout
        assert not (tmp_path / "a clone/.venv/installed").exists()


def test_one_launch_sets_up_at_a_time(run, tmp_path):
    clone = tmp_path / "a clone"
    (clone / ".venv/installed").unlink()
    stub = clone / ".venv/bin/python"
    stub.write_text(stub.read_text() + '[[ "$2 $3" != "pip install" ]] || { echo begin; sleep 0.3; echo end; } >>log\n')
    both = [subprocess.Popen(["bash", clone / "run.sh", "setup"], stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert (clone / "log").read_text().split() == ["begin", "end"] * 2  # two calls of pip, by one of them


def test_data_that_another_launch_has_made_meanwhile_are_those_asked_for_or_refused(run, tmp_path):
    data, models, stub = tmp_path / "begun", tmp_path / "models", tmp_path / "a clone/.venv/bin/python"
    for folder in (data, models):
        folder.mkdir()
    other_launch = (
        f'cd "{data}"; touch train_data.pkl val_data.pkl; echo \'{{"CAD_dir": "/others"}}\' >render_settings.json'
    )
    probe, before = "choose_gl_backend", stub.read_text()
    stub.write_text(before.replace("[[ $1 == -m ]]", f"[[ $* != *{probe}* ]] || {{ {other_launch}; }}\n[[ $1 == -m ]]"))
    refused = run("data", check=False, DATA_DIR=str(data), CAD_DIR=str(models))
    assert refused.returncode == 1 and f"CAD_DIR={models}: {data} has its data, of /others" in refused.stderr
    assert "PYTHON" not in refused.stdout


def test_data_of_other_models_than_those_named_are_refused(run, tmp_path):
    data, models = tmp_path / "the data", tmp_path / "models"
    models.mkdir()
    refused = run("table2", check=False, PRESET="small", CAD_DIR=str(models))
    assert refused.returncode == 1 and "RUN" not in refused.stdout
    assert f"error: CAD_DIR={models}: {data} has its data, of models that are not recorded" in refused.stderr
    (data / "render_settings.json").write_text(f'{{"CAD_dir": "{tmp_path}/others", "seed": 0}}')
    refused = run("data", check=False, CAD_DIR=str(models))
    assert refused.returncode == 1 and f"has its data, of {tmp_path}/others; leave it out" in refused.stderr
    (data / "render_settings.json").write_text(f'{{"CAD_dir": "{models}", "seed": 0}}')
    assert run("table2", PRESET="small", TRIALS="1", CAD_DIR=str(models))[0]
