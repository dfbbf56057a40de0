"""Training runs small enough to be killed and damaged many times, and what they leave."""

import csv
import json
import time

import numpy as np
from tensorflow.python.summary.summary_iterator import summary_iterator
from tiny import TINY_MAML, TINY_NP, TINY_SINUSOID

TRAINING = {
    "pose_code/np_bbb": [*TINY_NP, "--num_updates=12"],
    "pose_code/maml_bbb": [*TINY_MAML, "--metatrain_iterations=12"],
    "sinusoid/cnp": [*TINY_SINUSOID, "--num_updates=12", "--regularizer=weights"],
}


def all_files(folder):
    """{relative path: bytes}, hidden ones too: what a killed process leaves is litter."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def records(folder):
    """What a finished run leaves, except for times: checkpoint, curve, result, examples, TensorBoard's steps."""
    with np.load(folder / "checkpoint-final.npz") as file:
        arrays = {name: file[name] for name in file.files if name != "note"}
        note = json.loads(str(file["note"]))
    with open(folder / "curve.csv", newline="") as file:
        curve = [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]
    result = json.loads((folder / "result.json").read_text())
    for record in (note, result):
        for name in ("logdir", "data_dir"):
            record["flags"].pop(name, None)
    numbers = {name: value for name, value in result.items() if name not in ("wall_time_s", "command")}
    return arrays, curve, numbers, note["step"], note["flags"], tensorboard_steps(folder)


def tensorboard_steps(folder):
    """The steps that have a training loss in the folder's event files."""
    return {
        event.step
        for path in folder.glob("events.*")
        for event in summary_iterator(str(path))
        for value in event.summary.value
        if value.tag == "metatrain_full_loss"
    }


def assert_same_records(folder, expected):
    found = records(folder)
    assert found[0].keys() == expected[0].keys()
    for name, array in expected[0].items():
        np.testing.assert_array_equal(found[0][name], array, err_msg=name)
    assert found[1:] == expected[1:]
    steps = [int(row["iteration"]) for row in found[1]]
    assert steps == list(range(1, 13)) and found[5] == set(steps)
    assert not list(folder.glob(".*.tmp*")), "a killed process's file is left"


def training(script, data_dir, logdir):
    """Arguments of start_script for a script of TRAINING."""
    folder, name = script.split("/")
    data = [f"--data_dir={data_dir}"] if folder == "pose_code" else []
    return folder, name, f"--logdir={logdir}", *data, *TRAINING[script]


def wait_for(condition, seconds=60):
    """The first value of condition() that is true."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return value
