"""What a larger set of data costs: a CNP's seconds per step, memory and start-up against objects and tasks per step.

The step is np_vanilla's as it runs, with sampling and the reading of shards; start-up is from the start of the process
until the data are read.

Command: python -m bench.growth [--objects=50,500,2000] [--tasks=10,40] [--json=FILE] [-- --num_threads=1 --dim_im=64]
Cost: at the default settings on two cores some ten minutes, 4 GB of disk and 10 GB of memory. Flags after -- go to
np_vanilla.
"""

import itertools

from absl import flags

from bench import report, train_step
from metalearn.cli import int_list, run_main

FLAGS = flags.FLAGS


def main(argv):
    rows = []
    for form, objects, tasks in itertools.product(("pickle", "shards"), int_list("objects"), int_list("tasks")):
        data = [f"--num_train_objects={objects}", f"--num_views={FLAGS.views}", f"--format={form}"]
        script_flags = [*argv[1:], f"--meta_batch_size={tasks}", "--summary_every=20"]
        found = train_step.measure_apart("np_vanilla", script_flags, plain=False, data_flags=data)
        row = {"objects": objects, "views": FLAGS.views, "tasks": tasks, "format": form}
        rows.append(row | {"step_s": found["real"], "peak_mib": found["peak_memory_mib"], "start_s": found["start"]})
    report.finish("growth", rows, FLAGS.json, flags=argv[1:])


if __name__ == "__main__":
    flags.DEFINE_list("objects", "50,500,2000", "numbers of training objects")
    flags.DEFINE_list("tasks", "10,40", "numbers of tasks per step (--meta_batch_size)")
    flags.DEFINE_integer("views", 100, "views of an object", lower_bound=2)
    train_step.define_flags()
    run_main(main, positional=True)
