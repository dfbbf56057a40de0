import bz2
import gzip
import lzma
import os
import pickle
import pickletools
import warnings

import numpy as np
import pytest

from pose_data import pickles

DATA = [np.arange(24, dtype=np.uint8).reshape(2, 3, 4), np.linspace(0, 1, 6).reshape(2, 3, 1)]


def test_old_numpy_finds_every_name_in_the_pickle(tmp_path):
    pickles.dump(DATA, tmp_path / "a.pkl")
    opcodes = list(pickletools.genops((tmp_path / "a.pkl").read_bytes()))
    names = {argument for opcode, argument, _ in opcodes if opcode.name == "GLOBAL"}
    assert names == {"numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype"}
    assert not {"STACK_GLOBAL", "FRAME"} & {opcode.name for opcode, _, _ in opcodes}


def test_plain_pickle_loads_it_without_a_warning(tmp_path):
    pickles.dump(DATA, tmp_path / "a.pkl")
    with warnings.catch_warnings(), open(tmp_path / "a.pkl", "rb") as file:
        warnings.simplefilter("error")
        images, labels = pickle.load(file)
    np.testing.assert_array_equal(images, DATA[0])
    np.testing.assert_array_equal(labels, DATA[1])


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_load_reads_arrays_scalars_and_containers_of_every_protocol(tmp_path, protocol):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([*DATA, {"k": (np.float64(0.5), "s", 1)}], protocol=protocol))
    images, labels, rest = pickles.load(tmp_path / "a.pkl")
    np.testing.assert_array_equal(images, DATA[0])
    np.testing.assert_array_equal(labels, DATA[1])
    assert rest == {"k": (0.5, "s", 1)}


class Attack:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_load_runs_no_code_from_the_file(tmp_path, protocol):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([Attack(str(tmp_path / "made"))], protocol=protocol))
    with pytest.raises(ValueError, match=r"a\.pkl: not a usable pickle: it refers to \w+\.mkdir"):
        pickles.load(tmp_path / "a.pkl")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs", "cut"])
def test_a_damaged_file_is_named(tmp_path, content):
    path = tmp_path / "a.pkl"
    pickles.dump(DATA, path)
    path.write_bytes(path.read_bytes()[:-30] if content == "cut" else content)
    with pytest.raises(ValueError, match=r"a\.pkl"):
        pickles.load(path)


@pytest.mark.parametrize(
    ("pack", "reason"),
    [
        (gzip.compress, "gzip-compressed: gunzip it"),
        (bz2.compress, "bzip2-compressed"),
        (lzma.compress, "xz-compressed"),
        (lambda data: b"PK\3\4" + data, "a zip archive"),
        (lambda data: b"\x89HDF\r\n\x1a\n" + data, "an HDF5 file"),
        (lambda _: b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
    ],
)
def test_a_file_of_another_kind_is_refused_as_what_it_is(tmp_path, pack, reason):
    (tmp_path / "a.pkl").write_bytes(pack(pickles.dumps(DATA)))
    with pytest.raises(ValueError, match=rf"a\.pkl: not a usable pickle: it is {reason}"):
        pickles.load(tmp_path / "a.pkl")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a\.pkl"):
        pickles.load(tmp_path / "a.pkl")
