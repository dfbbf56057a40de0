"""A trained learner small enough to ship: its weights alone, a posterior's means, without optimizer and rho.

Command: python -m metalearn.export --run=RUN --out=FOLDER
Cost: seconds. `restore(FOLDER)` gives the learner, which then predicts with the means.
"""

from pathlib import Path

from absl import flags

from metalearn import checkpoints, kept
from metalearn.cli import UserError, run_main

FLAGS = flags.FLAGS


def export(folder, out):
    """Write the newest checkpoint of a run folder to `out`/checkpoint-final.npz. Raises UserError as `restore`, and if
    `out` is a run folder, whose checkpoint could not be trained on any more."""
    from metalearn.restore import restore
    from metalearn.run_folder import newest_checkpoint

    if (Path(out) / "flags.cfg").exists():
        raise UserError(f"--out={out}: a run folder; give another")
    run, (_, note) = restore(folder), newest_checkpoint(Path(folder))
    means = {
        f"{module}/{name}": mean.numpy() for module, part in run.weights.items() for name, mean in part.mean.items()
    }
    used = kept.without_machine({"flags": note["flags"]})["flags"] | {"ema_decay": None}
    Path(out).mkdir(parents=True, exist_ok=True)
    checkpoints.save(Path(out) / "checkpoint-final.npz", means, note | {"flags": used, "means_only": True})


def main(argv):
    del argv
    export(FLAGS.run, FLAGS.out)


if __name__ == "__main__":
    flags.DEFINE_string("run", None, "run folder with a checkpoint", required=True)
    flags.DEFINE_string("out", None, "folder to write to", required=True)
    run_main(main)
