"""A run folder's name: a preset with a change is another run."""

from pathlib import Path

import pytest
from learners import script

from metalearn.cli import UserError
from metalearn.run_name import run_name

REPO = Path(__file__).resolve().parents[1]
PRESET = f"--flagfile={REPO}/presets/small/np_bbb.cfg"
UPSTREAM = "np_bbb.beta-0.001.update_lr-0.0005"


def name(monkeypatch, *arguments):
    arguments = ["--data_dir=/d", *arguments]
    monkeypatch.setattr("sys.argv", ["np_bbb.py", *arguments])
    with script("np_bbb", *arguments):
        return run_name("np_bbb", ("beta", "update_lr"), "num_updates")


@pytest.mark.parametrize("arguments, tag", [
    (["--dim_w=10"], ".dim_w-10"),
    (["--rho_lr=0.002", "--init", "glorot"], ".init-glorot.rho_lr-0.002"),
    (["--nodeterministic", "--n_hidden_units_g=50,50"], ".deterministic-False.n_hidden_units_g-50,50"),
    (["--seed=3"], ".seed-3"),
    (["--seed", "3", "--data_dir", "data"], ".seed-3"),  # a value that is the name of a flag
    (["--data=a/train.pkl,val.pkl"], ".data-a_train.pkl,val.pkl"),
    (["--tag=mine", "--dim_w=10"], ".mine"),
    (["--trial=2", "--num_trials=3", "--logdir=/l", "--num_updates=7", "--eval_episodes=2", "--num_threads=1"], ""),
    (["--num_theta_samples=9", "--train=False"], ""),
])  # fmt: skip
def test_what_a_command_line_changes_of_a_preset_is_in_the_name(arguments, tag, monkeypatch):
    preset = name(monkeypatch, PRESET)
    assert name(monkeypatch, PRESET, *arguments) == preset + tag


def test_upstream_s_flags_give_upstream_s_names(monkeypatch):
    assert name(monkeypatch) == name(monkeypatch, "--dim_w=10") == UPSTREAM
    assert name(monkeypatch, "--dim_w=10", "--tag=mine") == f"{UPSTREAM}.mine"
    assert name(monkeypatch, PRESET, "--beta=0.1").startswith("np_bbb.beta-0.1.update_lr-")


def test_the_flags_of_a_run_lead_to_its_folder_and_a_further_change_to_another(monkeypatch, tmp_path):
    own = tmp_path / "flags.cfg"
    own.write_text("--dim_w=10\n--rho_lr=0.002\n--tag=dim_w-10.rho_lr-0.002\n")
    assert name(monkeypatch, f"--flagfile={own}") == f"{UPSTREAM}.dim_w-10.rho_lr-0.002"
    assert name(monkeypatch, f"--flagfile={own}", "--dim_w=12") == f"{UPSTREAM}.dim_w-12.rho_lr-0.002"


def test_a_flag_that_a_flagfile_after_it_overrides_is_refused(monkeypatch, tmp_path):
    own = tmp_path / "flags.cfg"
    own.write_text(
        "--dim_w=10\n--rho_lr=0.002\n--nodeterministic\n--n_hidden_units_g=50,50\n--num_threads=2\n--trial=3\n"
        "--num_theta_samples=5\n--tag=long\n"
    )
    for words in (
        ["--dim_w=12"], ["--dim_w", "12"], ["--deterministic"], ["--n_hidden_units_g=50"], ["--num_theta_samples=9"],
        ["--tag=mine"],
    ):  # fmt: skip
        with pytest.raises(UserError, match=f"{words[0]}: a --flagfile after it has --.*; give it after that"):
            name(monkeypatch, *words, f"--flagfile={own}")
        assert name(monkeypatch, *words, f"--flagfile={own}", *words).startswith(UPSTREAM)
    same = "--dim_w=9", "--dim_w=10", "--nodeterministic", "--beta=0.1"
    same += "--num_threads=1", "--trial=1"  # which a list gives
    assert name(monkeypatch, PRESET, *same, f"--flagfile={own}").startswith("np_bbb.beta-0.1.")


@pytest.mark.parametrize("tag", ["long", "h", "adapted-decay-long", "mine.v2"])
def test_a_tag_of_one_s_own_stays_in_the_name(tag, monkeypatch, tmp_path):
    own = tmp_path / "flags.cfg"
    own.write_text(f"--dim_w=10\n--tag={tag}\n")
    assert name(monkeypatch, f"--flagfile={own}") == name(monkeypatch, f"--flagfile={own}", "--train=False")
    assert name(monkeypatch, f"--flagfile={own}") == f"{UPSTREAM}.{tag}"
    own.write_text(f"--dim_w=10\n--rho_lr=0.002\n--tag={tag}.rho_lr-0.002\n")
    assert name(monkeypatch, f"--flagfile={own}", "--dim_w=12") == f"{UPSTREAM}.{tag}.dim_w-12.rho_lr-0.002"
