"""The HTML report, as text and as a browser shows it."""

import io
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image
from test_summarize import write_run

from metalearn import results
from metalearn.cli import UserError
from pose_code import paper, pose_report

BROWSER = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome"))), None)


@pytest.fixture
def logdir(tmp_path):
    rng = np.random.default_rng(0)
    for name, method, mse in (("np_bbb.beta-0.001", "np_bbb", 3.0), ("maml_bbb.beta-0.1", "maml_bbb", 2.5)):
        for trial in (1, 2):
            write_run(tmp_path / "small", name, trial, mse + trial, method, data_dir="/data/<pascal>")
            examples = {
                "query_x": rng.integers(256, size=(7, 4, 16, 16, 1)).astype(np.uint8),
                "query_y": np.full((7, 4, 1), 2.5), "prediction": np.full((7, 4, 1), 5.0),
            }  # fmt: skip
            if method == "maml_bbb":
                examples["prediction_before"] = np.full((7, 4, 1), 0.0)
            np.savez(tmp_path / "small" / f"{name}.trial-{trial}" / "examples.npz", **examples)
    return tmp_path / "small"


def test_it_has_every_part_and_needs_no_other_file(logdir, tmp_path):
    pose_report.write(tmp_path / "report.html", results.load_results([logdir], paper))
    page = (tmp_path / "report.html").read_text()
    assert "<td>MR-CNP (W)</td><td>4.50 (0.71)</td><td>2.89 (0.18)</td>" in page
    assert "&lt;pascal&gt;, run folders small" in page and "/data/<pascal>" not in page
    assert page.count('class="plot"') == 2 and page.count("<figure>") == 2 * pose_report.NUM_OBJECTS * 4
    assert "true 90°, predicted 180°" in page and "true 90°, predicted 0° → 180°" in page  # CNP, MAML
    assert "<summary>MR-MAML (W), 2 trials: maml_bbb.beta-0.1</summary>" in page
    assert not re.search(r"(src|href)=.(?!data:)", page)


def test_it_has_the_intervals_under_the_table_and_its_flags_as_code(logdir, tmp_path):
    write_run(logdir, "np_vanilla", 1, 9.0, "np_vanilla", data_dir="/data/<pascal>")
    write_run(
        logdir, "np_bbb.beta-1", 1, 5.0, "np_bbb", beta=1.0, layers=["9", "9"], data_dir="/data/<pascal>", tag=None
    )
    pose_report.write(tmp_path / "report.html", results.load_results([logdir], paper))
    page = (tmp_path / "report.html").read_text()
    assert "<p>MR-CNP (W) <code>--beta=1 --layers=9,9</code> is 4.00 below CNP: 95 % interval 4.00 to 4.00 over" in page
    assert "<td>MR-CNP (W) <code>--beta=1 --layers=9,9</code></td>" in page and "--tag" not in page
    assert "<code>--beta=1</code> <code>--layers=9,9</code>" in page


def test_a_damaged_examples_file_is_named(logdir, tmp_path):
    examples = logdir / "np_bbb.beta-0.001.trial-1/examples.npz"
    whole, one_array = examples.read_bytes(), io.BytesIO()
    np.save(one_array, np.zeros(3))
    half = len(whole) // 2
    other_byte = whole[:half] + bytes([whole[half] ^ 0xFF]) + whole[half + 1 :]
    for damaged in (b"PK", one_array.getvalue(), other_byte):
        examples.write_bytes(damaged)
        with pytest.raises(UserError, match=r"trial-1/examples\.npz: damaged"):
            pose_report.write(tmp_path / "report.html", results.load_results([logdir], paper))
    assert not (tmp_path / "report.html").exists()


@pytest.mark.skipif(BROWSER is None, reason="no headless browser")
def test_a_browser_shows_tables_plots_pictures_and_dials(logdir, tmp_path):
    pose_report.write(tmp_path / "report.html", results.load_results([logdir], paper))
    picture = tmp_path / "report.png"
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1200,3200",
        f"--screenshot={picture}", f"file://{tmp_path}/report.html",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    pixels = np.asarray(Image.open(picture).convert("RGB")).astype(int)
    colors = {"plots": (31, 119, 180), "dials": (204, 34, 34), "text": (34, 34, 34)}
    counts = {name: (abs(pixels - color).sum(axis=2) < 30).sum() for name, color in colors.items()}
    assert counts["plots"] > 5000 and counts["dials"] > 1000 and counts["text"] > 1000, counts
    # the views are noise: no other part of the page has so many different greys
    greys = pixels[(np.ptp(pixels, axis=2) == 0)][:, 0]
    assert (np.bincount(greys, minlength=256)[60:200] > 100).all()
