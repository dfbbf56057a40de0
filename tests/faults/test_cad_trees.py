"""Folders of CAD models with odd, hostile and unreadable things in them, and numeric flags at their edges."""

import functools
import importlib
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from absl import flags
from cad_folder import REPO, files_in, lopsided_mesh, write_models, write_views
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from outcomes import assert_each_read_or_refused, assert_success_or_one_line, mutants
from scripts import Fork, run_script

from metalearn.cli import UserError
from pose_data import mujoco_render
from pose_data.meshes import SUFFIXES

OFF = lopsided_mesh().export(file_type="off").encode()
NAMES = [
    "plain", "with blanks", " leading", "trailing ", "-dash", "--num_views=2", "quote'", 'double"quote', "new\nline",
    "re\rturn", "tab\tname", "<a>&amp;'\"", '"><mesh file="x', "$(touch canary)", "`touch canary`", "; touch canary",
    "%s%d{0}", "{image_size}", "\\back\\slash", "*", "?", "[a]", "~", "#", "ünïcödé", "日本", "\u202eleft", "🚗",
    "\x1b[31m", "\x01", "a" * 100, "x..", "01.off", "CON", "label_", os.fsdecode(b"\xff\xfe"), os.fsdecode(b"a\x80"),
]  # fmt: skip


def write(path, content=OFF):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.fixture
def outside(tmp_path):
    """A folder in which nothing but work/CAD and work/data may change."""
    (tmp_path / "work").mkdir()
    before = set(tmp_path.rglob("*"))
    yield tmp_path / "work"
    inside = (tmp_path / "work/CAD", tmp_path / "work/data")
    new = {p for p in set(tmp_path.rglob("*")) - before if not any(p.is_relative_to(folder) for folder in inside)}
    assert not new, f"written outside of the output folder: {new}"


def render(folder, *flags, **options):
    return run_script(
        "pose_data", "mujoco_render", f"--CAD_dir={folder / 'CAD'}", f"--data_dir={folder / 'data'}", "--num_views=1",
        "--image_size=16", "--num_workers=1", *flags, seconds=200, **options,
    )  # fmt: skip


def test_any_name_is_rendered_into_its_own_folder_and_goes_through_all_steps(outside, record_property):
    """Both of a class and of a model; blanks, quotes, newlines, markup, what no text can have."""
    for name in NAMES:
        write(outside / "CAD" / name / f"{name}.off")
    done = render(outside, f"--contact_sheet={outside / 'data/sheet.png'}")
    assert_success_or_one_line(done)
    assert done.returncode == 0
    rotate = outside / "data/rotate"
    expected = {f"{name}/{name}/{file}" for name in NAMES for file in ("0.png", f"label_{name}{name}")}
    assert set(files_in(rotate)) == expected
    done = run_script("pose_data", "resize_images", f"--data_dir={rotate}", "--num_workers=1", seconds=200)
    assert (done.returncode, done.stderr) == (0, "")
    for form in ("pickle", "shards"):
        options = [f"--data_dir={rotate}", f"--out_dir={outside / 'data'}", f"--format={form}"]
        done = run_script("pose_data", "data_gen", *options, "--num_val_objects=20", seconds=200)
        assert (done.returncode, done.stderr) == (0, "")
    with np.load(outside / "data/train_data/index.npz") as index:
        assert set(index["names"]) < {f"{name}/{name}" for name in NAMES}
    done = run_script("pose_data", "off_to_stl", f"--CAD_dir={outside / 'CAD'}", seconds=200)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list((outside / "CAD").rglob("*.stl"))) == len(NAMES)
    record_property("inputs", len(NAMES))


letters = st.one_of(
    st.sampled_from(" -'\"\n<>&.$`;\\*%{}"), st.characters(exclude_categories=["Cs"], exclude_characters="/\0")
)
names = st.text(letters, min_size=1, max_size=12).filter(lambda name: name not in (".", ".."))
entries = st.dictionaries(
    names,
    st.sampled_from(
        ["model", "with its stl", "doubles", "folder", "broken link", "circle", "pipe", "file", "link to a folder"]
    ),
    max_size=5,
)


def make(path, kind, suffix):
    suffixes = {
        "model": [suffix],
        "with its stl": [suffix, ".stl"],
        "doubles": [suffix, suffix.upper(), ".stl", ".OBJ"],
    }
    for path in [path.with_name(path.name + end) for end in suffixes.get(kind, [""])]:
        if os.path.lexists(path):
            continue
        if kind in suffixes or kind == "file":
            path.write_bytes(b"")
        elif kind == "folder":
            path.mkdir()
        elif kind == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to({"broken link": "nowhere", "circle": path.name, "link to a folder": "/usr"}[kind])


def test_every_model_of_any_tree_is_found_or_mentioned(tmp_path, rounds, record_property, capfd):
    """find_models in this process: each file is an object's model, or counted in the warning."""
    seen = set()

    @settings(
        max_examples=150 * rounds, deadline=None, derandomize=rounds == 1, database=None, print_blob=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.dictionaries(names, entries, max_size=4), st.sampled_from(SUFFIXES))
    def check(tree, suffix):
        cad_dir = tmp_path / "CAD"
        shutil.rmtree(cad_dir, ignore_errors=True)
        cad_dir.mkdir()
        for class_name, files in tree.items():
            (cad_dir / class_name).mkdir(exist_ok=True)
            for name, kind in files.items():
                make(cad_dir / class_name / name, kind, suffix)
        visible = [path for path in cad_dir.glob("*/*") if "." not in (path.name[0], path.parent.name[0])]
        seen.add(repr(sorted(tree.items())) + suffix)
        capfd.readouterr()
        try:
            models = mujoco_render.find_models(cad_dir, [])
        except UserError as error:
            assert "--CAD_dir=" in str(error)
            models = {}
        lines = capfd.readouterr().err.split("\n")[:-1]
        assert all(line.startswith("warning: ") for line in lines)
        ignored = sum(int(line.split()[2]) for line in lines if line.startswith("warning: ignored"))
        # The .stl beside another model is made from it.
        made = sum(path.suffix.lower() == ".stl" and path.is_file()
                   and models[path.parent.name, path.stem].suffix.lower() != ".stl" for path in visible)  # fmt: skip
        assert len(models) + ignored + made == len(visible)
        assert all(path.is_file() and path.suffix.lower() in SUFFIXES for path in models.values())
        for class_name, name in models:
            assert (Path("out") / class_name / name).resolve().parent.parent == Path("out").resolve()

    check()
    record_property("inputs", len(seen))


def trees():
    """{kind: (function that makes a tree in a folder, name that the error of off_to_stl has or None)}"""

    def linked(target):
        return lambda cad: (write(cad / "car/01.off"), (cad / "car/02.off").symlink_to(target))

    def circle(cad):
        write(cad / "car/01.off")
        (cad / "car/again").symlink_to("../car")
        (cad / "again").symlink_to(".")

    def pipe(cad):
        write(cad / "car/01.off")
        os.mkfifo(cad / "car/02.off")

    return {
        "broken link": (linked("nowhere"), "02.off"),
        "link to itself": (linked("02.off"), "02.off"),
        "link to a device": (linked("/dev/zero"), "02.off"),
        "folders in a circle": (circle, None),
        "pipe": (pipe, "02.off"),
        "folder named as a model": (lambda cad: write(cad / "car/01.off/02.off"), None),
        "linked class": (lambda cad: (write(cad / "x/01.off"), (cad / "car").symlink_to("x")), None),
        "two of one stem": (lambda cad: (write(cad / "car/01.off"), write(cad / "car/01.obj", b"v 0 0 0")), "01"),
        "two of one stem and case": (lambda cad: (write(cad / "car/01.off"), write(cad / "car/01.OFF")), "01"),
        "no models": (lambda cad: write(cad / "car/01.txt"), "--CAD_dir="),
        "empty": (lambda cad: cad.mkdir(), "--CAD_dir="),
        "a file": (lambda cad: write(cad), "--CAD_dir="),
        "nothing": (lambda cad: None, "--CAD_dir="),
    }


@pytest.mark.parametrize("script", ["off_to_stl", "mujoco_render"])
def test_an_odd_tree_ends_well_or_in_one_line(script, tmp_path, record_property):
    """Of mujoco_render what it does before it renders: no model here can be."""
    for kind, (make_tree, name) in trees().items():
        cad = tmp_path / kind
        make_tree(cad)
        if script == "off_to_stl":
            done = run_script("pose_data", script, f"--CAD_dir={cad}", seconds=60)
            assert bool(done.returncode) == bool(name), done
            assert all(line.startswith("error: ") for line in done.stderr.splitlines()), done
            assert (name or "") in done.stderr
        else:
            done = Fork(_find, cad, seconds=60).wait()
            assert_success_or_one_line(done, "--CAD_dir=", cad)
    record_property("inputs", len(trees()) if script == "off_to_stl" else 0)  # the same again


def _find(cad):
    try:
        mujoco_render.find_models(cad, [])
    except UserError as error:
        sys.exit(f"error: {error}")


def nobody():
    os.setgid(65534)
    os.setuid(65534)


@pytest.fixture
def open_folder():
    """A folder that others may enter; pytest's are for their user alone."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        if not all(path.stat().st_mode & 0o001 for path in (REPO, *REPO.parents, *Path(folder).parents)):
            pytest.skip("another user may not be here")
        yield Path(folder)


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user")
@pytest.mark.parametrize("script", ["off_to_stl", "mujoco_render", "resize_images", "data_gen"])
def test_what_may_not_be_read_is_named_and_nothing_left_out(script, open_folder, record_property):
    tmp_path = open_folder
    cad = tmp_path / "CAD"
    if script in ("off_to_stl", "mujoco_render"):
        write_models(cad, ["car/01", "bus/01"])
        folders, options = ["car", "."], [f"--CAD_dir={cad}"]
    else:
        write_views(cad, ["car/01", "bus/01"])
        folders, options = ["car/01", "car", "."], [f"--data_dir={cad}"]
    if script == "mujoco_render":
        options.append(f"--data_dir={tmp_path / 'data'}")
    for path in [cad, *cad.rglob("*"), tmp_path]:
        path.chmod(0o777 if path.is_dir() else 0o666)
    for folder in folders:
        (cad / folder).chmod(0)
        done = run_script("pose_data", script, *options, before=nobody, seconds=60)
        assert done.returncode == 1, done
        assert_success_or_one_line(done, cad / folder, (cad / folder).resolve())
        (cad / folder).chmod(0o777)
    record_property("inputs", len(folders))
    assert not list(tmp_path.rglob("*.pkl")) and not (tmp_path / "data").exists()


def settings_file(path):
    """As mujoco_render.py finds it in --data_dir."""
    folder = path.with_suffix("")
    folder.mkdir()
    shutil.copy(path, folder / mujoco_render.SETTINGS_FILE)
    mujoco_render.check_settings(folder, {"CAD_dir": "/CAD", "seed": 0})


def test_damaged_settings_are_refused_by_name(tmp_path, rounds, record_property):
    good = json.dumps({"CAD_dir": "/CAD", "seed": 0}).encode()
    odd = [b"", b"[]", b"null", b"1", b'"x"', b"[1]", b"[[1, 2]]", b"\xff", b"[" * 10**5, b"{}", b'{"seed": 1e999}']
    contents = [*odd, *mutants([good], 40 * rounds, np.random.default_rng(rounds))]
    named = [(f"input{i}.json", content) for i, content in enumerate(contents)]
    refusals = assert_each_read_or_refused(settings_file, tmp_path, named)
    assert all(list(refusals.values())[: len(odd)])
    record_property("inputs", len(refusals))


EDGES = [-1, 0, 1, 2**31, 2**63, 10**9, 10**6, 1.5, "", "x", "nan", "9" * 5000]


def small(folder):
    """{script: flags of a short run}"""
    return {
        "cad_models": [f"--out_dir={folder / 'CAD'}"],
        "create_fake_data": [f"--out_dir={folder / 'out'}", "--num_train_objects=2", "--num_val_objects=1",
                             "--num_views=2", "--dim_im=8"],
        "data_gen": [f"--data_dir={folder / 'views'}", f"--out_dir={folder / 'out'}", "--num_val_objects=1"],
        "resize_images": [f"--data_dir={folder / 'views'}", "--num_workers=1"],
        "mujoco_render": [f"--CAD_dir={folder / 'models'}", f"--data_dir={folder / 'data'}", "--num_views=1",
                          "--image_size=16", "--num_workers=1"],
    }  # fmt: skip


@pytest.mark.parametrize("script", small(Path()))
def test_a_numeric_flag_at_its_edge_gives_a_result_or_one_line(script, tmp_path, rounds, record_property):
    """--rounds=1 tries some, --rounds=6 and more every one of them."""
    write_views(tmp_path / "views", ["car/01", "car/02"])
    write(tmp_path / "models/car/01.off", b"OFF\nbroken\n")
    found = json.loads(Fork(functools.partial(print_integer_flags, script)).wait().stdout)
    cases = [(name, value) for name in found for value in EDGES]
    order = np.random.default_rng(rounds).permutation(len(cases))[: 10 * rounds]
    for name, value in (cases[i] for i in order):
        shutil.rmtree(tmp_path / "data", ignore_errors=True)
        done = run_script("pose_data", script, *small(tmp_path)[script], f"--{name}={value}", seconds=120, gigabytes=8)
        if script == "mujoco_render" and "objects failed" in done.stderr:
            continue  # as far as it comes with this model
        assert_success_or_one_line(done, f"--{name}", "--num_train_objects")
    record_property("inputs", len(order))


def print_integer_flags(script):
    module = importlib.import_module(f"pose_data.{script}")
    if hasattr(module, "define_flags"):
        module.define_flags()
    else:  # in the main part of the script
        source = Path(module.__file__).read_text()
        print(json.dumps([line.split('"')[1] for line in source.splitlines() if "DEFINE_integer" in line]))
        return
    print(json.dumps([f.name for f in flags.FLAGS.flags_by_module_dict()[f"pose_data.{script}"]
                      if isinstance(f.parser, flags.IntegerParser)]))  # fmt: skip
