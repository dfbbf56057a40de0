"""The presets: their flags are those of their scripts."""

from pathlib import Path

import pytest
from learners import script

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
