"""Finished runs as a repository keeps them: their small files, without the folders of the machine that made them."""

import collections
import json
import re
import shlex
import shutil
from pathlib import Path

from metalearn.cli import UserError
from metalearn.files import atomic_path

_FILES = ("curve.csv", "examples.npz")


def keep(results, folder):
    """Copy runs (of results.load_results) to `folder`/<run folder's name>: result.json, curve and examples. Raises
    UserError, before it copies any, if two have the same name."""
    for name, several in collections.Counter(result["folder"].name for result in results).items():
        if several > 1:
            raise UserError(f"--keep={folder}: {several} runs are named {name}; keep those of one folder of --logdir")
    for result in results:
        run = Path(folder) / result["folder"].name
        run.mkdir(parents=True, exist_ok=True)
        written = json.loads((result["folder"] / "result.json").read_text())
        with atomic_path(run / "result.json") as temporary:
            temporary.write_text(json.dumps(without_machine(written), indent=1) + "\n")
        for name in _FILES:
            if (result["folder"] / name).exists():
                with atomic_path(run / name) as temporary:
                    shutil.copyfile(result["folder"] / name, temporary)


def without_machine(result):
    """The result with every absolute path in its flags and commands cut to its end, which still tells data sets, splits
    and scripts apart."""
    used = {name: _ends_of(value) for name, value in result["flags"].items()}
    commands = {name: _cut_command(result.get(name, "")) for name in ("command", "evaluated_with") if name in result}
    return result | {"flags": used} | commands


def _cut_command(command):
    words = []
    for word in shlex.split(command):
        name, equals, value = word.rpartition("=") if word.startswith("--") else ("", "", word)
        words.append(name + equals + _ends_of(value))
    return shlex.join(words)


def _ends_of(value):
    """`_end_of` of a flag's value, of each part of a list; other types as they are."""
    if isinstance(value, list):
        return [_ends_of(part) for part in value]
    return ",".join(map(_end_of, value.split(","))) if isinstance(value, str) else value


def _end_of(text):
    """/a/b/cars/split-1 -> cars/split-1, /a/package/script.py -> package/script.py, /a/run/flags.cfg ->
    run/flags.cfg, /a/logs -> logs; else the text."""
    path = Path(text)
    if not path.is_absolute():
        return text
    return "/".join(path.parts[-2:]) if re.fullmatch(r"(split|search)-\d+|\w+\.py|flags\.cfg", path.name) else path.name
