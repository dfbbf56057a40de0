"""The presets: their flags are those of their scripts."""

from pathlib import Path

import pytest
from learners import script

from metalearn.cli import UserError

REPO = Path(__file__).resolve().parents[1]
METHODS = {"finetune", "maml_vanilla", "maml_bbb", "maml_ib", "np_vanilla", "np_bbb", "np_ib", "np_all_bbb"}
POSE_PRESETS = [path for preset in ("paper", "small", "quick") for path in (REPO / "presets" / preset).glob("*.cfg")]


@pytest.mark.parametrize("path", POSE_PRESETS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_preset_gives_flags_and_values_that_its_script_takes(path):
    with script(path.stem, f"--flagfile={path}") as module:
        assert module.make_learner()


def test_paper_and_small_have_every_method_and_the_paper_s_settings():
    for preset in ("paper", "small"):
        assert {path.stem for path in (REPO / "presets" / preset).glob("*.cfg")} >= METHODS
    with script("np_bbb", f"--flagfile={REPO}/presets/paper/np_bbb.cfg") as module:
        settings = module.FLAGS
        assert (settings.dim_im, settings.meta_batch_size, settings.update_batch_size) == (128, 10, 15)
        assert (settings.dim_w, settings.dim_z, settings.beta) == (20, 200, 1e-3)
    with script("maml_bbb", f"--flagfile={REPO}/presets/paper/maml_bbb.cfg") as module:
        settings = module.FLAGS
        assert (settings.dim_w, settings.num_updates, settings.test_num_updates) == (14 * 14, 5, 20)
        assert (settings.update_lr, settings.beta) == (0.01, 0.1)


@pytest.mark.parametrize(
    "path, arguments, expected",
    [
        ("pose_code/maml_vanilla", "--stop_grad", {"adapt_encoder": True, "stop_grad": True, "beta": 0.0}),
        ("pose_code/maml_bbb", "--theta_per=set --beta=2", {"adapt_encoder": False, "theta_per": "set", "beta": 2.0}),
        ("pose_code/maml_bbb", "--adapt_encoder", {"adapt_encoder": True, "theta_per": "meta_batch"}),
        ("pose_code/maml_ib", "--kl_on=support --beta=2", {"stochastic_code": True, "kl_on": "support", "beta": 2.0}),
        ("pose_code/finetune", "", {"adapt_encoder": True, "num_updates": 0, "test_num_updates": 20}),
        ("pose_code/np_bbb", "--theta_per=set --beta=2 --facto=3", {"theta_per": "set", "beta": 2.0, "facto": 3.0}),
        ("pose_code/np_ib", "--kl_on=support", {"stochastic_code": True, "kl_on": "support"}),
        ("classification/maml", "--ways=5", {"adapt_encoder": True, "beta": 0.0, "task_penalty": None}),
        ("classification/maml", "--ways=5 --regularizer=weights --theta_per=set", {
            "adapt_encoder": False, "beta": 1e-5, "theta_per": "set",
        }),
        ("classification/maml", "--ways=5 --regularizer=activations --kl_on=support", {
            "adapt_encoder": False, "beta": 1e-5, "kl_on": "support", "stochastic_code": True,
        }),
        ("sinusoid/maml", "--regularizer=activations --beta=2 --kl_on=support --test_mean_code", {
            "beta": 2.0, "kl_on": "support", "test_mean_code": True, "stochastic_code": True,
        }),
        ("sinusoid/maml", "--regularizer=weights --beta=2 --theta_per=set --test_update_lr=3 --stop_grad", {
            "beta": 2.0, "theta_per": "set", "test_update_lr": 3.0, "stop_grad": True, "stochastic_code": False,
        }),
        ("sinusoid/cnp", "--regularizer=activations --beta=2 --kl_on=support --test_mean_code", {
            "kl_on": "support", "test_mean_code": True, "stochastic_code": True,
        }),
        ("sinusoid/cnp", "--regularizer=weights --beta=2 --theta_per=set", {
            "theta_per": "set", "stochastic_code": False,
        }),
    ],
)  # fmt: skip
def test_flags_reach_the_learner(path, arguments, expected):
    package, _, name = path.partition("/")
    with script(name, *arguments.split(), package=package) as module:
        learner = module.make_learner()
    assert {name: getattr(learner, name) for name in expected} == expected


def test_a_second_draw_that_an_adapted_encoder_has_no_use_for_is_refused():
    with script("maml_bbb", "--data_dir=/d", "--adapt_encoder", "--theta_per=set") as module:
        with pytest.raises(UserError, match="--theta_per=set: with --adapt_encoder"):
            module.make_learner()
