"""Work spread over processes that end with their parent, and a progress line."""

import concurrent.futures
import importlib.util
import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from metalearn.cli import UserError

MAX_NUM_WORKERS = 1024


def default_num_workers():
    """Return the number of CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def run_tasks(function, tasks, num_workers, report):
    """Call `report(function(task))` for each task as the results come, from up to `num_workers` processes.

    `function` is defined at the top of a module; `report` runs in this process. Ctrl-C and SIGTERM stop the
    workers at once and raise KeyboardInterrupt; after an exception of `function` or `report` they end what they have
    begun, and it is raised here. Raises UserError when a worker dies (out of memory, a crash in a library), naming the
    tasks that were running.
    """
    if not tasks:
        return
    # Spawned, not forked: a forked OpenGL or NumPy state is not safe to use.
    executor = concurrent.futures.ProcessPoolExecutor(
        min(num_workers, len(tasks)), multiprocessing.get_context("spawn"), initializer=_start_worker
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    futures = {}
    with executor:
        try:
            # The workers start here and inherit "ignore Ctrl-C": the parent alone reacts to it.
            handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
            for task in tasks:
                futures[executor.submit(function, task)] = task
            signal.signal(signal.SIGINT, handler)
            for future in concurrent.futures.as_completed(futures):
                report(future.result())
                del futures[future]
        except BrokenProcessPool as error:
            at_work = " or ".join(str(task[0]) for task in list(futures.values())[:num_workers])  # begun in their order
            raise UserError(
                f"a worker process died (out of memory?) at work on {at_work}; what is done is kept: run the same "
                "command again, with a smaller --num_workers (in a script: below if __name__ == '__main__':)"
            ) from error
        except Exception:
            executor.shutdown(cancel_futures=True)
            raise
        except BaseException:
            for worker in multiprocessing.active_children():
                worker.terminate()
            raise


def _start_worker():
    os.environ["LP_NUM_THREADS"] = "0"  # software OpenGL draws in this thread: the processes are the parallelism
    # Gymnasium imports glfw, which looks for its library in a process of its own; killed meanwhile, that one prints a
    # traceback. Told where it is, glfw does not look.
    if glfw := importlib.util.find_spec("glfw"):
        for library in sorted(Path(glfw.origin).parent.glob("x11/libglfw.so")):
            os.environ.setdefault("PYGLFW_LIBRARY", str(library))
    # A SIGKILL of the parent tells the workers nothing; without this they would wait forever.
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent():
    multiprocessing.parent_process().join()
    os._exit(1)


class Progress:
    """Prints `<verb> 12/67 <noun>, 55 images/s, 80 s left` at most every five seconds, and at the end."""

    def __init__(self, verb, num_objects, noun="objects"):
        self._verb, self._num_objects, self._noun = verb, num_objects, noun
        self._objects = 0
        self.num_images = 0
        self._start = self._printed = time.monotonic()

    def add(self, num_images):
        """Count one more object, with `num_images` images newly made."""
        self._objects += 1
        self.num_images += num_images
        now = time.monotonic()
        if now - self._printed >= 5 or self._objects == self._num_objects:
            seconds = max(now - self._start, 1e-3)
            left = seconds / self._objects * (self._num_objects - self._objects)
            print(
                f"{self._verb} {self._objects}/{self._num_objects} {self._noun}, "
                f"{self.num_images / seconds:.0f} images/s, {left:.0f} s left",
                flush=True,
            )
            self._printed = now
