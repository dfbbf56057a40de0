"""Train on a machine that has JAX but no TensorFlow: the compiled step goes there, the weights come back.

1. export: runs a training script up to its first step and writes to FOLDER what that step is, the program that XLA
   compiles (StableHLO), with start values, labels and seeds; and the same for the held-out error of the curve.
2. xla_run.py, there: all iterations, or as many as there is time for.
3. import: the same script again, with what came back in place of training: curve, checkpoint, evaluation, result.json.

Command: python -m bench.xla_export export|import FOLDER SCRIPT FLAGS... (pose_code.np_bbb --flagfile=... --trial=1)
Cost: seconds, and of import the evaluation. FOLDER has one folder per run, with the run folder's name.
"""

import importlib
import json
import lzma
import re
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import flags

from metalearn import image_networks, training, xla
from metalearn.cli import UserError, run_main
from pose_code.pose_dataset import LABEL_SCALE

FLAGS = flags.FLAGS


def export(trainer, to):
    """Write the run of `trainer`, of pose tasks, to the folder `to`. Raises UserError for what xla_run.py cannot do."""
    every = FLAGS.summary_every
    if trainer.iterations % every or every % FLAGS.steps_per_call:
        raise UserError(f"--summary_every={every}: give a divisor of the iterations and multiple of --steps_per_call")
    if FLAGS.distinct_tasks or FLAGS.num_classes > 1 or FLAGS.num_trials > 1:
        raise UserError("--distinct_tasks, --num_classes, --num_trials: xla_run.py has their defaults only")
    (trial,) = trainer.trials.folders
    steps, variables = range(trainer.iterations), trainer.trials.variables
    batches = trainer.trials.sample(trainer.train, FLAGS.meta_batch_size, "train", steps[: FLAGS.steps_per_call])
    seeds = np.zeros([len(batches.support_y), 1, 2], np.int32)

    def val_error(weights, batch, seed):
        predictions, _ = trainer.learner.predict(weights, batch, seed)
        return tf.reduce_mean(trainer.learner.objective.error(predictions, batch.query_y))

    programs = {
        "train": _program(trainer._train_steps, (batches, seeds), variables),
        "val": _program(
            val_error, (trainer.trials.of(0), tf.nest.map_structure(lambda x: x[0, 0], batches), seeds[0, 0]), {}
        ),
    }
    rates = {id(optimizer.learning_rate) for optimizer, _ in trainer.optimizers}
    names = {id(variable): name for name, variable in variables.items()}
    about = {
        "iterations": trainer.iterations, "summary_every": every, "steps_per_call": FLAGS.steps_per_call,
        "inputs": {name: inputs for name, (_, inputs) in programs.items()},
        "updated": [n for n in programs["train"][1] if n in variables and id(variables[n]) not in rates],
        "weights": [names[id(variable)] for variable in tf.nest.flatten(trainer.trials.weights)],
        "noise_seed": int(trial.rng("noise").integers(2**31)), "seed": [FLAGS.seed, FLAGS.trial],
        "metrics": trainer.metric_names,
        "dim_im": FLAGS.dim_im, "shots": trainer.train.shots, "tasks": FLAGS.meta_batch_size,
        "label_noise": FLAGS.label_noise, "label_scale": LABEL_SCALE,
        "train_names": trainer.train.names, "val_names": trainer.val.names,
    }  # fmt: skip
    to.mkdir(parents=True, exist_ok=True)
    (to / "about.json").write_text(json.dumps(about, indent=1))
    for name, (text, _) in programs.items():
        (to / f"{name}.mlir.xz").write_bytes(lzma.compress(text.encode()))
    np.savez_compressed(
        to / "start.npz", train_labels=trainer.train.labels, val_labels=trainer.val.labels,
        first_query_x=batches.query_x[0, 0],
        **{f"variable/{name}": variable.numpy() for name, variable in variables.items()},
    )  # fmt: skip
    print(f"{to}: {len(variables)} variables, {len(programs['train'][0]) / 2**20:.1f} MB of program")


def _program(function, arguments, variables):
    """StableHLO of function(*arguments) as text, and the names of its inputs: the numbers of the arguments, then those
    of `variables`."""
    arguments = tf.nest.map_structure(tf.convert_to_tensor, arguments)
    traced, compiled = xla.Compiled(function).of(*arguments)
    flat = tf.nest.flatten(arguments)
    text = compiled.experimental_get_compiler_ir(*flat)(stage="stablehlo")
    names = {id(variable.handle): name for name, variable in variables.items()}
    inputs = [*map(str, range(len(flat))), *(names[id(handle)] for handle in traced.captured_inputs)]
    if len(inputs) != len(re.findall(r"%arg\d+: ", re.search(r"func @main\(.*", text)[0])):
        raise RuntimeError("XLA has made constants of some inputs")
    # TensorFlow's text has one operation, a copy, and attributes of a dialect of its own.
    text = re.sub(r"mhlo\.copy (%\w+) : (tensor<[^>]*>)", r"stablehlo.reshape \1 : (\2) -> \2", text)
    text = re.sub(r" \{mhlo\.frontend_attributes = \{[^{}]*\}\}", "", text)
    text = re.sub(r"^(module @\S+) attributes \{.*\} \{$", r"\1 {", text, flags=re.MULTILINE)
    return text, inputs


def take(trainer, run):
    """Have the weights and the curve that xla_run.py has written, as if trained here."""
    (trial,) = trainer.trials.folders
    about = json.loads((run / "about.json").read_text())
    with np.load(run / "trained.npz") as file:
        came = dict(file)
    if len(came["metrics"]) != trainer.iterations:
        raise UserError(f"{run}: has {len(came['metrics'])} of {trainer.iterations} iterations")
    for name in about["weights"]:
        trainer.trials.variables[name].assign(came[f"variable/{name}"])
    trial.step = 0  # a curve of an earlier import goes
    trial.trained_on = list(map(str, came.get("devices", ["an unknown device"])))
    trial.begin()
    every, error = about["summary_every"], trainer.learner.objective.name
    for i, (seconds, val_error) in enumerate(zip(came["seconds"], came["val_error"], strict=True)):
        trial.step, trial.seconds = (i + 1) * every, float(seconds)
        means = came["metrics"][i * every : trial.step].mean(axis=0)
        row = {f"metatrain_{name}": float(value) for name, value in zip(about["metrics"], means, strict=True)}
        trial.record(row | {f"metaval_{error}": float(val_error)}, trainer.tags)
    trainer.step = trial.step


def main(argv):
    if len(argv) < 4 or argv[1] not in ("export", "import"):
        sys.exit("error: give export or import, a folder, a script such as pose_code.np_bbb, and the script's flags")
    what, folder, script = argv[1:4]

    def instead(trainer):
        run = Path(folder) / trainer.trials.folders[0].folder.name
        if what == "import":
            return take(trainer, run)
        export(trainer, run)
        sys.exit()

    training.Trainer.train_loop = instead
    module = importlib.import_module(script)
    sys.modules["__main__"].__spec__ = None  # what runs is the script: records have its name
    module.define_flags()
    sys.argv = [str(Path(module.__file__).resolve()), "--jit_compile", *argv[4:]]
    if what == "export":  # as on a GPU: all tasks and all images at once
        image_networks._CACHE_BYTES = 2**60
        sys.argv += ["--inner_loop=vectorized"] * ("inner_loop" in FLAGS)
    run_main(module.main)


if __name__ == "__main__":
    main(sys.argv)
