"""The look-up of support views: exact where the query is among them, blind to what is not, in the tables."""

import json

import numpy as np
from scripts import error_line, run_script

from metalearn.tasks import MetaBatch
from pose_code import lookup
from pose_data import pickles


def test_a_query_that_is_a_support_view_has_its_label_and_one_between_two_has_their_mean():
    x = np.zeros((1, 3, 2, 2, 1), np.uint8)
    x[0, :, 0, 0, 0] = 0, 100, 200
    y = np.array([[[1.0], [5.0], [9.0]]], np.float32)
    batch = MetaBatch(x, y, x[:, [2, 0, 0]], None)
    batch.query_x[0, 2, 0, 0, 0] = 150
    predictions, pre_mse = lookup.predict(batch, None, width=30.0)
    np.testing.assert_allclose(predictions, [[[9.0], [1.0], [7.0]]], atol=1e-5)
    assert pre_mse is None


def test_the_width_is_chosen_on_the_training_objects_and_the_result_is_a_row_of_a_table(tmp_path):
    rng = np.random.default_rng(0)
    angles = np.sort(rng.random((4, 12)), axis=1)
    views = np.zeros((4, 12, 4, 4), np.uint8)
    views[..., 0, 0] = 255 * angles  # a picture that shows its angle
    labels = np.stack([angles, angles, angles], axis=-1)
    pickles.dump([views[:3], labels[:3]], tmp_path / "train_data.pkl")
    pickles.dump([views[3:], labels[3:]], tmp_path / "val_data.pkl")
    flags = [f"--data_dir={tmp_path}", f"--logdir={tmp_path}/logs", "--dim_im=4", "--update_batch_size=6"]
    done = run_script("pose_code", "lookup", *flags)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "logs/lookup.update_batch_size-6.trial-1/result.json").read_text())
    assert result["meta_test_mse"] < 1.5 < result["shuffled_support_mse"]
    others = run_script("pose_code", "lookup", *flags, "--eval_shots=1", "--eval_label_noise=quarters")
    assert others.returncode == 0, others.stderr
    (path,) = (tmp_path / "logs").glob("*/result.json")
    assert set(json.loads(path.read_text())["others"]) == {"1_shots", "label_noise_quarters"}
    for flag in ("--label_noise=uniform", "--num_trials=2", "--ema_decay=0.9", "--distinct_tasks", "--init=glorot"):
        refused = run_script("pose_code", "lookup", *flags, flag)
        assert f"{flag.partition('=')[0]}: nothing is learned here" in error_line(refused)
    table = run_script("pose_code", "summarize", f"--logdir={tmp_path}/logs")
    assert "| look-up of 6 views |" in table.stdout
