"""Train the runs that xla_export.py has written, with JAX; no TensorFlow and nothing else of this project is needed.

Command: python xla_run.py IMAGES.npz SECONDS RUN... (folders with the same program are compiled once)
IMAGES.npz: images [objects, views, side, side] uint8 and names [objects]. Writes RUN/trained.npz, after all iterations
or when SECONDS since the start are over.
"""

import dataclasses
import hashlib
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
jax.config.update("jax_enable_x64", True)  # the count of iterations is int64


def callable_of(path, args, results):
    """The StableHLO program in a file as a JAX function. args, results: lists of ShapeDtypeStruct."""
    with mlir.make_ir_context():
        module = ir.Module.parse(lzma.decompress(path.read_bytes()))
        artifact = stablehlo.serialize_portable_artifact(module, stablehlo.get_current_version())
    # A function of the same signature, of which only the program is exchanged.
    template = jax.export.export(jax.jit(lambda *_: [jnp.zeros(r.shape, r.dtype) for r in results]))(*args)
    everything = tuple(range(len(args)))
    return dataclasses.replace(template, mlir_module_serialized=artifact, module_kept_var_idx=everything).call


def shape_of(array):
    return jax.ShapeDtypeStruct(array.shape, array.dtype)


class Programs:
    """Compiled steps(variables, images, labels, objects, views, seeds) and val_error(weights, images, labels, objects,
    views, seed) of the programs of one run."""

    def __init__(self, run, about, start, images):
        shots, calls, tasks, side = (about[name] for name in ("shots", "steps_per_call", "tasks", "dim_im"))

        def batch_of(images, labels, objects, views):
            x, y = images[objects[..., None], views][..., None], labels[objects[..., None], views]
            return x[..., :shots, :, :, :], y[..., :shots, :], x[..., shots:, :, :, :], y[..., shots:, :]

        def program(name, arguments, variables, results):
            """As a function of a list of arguments and a dict of variables."""
            inputs = about["inputs"][name]

            def given(arguments, variables):
                return [arguments[int(n)] if n.isdecimal() else variables[n] for n in inputs]

            call = callable_of(run / f"{name}.mlir.xz", given(arguments, variables), results)
            return lambda arguments, variables: call(*given(arguments, variables))

        def index(*shape):
            return jax.ShapeDtypeStruct(shape, np.uint8), jax.ShapeDtypeStruct((*shape, 2 * shots), np.uint8)

        variables = {n: shape_of(start[f"variable/{n}"]) for n in about["inputs"]["train"] if not n.isdecimal()}
        weights = [shape_of(start[f"variable/{name}"]) for name in about["weights"]]
        of_one = [jax.ShapeDtypeStruct(w.shape[1:], w.dtype) for w in weights]
        labels = [shape_of(start[f"{part}_labels"]) for part in ("train", "val")]
        images = [shape_of(part) for part in images]
        seeds = jax.ShapeDtypeStruct((calls, 1, 2), np.int32)
        given = [jax.eval_shape(batch_of, images[i], labels[i], *index(*shape)) for i, shape in enumerate([(calls, 1, tasks), (tasks,)])]
        metrics = jax.ShapeDtypeStruct((calls, len(about["metrics"]), 1), np.float32)
        train = program("train", [*given[0], seeds], variables, [metrics, *[variables[n] for n in about["updated"]]])
        seed, error = jax.ShapeDtypeStruct((2,), np.int32), jax.ShapeDtypeStruct((), np.float32)
        val = program("val", [*of_one, *given[1], seed], {}, [error])

        def steps(variables, images, labels, objects, views, seeds):
            metrics, *values = train([*batch_of(images, labels, objects, views), seeds], variables)
            return metrics, variables | dict(zip(about["updated"], values, strict=True))

        def val_error(weights, images, labels, objects, views, seed):
            return val([*[w[0] for w in weights], *batch_of(images, labels, objects, views), seed], {})[0]

        lowered = jax.jit(steps, donate_argnums=0).lower(variables, images[0], labels[0], *index(calls, 1, tasks), seeds)
        self.steps = lowered.compile()
        self.val_error = jax.jit(val_error).lower(weights, images[1], labels[1], *index(tasks), seed).compile()


def say(text):
    print(f"{time.monotonic() - BEGUN:6.1f} s  {text}", flush=True)


def draw(about, start, part, step):
    """Objects [tasks] and views [tasks, 2 x shots] of a meta-batch: what PoseSplit.sample draws for this trial."""
    rng = np.random.default_rng([*about["seed"], 2 if part == "train" else 3, step])
    number, num_views, _ = start[f"{part}_labels"].shape
    objects = [rng.permutation(number)[0] for _ in range(about["tasks"])]
    views = np.argsort(rng.random((about["tasks"], 1, num_views)), axis=-1)[:, 0, : 2 * about["shots"]]
    return np.array(objects, np.uint8), views.astype(np.uint8)


def train(run, about, start, images, programs, seconds):
    state = run / "state.npz"  # to go on from, where there was no time for all iterations
    came = dict(np.load(state)) if state.exists() else start | {name: np.zeros(0) for name in ("seconds", "val_error")}
    names = [n for n in about["inputs"]["train"] if not n.isdecimal()]
    variables = {name: jnp.asarray(came[f"variable/{name}"]) for name in names}
    fixed = {n: jnp.asarray(start[f"variable/{n}"]) for n in about["weights"] if n not in variables}  # not trained
    labels = [jnp.asarray(start[f"{part}_labels"]) for part in ("train", "val")]
    every, calls, total = about["summary_every"], about["steps_per_call"], about["iterations"]
    times, errors, metrics = list(came["seconds"]), list(came["val_error"]), [came["metrics"]] if "metrics" in came else []
    begun, step = time.monotonic() - (times[-1] if times else 0), len(times) * every
    while step < total and time.monotonic() - BEGUN < seconds:
        interval = []
        for first in range(step, step + every, calls):
            steps = range(first, first + calls)
            objects, views = zip(*(draw(about, start, "train", i) for i in steps), strict=True)
            seeds = np.array([[[about["noise_seed"], i]] for i in steps], np.int32)
            episodes = np.stack(objects)[:, None], np.stack(views)[:, None]
            of_call, variables = programs.steps(variables, images[0], labels[0], *episodes, seeds)
            interval.append(of_call)
        step += every
        weights, seed = [(variables | fixed)[name] for name in about["weights"]], [about["noise_seed"], -step]
        error = programs.val_error(weights, images[1], labels[1], *draw(about, start, "val", step), np.array(seed, np.int32))
        errors.append(float(error))
        times.append(time.monotonic() - begun)
        metrics.append(np.concatenate([np.asarray(part)[:, :, 0] for part in interval]))
        means = metrics[-1].mean(axis=0)
        if not np.isfinite(means).all():
            return say(f"{run.name}: not finite at {step}")
        if len(errors) % 10 == 0 or step == total:
            numbers = "  ".join(f"{name} {value:.4g}" for name, value in zip(about["metrics"], means, strict=True))
            say(f"{run.name}  {step}/{total}  {numbers}  val {np.mean(errors[-10:]):.3f}  {step / times[-1]:.1f} it/s")
    if not times:
        return say(f"{run.name}: nothing done")
    curve = {"metrics": np.concatenate(metrics), "seconds": np.array(times), "val_error": np.array(errors)}
    arrays = {f"variable/{name}": np.asarray(value) for name, value in (variables | fixed).items()}
    np.savez(state, **arrays, **curve)
    np.savez(run / "trained.npz", **{f"variable/{n}": arrays[f"variable/{n}"] for n in about["weights"]}, **curve)
    say(f"{run.name}: {step} iterations in {times[-1]:.1f} s")


def reduced(images, side):
    """uint8 [..., n, n] -> [..., side, side], means over square blocks."""
    k = images.shape[-1] // side
    return images if k == 1 else np.rint(images.reshape(*images.shape[:-2], side, k, side, k).mean(axis=(-3, -1))).astype(np.uint8)


def main(argv):
    path, seconds, *runs = argv
    data = np.load(path)
    images, names = data["images"], list(data["names"])
    programs = {}
    say(f"{jax.devices()[0].device_kind}, JAX {jax.__version__}")
    for run in map(Path, runs):
        if time.monotonic() - BEGUN > float(seconds):
            say(f"{run.name}: no time left")
            continue
        about, start = json.loads((run / "about.json").read_text()), dict(np.load(run / "start.npz"))
        own = [
            jnp.asarray(reduced(images[[names.index(n) for n in about[f"{part}_names"]]], about["dim_im"]))
            for part in ("train", "val")
        ]
        key = hashlib.sha256((run / "train.mlir.xz").read_bytes()).hexdigest(), *[len(part) for part in own]
        if key not in programs:
            programs[key] = Programs(run, about, start, own)
            say(f"{run.name}: compiled")
        objects, views = draw(about, start, "train", 0)
        support = own[0][objects[:, None], views][:, about["shots"] :]
        assert np.array_equal(support[..., None], start["first_query_x"]), "another NumPy or other images"
        train(run, about, start, own, programs[key], float(seconds))


if __name__ == "__main__":
    main(sys.argv[1:])
