"""--precision=auto takes what is faster, once per run."""

import types
from unittest import mock

import keras
import pytest
import tiny
from absl import flags
from absl.testing import flagsaver
from scripts import error_line, run_script

from metalearn import devices, precision, run_folder, training

assert training  # for its flags
FLAGS = flags.FLAGS


@pytest.fixture
def auto():
    with flagsaver.flagsaver():
        FLAGS(["", "--precision=auto"])
        yield
    keras.config.set_dtype_policy("float32")


def choose(seconds, cpu, folders=()):
    """What `choose` makes of these seconds per step, and how many steps it tried."""
    tried = []

    def make_step(learner, batch, name):
        def step():
            tried.append(name)
            return seconds[name]

        return step

    train = types.SimpleNamespace(sample=lambda rng, size: None)
    with (
        mock.patch.object(devices, "cpu_bfloat16", return_value=cpu),
        mock.patch.object(precision, "_make_step", make_step),
        mock.patch.object(precision, "_SECONDS", 0.0),
    ):
        precision.choose(None, train, folders)
    assert keras.config.dtype_policy().name == FLAGS.precision
    return FLAGS.precision, len(tried)


@pytest.mark.parametrize("cpu", ["amx_bf16", "avx512_bf16", "unknown"])
@pytest.mark.parametrize("faster, slower", [("float32", "mixed_bfloat16"), ("mixed_bfloat16", "float32")])
def test_the_faster_precision_is_taken(auto, cpu, faster, slower):
    assert choose({faster: 1.0, slower: 1.5}, cpu)[0] == faster


def test_a_cpu_without_bfloat16_tries_nothing(auto):
    assert choose({"float32": 9.0, "mixed_bfloat16": 1.0}, None) == ("float32", 0)


def test_a_run_that_was_begun_keeps_its_precision(auto, tmp_path):
    (tmp_path / "flags.cfg").write_text("--precision_x=a\n--precision=mixed_bfloat16\n--seed=0\n")
    assert run_folder.recorded_flag(tmp_path, "precision") == "mixed_bfloat16"
    assert choose({"float32": 1.0, "mixed_bfloat16": 2.0}, "amx_bf16", [tmp_path / "new", tmp_path]) == (
        "mixed_bfloat16",
        0,
    )


@pytest.mark.parametrize(
    "cpu, warning",
    [(None, "several times faster"), ("avx512_bf16", "auto measures it"), ("amx_bf16", ""), ("unknown", "")],
)
def test_bfloat16_is_warned_of_where_it_may_be_slower(auto, cpu, warning, capsys):
    with (
        flagsaver.flagsaver(precision="mixed_bfloat16"),
        mock.patch.object(devices, "cpu_bfloat16", return_value=cpu),
    ):
        devices.configure()
    printed = capsys.readouterr().out
    assert warning in printed and ("warning" in printed) == bool(warning)


def test_workers_of_a_cluster_do_not_choose(auto):
    with flagsaver.flagsaver(strategy="multi_worker"), pytest.raises(precision.UserError, match="multi_worker"):
        precision.choose(None, None, [])


def test_a_script_chooses_and_goes_on_so(data_dir, tmp_path):
    script = "maml_vanilla"
    folder = tiny.trained(script, data_dir, tmp_path, "--precision=auto")
    chosen = run_folder.recorded_flag(folder, "precision")
    assert chosen in ("float32", "mixed_bfloat16")
    settings = [f"--data_dir={data_dir}", f"--logdir={tmp_path}", *tiny.of_script(script, 3)]
    other = {"float32": "mixed_bfloat16", "mixed_bfloat16": "float32"}[chosen]
    refused = run_script("pose_code", script, *settings, f"--precision={other}")
    assert f"--precision was {chosen}" in error_line(refused)
    done = run_script("pose_code", script, *settings, "--precision=auto")
    assert done.returncode == 0 and "resuming" in done.stdout and "--precision=auto:" not in done.stdout, done.stderr
