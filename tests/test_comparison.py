"""Paired differences between methods."""

import json
import re

import numpy as np
import pytest
from test_summarize import write_run

from metalearn import comparison, results
from pose_code import paper


def trial(split, objects, errors):
    return {"flags": {"data_dir": split}, "objects": objects, "per_object": errors}


def test_a_difference_is_paired_by_split_and_object():
    one = [trial("s1", ["a", "b"], [1.0, 5.0]), trial("s2", ["b", "c"], [6.0, 2.0])]
    other = [trial("s2", ["c", "b"], [1.0, 4.0]), trial("s1", ["a", "b"], [0.0, 3.0]), trial("s3", ["d"], [99.0])]
    found = comparison.paired(one, other)
    assert found.mean == pytest.approx((1 + 2 + 2 + 1) / 4) and (found.objects, found.by_split) == (3, (1.5, 1.5))
    assert 1 <= found.low < found.mean < found.high <= 2


def test_trials_of_one_split_are_averaged_first():
    one = [trial("s", ["a"], [1.0]), trial("s", ["a"], [3.0])]
    assert comparison.paired(one, [trial("s", ["a"], [1.0])]) == (1.0, 1.0, 1.0, 1, (1.0,))


def test_the_interval_holds_the_true_difference_in_about_95_of_100_samples_and_shrinks_with_objects():
    rng, names = np.random.default_rng(0), [f"o{i}" for i in range(30)]
    hits, widths = 0, []
    for _ in range(200):
        easy = rng.gamma(1.0, 3.0, 30)  # objects differ tenfold
        found = comparison.paired([trial("s", names, easy + 1 + rng.normal(size=30))], [trial("s", names, easy)])
        hits += found.low <= 1 <= found.high
        widths.append(found.high - found.low)
    assert 180 <= hits <= 197
    assert 0.5 < np.mean(widths) < 0.9  # 2 * 1.96 / sqrt(30)


def test_the_interval_does_not_depend_on_how_many_numbers_are_drawn_at_once(monkeypatch):
    rng, names = np.random.default_rng(0), [f"o{i}" for i in range(7)]
    one, other = ([trial("s", names, rng.gamma(1.0, 3.0, 7))] for _ in range(2))
    whole = comparison.paired(one, other)
    monkeypatch.setattr(comparison, "_NUMBERS", 100)
    assert comparison.paired(one, other) == whole


def test_one_object_has_no_interval(tmp_path):
    for method, error in (("np_vanilla", 9.0), ("np_bbb", 3.0)):
        write_run(tmp_path, method, 1, error, method)
        result = tmp_path / f"{method}.trial-1/result.json"
        result.write_text(json.dumps(json.loads(result.read_text()) | {"per_object": [error]}))
    assert "interval" not in results.markdown(results.load_results([tmp_path], paper))


def test_methods_without_a_common_split_cannot_be_compared():
    assert comparison.paired([trial("s", ["a"], [1.0])], [trial("t", ["a"], [1.0])]) is None


def test_results_from_before_objects_were_named_are_paired_by_number():
    old = [{"flags": {"data_dir": "s"}, "per_object": [1.0, 2.0]}]
    assert comparison.paired(old, old)[:3] == (0.0, 0.0, 0.0)


def test_runs_are_on_one_split_if_their_held_out_data_are_the_same_wherever_these_were():
    one, other = trial("/here/split-1", ["a", "b"], [1.0, 5.0]), trial("/there", ["a", "b"], [0.0, 3.0])
    assert comparison.paired([one], [other]) is None
    of_earlier, of_today = {"data": ["t", "v"]}, {"data": ["t-images", "v-images"]}
    found = comparison.paired([one | of_earlier], [other | of_today])
    assert (found.mean, found.by_split) == (1.5, (1.5,))
    assert comparison.paired([one | of_earlier], [other | {"data": ["t", "w"]}]) is None


def test_the_differences_of_splits_are_told_in_the_order_of_the_trials():
    one = [trial("s2", ["a", "b"], [3.0, 5.0]), trial("s1", ["a"], [1.0])]
    other = [trial("s1", ["a"], [4.0]), trial("s2", ["a", "b"], [1.0, 1.0])]
    assert comparison.paired(one, other).by_split == (3.0, -3.0)


def test_the_same_data_divided_by_another_seed_are_another_split():
    def tasks(seed, error):
        return {"flags": {"data_dir": "s", "data_seed": seed}, "per_object": [error]}

    assert comparison.paired([tasks(1, 1.0), tasks(2, 3.0)], [tasks(2, 1.0)])[:1] == (2.0,)
    assert comparison.paired([tasks(1, 1.0)], [tasks(2, 1.0)]) is None


def test_rows_are_compared_with_those_of_the_same_settings(tmp_path):
    for init, plain in (("released", 9.0), ("glorot", 8.0)):
        write_run(tmp_path, f"np_vanilla.init-{init}", 1, plain, "np_vanilla", weight_decay=False, init=init, dim_r=100)
        write_run(tmp_path, f"np_bbb.init-{init}", 1, plain - 6, "np_bbb", init=init, beta=1e-3, dim_r=200)
    write_run(tmp_path, "np_bbb.init-keras", 1, 4.0, "np_bbb", init="keras", beta=1e-3, dim_r=200)
    lines = re.findall(r"\nMR-.*below CNP.*", results.markdown(results.load_results([tmp_path], paper)))
    told = [re.search(r"init=(\w+).*init=(\w+).*Their --(.*) differ", line).groups() for line in lines]
    assert sorted(told) == [
        ("glorot", "glorot", "dim_r"),
        ("keras", "glorot", "dim_r, --init"),  # no CNP has its settings
        ("keras", "released", "dim_r, --init"),
        ("released", "released", "dim_r"),
    ]
