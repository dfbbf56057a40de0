"""Meshes that are damaged, degenerate, huge or made to harm: read, converted, compiled by MuJoCo, rendered."""

import json
import os
import re
import shutil

import numpy as np
import pytest
from cad_folder import write_models
from hostile_meshes import POINTS, REFUSED, SEEDS, SQUARE, TAKEN, TRIANGLE, VS, ply
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from outcomes import LIMITS, assert_each_read_or_refused, mutants
from scripts import Fork, run_script

from metalearn import workers
from metalearn.cli import UserError
from pose_data import off_to_stl, scene
from pose_data.meshes import SOURCE_SUFFIXES, SUFFIXES, read_triangles


def read(path):
    triangles = read_triangles(path)
    assert triangles.shape[1:] == (3, 3) and np.isfinite(triangles).all() and np.ptp(triangles) > 0


def convert(path):
    """The .stl appears whole, and reads as the same triangles, or not at all."""
    target = path.with_suffix(".stl")
    try:
        off_to_stl.convert(path)
    except UserError:
        assert not target.exists()
        raise
    a, b = read_triangles(path), read_triangles(target)
    assert np.array_equal(a.astype(np.float32), b)
    target.unlink()


def compile_scene(path):
    """MuJoCo takes the mesh or raises ValueError, and neither crashes nor hangs."""
    triangles = read_triangles(path)
    try:
        scene.Scene(triangles, 32).turn(0.3)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error


def named(contents, suffix):
    return [(f"input{i}{suffix}", content) for i, content in enumerate(contents)]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_damaged_mesh_is_read_or_refused_by_name(suffix, tmp_path, rounds, record_property):
    contents = mutants(SEEDS[suffix], 60 * rounds, np.random.default_rng(rounds))
    function = read if suffix == ".stl" else convert
    record_property("inputs", len(assert_each_read_or_refused(function, tmp_path, named(contents, suffix))))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_read_compiles_in_mujoco_or_is_refused_by_name(suffix, tmp_path, rounds, record_property):
    contents = mutants(SEEDS[suffix][:1] if suffix != ".off" else [SQUARE.encode()], 15 * rounds,
                       np.random.default_rng(rounds + 10**6))  # fmt: skip
    record_property("inputs", len(assert_each_read_or_refused(compile_scene, tmp_path, named(contents, suffix))))


@pytest.mark.parametrize("suffix", [".off", ".ply", ".glb", ".stl"])
def test_a_truncated_mesh_is_refused_by_name(suffix, tmp_path, rounds, record_property):
    """Wherever it is cut, but within the last line of a text: a number may end there. An OBJ file has no end."""
    contents = []
    for i, whole in enumerate(SEEDS[suffix]):
        is_text = not any(byte > 126 or byte == 0 for byte in whole)
        end = whole.rstrip().rfind(b"\n") if is_text else len(whole)
        lengths = np.random.default_rng(rounds).choice(end, min(20 * rounds, end), replace=False)
        contents += [(f"seed {i} cut at {n}{suffix}", whole[:n]) for n in lengths]
    refusals = assert_each_read_or_refused(read, tmp_path, contents)
    assert all(refusals.values()), [path.name for path, refusal in refusals.items() if not refusal]
    record_property("inputs", len(refusals))


def test_meshes_made_to_fail_are_refused_by_name_and_odd_ones_read(tmp_path, record_property):
    refusals = assert_each_read_or_refused(read, tmp_path, [*REFUSED.items(), *TAKEN.items()])
    assert {path.name for path, refusal in refusals.items() if refusal} == set(REFUSED)
    record_property("inputs", len(refusals))


coordinates = st.one_of(st.floats(-2, 2), st.sampled_from([0.0, 1.0, -1.0, 1e-9, 1e-30, 1e-45, 1e9, -1e9, 1e-300]))
triangles = st.lists(st.lists(st.tuples(*[coordinates] * 3), min_size=3, max_size=3), min_size=1, max_size=8)


def stl_and_scene(path):
    triangles = np.array(json.loads(path.read_text()))
    vertices = "\n".join(" ".join(map(repr, map(float, point))) for point in triangles.reshape(-1, 3))
    faces = "\n".join(f"3 {i} {i + 1} {i + 2}" for i in range(0, 3 * len(triangles), 3))
    off = path.with_suffix(".off")
    off.write_text(f"OFF\n{3 * len(triangles)} {len(triangles)} 0\n{vertices}\n{faces}\n")
    try:
        convert(off)
        compile_scene(off)
    finally:
        off.unlink()


def test_degenerate_triangles_are_converted_and_compiled_or_refused_by_name(tmp_path, rounds, record_property):
    found = set()

    @settings(max_examples=150 * rounds, deadline=None, derandomize=rounds == 1, database=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(triangles, st.sampled_from([(1, 1, 1), (1, 1, 0), (1, 0, 0), (1, 1e-9, 1), (1e-20, 1e-20, 1e-20)]))
    @example([TRIANGLE], (1, 1, 1))
    @example([TRIANGLE, [TRIANGLE[0]] * 3], (1, 1, 1))
    def collect(triangles, scale):
        found.add(json.dumps((np.array(triangles) * scale).tolist()))

    collect()
    contents = named([text.encode() for text in sorted(found)], ".json")
    refusals = assert_each_read_or_refused(stl_and_scene, tmp_path, contents)
    assert not all(refusals.values())
    record_property("inputs", len(refusals))


def test_a_flat_mesh_compiles_whatever_its_rounding():
    """Seeds that MuJoCo refused for inertia that its rounding put out of balance."""
    for seed in range(40):
        flat = np.random.default_rng(seed).normal(size=(2, 3, 3)) * [1, 1, 0]
        scene.Scene(flat, 32)


def test_large_meshes_are_compiled_or_refused(rounds):
    """200,000 triangles are MuJoCo's limit; a million only in the long run."""
    done = Fork(_large_meshes, 1000 if rounds == 1 else 1_000_000, **LIMITS).wait()
    assert (done.returncode, done.stderr) == (0, ""), done


def _large_meshes(count):
    rng = np.random.default_rng(0)
    for number in {min(count, 200_000), count}:
        for triangles in (rng.normal(size=(number, 3, 3)), np.round(rng.normal(size=(number, 3, 3)) * 20) * [1, 1, 0]):
            try:
                scene.Scene(triangles, 32)
            except ValueError as error:
                assert number > 200_000, error


def test_no_other_file_is_opened_for_a_mesh(tmp_path, record_property):
    """Materials and textures, in the folder or outside of it: a pipe would hang, a device never end."""
    os.mkfifo(tmp_path / "pipe.mtl")
    (tmp_path / "a.mtl").write_text(f"newmtl a\nmap_Kd {tmp_path / 'pipe.mtl'}\n")
    cases = {}
    for i, target in enumerate(
        [tmp_path / "pipe.mtl", "pipe.mtl", "../../../../dev/zero", "/dev/zero", "a.mtl", "no.mtl"]
    ):
        cases[f"{i}.obj"] = b"mtllib %s\nusemtl a\n" % str(target).encode() + VS + b"f 1 2 3\n"
        cases[f"{i}.ply"] = ply(3, 1, POINTS + b"3 0 1 2\n").replace(
            b"element v", b"comment TextureFile %s\nelement v" % str(target).encode()
        )
    refusals = assert_each_read_or_refused(read, tmp_path, cases.items())
    assert not any(refusals.values()), refusals
    record_property("inputs", len(cases))


def test_off_to_stl_leaves_what_it_wrote_and_names_what_it_cannot_read(tmp_path, rounds, record_property):
    write_models(tmp_path, ["car/00", "car/02"])
    earlier = off_to_stl.STL_HEADER + b"earlier"
    inputs = 0
    for suffix in SOURCE_SUFFIXES:
        path = tmp_path / f"car/01{suffix}"
        for content in mutants(SEEDS[suffix], 3 * rounds, np.random.default_rng(rounds + 2 * 10**6)):
            path.write_bytes(content)
            (tmp_path / "car/01.stl").write_bytes(earlier)
            done = run_script("pose_data", "off_to_stl", f"--CAD_dir={tmp_path}", seconds=60)
            if done.returncode:
                assert (tmp_path / "car/01.stl").read_bytes() == earlier
                named, summary = done.stderr.splitlines()
                assert named.startswith(f"error: {path}: ") and summary.startswith("error: 1 of 3 models failed: ")
            inputs += 1
        path.unlink()
    assert (tmp_path / "car/00.stl").exists() and not list(tmp_path.rglob(".*"))
    record_property("inputs", inputs)


def test_mujoco_render_renders_what_it_can_and_names_the_rest(tmp_path, rounds, record_property):
    inputs = 0
    for number in range(max(1, rounds // 5)):
        shutil.rmtree(tmp_path / "CAD", ignore_errors=True)
        (tmp_path / "CAD/car").mkdir(parents=True)
        rng = np.random.default_rng(number + 3 * 10**6)
        for suffix, contents in SEEDS.items():
            for i, content in enumerate(mutants(contents, 8, rng)):
                (tmp_path / f"CAD/car/{suffix[1:]}{i}{suffix}").write_bytes(content)
                inputs += 1
        (tmp_path / "CAD/car/good.off").write_bytes(SEEDS[".off"][0])
        flags = [f"--CAD_dir={tmp_path / 'CAD'}", f"--data_dir={tmp_path / 'data'}", "--num_views=1", "--image_size=16"]
        done = run_script("pose_data", "mujoco_render", *flags, "--num_workers=1", "--overwrite", seconds=300)
        *lines, last = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]  # of an origin
        named = [re.match(r"error: (\S+/CAD/car/(\S+)\.\w+): .", line) for line in lines]
        assert all(named) and len(set(named)) == len(lines), done.stderr
        assert last.startswith(f"error: {len(lines)} of 41 objects failed"), last
        rendered = {path.parent.name for path in (tmp_path / "data/rotate").rglob("*.png")}
        failed = {match[2] for match in named}
        assert "good" in rendered and not rendered & failed and len(rendered | failed) == 41
    record_property("inputs", inputs)


def die(task):
    if task[0] == "bad.off":
        os.abort()
    return task[0]


def _run_and_die():
    try:
        workers.run_tasks(die, [(f"{i}.off",) for i in range(5)] + [("bad.off",), ("later.off",)], 1, print)
    except UserError as error:
        print(error, file=open(2, "w", closefd=False))


def test_the_task_at_which_a_worker_died_is_named():
    done = Fork(_run_and_die, seconds=60).wait()
    assert "a worker process died (out of memory?) at work on bad.off; " in done.stderr and "later" not in done.stderr
