"""The benchmarks run, at tiny sizes; their numbers hang together; the README has the tables of the kept JSON files."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import learners
import numpy as np
import pytest
import tensorflow as tf
import tiny

from bench import plain_step, report
from metalearn.cli import UserError
from metalearn.tasks import MetaBatch

REPO = Path(__file__).resolve().parents[1]


def run(bench, tmp_path, *arguments):
    command = [sys.executable, "-m", f"bench.{bench}", f"--json={tmp_path}/out.json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "out.json").read_text())
    assert report.markdown(result) == done.stdout.strip()
    return result["rows"]


def test_train_step_measures_a_script_at_any_flags(tmp_path):
    sizes = ["--dim_im=16", "--num_updates=1", "--meta_batch_size=2", "--update_batch_size=3", "--summary_every=4"]
    small = run("train_step", tmp_path, "--scripts=np_vanilla", "--seconds=0.1", "--", *sizes, "--num_threads=1")
    (row,) = small
    assert row["script"] == "np_vanilla" and row["precision"] == "float32" and row["steps"] >= 3
    assert row["first"] > row["bare"] > 0 and row["real"] > row["bare_min"] and 0 < row["share"] < 1
    assert row["share"] == pytest.approx(row["gflops"] / row["matmul_gflops"], rel=1e-3)
    assert 300 < row["peak_memory_mib"] < 5000
    assert row["plain"] > 0 and row["speedup"] > 0.3


def exact_moments(x, axes, keepdims=False, synchronized=False):
    """tf.nn.moments, which Keras's batch norm takes, does not pass a gradient through the mean in the variance. To the
    first derivative that is nothing, but the second one lacks a term."""
    mean = tf.reduce_mean(x, axes, keepdims=True)
    found = mean, tf.reduce_mean((x - mean) ** 2, axes, keepdims=True)
    return found if keepdims else tuple(tf.squeeze(part, axes) for part in found)


@pytest.mark.parametrize("script", plain_step.SCRIPTS)
def test_the_plain_step_has_the_loss_and_gradient_of_the_script(script, monkeypatch):
    flags = ["--num_updates=2", "--update_lr=0.01"] if script.startswith("maml") else []
    flags += ["--var=-20"] if script.endswith("bbb") else []  # no noise to speak of
    rng = np.random.default_rng(0)
    images = [tf.constant(rng.integers(256, size=(2, 15, 16, 16, 1)).astype(np.uint8)) for _ in range(2)]
    labels = [tf.constant(rng.random((2, 15, 1)).astype(np.float32)) for _ in range(2)]
    batch = MetaBatch(images[0], labels[0], images[1], labels[1])
    with learners.script(script, *tiny.of_script(script, 0), *flags, "--num_threads=0") as module:
        trainer = learners.trainer(module)
        plain = plain_step.PlainStep(script, trainer.trials.of(0))
        with tf.GradientTape() as tape:
            loss, _ = trainer.learner.loss(trainer.trials.of(0), batch, tf.constant([0, 1]))
        own = {}
        for weights in trainer.trials.weights.values():
            own |= weights.mean | {f"rho/{name}": rho for name, rho in weights.rho.items()}
        gradient = {name: value[0].numpy() for name, value in tape.gradient(loss, own).items()}

        def difference():
            with tf.GradientTape() as tape:
                plain_loss = plain.loss(batch)
            assert float(plain_loss) == pytest.approx(float(loss), rel=1e-5)
            found, size = tape.gradient(plain_loss, plain.variables), max(np.abs(g).max() for g in gradient.values())
            assert found.keys() == gradient.keys()
            return max(np.abs(found[name] - gradient[name]).max() for name in found) / size

        assert (difference() > 1e-3) == script.startswith("maml")
        monkeypatch.setattr(keras.src.backend.nn, "moments", exact_moments)
        assert difference() < 1e-4


def test_inner_steps_measures_both_ways(tmp_path):
    sizes = ["--dim_im=16", "--meta_batch_size=1", "--update_batch_size=2", "--dim_w=16", "--num_filters=2"]
    (row,) = run("inner_steps", tmp_path, "--steps=2", "--seconds=0", "--", *sizes, "--num_threads=1")
    assert row["steps"] == 2 and min(row["kept_mib"], row["again_mib"]) > 300
    assert row["times"] == pytest.approx(row["again_s"] / row["kept_s"])


def test_growth_measures_pickles_and_shards(tmp_path):
    sizes = ["--dim_im=16", "--update_batch_size=2", "--num_threads=1"]
    rows = run("growth", tmp_path, "--objects=20", "--tasks=2", "--views=8", "--seconds=0", "--", *sizes)
    assert [(row["format"], row["objects"], row["views"], row["tasks"]) for row in rows] == [
        ("pickle", 20, 8, 2), ("shards", 20, 8, 2),
    ]  # fmt: skip
    assert all(row["step_s"] > 0 and row["peak_mib"] > 300 and row["start_s"] > 0 for row in rows)


def test_train_step_refuses_unknown_scripts(tmp_path):
    failed = subprocess.run(
        [sys.executable, "-m", "bench.train_step", "--scripts=np_x"], capture_output=True, text=True
    )
    assert failed.returncode == 1 and failed.stderr.startswith("error: --scripts: no script np_x")


def test_a_child_s_error_is_its_last_line_or_how_it_ended():
    for code, message in (("import sys; sys.exit('error: no such flag')", "no such flag"),
                          ("import os; os.kill(os.getpid(), 9)", "ended with status -9")):  # fmt: skip
        with pytest.raises(UserError, match=message):
            report.output_of([sys.executable, "-c", code])
    assert report.output_of([sys.executable, "-c", "print(3)"]) == "3\n"


def test_render_compares_with_the_bare_rate(tmp_path):
    bare, whole = run("render", tmp_path, "--num_objects=1", "--num_views=5", "--image_size=64")
    assert bare["images_per_s"] > whole["images_per_s"] > 0 and whole["share"] < 1


def test_pipeline_times_every_stage(tmp_path):
    (row,) = run("pipeline", tmp_path, "--objects=3", "--num_views=2")
    assert row["objects"] == 3 and all(row[stage] > 0 for stage in ("render", "copy", "resize", "pickle", "shards"))
    assert row["total"] == pytest.approx(sum(row[stage] for stage in ("render", "copy", "resize", "pickle")))


def test_the_page_on_speed_is_made_from_the_kept_numbers():
    page = (REPO / "docs/speed.md").read_text()
    kept = sorted((REPO / "results/bench").glob("*.json"))
    assert kept
    for path in kept:
        assert report.markdown(report.load(path)) in page, (
            f"docs/speed.md: put in what python -m bench.report {path} prints"
        )


def test_a_file_that_is_no_benchmark_is_named(tmp_path):
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(UserError, match=r"x\.json: not a benchmark"):
        report.load(tmp_path / "x.json")
