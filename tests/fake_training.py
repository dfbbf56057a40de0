"""A training script without TensorFlow, for the launcher's tests: a line a step in FOLDER/steps, from where it was."""

import sys
import time
from pathlib import Path

flags = dict(argument.lstrip("-").split("=", 1) for argument in sys.argv[1:])
folder = Path(flags["folder"]) / f"trial-{flags.get('trial')}"
if flags.get("broken"):
    sys.exit(f"error: --broken={flags['broken']}: as asked")
folder.mkdir(parents=True, exist_ok=True)
if "logdir" in flags:  # timed by --dry_run, which takes away what is written
    folder = Path(flags["logdir"])
steps, iterations = folder / "steps", int(flags["iterations"])
every, cost = int(flags.get("summary_every") or flags.get("every", 5)), float(flags.get("summary_seconds", 0))
step = len(steps.read_text().splitlines()) if steps.exists() else 0
if step >= iterations:
    print("finished before")
elif step:
    print(f"resuming at {step}")
while step < iterations:
    time.sleep(0.01)
    step += 1
    with open(steps, "a") as file:
        file.write(f"{step} {flags['num_threads']}\n")
    if step % every == 0:
        time.sleep(cost)
        print(
            f"iteration {step}/{iterations}  train_mse 1.0  100 it/s  {(iterations - step) / 6000} min left", flush=True
        )
