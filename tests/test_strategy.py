"""--strategy: a meta-batch split over two replicas, or over two workers, trains to the weights of one."""

import concurrent.futures
import json
import os
import signal
import socket
import time

import numpy as np
import pytest
import tiny
from scripts import run_script, start_script

OWN = {
    "np_ib": [],
    # without batch norm, before which a bias has no gradient but rounding, which Adam makes steps of
    "maml_bbb": ["--var=-3", "--rho_lr=0.002", "--norm=none", "--optimizer=sgd", "--clip_norm=1"],
}


def run(script, data_dir, logdir, *flags, **variables):
    settings = [*tiny.of_script(script, 4), "--meta_batch_size=4", "--summary_every=2", *OWN[script]]
    folders = [f"--data_dir={data_dir}", f"--logdir={logdir}"]
    return run_script("pose_code", script, *folders, *settings, *flags, **variables)


def run_workers(script, data_dir, logdir, *flags):
    """Two worker processes on this machine's loopback."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    cluster = {"worker": [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]}
    for s in sockets:
        s.close()

    def worker(index):
        config = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
        return run(script, data_dir, logdir, "--strategy=multi_worker", *flags, TF_CONFIG=config)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return list(pool.map(worker, range(2)))


def assert_same_weights(logdir, other):
    (a,), (b,) = ([*folder.glob("*/checkpoint-final.npz")] for folder in (logdir, other))
    with np.load(a) as first, np.load(b) as second:
        assert set(first.files) == set(second.files)
        for name in set(first.files) - {"note"}:
            np.testing.assert_allclose(first[name], second[name], rtol=1e-3, atol=2e-4, err_msg=name)


@pytest.mark.parametrize("script", OWN)
def test_two_replicas_train_to_the_weights_of_one(script, data_dir, tmp_path):
    averages = ["--ema_decay=0.5"]
    one = run(script, data_dir, tmp_path / "one", *averages)
    two = run(script, data_dir, tmp_path / "two", "--strategy=mirrored", "--num_replicas=2", *averages)
    assert one.returncode == two.returncode == 0, two.stderr
    assert_same_weights(tmp_path / "one", tmp_path / "two")


def test_two_workers_train_to_the_weights_of_one_and_the_first_keeps_the_records(data_dir, tmp_path):
    one = run("np_ib", data_dir, tmp_path / "one")
    assert one.returncode == 0, one.stderr
    for iterations in (2, 4):  # the second time both go on from the first one's checkpoint
        workers = run_workers("np_ib", data_dir, tmp_path / "two", f"--num_updates={iterations}")
        assert [worker.returncode for worker in workers] == [0, 0], workers[0].stderr + workers[1].stderr
    assert ["np_ib: meta-test MSE" in worker.stdout for worker in workers] == [True, False]
    assert all("resuming" in worker.stdout for worker in workers)
    again = run_workers("np_ib", data_dir, tmp_path / "two")
    assert all(worker.returncode == 0 and "finished before" in worker.stdout for worker in again), again[1].stderr
    assert_same_weights(tmp_path / "one", tmp_path / "two")


def test_a_meta_batch_that_does_not_split_and_a_missing_cluster_are_refused(data_dir, tmp_path):
    for flags, message in (
        (["--strategy=mirrored", "--num_replicas=3"], "--meta_batch_size=4: give a multiple of the 3 replicas"),
        (["--strategy=multi_worker"], "TF_CONFIG=: names no cluster"),
    ):
        failed = run("np_ib", data_dir, tmp_path, *flags)
        assert failed.returncode == 1 and f"error: {message}" in failed.stderr and "Traceback" not in failed.stderr


@pytest.mark.parametrize("tf_config", ["", "{}", "{", "[]", '{"cluster": {"worker": ["a:1"]}, "task": {"type": "ps"}}'])
def test_a_cluster_without_this_worker_is_refused_in_one_line(data_dir, tmp_path, tf_config):
    refused = run("np_ib", data_dir, tmp_path, "--strategy=multi_worker", TF_CONFIG=tf_config)
    assert refused.returncode == 1 and not list(tmp_path.iterdir())
    assert refused.stderr.startswith(f"error: TF_CONFIG={tf_config}: names no cluster")
    assert refused.stderr.count("\n") == 1


def test_a_gpu_that_tensorflow_cannot_use_is_mentioned(data_dir, tmp_path):
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho 'GPU 0: NVIDIA H100'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    warned = run("np_ib", data_dir, tmp_path / "logs", "--num_updates=0", PATH=path, CUDA_VISIBLE_DEVICES="0")
    assert warned.returncode == 0 and "warning: TensorFlow cannot use this machine's NVIDIA GPU" in warned.stdout


def test_a_worker_that_waits_for_its_peers_says_so_and_ends_on_sigterm(data_dir, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free, socket.create_server(("127.0.0.1", 0)) as other:
        cluster = {"worker": [f"127.0.0.1:{s.getsockname()[1]}" for s in (free, other)]}
    config = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": 0}})
    folders = [f"--data_dir={data_dir}", f"--logdir={tmp_path}"]
    worker = start_script("pose_code", "np_ib", *folders, *tiny.TINY_NP, "--strategy=multi_worker", TF_CONFIG=config)
    started = time.monotonic()
    while "waiting for all workers" not in worker.printed():
        assert worker.alive() and time.monotonic() - started < 60
        time.sleep(0.1)
    time.sleep(1)  # until TensorFlow has the signal
    worker.send_signal(signal.SIGTERM)
    sent = time.monotonic()
    assert worker.wait().returncode == 128 + signal.SIGTERM and time.monotonic() - sent < 5
