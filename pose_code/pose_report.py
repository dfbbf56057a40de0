"""The HTML report of pose runs: what metalearn/html_report.py is told of this domain."""

import functools
import math

import numpy as np

from metalearn import html_report
from pose_code import paper

NUM_OBJECTS = 6


def _draw_examples(arrays):
    """Query views of the first objects with a dial each, an object a line."""
    images, true, after = arrays["query_x"], arrays["query_y"], arrays["prediction"]
    before = arrays.get("prediction_before", np.full(after.shape, np.nan))
    for task in range(min(NUM_OBJECTS, len(images))):
        views = (
            _view(images[task, i], *(angles[task, i, -1] / paper.LABEL_SCALE for angles in (true, before, after)))
            for i in range(images.shape[1])
        )
        yield f"<div class=views>{''.join(views)}</div>"


def _view(image, true, before, after):
    """One view with a dial; angles in turns, `before` nan if it is not defined."""
    hands = []
    for turns, color, width in ((true, "#000", 3), (before, "#999", 2), (after, "#c22", 2)):
        if np.isfinite(turns):
            x, y = 20 + 17 * math.cos(2 * math.pi * turns), 20 - 17 * math.sin(2 * math.pi * turns)
            hands.append(f'<line x1="20" y1="20" x2="{x:.1f}" y2="{y:.1f}" stroke="{color}" stroke-width="{width}"/>')
    dial = f'<svg viewBox="0 0 40 40"><circle cx="20" cy="20" r="19" fill="none" stroke="#ccc"/>{"".join(hands)}</svg>'
    start = f"{before * 360:.0f}° → " if np.isfinite(before) else ""
    caption = f"true {true * 360:.0f}°, predicted {start}{after * 360:.0f}°"
    return f"<figure><div>{html_report.picture(image)}{dial}</div>{caption}</figure>"


write = functools.partial(
    html_report.write,
    title="pose regression",
    about="Mean squared error in units of (36 degrees)², mean (standard deviation) over trials; a constant prediction "
    f"has {paper.OBJECTIVE.chance:.2f}.",
    about_examples="Query views of the evaluation's first episode, trial by trial the same. Dials: <b>black</b> the "
    "true angle, <b style='color:#999'>grey</b> predicted before adapting to the support set (learners with an inner "
    "loop), <b style='color:#c22'>red</b> predicted after.",
    draw_examples=_draw_examples,
)
