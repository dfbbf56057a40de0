"""Memory and time of a training step of MAML against its inner steps, with and without --checkpoint_inner_steps.

Command: python -m bench.inner_steps [--steps=5,10,20] [--json=FILE] [-- --num_threads=1 --dim_im=64]
Cost: at the default settings on two cores some six minutes. Flags after -- go to maml_vanilla.
"""

from absl import flags

from bench import report, train_step
from metalearn.cli import int_list, run_main

FLAGS = flags.FLAGS


def main(argv):
    rows = []
    for steps in int_list("steps"):
        script_flags = [*argv[1:], f"--num_updates={steps}", "--summary_every=1"]
        kept, again = (
            train_step.measure_apart("maml_vanilla", [*script_flags, *more], plain=False)
            for more in ([], ["--checkpoint_inner_steps"])
        )
        row = {"steps": steps, "times": again["bare"] / kept["bare"]}
        for name, result in (("kept", kept), ("again", again)):
            row |= {f"{name}_mib": result["peak_memory_mib"], f"{name}_s": result["bare"]}
        rows.append(row)
    report.finish("inner_steps", rows, FLAGS.json, flags=argv[1:])


if __name__ == "__main__":
    flags.DEFINE_list("steps", "5,10,20", "numbers of inner steps in training")
    train_step.define_flags()
    run_main(main, positional=True)
