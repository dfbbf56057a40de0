import errno
import os
import subprocess
import sys

import pytest

from metalearn.files import atomic_path

SCRIPT = """
from absl import flags
from metalearn.cli import UserError, run_main
flags.DEFINE_bool("train", True, "")
flags.DEFINE_string("fail", "", "")
def main(_):
    if flags.FLAGS.fail == "user":
        raise UserError("--fail=user: two\\nlines")
    if flags.FLAGS.fail == "missing":
        open("/nowhere/file")
    if flags.FLAGS.fail == "memory":
        raise type("ResourceExhaustedError", (Exception,), {})("OOM when allocating a tensor\\n[more]")
    if flags.FLAGS.fail == "full":
        raise type("ResourceExhaustedError", (Exception,), {})("/logs/events; No space left on device")
    if flags.FLAGS.fail == "bug":
        raise ZeroDivisionError
run_main(main)
"""


def run_script(*arguments):
    return subprocess.run([sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--fail=user", "error: --fail=user: two lines\n"),
        ("--fail=missing", "error: /nowhere/file: No such file or directory\n"),
        ("--fail=memory", "error: out of memory (OOM when allocating a tensor) lower the sizes that the flags give\n"),
        ("--fail=full", "error: /logs/events No space left on device\n"),
        ("--trian=1", "error: Unknown command line flag 'trian'. Did you mean: train ? --help lists the flags\n"),
        ("False", "error: unexpected argument 'False': write flags as --name=value\n"),
    ],
)
def test_a_mistake_gives_one_line_and_status_1(argument, message):
    result = run_script(argument)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.replace(";", "") == message


def test_a_flag_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / "latin.cfg").write_bytes("# caf\u00e9\n--notrain\n".encode("latin-1"))
    done = run_script(f"--flagfile={tmp_path}/latin.cfg")
    assert done.returncode == 1 and done.stderr.startswith(f"error: --flagfile={tmp_path}/latin.cfg: no UTF-8 text (")
    assert len(done.stderr.splitlines()) == 1


def test_a_bug_still_gives_a_traceback():
    assert "ZeroDivisionError" in run_script("--fail=bug").stderr


def test_success_is_status_0():
    assert run_script("--notrain").returncode == 0


def test_atomic_path_replaces_on_success(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("old")
    with atomic_path(path) as temporary:
        assert temporary.parent == tmp_path and temporary.suffix == ".png"
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_atomic_path_leaves_the_old_file_on_failure(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_atomic_path_removes_what_a_killed_process_left_and_nothing_else(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    zombie = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    left = [f".a.{zombie.pid}.tmp.png"] if os.path.exists("/proc/self/stat") else []
    left += [f".a.{dead.pid}.tmp.png", ".a.99999999999999999999.tmp.png"]
    others = [f".a.{os.getppid()}.tmp.png", f".b.{dead.pid}.tmp.png", f".a.{dead.pid}.tmp.npz", ".a.x.tmp.png"]
    for name in left + others:
        (tmp_path / name).touch()
    with atomic_path(tmp_path / "a.png") as temporary:
        temporary.touch()
    zombie.wait()
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", *others}


def test_a_folder_takes_the_place_of_another_or_the_other_stays(tmp_path, monkeypatch):
    path = tmp_path / "data"
    for content in ("old", "new"):
        with atomic_path(path) as temporary:
            temporary.mkdir()
            (temporary / "file").write_text(content)
    assert (path / "file").read_text() == "new"
    own = tmp_path / f".data.{os.getpid()}.tmp"  # of a killed process with the same number
    own.mkdir()
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt), atomic_path(path) as temporary:
        temporary.mkdir()
    assert (path / "file").read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_atomic_path_names_the_file_of_an_error(tmp_path):
    with pytest.raises(OSError) as error, atomic_path(tmp_path / "a.png"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert error.value.filename == str(tmp_path / "a.png")


def test_help_lists_the_flags_that_other_modules_of_the_project_define():
    help_text = subprocess.run([sys.executable, "-m", "sinusoid.cnp", "--help"], capture_output=True, text=True).stdout
    for flag in ("--beta", "--[no]encoder", "--update_batch_size", "--precision", "--optimizer", "--train_one_hots"):
        assert flag in help_text
    assert "--logtostderr" not in help_text
