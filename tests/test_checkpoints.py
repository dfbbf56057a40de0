"""A checkpoint comes back as it was, or is refused."""

import numpy as np
import pytest

from pose_code import checkpoints
from pose_data.cli import UserError

SHAPES = {"a/kernel": (2, 3), "adam/0": ()}


def arrays(value):
    return {"a/kernel": np.full((2, 3), value, np.float32), "adam/0": np.int64(7)}


def test_what_was_saved_comes_back(tmp_path):
    path = tmp_path / "c.npz"
    checkpoints.save(path, arrays(1.5), {"step": 3, "flags": {"beta": 0.1}})
    loaded = checkpoints.load(path, SHAPES)
    np.testing.assert_array_equal(loaded["a/kernel"], np.full((2, 3), 1.5))
    assert loaded["adam/0"] == 7 and loaded["adam/0"].dtype == np.int64
    assert checkpoints.load_note(path) == {"step": 3, "flags": {"beta": 0.1}}
    assert list(tmp_path.iterdir()) == [path]


def test_a_save_that_fails_leaves_the_last_one(tmp_path):
    path = tmp_path / "c.npz"
    checkpoints.save(path, arrays(1.0), {"step": 1})
    with pytest.raises(TypeError):
        checkpoints.save(path, arrays(2.0), {"step": object()})
    assert checkpoints.load_note(path) == {"step": 1} and list(tmp_path.iterdir()) == [path]


def test_a_partial_load_leaves_the_rest_and_still_refuses_other_shapes(tmp_path):
    path = tmp_path / "c.npz"
    checkpoints.save(path, arrays(1.5), {"step": 3})
    assert set(checkpoints.load(path, {"a/kernel": (2, 3)}, partial=True)) == {"a/kernel"}
    for other in ({"a/kernel": (2, 4)}, {"b/kernel": (2, 3)}):
        with pytest.raises(UserError, match="another network"):
            checkpoints.load(path, other, partial=True)


@pytest.mark.parametrize("cut", [0, 1, 100, -1, -30])
def test_a_truncated_file_is_refused_by_name(tmp_path, cut):
    path = tmp_path / "c.npz"
    checkpoints.save(path, arrays(1.0), {"step": 1})
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(UserError, match=r"c\.npz: damaged checkpoint"):
        checkpoints.load_note(path)


def test_a_flipped_byte_in_the_weights_is_refused(tmp_path):
    path = tmp_path / "c.npz"
    checkpoints.save(path, arrays(1.0), {"step": 1})
    data = bytearray(path.read_bytes())
    at = data.index(np.float32(1.0).tobytes() * 6)
    data[at] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match="damaged checkpoint"):
        checkpoints.load(path, SHAPES)


def test_weights_of_another_network_are_refused(tmp_path):
    path = tmp_path / "c.npz"
    checkpoints.save(path, arrays(1.0), {"step": 1})
    for other in ({**SHAPES, "a/kernel": (2, 4)}, {"adam/0": ()}, {**SHAPES, "b/kernel": (1,)}):
        with pytest.raises(UserError, match="another network"):
            checkpoints.load(path, other)
