"""The OpenGL back end that MuJoCo renders with, found by trial."""

import os
import subprocess
import sys

from metalearn.cli import UserError

GL_PROBE = """
import mujoco
from mujoco.{backend} import GLContext
context = GLContext(8, 8)
context.make_current()
mujoco.MjrContext(mujoco.MjModel.from_xml_string("<mujoco/>"), mujoco.mjtFontScale.mjFONTSCALE_100)
"""
GL_PROBE_SECONDS = 30  # it takes one; with a display that accepts and never answers it would never end
# In the environment these decide, or break, what OpenGL MuJoCo uses.
GL_VARIABLES = ("MUJOCO_GL", "PYOPENGL_PLATFORM", "MUJOCO_EGL_DEVICE_ID")


def choose_gl_backend():
    """Set MUJOCO_GL to a back end that works here: the one it names, else a window's, EGL or OSMesa.

    Each is tried in a process of its own, since a failed one leaves PyOpenGL bound to it. Call this before
    MuJoCo is imported; raises UserError when none works.
    """
    asked = os.environ.get("MUJOCO_GL")
    has_display = os.environ.get("DISPLAY") or sys.platform in ("darwin", "win32")
    usual = ["glfw"] * bool(has_display) + ["egl", "osmesa"]
    for backend in [asked.lower()] if asked else usual:
        if _gl_works(backend, os.environ):
            os.environ["MUJOCO_GL"] = backend
            return
    given = [name for name in GL_VARIABLES if os.environ.get(name)]
    others = {name: value for name, value in os.environ.items() if name not in GL_VARIABLES}
    what = "no OpenGL to render with"
    if given:
        what = f"{', '.join(f'{name}={os.environ[name]}' for name in given)} does not work here"
    for backend in usual if given else ():
        if _gl_works(backend, others):
            raise UserError(f"{what}; unset {' and '.join(given)} in the environment: {backend} works then")
    raise UserError(
        f"{what}; on Debian or Ubuntu install libegl1 and libgl1-mesa-dri (for MUJOCO_GL=egl) or libosmesa6 (osmesa)"
    )


def _gl_works(backend, environment):
    if backend not in ("glfw", "egl", "osmesa"):
        return False
    command = [sys.executable, "-c", GL_PROBE.format(backend=backend)]
    try:
        return not subprocess.run(
            command, env={**environment, "MUJOCO_GL": backend}, timeout=GL_PROBE_SECONDS, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ).returncode  # fmt: skip
    except subprocess.TimeoutExpired:
        return False
