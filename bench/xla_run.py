"""Train the runs that xla_export.py has written, with JAX: no TensorFlow and nothing else of this project is needed.

Command: python xla_run.py IMAGES.npz SECONDS RUN... (one after the other; those of one program compile it once)
IMAGES.npz: images [objects, views, side, side] uint8 and their names [objects]. Writes RUN/trained.npz, and
RUN/state.npz to go on from, after all iterations or when SECONDS since the start are over.
"""

import dataclasses
import json
import lzma
import sys
import time
from pathlib import Path

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
from jax._src.interpreters import mlir
from jax._src.lib.mlir import ir
from jaxlib.mlir.dialects import stablehlo

BEGUN = time.monotonic()
jax.config.update("jax_enable_x64", True)  # an optimizer counts its steps in int64
PARTS = ("train", "val")


def say(text):
    print(f"{time.monotonic() - BEGUN:6.1f} s  {text}", flush=True)


def as_jax(path, args, results):
    """The program in a file as a function of JAX. args, results: lists of ShapeDtypeStruct."""
    with mlir.make_ir_context():
        module = ir.Module.parse(lzma.decompress(path.read_bytes()))
        artifact = stablehlo.serialize_portable_artifact(module, stablehlo.get_current_version())
    # a function of the same signature, of which the program is exchanged
    template = jax.export.export(jax.jit(lambda *_: [jnp.zeros(r.shape, r.dtype) for r in results]))(*args)
    kept = tuple(range(len(args)))
    return dataclasses.replace(template, mlir_module_serialized=artifact, module_kept_var_idx=kept).call


def shape_of(array):
    return jax.ShapeDtypeStruct(array.shape, array.dtype)


def shapes_of(shape, dtype, *more):
    """ShapeDtypeStruct [*shape, *last] for each `last` of `more`."""
    return [jax.ShapeDtypeStruct((*shape, *last), dtype) for last in more]


class Programs:
    """The two programs of a run, compiled, with the images gathered in them:
    steps(variables, images, labels, *draws, seeds) -> (metrics [steps, metrics, 1], variables after them) and
    val_error(weights, images, labels, *draw, seed) -> scalar, where a draw is objects, views, turns of `draw`."""

    def __init__(self, run, about, start, images):
        shots, calls, tasks = about["shots"], about["steps_per_call"], about["tasks"]

        def batch_of(images, labels, objects, views, turns):
            x, y = images[objects[..., None], views][..., None], labels[objects[..., None], views]
            if about["label_noise"] != "none":
                y = y.at[..., -1].set(jnp.mod(y[..., -1] + turns[..., None], jnp.float32(about["label_scale"])))
            return x[..., :shots, :, :, :], y[..., :shots, :], x[..., shots:, :, :, :], y[..., shots:, :]

        def program(part, arguments, variables, results):
            def inputs(arguments, variables):
                names = about["inputs"][part]
                return [arguments[int(name)] if name.isdecimal() else variables[name] for name in names]

            function = as_jax(run / f"{part}.mlir.xz", inputs(arguments, variables), results)
            return lambda arguments, variables: function(*inputs(arguments, variables))

        def drawn(*shape):
            """Images, labels and draws of the meta-batches of that shape, and these meta-batches."""
            part = len(shape) == 1
            data = shape_of(images[part]), shape_of(start[f"{PARTS[part]}_labels"])
            data += *shapes_of(shape, np.uint16, (), (2 * shots,)), *shapes_of(shape, np.float32, ())
            return data, jax.eval_shape(batch_of, *data)

        variables = {name: shape_of(start[f"variable/{name}"]) for name in variables_of(about)}
        weights = [shape_of(start[f"variable/{name}"]) for name in about["weights"]]
        data, batches = drawn(calls, 1, tasks)
        val_data, val_batch = drawn(tasks)
        (seeds,), (seed,) = shapes_of((calls, 1), np.int32, (2,)), shapes_of((), np.int32, (2,))
        metrics, error = shapes_of((), np.float32, (calls, len(about["metrics"]), 1), ())
        results = [metrics, *[variables[name] for name in about["updated"]]]
        train = program("train", [*batches, seeds], variables, results)
        of_trial = [jax.ShapeDtypeStruct(weight.shape[1:], weight.dtype) for weight in weights]
        val = program("val", [*of_trial, *val_batch, seed], {}, [error])

        def steps(variables, images, labels, objects, views, turns, seeds):
            metrics, *values = train([*batch_of(images, labels, objects, views, turns), seeds], variables)
            return metrics, variables | dict(zip(about["updated"], values, strict=True))

        def val_error(weights, images, labels, objects, views, turns, seed):
            return val([*[w[0] for w in weights], *batch_of(images, labels, objects, views, turns), seed], {})[0]

        self.steps = jax.jit(steps, donate_argnums=0).lower(variables, *data, seeds).compile()
        self.val_error = jax.jit(val_error).lower(weights, *val_data, seed).compile()


def variables_of(about):
    """Names of what the training program takes beside a meta-batch and seeds: weights and the optimizers' state."""
    return [name for name in about["inputs"]["train"] if not name.isdecimal()]


def draw(about, start, part, step):
    """Objects [tasks], views [tasks, 2 x shots] and what is added to the labels [tasks] of a meta-batch: what
    PoseSplit.sample draws for this trial."""
    rng = np.random.default_rng([*about["seed"], 2 + PARTS.index(part), step])
    number, num_views, _ = start[f"{part}_labels"].shape
    objects = [rng.permutation(number)[0] for _ in range(about["tasks"])]
    views = np.argsort(rng.random((about["tasks"], 1, num_views)), axis=-1)[:, 0, : 2 * about["shots"]]
    noise, turns = about["label_noise"] if part == "train" else "none", np.zeros(about["tasks"])
    if noise != "none":
        turns = rng.random(len(turns)) if noise == "uniform" else rng.integers(4, size=len(turns)) / 4
    return np.array(objects, np.uint16), views.astype(np.uint16), (turns * about["label_scale"]).astype(np.float32)


def train(run, about, start, images, programs, seconds):
    """All iterations, or those that there is time for.

    images: uint8 [objects, views, side, side] of the training and of the held-out objects; programs: Programs. Writes
    the variables, metrics [iterations, metrics], and of each summary seconds and val_error [summaries].
    """
    state = run / "state.npz"
    came = dict(np.load(state)) if state.exists() else start | dict.fromkeys(("seconds", "val_error"), np.zeros(0))
    variables = {name: jnp.asarray(came[f"variable/{name}"]) for name in variables_of(about)}
    fixed = {name: jnp.asarray(start[f"variable/{name}"]) for name in about["weights"] if name not in variables}
    labels = [jnp.asarray(start[f"{part}_labels"]) for part in PARTS]
    every, calls, total = about["summary_every"], about["steps_per_call"], about["iterations"]
    times, errors, step = list(came["seconds"]), list(came["val_error"]), len(came["seconds"]) * every
    metrics, begun = [came["metrics"]] if step else [], time.monotonic() - (times[-1] if step else 0.0)
    while step < total and time.monotonic() - BEGUN < seconds:
        interval = []
        for first in range(step, step + every, calls):
            draws = zip(*(draw(about, start, "train", i) for i in range(first, first + calls)), strict=True)
            episodes = [np.stack(drawn)[:, None] for drawn in draws]
            seeds = np.array([[[about["noise_seed"], i]] for i in range(first, first + calls)], np.int32)
            of_call, variables = programs.steps(variables, images[0], labels[0], *episodes, seeds)
            interval.append(of_call)
        step += every
        weights = [(variables | fixed)[name] for name in about["weights"]]
        seed = np.array([about["noise_seed"], -step], np.int32)
        errors.append(float(programs.val_error(weights, images[1], labels[1], *draw(about, start, "val", step), seed)))
        times.append(time.monotonic() - begun)
        metrics.append(np.concatenate([np.asarray(part)[:, :, 0] for part in interval]))
        if not np.isfinite(metrics[-1]).all():
            return say(f"{run.name}: not finite at {step}")
        if len(errors) % 10 == 0 or step == total:
            means = zip(about["metrics"], metrics[-1].mean(axis=0), strict=True)
            numbers = "  ".join(f"{name} {value:.4g}" for name, value in means)
            rate = f"{step / times[-1]:.1f} it/s"
            say(f"{run.name}  {step}/{total}  {numbers}  val {np.mean(errors[-10:]):.3f}  {rate}")
    if not times:
        return say(f"{run.name}: nothing done")
    curve = {"metrics": np.concatenate(metrics), "seconds": np.array(times), "val_error": np.array(errors)}
    device = jax.devices()[0]
    name = "CPU" if device.platform == "cpu" else device.device_kind
    curve["devices"] = np.unique([*came.get("devices", []), name])
    arrays = {f"variable/{name}": np.asarray(value) for name, value in (variables | fixed).items()}
    np.savez(state, **arrays, **curve)
    np.savez(run / "trained.npz", **{f"variable/{n}": arrays[f"variable/{n}"] for n in about["weights"]}, **curve)
    say(f"{run.name}: {step} iterations in {times[-1]:.1f} s")


def reduced(images, side):
    """uint8 [..., n, n] -> [..., side, side], means over square blocks."""
    k = images.shape[-1] // side
    blocks = images.reshape(*images.shape[:-2], side, k, side, k)
    return images if k == 1 else np.rint(blocks.mean(axis=(-3, -1))).astype(np.uint8)


def main(argv):
    path, seconds, *runs = argv
    data, compiled = np.load(path), {}
    every_image, names = data["images"], list(data["names"])
    say(f"{jax.devices()[0].device_kind}, JAX {jax.__version__}")
    for run in map(Path, runs):
        if time.monotonic() - BEGUN > float(seconds):
            say(f"{run.name}: no time left")
            continue
        about, start = json.loads((run / "about.json").read_text()), dict(np.load(run / "start.npz"))
        rows = [[names.index(name) for name in about[f"{part}_names"]] for part in PARTS]
        images = [jnp.asarray(reduced(every_image[part], about["dim_im"])) for part in rows]
        objects, views, _ = draw(about, start, "train", 0)
        query = images[0][objects[:, None], views[:, about["shots"] :]]
        if not np.array_equal(query[..., None], start["first_query_x"]):
            raise ValueError(f"{run}: the first meta-batch is another here: other images, or another NumPy")
        # What is compiled also turns the labels, or not, before the program has them.
        program = (run / "train.mlir.xz").read_bytes(), about["label_noise"] == "none"
        if program not in compiled:
            compiled[program] = Programs(run, about, start, images)
            say(f"{run.name}: compiled")
        train(run, about, start, images, compiled[program], float(seconds))


if __name__ == "__main__":
    main(sys.argv[1:])
