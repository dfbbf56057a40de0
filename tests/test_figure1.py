"""Figure 1: which objects and views are drawn, and with which labels."""

import numpy as np
import pytest

from metalearn import figures
from metalearn.cli import UserError
from pose_code import figure1


class Split:
    """Two objects of each class; a view's grey level is ten times its angle in label units."""

    def __init__(self, *classes):
        self.names = [f"{name}/{i}" for name in classes for i in (1, 2)]
        self.labels = np.random.default_rng(0).random((len(self.names), 20, 1)) * 10
        self.images = np.broadcast_to(np.rint(10 * self.labels[..., None]), (*self.labels.shape[:2], 8, 8)).astype(
            np.uint8
        )

    def __len__(self):
        return len(self.names)


def test_two_training_objects_of_two_classes_and_a_held_out_one_with_the_labels_of_their_views():
    train, held_out = Split("boat", "car"), Split("sofa")
    chosen = figure1.choose(train, held_out, [])
    assert [(heading, split.names[i]) for heading, split, i in chosen] == [
        ("training", "car/1"), ("training", "boat/1"), ("held out", "sofa/2"),
    ]  # fmt: skip
    figure = figure1.draw(chosen)
    assert len(figure.axes) == 18
    for axis in figure.axes:
        assert abs(int(axis.images[0].get_array()[0, 0]) - 10 * float(axis.get_title().removeprefix("y = "))) <= 1
    figures.pyplot().close(figure)


def test_named_objects_are_taken_and_others_refused():
    train, held_out = Split("boat", "car"), Split("sofa")
    chosen = figure1.choose(train, held_out, ["car/2", "boat/1", "sofa/1"])
    assert [i for _, _, i in chosen] == [3, 0, 0]
    with pytest.raises(UserError, match="no held out object boat/1; there are sofa/1, sofa/2"):
        figure1.choose(train, held_out, ["car/2", "boat/1", "boat/1"])
    with pytest.raises(UserError, match="give three names"):
        figure1.choose(train, held_out, ["car/2"])
