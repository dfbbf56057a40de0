"""The built-in CAD models: files, bounds, determinism, and that every pose can be told from its view."""

import subprocess
import sys

import numpy as np
import pytest
import trimesh

from pose_data import cad_models
from pose_data.cli import UserError

DEFAULT_OBJECTS = [(name, index) for name, number in cad_models.CLASSES.items() for index in range(number)]
NUM_VIEWS = 12


def run_script(*args):
    return subprocess.run([sys.executable, cad_models.__file__, *args], capture_output=True, text=True, timeout=120)


def read_folder(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def default_run(tmp_path_factory):
    out_dir = tmp_path_factory.mktemp("default") / "CAD"
    return out_dir, run_script(f"--out_dir={out_dir}")


@pytest.fixture(scope="module")
def meshes():
    return {key: cad_models.build(*key) for key in DEFAULT_OBJECTS}


def surface_points(mesh, number=12000):
    """Points drawn uniformly from the surface: [number, 3]."""
    rng = np.random.default_rng(0)
    corners = np.asarray(mesh.triangles)
    a, b, c = corners[rng.choice(len(corners), number, p=mesh.area_faces / mesh.area)].transpose(1, 0, 2)
    s, t = np.sqrt(rng.random((number, 1))), rng.random((number, 1))
    return a + s * (b - a + t * (c - b))


def depth_view(points, angle, pixels=40):
    """Nearness of an object turned by `angle` (radians), seen from 45 degrees above: [pixels, pixels].

    The object covers about as many pixels as it does in the 128x128 images; -inf is background.
    """
    x = np.cos(angle) * points[:, 0] - np.sin(angle) * points[:, 1]
    y = np.sin(angle) * points[:, 0] + np.cos(angle) * points[:, 1]
    up, near = (points[:, 2] + y) / np.sqrt(2), (points[:, 2] - y) / np.sqrt(2)
    rows, columns = ((np.stack([up, x]) + 0.9) / 1.8 * pixels).astype(int)
    view = np.full((pixels, pixels), -np.inf)
    np.maximum.at(view, (rows, columns), near)
    return view


def smallest_view_change(mesh):
    """The least share of the object's pixels that changes between any two of 12 views 60 degrees or more apart.

    A pixel changes when it turns from object to background, or when its depth changes by a tenth of the object.
    """
    points = surface_points(mesh)
    views = [depth_view(points, 2 * np.pi * k / NUM_VIEWS) for k in range(NUM_VIEWS)]
    shares = []
    for i in range(NUM_VIEWS):
        for j in range(i):
            if 2 <= i - j <= NUM_VIEWS - 2:
                seen = np.isfinite(views[i]) | np.isfinite(views[j])
                change = np.abs(views[i][seen] - views[j][seen])
                shares.append(np.mean(change > 0.1))
    return min(shares)


def test_default_set_has_65_objects_in_ten_classes_and_four_bottles_and_trains(default_run):
    out_dir, run = default_run
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.count("\n") == 1 and "65 objects in 10 classes" in run.stdout and str(out_dir) in run.stdout
    expected = cad_models.CLASSES | cad_models.SYMMETRIC_CLASSES
    assert sum(cad_models.CLASSES.values()) == 65
    assert sorted(path.name for path in out_dir.iterdir()) == sorted(expected)
    for name, number in expected.items():
        files = sorted(path.name for path in (out_dir / name).iterdir())
        assert files == [f"{i:02d}.off" for i in range(1, number + 1)]


def test_files_load_with_longest_side_one_centred_on_the_origin(default_run):
    for path in sorted(default_run[0].rglob("*.off")):
        mesh = trimesh.load(path, force="mesh", process=False)
        assert 50 < len(mesh.faces) < 6000, path
        assert np.isfinite(mesh.vertices).all() and mesh.faces.max() < len(mesh.vertices), path
        np.testing.assert_allclose(mesh.extents.max(), 1, atol=3e-6, err_msg=str(path))
        np.testing.assert_allclose(mesh.bounds.sum(axis=0), 0, atol=3e-6, err_msg=str(path))
        assert mesh.volume > 0, path  # faces point outwards


def test_two_processes_write_identical_bytes(default_run, meshes):
    for (name, index), mesh in meshes.items():
        assert (default_run[0] / name / f"{index + 1:02d}.off").read_text() == cad_models.off_text(mesh)


@pytest.fixture
def few_classes(monkeypatch):
    monkeypatch.setattr(cad_models, "CLASSES", {"bus": 2, "chair": 2, "sofa": 1})


def test_second_run_into_the_same_folder_leaves_identical_bytes(few_classes, tmp_path):
    cad_models.write_models(tmp_path)
    before = read_folder(tmp_path)
    cad_models.write_models(tmp_path)
    assert read_folder(tmp_path) == before


def test_asking_for_more_objects_keeps_the_first_ones(few_classes, tmp_path):
    cad_models.write_models(tmp_path / "default")
    cad_models.write_models(tmp_path / "more", objects_per_class=10)
    default, more = read_folder(tmp_path / "default"), read_folder(tmp_path / "more")
    assert (len(default), len(more)) == (5 + 8, 3 * 10 + 8)
    assert {name: more[name] for name in default} == default


def test_objects_do_not_depend_on_the_order_in_which_they_are_built(meshes):
    again = {key: cad_models.build(*key) for key in DEFAULT_OBJECTS[::-16]}
    for key, mesh in again.items():
        np.testing.assert_array_equal(mesh.vertices, meshes[key].vertices)


def test_another_seed_gives_other_objects(meshes):
    for name in cad_models.CLASSES:
        other = cad_models.build(name, 0, seed=1)
        assert cad_models.off_text(other) != cad_models.off_text(meshes[name, 0])


def test_objects_of_a_class_differ_from_each_other(meshes):
    texts = {cad_models.off_text(mesh) for mesh in meshes.values()}
    assert len(texts) == 65
    for name, number in cad_models.CLASSES.items():
        assert len({len(meshes[name, index].faces) for index in range(number)}) > 2, name


@pytest.mark.parametrize("class_name", cad_models.CLASSES)
def test_no_object_looks_the_same_after_a_turn_of_60_degrees_or_more(meshes, class_name):
    for index in range(cad_models.CLASSES[class_name]):
        assert smallest_view_change(meshes[class_name, index]) > 0.1, index + 1


def test_bottles_and_trains_do_look_the_same_after_some_turn():
    for name, number in cad_models.SYMMETRIC_CLASSES.items():  # so the measure above tells symmetric from not
        for index in range(number):
            assert smallest_view_change(cad_models.build(name, index)) < 0.08, (name, index + 1)


def turn_of(index, zero):
    """The angle in (-pi, pi] by which sofa number `index` is turned against the one of --zero=class."""
    canonical, turned = (cad_models.build("sofa", index, zero=name).vertices[:, :2] for name in ("class", zero))
    a, b = (points - points.mean(axis=0) for points in (canonical, turned))
    return np.angle(np.sum((b @ [1, 1j]) * (a @ [1, -1j])))


def test_zero_orientations_of_a_class_are_shared_or_half_of_them_or_all_turned():
    def counts(zero):
        turns = [turn_of(index, zero) for index in range(24)]
        turned = [turn for turn in turns if abs(turn) > 1e-6]
        return len(turned), np.histogram(turned, bins=4, range=(-np.pi, np.pi))[0].min()

    assert counts("class") == (0, 0)
    num_turned, least_of_a_quarter = counts("half")
    assert 6 <= num_turned <= 18 and least_of_a_quarter >= 1
    num_turned, least_of_a_quarter = counts("arbitrary")
    assert num_turned == 24 and least_of_a_quarter >= 2


def test_a_turned_object_is_turned_by_the_same_angle_in_half_and_arbitrary():
    for index in range(12):
        turn, arbitrary = turn_of(index, "half"), turn_of(index, "arbitrary")
        assert min(abs(turn), abs(turn - arbitrary)) < 1e-6


def test_downloaded_models_are_left_alone(tmp_path):
    (tmp_path / "car").mkdir()
    (tmp_path / "car" / "03.off").write_text("OFF\n0 0 0\n")
    with pytest.raises(UserError, match=r"--out_dir=.*03\.off"):
        cad_models.write_models(tmp_path)
    assert list(read_folder(tmp_path)) == ["car/03.off"]


def test_empty_out_dir_is_refused():
    with pytest.raises(UserError, match="--out_dir is empty"):
        cad_models.write_models("")


@pytest.mark.parametrize("flag", ["--objects_per_class=-1", "--out_dir={file}/CAD"])
def test_bad_flag_gives_one_line_that_names_it(flag, tmp_path):
    (tmp_path / "file").write_text("mine")
    run = run_script(f"--out_dir={tmp_path}/CAD", flag.format(file=tmp_path / "file"))
    assert run.returncode in (1, 2) and run.stdout == ""
    assert run.stderr.count("\n") == 1 and flag.split("=")[0] in run.stderr and "Traceback" not in run.stderr
    assert read_folder(tmp_path) == {"file": b"mine"}
