"""What bad and hostile input may lead to, and where such input comes from."""

import hashlib
import itertools
import json
import os
import resource
import sys
from pathlib import Path

from scripts import Fork

from metalearn.cli import UserError

LIMITS = {"seconds": 60, "gigabytes": 8}  # of address space, of which libraries take much
MAX_GROWTH = 1.5  # gigabytes of memory, for inputs of some kilobytes


def assert_success_or_one_line(done, *names):
    """`done`: a CompletedProcess. It succeeded, or ended with one line `error: ...` that has one of `names` in it.
    Before that, and on success, there is nothing but lines `warning: ...` on stderr."""
    lines = done.stderr.splitlines()
    report = f"{done.args}: exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    if done.returncode:
        assert done.returncode == 1 and lines and lines[-1].startswith("error: "), report
        assert any(str(name) in lines[-1] for name in names), f"names none of {names}: {report}"
        lines.pop()
    assert all(line.startswith("warning: ") for line in lines), report


def assert_each_read_or_refused(function, folder, contents):
    """Write each of `contents` (pairs of name and bytes) to `folder` and call function(path) on them, many in one Fork.

    Each is taken, or refused by a UserError of one line with the stem of its name; nothing is printed, little memory
    taken. Returns {path: the refusal, None if it was taken}. Files that failed are left to be looked at.
    """
    contents, refusals = iter(contents), {}
    while batch := list(itertools.islice(contents, 200)):
        paths = [Path(folder, name) for name, _ in batch]
        for path, (_, content) in zip(paths, batch, strict=True):
            path.write_bytes(content)
        done = Fork(_call_each, function, paths, **LIMITS).wait()
        lines = done.stdout.splitlines()
        assert done.returncode == 0, f"{lines[-1:]}: exit status {done.returncode}\n{done.stderr}"
        refusals.update(zip(paths, map(json.loads, lines[1::2]), strict=True))
        for path in paths:
            path.unlink()
    return refusals


def _call_each(function, paths):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for path in paths:
        print(path, flush=True)
        try:
            function(path)
            refusal = None
        except UserError as error:
            refusal = str(error)
            assert path.stem in refusal, f"names not the file: {refusal}"
        print(json.dumps(refusal), flush=True)
        growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
        if growth > MAX_GROWTH or os.fstat(2).st_size:
            sys.exit(f"{path}: took {growth:.1f} GB, printed what stands above")


def mutants(seeds, count, rng):
    """Yield `count` damaged copies of byte strings, no two alike: truncated, bytes and numbers changed, parts repeated,
    left out or taken from another."""
    seen = {hashlib.sha1(seed).digest() for seed in seeds}
    while count:
        data = bytearray(seeds[rng.integers(len(seeds))])
        for _ in range(rng.integers(1, 4)):
            _mutate(data, seeds, rng)
        digest = hashlib.sha1(data).digest()
        if digest not in seen:
            seen.add(digest)
            count -= 1
            yield bytes(data)


_NUMBERS = [b"-1", b"0", b"nan", b"inf", b"1e999", b"1e38", b"-1e300", b"1e-45", b"99999999999999999999", b"2147483648"]
_WORDS = [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\0\0\xc0\x7f", b"\0\0\x80\x7f", b"\0\0\0\x40"]


def _mutate(data, seeds, rng):
    """One change to a bytearray, in place."""
    start = int(rng.integers(len(data) + 1))
    stop = min(len(data), start + int(rng.geometric(0.05)))
    digits = [i for i in range(start, min(len(data), start + 40)) if chr(data[i]).isdigit()]
    kind = rng.integers(7)
    if kind == 0:
        del data[start:]
    elif kind == 1:
        data[start:stop] = rng.bytes(stop - start)
    elif kind == 2:
        del data[start:stop]
    elif kind == 3:
        data[start:start] = data[start:stop] * int(rng.integers(1, 20))
    elif kind == 4:
        other = seeds[rng.integers(len(seeds))]
        data[start:] = other[int(rng.integers(len(other) + 1)) :]
    elif kind == 5 and digits:
        end = next(i for i in itertools.count(digits[0]) if i >= len(data) or not chr(data[i]).isdigit())
        data[digits[0] : end] = _NUMBERS[rng.integers(len(_NUMBERS))]
    else:
        data[start : start + 4] = _WORDS[rng.integers(len(_WORDS))]
