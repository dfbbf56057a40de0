"""The classification scripts: what they learn, their records, resume, trials side by side, replicas, bad flags."""

import json

import numpy as np
import pytest
import tensorflow as tf
from learners import script
from scripts import REPO, error_line, run_script, start_script, training_losses

from classification import class_file, class_learners
from classification.tasks import split_classes
from metalearn.restore import restore
from metalearn.tasks import MetaBatch

TINY = [
    "--dim_im=16", "--ways=3", "--num_train_classes=6", "--dim_w=16", "--num_filters=8", "--meta_batch_size=2",
    "--num_test_tasks=4", "--num_updates=1", "--test_num_updates=1", "--num_theta_samples=2",
    "--metatrain_iterations=2", "--summary_every=1", "--checkpoint_every=1", "--num_threads=1",
]  # fmt: skip


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """Ten classes of six noisy images of a pattern of 16x16 pixels each."""
    folder, rng = tmp_path_factory.mktemp("classes"), np.random.default_rng(0)
    patterns = rng.integers(256, size=(10, 1, 16, 16, 1))
    images = np.clip(patterns + rng.normal(0, 20, (10, 6, 16, 16, 1)), 0, 255).astype(np.uint8)
    class_file.save(folder / class_file.NAME, images, [f"c{i}" for i in range(10)])
    return folder


def start(name, data_dir, logdir, *flags):
    return start_script("classification", name, f"--data_dir={data_dir}", f"--logdir={logdir}", *TINY, *flags)


def finished(run, logdir):
    """The run's folder and result."""
    done = run.wait()
    assert done.returncode == 0, done.stderr
    (path,) = logdir.glob("*trial-1/result.json")
    return path.parent, json.loads(path.read_text())


@pytest.mark.parametrize(
    "kind, flag, beta", [("taml", "--taml", ""), ("activations", "--regularizer=activations", ".beta-1e-05")]
)
def test_a_run_records_what_tables_4_and_5_need_and_is_restored(kind, flag, beta, data_dir, tmp_path):
    folder, result = finished(start("maml", data_dir, tmp_path, flag), tmp_path)
    assert folder.name == f"class_maml_{kind}.ways-3.update_batch_size-1.meta_lr-0.001.update_lr-0.1{beta}.trial-1"
    assert 0 <= result["meta_test_accuracy"] <= 100 and len(result["per_object"]) == 4
    np.testing.assert_allclose(result["meta_test_accuracy"], np.mean(result["per_object"]), rtol=1e-6)
    assert {"meta_train_pre_accuracy", "pre_accuracy", "shuffled_support_accuracy", "cross_entropy"} <= set(result)
    assert set(result["per_class"]) <= {f"c{i}" for i in range(10)} and len(result["per_class"]) >= 3
    with np.load(folder / "examples.npz") as examples:
        assert examples["support_x"].shape == (2, 3, 16, 16, 1) and examples["prediction"].shape == (2, 3, 3)
    run = restore(folder)
    ((_, batch),) = class_learners.load_tasks(run.flags)[1].evaluation_batches(0, 1, 4)
    predictions, before = run.predict(batch, tf.constant([0, 0]))
    assert predictions.shape == (4, 3, 3) and before.shape == (4,)


@pytest.mark.parametrize("kind", ["finetune", "nearest"])
def test_joint_training_s_two_baselines_evaluate_on_tasks_of_new_classes(kind, data_dir, tmp_path):
    flags = [flag for flag in TINY if "num_updates=1" not in flag or "test" in flag]
    data = [f"--data_dir={data_dir}", f"--logdir={tmp_path}"]
    run = start_script(
        "classification", "joint", *data, *flags, f"--classify={kind}", "--metatrain_iterations=60", "--meta_lr=5e-3"
    )
    _, result = finished(run, tmp_path)
    assert result["flags"]["num_outputs"] == 6 and result["pre_accuracy"] is None
    losses = training_losses(tmp_path)
    assert losses[-1] < 0.7 * losses[0]  # six patterns are soon told apart
    if kind == "nearest":
        assert result["meta_test_accuracy"] > 70  # of patterns with little noise


def test_fine_tuning_takes_gradient_steps_of_the_whole_network_from_a_last_layer_of_zeros():
    rng, sizes = np.random.default_rng(0), ["--dim_im=16", "--ways=3", "--dim_w=16", "--num_filters=8"]
    x, y = rng.integers(256, size=(2, 1, 6, 16, 16, 1)).astype(np.uint8), np.eye(3, dtype=np.float32)[[[0, 1, 2] * 2]]
    with script("joint", *sizes, "--num_outputs=6", "--update_lr=0.5", package="classification") as module:
        learner = module.make_learner()
        weights = tf.nest.map_structure(tf.constant, learner.init(rng))
        predictions, _ = learner.predict(weights, MetaBatch(x[0], y, x[1], y), None, num_updates=3)
    offsets = weights["offsets"].mean
    expected = weights["encoder"].mean | weights["head"].mean
    expected |= {"head_out/kernel": tf.zeros([8, 3]), "head_out/bias": tf.zeros(3)}
    for _ in range(3):
        with tf.GradientTape() as tape:
            tape.watch(expected)
            loss = learner.objective.loss(learner._logits(expected | offsets, x[0, 0]), y[0])
        gradients = tape.gradient(loss, expected)
        expected = {name: w - 0.5 * gradients[name] for name, w in expected.items()}
    np.testing.assert_allclose(predictions[0], learner._logits(expected | offsets, x[1, 0]), rtol=1e-3, atol=1e-5)


def test_maml_learns_its_classes_by_heart(data_dir, tmp_path):
    settings = ["--metatrain_iterations=100", "--update_lr=1e-4", "--meta_lr=5e-3", "--summary_every=50"]
    _, result = finished(start("maml", data_dir, tmp_path, *settings, "--num_test_tasks=60"), tmp_path)
    assert result["meta_train_pre_accuracy"] > 90  # without having seen a support set
    assert result["meta_test_accuracy"] < 60
    assert abs(result["shuffled_support_accuracy"] - result["meta_test_accuracy"]) < 15


def test_a_run_in_two_parts_two_replicas_and_trials_side_by_side_are_the_run(data_dir, tmp_path):
    flags = ["--regularizer=weights", "--beta=1e-3", "--norm=none", "--metatrain_iterations=4"]
    others = {
        "parts": ["--metatrain_iterations=2"],
        "replicas": ["--strategy=mirrored", "--num_replicas=2"],
        "trials": ["--num_trials=2"],
        "bfloat16": ["--precision=mixed_bfloat16"],
    }
    runs = {name: start("maml", data_dir, tmp_path / name, *flags, *own) for name, own in others.items()}
    finished(start("maml", data_dir, tmp_path / "whole", *flags), tmp_path / "whole")
    whole = training_losses(tmp_path / "whole")
    for name, run in runs.items():
        finished(run, tmp_path / name)
        if name == "parts":
            _, result = finished(start("maml", data_dir, tmp_path / name, *flags), tmp_path / name)
            assert result["iterations"] == 4 and training_losses(tmp_path / name) == whole
        np.testing.assert_allclose(
            training_losses(tmp_path / name), whole, rtol=0.1 if name == "bfloat16" else 2e-4, err_msg=name
        )


def test_taml_s_penalty_is_the_entropy_after_adapting_less_that_before():
    with script("maml", "--taml_factor=3", package="classification") as module:
        before, after = np.zeros((5, 4), np.float32), np.tile(np.float32([50, 0, 0, 0]), (5, 1))
        np.testing.assert_allclose(module.taml_penalty(3.0, before, after), -3 * np.log(4), rtol=1e-5)


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--strategy=mirrored"], "--strategy=mirrored: the batch norm is over a whole meta-batch"),
        (["--mutually_exclusive"], "--mutually_exclusive: training tells all classes apart at once"),
        (["--task_sets"], "--task_sets: training tells all classes apart at once"),
        (["--num_outputs=5"], "--num_outputs=5: there are 6 training classes"),
    ],
)
def test_a_flag_that_joint_training_has_no_use_for_is_refused(flags, message, data_dir, tmp_path):
    own = [flag for flag in TINY if not flag.startswith("--num_updates")]
    done = run_script("classification", "joint", f"--data_dir={data_dir}", f"--logdir={tmp_path}/l", *own, *flags)
    assert message in error_line(done) and not (tmp_path / "l").exists()


def test_a_number_of_training_classes_is_refused_where_the_classes_have_a_division(data_dir):
    classes = class_file.load(data_dir / class_file.NAME)
    divided = classes._replace(split=np.array(["train"] * 6 + ["test"] * 4))
    assert [len(part.names) for part in split_classes(divided, None, 0, "test")] == [6, 4]
    with pytest.raises(class_file.UserError, match="--num_train_classes=2: these classes have a division"):
        split_classes(divided, 2, 0, "test")


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--dim_im=28"], "classes.npz: give --dim_im=16 --channels=1, as its images are"),
        (["--ways=5"], "--ways=5: a split has 4 classes"),
        (["--update_batch_size=4"], "--update_batch_size=4: with 4 query images"),
        (["--num_train_classes=10"], "--num_train_classes=10: there are 10 in all"),
        (["--taml", "--regularizer=weights"], "--taml with --regularizer=weights: give one of them"),
        (["--strides=1,1"], "--strides=1,1: give four"),
        (["--task_sets", "--mutually_exclusive"], "--task_sets: its sets have fixed labels"),
        (["--data_dir=/nowhere"], "/nowhere/classes.npz: no such file; make it with"),
    ],
)
def test_a_bad_flag_is_one_line(flags, message, data_dir, tmp_path):
    done = run_script("classification", "maml", f"--data_dir={data_dir}", f"--logdir={tmp_path}/l", *TINY, *flags)
    assert message in error_line(done) and done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "l").exists()


def test_a_damaged_class_file_is_one_line(data_dir, tmp_path):
    content = (data_dir / class_file.NAME).read_bytes()
    for damaged in (b"", b"PK", content[: len(content) // 2], content.replace(b"names.npy", b"nomes.npy")):
        (tmp_path / class_file.NAME).write_bytes(damaged)
        with pytest.raises(class_file.UserError, match=r"classes\.npz: not a file of classes, or damaged"):
            class_file.load(tmp_path / class_file.NAME)
    refused = 0
    for place in range(0, len(content), max(1, len(content) // 200)):  # another byte: zlib has errors of its own
        (tmp_path / class_file.NAME).write_bytes(
            content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]
        )
        try:
            class_file.load(tmp_path / class_file.NAME)
        except class_file.UserError:
            refused += 1
    assert refused > 100


PRESETS = sorted((REPO / "presets/classification").glob("*/*.cfg"))


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_preset_gives_flags_and_values_that_its_script_takes(path):
    kind = path.stem.partition("_")[0]
    with script(
        kind, f"--flagfile={path}", "--num_outputs=5" if kind == "joint" else "--ways=5", package="classification"
    ) as module:
        assert module.make_learner().init(np.random.default_rng(0))
