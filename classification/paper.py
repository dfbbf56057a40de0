"""What the paper's Tables 4 and 5 and Figure 10 have, accuracies in percent."""

from metalearn.objectives import CROSS_ENTROPY
from metalearn.results import Method, shots

# "@20x1" is 20-way, 1 shot: Omniglot's columns. The other two are MiniImagenet's.
_AT = ("20x1", "20x5", "5x1", "5x5")
_TABLE4 = {
    "joint_finetune": ("fine-tuning", (None, None, (28.9, 0.5), (49.8, 0.8))),
    "joint_nearest": ("nearest neighbour", (None, None, (41.1, 0.7), (51.0, 0.7))),
    "maml_none": ("MAML", ((7.8, 0.2), (50.7, 22.9), (26.3, 0.7), (41.6, 2.6))),
    "maml_taml": ("TAML", ((9.6, 2.3), (67.9, 2.3), (26.1, 0.6), (44.2, 1.7))),
    "maml_weights": ("MR-MAML (W)", ((83.3, 0.8), (94.1, 0.1), (43.6, 0.6), (53.8, 0.9))),
    "maml_activations": ("MR-MAML (A)", (None, None, None, None)),
}
METHODS = {
    f"class_{method}@{at}": Method(f"{label}, {at.replace('x', '-way ')}-shot", number, None)
    for at, column in zip(_AT, range(4), strict=True)
    for method, (label, numbers) in _TABLE4.items()
    for number in [numbers[column]]
} | {
    # Figure 10: mutually exclusive tasks
    f"class_{method}@{at}+me": Method(f"{label}, mutually exclusive", number if at == "20x1" else None, None)
    for at in _AT
    for method, label, number in (
        ("maml_none", "MAML", (76.8, None)),
        ("maml_weights", "MR-MAML (W)", None),
    )
}
# Table 5: on meta-training tasks, before adapting
BEFORE_ADAPTING = {
    f"class_{method}@{at}": number
    for method, numbers in {
        "maml_none": ((99.2, 0.2), (45.1, 38.9), (99.4, 0.1), (21.0, 1.2)),
        "maml_taml": ((68.9, 43.1), (6.7, 1.8), (99.4, 0.1), (20.8, 0.4)),
        "maml_weights": ((5.0, 0.0), (5.0, 0.0), (20.0, 0.0), (20.2, 0.1)),
    }.items()
    for at, number in zip(_AT, numbers, strict=True)
}
FIGURES = {  # Figure 10, read off it: beta -> accuracy
    ("beta", "class_maml_weights@20x1+me"): {1e-7: 81.1, 1e-6: 83.9, 1e-5: 84.2, 5e-5: 77.7, 1e-4: 71.7, 1e-3: 19.4},
}
PAIRS = {
    (f"class_{plain}@{at}", f"class_{regularized}@{at}")
    for at in _AT
    for plain in ("maml_none", "maml_taml")
    for regularized in ("maml_weights", "maml_activations")
}
EXTRA_COLUMNS = ("interval", "before")
OBJECTIVE = CROSS_ENTROPY


def key(method, used):
    """Key in METHODS of a run's method and flags."""
    return f"{method}@{used.get('ways')}x{shots(used)}" + ("+me" if used.get("mutually_exclusive") else "")
