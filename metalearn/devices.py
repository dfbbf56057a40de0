"""What a run computes on: threads, precision, GPUs, replicas."""

import ctypes
import json
import os
import signal
import subprocess
from pathlib import Path

import keras
import tensorflow as tf
from absl import flags
from tensorflow.python.eager import context as tf_context

from metalearn.cli import UserError

FLAGS = flags.FLAGS

flags.DEFINE_enum(
    "precision", "float32", ("float32", "mixed_bfloat16", "auto"),
    "of convolutions and matrix products; losses, KL, normalization and weight updates stay in float32. auto: the one "
    "in which a training step of a new run is faster, tried for some seconds; a run keeps its precision on resume",
)  # fmt: skip
flags.DEFINE_enum(
    "strategy", None, ("mirrored", "multi_worker"),
    "split each meta-batch over this machine's GPUs, or over machines (every worker runs the same command with its own "
    "TF_CONFIG and a --logdir that all share); the same results as without, to rounding",
)  # fmt: skip
flags.DEFINE_integer(
    "num_replicas", None, "devices of --strategy=mirrored; unset: every GPU", lower_bound=1, upper_bound=256
)
flags.DEFINE_bool("jit_compile", False, "compile the training step with XLA, which draws other noise; slower on a CPU")
flags.DEFINE_integer(
    "num_threads", 0, "CPU threads of one operation; 0 lets TensorFlow choose", lower_bound=0, upper_bound=1024
)


def configure():
    """Set TensorFlow up as the flags say, before anything else is asked of it. Returns the tf.distribute.Strategy."""
    if FLAGS.strategy == "multi_worker":
        _check_cluster(os.environ.get("TF_CONFIG", ""))
        _end_on_sigterm()  # before TensorFlow looks at a GPU, which a child could not use then
    gpus = tf.config.list_physical_devices("GPU")
    _refuse_what_xla_cannot(gpus)
    if FLAGS.num_threads:
        tf.config.threading.set_intra_op_parallelism_threads(FLAGS.num_threads)
        tf.config.threading.set_inter_op_parallelism_threads(FLAGS.num_threads)
    # Constant folding doubles the time to the first step and speeds up nothing here.
    tf.config.optimizer.set_experimental_options({"constant_folding": False})
    _disable_memory_optimizer()
    keras.config.set_dtype_policy("float32" if FLAGS.precision == "auto" else FLAGS.precision)
    print(f"TensorFlow {tf.__version__} on {len(gpus)} GPU" if gpus else f"TensorFlow {tf.__version__} on the CPU")
    if not gpus and os.environ.get("CUDA_VISIBLE_DEVICES") not in ("", "-1") and _lists_nvidia_gpus():
        print("warning: TensorFlow cannot use this machine's NVIDIA GPU; pip install 'tensorflow[and-cuda]'")
    if FLAGS.precision == "mixed_bfloat16" and not gpus and (text := _BFLOAT16_WARNINGS.get(cpu_bfloat16())):
        print(f"warning: {text}")
    return _make_strategy(len(gpus))


def _refuse_what_xla_cannot(gpus):
    if not FLAGS.jit_compile:
        return
    reasons = {
        f"--strategy={FLAGS.strategy}": FLAGS.strategy and "it compiles for one device",
        f"--precision={FLAGS.precision}": FLAGS.precision != "float32"
        and not gpus
        and "on a CPU it has no bfloat16 second derivatives",
    }
    for other, reason in reasons.items():
        if reason:
            raise UserError(f"--jit_compile with {other}: {reason}; leave one of them out")


def is_chief(strategy):
    """Whether this worker keeps the records: the chief of a cluster, or the first worker of one without."""
    cluster = strategy.cluster_resolver
    if cluster is None:
        return True
    role = "chief" if "chief" in cluster.cluster_spec().jobs else "worker"
    return (cluster.task_type, cluster.task_id) == (role, 0)


def _make_strategy(num_gpus):
    if FLAGS.strategy == "multi_worker":
        print("waiting for all workers of TF_CONFIG to start", flush=True)
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    elif FLAGS.strategy == "mirrored":
        kind, number = "GPU" if num_gpus else "CPU", FLAGS.num_replicas or num_gpus or 1
        if num_gpus and number > num_gpus:
            raise UserError(f"--num_replicas={number}: there are {num_gpus} GPUs")
        if not num_gpus:  # as many replicas of the CPU, to try it
            (cpu,) = tf.config.list_physical_devices("CPU")
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * number)
        strategy = tf.distribute.MirroredStrategy([f"{kind}:{i}" for i in range(number)])
    else:
        strategy = tf.distribute.get_strategy()
    number = strategy.num_replicas_in_sync
    if FLAGS.meta_batch_size % number:
        raise UserError(f"--meta_batch_size={FLAGS.meta_batch_size}: give a multiple of the {number} replicas")
    return strategy


def _end_on_sigterm():
    """Go on in a child process, which SIGTERM to this one kills. A worker that waits for its peers would not end:
    TensorFlow's cluster service takes the signal for a notice of preemption, and waits without letting Python run."""
    if (worker := os.fork()) == 0:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: end with the parent
        return

    def end(*_):
        os.kill(worker, signal.SIGKILL)
        os._exit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to both
    code = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
    os._exit(code if code >= 0 else 128 - code)  # as a shell has it


def _check_cluster(tf_config):
    """Refuse a TF_CONFIG that does not say which of which workers this process is."""
    try:
        config = json.loads(tf_config)
        addresses = config["cluster"][config["task"]["type"]]
        addresses[int(config["task"]["index"])]
        is_one = all(isinstance(address, str) for address in addresses)
    except (ValueError, TypeError, LookupError):
        is_one = False
    if not is_one:
        raise UserError(
            f"TF_CONFIG={tf_config[:80]}: names no cluster with this worker in it; --strategy=multi_worker needs "
            'TF_CONFIG=\'{"cluster": {"worker": ["HOST1:PORT", "HOST2:PORT"]}, "task": {"type": "worker", "index": 0}}'
            "'"
        )


def _lists_nvidia_gpus():
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False
    return "GPU" in listed


def _disable_memory_optimizer():
    """Where memory looks short to it, TensorFlow's memory optimizer rewrites sums of three and more gradients with
    temporary variables, which clash in nested loops (AlreadyExistsError ... AddN/tmp_var): at their defaults the MAML
    scripts ran on some machines and not on others. There is no public switch."""
    options = tf_context.context().function_call_options
    config = tf.compat.v1.ConfigProto.FromString(options.config_proto_serialized)
    rewrites = config.graph_options.rewrite_options
    rewrites.memory_optimization = rewrites.NO_MEM_OPT
    options.config_proto_serialized = config


_BFLOAT16_WARNINGS = {
    None: "this CPU has no bfloat16 arithmetic; --precision=float32 is several times faster here",
    "avx512_bf16": "this CPU has bfloat16 arithmetic without AMX, which makes training faster on some CPUs and slower "
    "on others; --precision=auto measures it",
}


def cpu_bfloat16():
    """The bfloat16 instructions that /proc/cpuinfo names, the fastest; "unknown" without that file, None if none."""
    try:
        words = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return "unknown"
    return next((name for name in ("amx_bf16", "avx512_bf16") if name in words), None)
