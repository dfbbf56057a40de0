"""The benchmarks run, at tiny sizes; their numbers hang together; the README has the tables of the kept JSON files."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import report
from pose_data.cli import UserError

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


def test_train_step_refuses_unknown_scripts(tmp_path):
    failed = subprocess.run(
        [sys.executable, "-m", "bench.train_step", "--scripts=np_x"], capture_output=True, text=True
    )
    assert failed.returncode == 1 and failed.stderr.startswith("error: --scripts: no script np_x")


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
