"""What the paper's tables and figures on poses have."""

import itertools

import numpy as np

from metalearn.objectives import SQUARED_ERROR
from metalearn.results import Method

# "+wd" is the same script under --weight_decay, on by default for MAML: the paper's one MAML number is shown for both.
# "+encoder" is it under --adapt_encoder.
METHODS = {
    "lookup": Method("look-up of {shots} views", None, None),
    "finetune": Method("FT", (7.33, 0.35), None),
    "finetune+wd": Method("FT + weight decay", (6.16, 0.12), None),
    "maml_vanilla": Method("MAML", (5.39, 1.31), 10000),
    "maml_vanilla+wd": Method("MAML + weight decay", (5.39, 1.31), 10000),
    "maml_bbb": Method("MR-MAML (W)", (2.26, 0.09), 30000),
    "maml_bbb+encoder": Method("MR-MAML (W), encoder adapted", None, None),
    "maml_ib": Method("MR-MAML (A)", None, None),
    "np_vanilla": Method("CNP", (8.48, 0.12), 140000),
    "np_vanilla+wd": Method("CNP + weight decay", (6.86, 0.27), 140000),
    "np_all_bbb": Method("CNP + BbB", (7.73, 0.82), 100000),
    "np_bbb": Method("MR-CNP (W)", (2.89, 0.18), 100000),
    "np_ib": Method("MR-CNP (A)", None, 120000),
}
PAIRS = {
    (plain, regularized)
    for plain, regularized in itertools.product(
        ("maml_vanilla", "maml_vanilla+wd", "np_vanilla", "np_vanilla+wd", "np_all_bbb"),
        ("maml_bbb", "maml_ib", "np_bbb", "np_ib"),
    )
    if plain[:2] == regularized[:2]
} | {("maml_bbb+encoder", "maml_bbb")}
# Figures 2 and 9, read off them: (flag, key in METHODS) -> its value -> meta-test error
FIGURES = {
    ("beta", "np_bbb"): {0.0: 8.12, 1e-5: 4.83, 1e-4: 3.29, 1e-3: 2.89, 1e-2: 8.12},
    ("beta", "maml_bbb"): {0.0: 4.63, 1e-4: 2.75, 1e-3: 2.93, 1e-2: 2.55, 1e-1: 2.27, 1.0: 5.01},
    ("update_lr", "np_ib"): {1e-5: 4.97, 1e-4: 7.44, 1e-3: 9.44},
    ("update_lr", "np_bbb"): {1e-5: 7.38, 1e-4: 3.69, 1e-3: 3.64},
}
LABEL_SCALE = 10.0  # labels are turns x 10, so 1 unit = 36 degrees and a constant prediction scores 100/12


def off_by(predicted, true):
    """Angles between two arrays of angles on the circle, in degrees: 359 and 1 are 2 apart."""
    apart = np.abs(predicted - true) % 360.0
    return np.minimum(apart, 360.0 - apart)


def degrees(predictions, labels):
    """How far off predictions of the angle, the last of dim_y numbers, are: arrays [..., n, dim_y] in label units ->
    [..., n] in degrees."""
    return off_by(*(360.0 / LABEL_SCALE * angles[..., -1] for angles in (predictions, labels)))


TASKS = "objects"
OBJECTIVE = SQUARED_ERROR._replace(
    chance=LABEL_SCALE**2 / 12,  # labels are uniform on [0, LABEL_SCALE]
    points=lambda predictions, labels: {"degrees": degrees(predictions, labels)},
    summaries={
        "median_degrees": lambda points: np.median(points["degrees"]),
        "within_30_degrees": lambda points: np.mean(points["degrees"] <= 30.0),
    },
)


def key(method, used):
    """Key in METHODS of a run's method and flags."""
    return method + ("+wd" if used.get("weight_decay") else "") + ("+encoder" if used.get("adapt_encoder") else "")
