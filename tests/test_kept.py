"""Kept results name no folder of the machine that made them."""

import json
import re
from pathlib import Path

import pytest
from test_summarize import write_run

from metalearn import kept, results
from metalearn.cli import UserError
from pose_code import paper

REPO = Path(__file__).resolve().parents[1]
RESULTS = sorted((REPO / "results").rglob("result.json"))


@pytest.mark.parametrize(
    ("path", "end"),
    [("/a/b/cars/split-1", "cars/split-1"), ("/a/pose_code/np_ib.py", "pose_code/np_ib.py"), ("/a/logs/quick", "quick"),
     ("presets/quick/np_bbb.cfg", "presets/quick/np_bbb.cfg"), ("", "")],
)  # fmt: skip
def test_an_absolute_path_is_cut_to_the_end_that_tells_things_apart(path, end):
    result = {"flags": {"data_dir": path, "beta": 0.1}, "command": f"python --data_dir={path} --beta=0.1 '{path}'"}
    cut = kept.without_machine(result)
    assert cut["flags"] == {"data_dir": end, "beta": 0.1}
    assert cut["command"].split()[1:3] == [f"--data_dir={end}", "--beta=0.1"]


def test_each_path_of_a_list_is_cut():
    data = ["/a/b/train.pkl", "c/val.pkl"]
    cut = kept.without_machine({"flags": {"data": data}, "command": f"python --data={','.join(data)}"})
    assert cut == {"flags": {"data": ["train.pkl", "c/val.pkl"]}, "command": "python --data=train.pkl,c/val.pkl"}


def test_runs_of_one_name_are_not_kept_over_each_other(tmp_path):
    for folder, error in (("float32", 1.0), ("bfloat16", 2.0)):
        write_run(tmp_path / folder, "np_bbb.beta-0", 1, error, "np_bbb")
    with pytest.raises(
        UserError, match=r"--keep=.*: 2 runs are named np_bbb\.beta-0\.trial-1; keep those of one folder"
    ):
        kept.keep(results.load_results([tmp_path], paper), tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_kept_runs_make_the_same_table(tmp_path):
    for trial in (1, 2):
        for method, error in (("np_vanilla", 9.0), ("np_bbb", 3.0)):
            write_run(tmp_path / "logs", method, trial, error, method, data_dir=f"/home/me/cars/split-{trial}")
    runs = results.load_results([tmp_path / "logs"], paper)
    kept.keep(runs, tmp_path / "kept/logs")
    again = results.load_results([tmp_path / "kept/logs"], paper)
    assert results.markdown(again) == results.markdown(runs)
    assert (tmp_path / "kept/logs/np_bbb.trial-1/curve.csv").exists()
    assert (
        json.loads((tmp_path / "kept/logs/np_bbb.trial-1/result.json").read_text())["flags"]["data_dir"]
        == "cars/split-1"
    )


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: str(path.parent.relative_to(REPO / "results")))
def test_no_kept_result_names_a_folder_of_a_machine(path):
    result = json.loads(path.read_text())
    assert kept.without_machine(result) == result
    assert not re.search(r"/(work|tmp|home|root)/", json.dumps(result))
