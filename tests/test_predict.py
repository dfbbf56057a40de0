"""predict.py as a user runs it: an object of their own, folders of views, and what it refuses. Tiny learners."""

import json
import re
import types

import numpy as np
import pytest
import tiny
from PIL import Image
from scripts import Fork, run_script

from metalearn.cli import UserError
from metalearn.export import export
from pose_code import paper
from pose_code import predict as predict_script
from pose_code.predict import meta_batch
from pose_code.views import Views
from pose_data import rotate_folder

WEDGE = (
    "OFF\n6 8 0\n0 0 0\n2 0 0\n0 1 0\n0 0 1\n2 0 1\n0 1 .5\n"
    "3 0 2 1\n3 3 4 5\n3 0 1 4\n3 0 4 3\n3 1 2 5\n3 1 5 4\n3 2 0 3\n3 2 3 5\n"
)
_TURNS = np.arange(40) * 2 * np.pi / 40
COIN = "OFF\n80 42 0\n" + "".join(f"{np.cos(a):.4f} {np.sin(a):.4f} {z}\n" for z in (0, 0.3) for a in _TURNS)
COIN += "".join(f"4 {i} {(i + 1) % 40} {(i + 1) % 40 + 40} {i + 40}\n" for i in range(40))
COIN += " ".join(map(str, [40, *range(39, -1, -1)])) + "\n" + " ".join(map(str, [40, *range(40, 80)])) + "\n"


@pytest.fixture(scope="module")
def runs(data_dir, tmp_path_factory):
    """{script: run folder} of both families."""
    folder = tmp_path_factory.mktemp("runs")
    return {script: tiny.trained(script, data_dir, folder / script) for script in ("maml_bbb", "np_bbb")}


def predict(run, *arguments):
    return run_script("pose_code", "predict", f"--run={run}", *arguments)


def test_an_object_of_one_s_own_is_rendered_and_predicted_by_both_families(runs, tmp_path):
    model = tmp_path / "wedge.off"
    model.write_text(WEDGE)
    for script, run in runs.items():
        out = tmp_path / f"{script}.png"
        done = predict(run, f"--CAD={model}", "--shots=4", "--num_queries=3", f"--out={out}")
        assert done.returncode == 0, done.stderr
        (numbers,) = json.loads(out.with_suffix(".json").read_text())["objects"]
        assert len(numbers["after"]) == len(numbers["true"]) == 3 and ("before" in numbers) == (script == "maml_bbb")
        assert ("spread" in numbers) == (script == "np_bbb")  # maml_bbb's sigma is 2e-9: its draws do not differ
        errors = paper.off_by(np.array(numbers["after"]), np.array(numbers["true"]))
        np.testing.assert_allclose(numbers["mean_error_after"], errors.mean())
        rows = re.findall(r"^ +[\d.]+ .*$", done.stdout, re.M)
        assert len(rows) == 3 and float(rows[0].split()[0]) == pytest.approx(numbers["true"][0], abs=0.06)
        with Image.open(out) as picture:
            assert picture.width > 500


def test_a_table_of_several_models_and_a_warning_for_one_that_looks_the_same_from_several_sides(runs, tmp_path):
    for name, text in (("a/wedge", WEDGE), ("b/coin", COIN)):
        (tmp_path / "CAD" / name).parent.mkdir(parents=True)
        (tmp_path / "CAD" / f"{name}.off").write_text(text)
    export(runs["maml_bbb"], tmp_path / "small")
    done = predict(tmp_path / "small", f"--CAD={tmp_path / 'CAD'}", f"--out={tmp_path / 'all.json'}")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^\| a/wedge \| [\d.]+ \| [\d.]+ \| [\d.]+ \|$", done.stdout, re.M)
    (warning,) = re.findall(r"warning: (.*) look alike", done.stderr)
    assert warning.startswith("b/coin: its views at ")
    refused = predict(tmp_path / "small", f"--CAD={tmp_path / 'CAD'}", f"--out={tmp_path / 'all.png'}")
    assert refused.returncode == 1 and "a picture is of one object" in refused.stderr


def test_models_of_one_name_are_all_predicted(tmp_path, monkeypatch):
    for path in ("x/chair/01.off", "x/car/01.off", "x/car/02.off", "y/car/01.off"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(WEDGE)
    monkeypatch.chdir(tmp_path)
    for given, names in (
        (["x/chair/01.off", "x/car/01.off", "x/car/02.off"], ["x/chair/01.off", "x/car/01.off", "02.off"]),
        (["x", "y"], ["x/car/01.off", "car/02", "chair/01", "y/car/01.off"]),
    ):
        monkeypatch.setattr(predict_script, "FLAGS", types.SimpleNamespace(CAD=given))
        found = predict_script.models()
        assert sorted(found) == sorted(names) and len(set(found.values())) == len(names)


def views(folder, angles, side=128, labels=True):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(len(angles))
    for i in range(len(angles)):
        Image.fromarray(rng.integers(256, size=(side, side), dtype=np.uint8)).save(folder / f"{i}.png")
    if labels:
        rotate_folder.write_labels(folder, 0.5, 0.0, np.asarray(angles))
    return folder


def test_folders_of_views_with_and_without_labels_of_the_query(runs, tmp_path):
    support = views(tmp_path / "chair/support", [0.1, 2.0, 4.0])
    labelled = views(tmp_path / "chair/query", [1.0, 5.0])
    bare = views(tmp_path / "bare/query", [1.0, 5.0], labels=False)
    found = []
    for query in (labelled, bare):
        out = tmp_path / f"{query.parent.name}.json"
        done = predict(runs["maml_bbb"], f"--support={support}", f"--query={query}", f"--out={out}")
        assert done.returncode == 0, done.stderr
        found += json.loads(out.read_text())["objects"]
    np.testing.assert_allclose(found[0]["true"], np.degrees([1.0, 5.0]))
    np.testing.assert_allclose(found[0]["after"], found[1]["after"])
    assert "true" not in found[1] and "mean_error_after" not in found[1]


def test_what_is_refused_is_refused_in_a_line(runs, tmp_path):
    support, small = views(tmp_path / "a/support", [1.0, 2.0]), views(tmp_path / "a/small", [1.0], side=64)
    unlabelled, empty = views(tmp_path / "a/unlabelled", [1.0], labels=False), tmp_path / "a/empty"
    empty.mkdir()
    (tmp_path / "broken.off").write_text("OFF\n1 2 3")
    run = runs["maml_bbb"]
    for arguments, message in (
        ([], "give --CAD=MODEL, or --support=FOLDER and --query=FOLDER"),
        ([f"--support={support}"], "give --CAD=MODEL, or --support=FOLDER and --query=FOLDER"),
        (["--CAD=nowhere.off"], "--CAD=nowhere.off: no such model"),
        ([f"--CAD={tmp_path / 'broken.off'}"], "broken.off: cannot be read as a mesh"),
        ([f"--support={support}", f"--query={small}"], "0.png: 64x64 pixels; give square views of 128 pixels or more"),
        ([f"--support={unlabelled}", f"--query={support}"], "label_aunlabelled: missing"),
        ([f"--support={support}", f"--query={empty}"], "no views 0.png, 1.png, ... in it"),
        ([f"--support={support}", f"--query={tmp_path / 'none'}"], "none: no such folder"),
    ):
        done = predict(run, *arguments)
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("error")]
        assert done.returncode == 1 and message in line and "Traceback" not in done.stderr
    done = predict(tmp_path, f"--support={support}", f"--query={support}")
    assert done.returncode == 1 and "no checkpoint; give the folder of a training run" in done.stderr


def exported_predictions(run, out):
    """Predictions of a run and of its export, in a process of its own."""
    import tensorflow as tf

    from metalearn.restore import restore
    from metalearn.tasks import MetaBatch

    export(run, out)
    rng = np.random.default_rng(0)
    batch = MetaBatch(
        rng.integers(256, size=(1, 3, 16, 16, 1)).astype(np.uint8), rng.random((1, 3, 1), np.float32),
        rng.integers(256, size=(1, 3, 16, 16, 1)).astype(np.uint8), np.zeros((1, 3, 1), np.float32),
    )  # fmt: skip
    whole, small = restore(run), restore(out)
    assert not small.weights["encoder"].stochastic and whole.weights["encoder"].stochastic
    predictions = [each.predict(batch, tf.constant([0, 1]))[0].numpy() for each in (whole, small)]
    np.testing.assert_allclose(*predictions, rtol=1e-4, atol=1e-4)  # sigma is 2e-9
    assert "/" not in small.flags["logdir"]
    checkpoint = (run / "checkpoint-final.npz").read_bytes()
    with pytest.raises(UserError, match="a run folder; give another"):
        export(run, run)
    assert (run / "checkpoint-final.npz").read_bytes() == checkpoint
    export(run, out)  # an export may be made anew


def test_an_export_predicts_as_its_run_s_means_and_names_no_folder_of_this_machine(runs, tmp_path):
    done = Fork(exported_predictions, runs["maml_bbb"], tmp_path / "small").wait()
    assert done.returncode == 0, done.stderr


def test_labels_of_the_support_views_reach_the_learner_in_its_unit_and_those_of_the_query_do_not():
    labels = np.array([[0.5, 0.5, angle] for angle in (0.0, 0.25, 0.5)])  # in turns
    known = Views(np.zeros((3, 128, 128), np.uint8), labels)
    run = types.SimpleNamespace(flags={"dim_im": 64, "dim_y": 1})
    batch = meta_batch(run, known, known.part(slice(2)))
    np.testing.assert_allclose(batch.support_y, [[[0.0], [2.5], [5.0]]])
    np.testing.assert_array_equal(batch.query_y, np.zeros((1, 2, 1)))
    assert batch.support_x.shape == (1, 3, 64, 64, 1) and batch.query_x.shape == (1, 2, 64, 64, 1)
