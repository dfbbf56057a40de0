"""How fast a training step is, for every training script: bare, as the script really runs, and against the machine.

1. first: seconds from the first call of the step function to its result (tracing and all).
2. bare: seconds per step on a batch in memory. real: the same with sampling, summaries and the validation batch at
   the script's default intervals, over one interval.
3. GFLOP/s of the bare step, from the counted multiply-adds (multiply_adds.py), and its share of the rate of the best
   matrix product in the same process, precision and threads.
4. plain, of four scripts: seconds per step as one would write it with Keras layers (plain_step.py), at the same
   weights, batch, precision and threads, and how many times as long as the bare step that is; both by turns.

Command: python -m bench.train_step [--scripts=np_bbb,maml_bbb] [--json=FILE] [-- --num_threads=1 --dim_im=64]
Cost: at the default settings on two cores about half an hour; noise in place of data. Flags after -- go to the scripts.
"""

import json
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

from absl import flags

from bench import report
from metalearn.cli import UserError, run_main

FLAGS = flags.FLAGS

SCRIPTS = ("maml_vanilla", "maml_bbb", "maml_ib", "finetune", "np_vanilla", "np_bbb", "np_ib", "np_all_bbb")


def measure(script, seconds, plain):
    """The numbers of one script as a dict, with those of the plain step if `plain`; run in a process of its own, whose
    arguments are the script's flags. start: seconds from here until the data are read."""
    process_begun = time.monotonic()
    import importlib

    import numpy as np
    import tensorflow as tf

    from bench import multiply_adds, plain_step
    from metalearn import devices, optimizers, training
    from metalearn.run_folder import RunFolder

    measured = {}

    def time_run(learner, train, val, *, method, iterations_flag, learning_rates, group_of=None, **kwargs):
        measured["start"] = time.monotonic() - process_begun
        devices.configure()
        dtype = tf.bfloat16 if FLAGS.precision == "mixed_bfloat16" else tf.float32
        matmul_rate = _best_matmul_gflops(tf, dtype)
        trial = RunFolder(Path(FLAGS.logdir) / method, FLAGS.trial, method, iterations_flag)
        optimizer_of = optimizers.make(learning_rates, kwargs.get("weight_decay", 0.0))
        run = training.Trainer(learner, train, val, [trial], FLAGS.summary_every, optimizer_of, group_of)
        steps = range(FLAGS.steps_per_call)
        batches = run.trials.sample(train, FLAGS.meta_batch_size, "train", steps)
        seeds = tf.constant([[(0, step)] for step in steps], tf.int32)

        def step():
            begun = time.monotonic()
            run.train_steps(batches, seeds).numpy()
            return (time.monotonic() - begun) / len(steps)

        first = step()
        step()
        bare = [step()]
        while sum(bare) * len(steps) < seconds or len(bare) < 3:
            bare.append(step())
        val_batch = tf.nest.map_structure(lambda x: x[0, 0], run.trials.sample(val, FLAGS.meta_batch_size, "val", [0]))
        run.predict(run.trials.of(0), val_batch, seeds[0, 0])  # traced before the clock runs
        begun = time.monotonic()
        run.train_loop()
        real = (time.monotonic() - begun) / run.iterations
        flag_values = {flag: FLAGS[flag].value for flag in FLAGS}
        gflops = 2e-9 * multiply_adds.of_script(script, flag_values) / np.median(bare)
        measured.update(
            script=script, precision=FLAGS.precision, first=first, bare=statistics.median(bare), bare_min=min(bare),
            steps=len(bare), real=real, gflops=gflops, matmul_gflops=matmul_rate, share=gflops / matmul_rate,
            peak_memory_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        )  # fmt: skip
        if plain and script in plain_step.SCRIPTS:
            plain_run = plain_step.PlainStep(script, run.trials.of(0))
            batch = tf.nest.map_structure(lambda x: tf.constant(x[0, 0]), batches)

            def plain_step_time():
                begun = time.monotonic()
                plain_run.step(batch).numpy()
                return time.monotonic() - begun

            plain_step_time(), plain_step_time()
            own, others = [], []
            while sum(others) < seconds or len(others) < 3:
                own.append(step())
                others.append(plain_step_time())
            measured.update(plain=statistics.median(others), speedup=statistics.median(others) / statistics.median(own))

    module = importlib.import_module(f"pose_code.{script}")
    training.run = time_run
    module.define_flags()
    FLAGS(sys.argv)
    module.main([])
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in measured.items()}


def _best_matmul_gflops(tf, dtype, n=2048):
    """The best of some products of n x n matrices, in GFLOP/s."""
    from bench import multiply_adds

    a, b = (tf.cast(tf.random.stateless_normal([n, n], [0, seed]), dtype) for seed in (0, 1))
    product = tf.function(tf.linalg.matmul)
    times = []
    for _ in range(12):
        begun = time.monotonic()
        product(a, b)[0, 0].numpy()
        times.append(time.monotonic() - begun)
    return 2e-9 * multiply_adds.matmul(n) / min(times)


def measure_apart(script, script_flags, plain=True, data_flags=()):
    """`measure` of one script at `script_flags`, on noise (data_flags: create_fake_data's), in a process of its own."""
    print(f"{script} {' '.join([*script_flags, *data_flags])} ...", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pose_data.create_fake_data", f"--out_dir={folder}", *data_flags]
        report.output_of(command)
        code = f"print(t.json.dumps(t.measure({script!r}, {FLAGS.seconds}, {plain})))"
        command = [sys.executable, "-c", f"from bench import train_step as t; {code}"]
        command += [f"--data_dir={folder}", f"--logdir={folder}", *script_flags]
        return json.loads(report.output_of(command).splitlines()[-1])


def define_flags():
    flags.DEFINE_float("seconds", 20.0, "seconds of bare steps, at least three steps", lower_bound=0.0)
    flags.DEFINE_string("json", None, "file to write the numbers to")


def main(argv):
    scripts, script_flags = FLAGS.scripts, argv[1:]
    if unknown := set(scripts) - set(SCRIPTS):
        raise UserError(f"--scripts: no script {', '.join(sorted(unknown))}; give some of {', '.join(SCRIPTS)}")
    rows = [measure_apart(script, script_flags) for script in scripts]
    report.finish("train_step", rows, FLAGS.json, flags=script_flags)


if __name__ == "__main__":
    flags.DEFINE_list("scripts", list(SCRIPTS), "training scripts to measure")
    define_flags()
    run_main(main, positional=True)
