import os
import socket

import pytest

from metalearn.cli import UserError
from pose_data import opengl

opengl.choose_gl_backend()
WORKS = os.environ["MUJOCO_GL"]


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    """MuJoCo's own modules set some when they are imported."""
    for name in opengl.GL_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "variables",
    [
        {"MUJOCO_GL": "off"},
        {"MUJOCO_GL": "vulkan"},
        {"PYOPENGL_PLATFORM": "x11"},
        {"MUJOCO_EGL_DEVICE_ID": "99"},
        {"MUJOCO_EGL_DEVICE_ID": "first", "MUJOCO_GL": "egl"},
    ],
)
def test_a_variable_that_keeps_opengl_from_working_is_named(variables, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    # As where only the one back end that works here is installed.
    works = opengl._gl_works
    monkeypatch.setattr(opengl, "_gl_works", lambda backend, variables: backend == WORKS and works(backend, variables))
    if WORKS != "egl" and "MUJOCO_GL" not in variables:
        pytest.skip("of EGL alone")
    with pytest.raises(UserError) as caught:
        opengl.choose_gl_backend()
    message = str(caught.value)
    assert all(f"{name}={value}" in message for name, value in variables.items())
    assert "; unset " in message and f"{WORKS} works then" in message
    assert "install" not in message


def test_without_opengl_the_packages_to_install_are_named(monkeypatch):
    monkeypatch.setattr(opengl, "_gl_works", lambda *_: False)
    with pytest.raises(UserError, match=r"no OpenGL to render with; .*install libegl1"):
        opengl.choose_gl_backend()


@pytest.mark.skipif(WORKS == "glfw", reason="needs a back end without a display")
def test_a_display_that_accepts_and_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(opengl, "GL_PROBE_SECONDS", 5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("DISPLAY", f"127.0.0.1:{server.getsockname()[1] - 6000}")
        opengl.choose_gl_backend()
    assert os.environ["MUJOCO_GL"] == WORKS
