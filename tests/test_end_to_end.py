"""The whole road with tiny numbers: embedded models, upstream's four lines, two learners, the table."""

import os
import subprocess
import sys
from pathlib import Path

from run_sh import copy_scripts

REPO = Path(__file__).resolve().parents[1]


def shell(lines, folder, **variables):
    """Run bash lines inside a folder of the repository; `python` is this test's."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-euc", lines], cwd=REPO / folder, env={**os.environ, "PATH": path, **variables},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_embedded_models_become_a_table_of_meta_test_errors(tmp_path):
    data_dir = tmp_path / "pose data"
    made = shell(
        """
        python cad_models.py --out_dir="$DATA_DIR/CAD" --objects_per_class=1
        python mujoco_render.py --CAD_dir="$DATA_DIR/CAD" --data_dir="$DATA_DIR" --num_views=6 --image_size=128
        cp -r "$DATA_DIR/rotate" "$DATA_DIR/rotate_resize"
        python resize_images.py --data_dir="$DATA_DIR/rotate_resize"
        python data_gen.py --data_dir="$DATA_DIR/rotate_resize" --out_dir="$DATA_DIR" --num_val_objects=3
        """,
        "pose_data",
        DATA_DIR=str(data_dir),
    )
    assert made.returncode == 0, made.stderr
    trained = shell(
        """
        common="--update_batch_size=3 --meta_batch_size=2 --dim_im=64 --eval_episodes=1"
        python np_bbb.py $common --data_dir="$DATA_DIR" --logdir="$DATA_DIR/logs" --num_updates=2
        python maml_vanilla.py $common --data_dir="$DATA_DIR" --logdir="$DATA_DIR/logs" --metatrain_iterations=2 \\
          --num_updates=1 --test_num_updates=1 --num_filters=4 --dim_w=16 --noweight_decay
        python summarize.py --logdir="$DATA_DIR/logs"
        """,
        "pose_code",
        DATA_DIR=str(data_dir),
    )
    assert trained.returncode == 0, trained.stderr
    rows = [line for line in trained.stdout.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows[1:]] == ["| MAML", "| MR-CNP (W)"]


def test_run_sh_lists_its_sub_commands_and_refuses_others():
    listed = shell("bash run.sh help", ".")
    for name in (
        "setup",
        "data",
        "quick",
        "train METHOD",
        "test",
        "smoke",
        "table1",
        "figure5",
        "figure6",
        "search_table1",
        "table2",
        "table3",
        "figure2",
        "figure9",
        "search",
        "clean",
    ):
        assert name in listed.stdout
    refused = shell("bash run.sh tabel2", ".")
    assert refused.returncode == 1 and "error: no sub-command tabel2" in refused.stderr
    assert "error: train: give one of" in shell("bash run.sh train np_vanila", ".").stderr


def test_run_sh_refuses_a_python_that_tensorflow_does_not_support(tmp_path):
    old = tmp_path / "python3.7"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.7.0 && exit 0\nexit 1\n')
    old.chmod(0o755)
    clone = tmp_path / "a clone"  # without .venv
    clone.mkdir()
    copy_scripts(clone)
    refused = shell(f"PYTHON={old} bash {str(clone / 'run.sh')!r} setup", ".")
    assert refused.returncode == 1
    assert refused.stderr == "error: Python 3.7.0 cannot run TensorFlow; set PYTHON to a Python 3.10 to 3.13\n"
