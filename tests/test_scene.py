"""Runs scene_cases.py in a process of its own: TensorFlow and software OpenGL each bring an LLVM, and a process that
has loaded both crashes when it draws. No script of the project loads both."""

import subprocess
import sys
from pathlib import Path


def test_every_claim_of_scene_cases_holds():
    cases = Path(__file__).with_name("scene_cases.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(cases)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout and "skipped" not in done.stdout
