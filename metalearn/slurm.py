"""A list of training commands as one array of Slurm jobs."""

import subprocess
import sys

from metalearn.cli import UserError


def run_all(commands, names, jobs, cluster, folder, parameters):
    """Run each argv (module, flags...), `jobs` at a time, and wait. Returns [(name, why)] of those that failed.
    Interrupted, it cancels them.

    Args:
      names: of the commands.
      cluster: "slurm", or "local" for this machine.
      folder: for the jobs' output.
      parameters: submitit's, such as "timeout_min=60".

    Raises UserError without submitit or Slurm, and for a parameter that is none or that Slurm refuses.
    """
    try:
        import submitit
    except ImportError:
        raise UserError(f"--slurm needs the package submitit; run: {sys.executable} -m pip install submitit") from None
    pairs = (parameter.partition("=") for parameter in parameters)
    given = {name: int(value) if value.isdecimal() else value for name, _, value in pairs}
    given.setdefault("timeout_min", 1440)  # submitit's own limit is five minutes
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
        executor.update_parameters(slurm_array_parallelism=jobs, **given)
        array = executor.map_array(_run_one, commands)
    except (RuntimeError, NameError, TypeError, ValueError) as error:  # no Slurm here, or a parameter that it refuses
        raise UserError(f"--slurm, --slurm_parameters: {' '.join(str(error).split())}") from None
    print(
        f"submitted {len(array)} jobs, {array[0].job_id} to {array[-1].job_id}; their output is in {folder}", flush=True
    )
    failed = []
    try:
        for name, job in zip(names, array, strict=True):
            try:
                error = job.result()
            except submitit.core.utils.UncompletedJobError as e:
                error = str(e).splitlines()[0]
            print(f"{name}: {error or 'done'}", flush=True)
            if error:
                failed.append((name, error))
    except (KeyboardInterrupt, SystemExit):  # the same list, given again, would meet their locks
        for job in array:
            job.cancel(check=False)
        raise
    return failed


def _run_one(argv):
    """What a Slurm job does. Returns why it failed, empty if it did not."""
    done = subprocess.run([sys.executable, "-m", *argv], stderr=subprocess.PIPE, text=True)
    sys.stderr.write(done.stderr)  # to the job's own log
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    return errors[-1].removeprefix("error: ") if errors else f"exit status {done.returncode}" * bool(done.returncode)
