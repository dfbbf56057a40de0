"""What the paper's Table 1 and Figure 5 have."""

from metalearn import results
from metalearn.objectives import SQUARED_ERROR
from metalearn.results import Method

# "@5" is 5 shots at meta-test.
METHODS = {
    "sinusoid_maml_none@5": Method("MAML", (0.46, 0.04), 15000),
    "sinusoid_maml_activations@5": Method("MR-MAML (A)", (0.17, 0.03), 10000),
    "sinusoid_maml_weights@5": Method("MR-MAML (W)", (0.16, 0.04), 15000),
    "sinusoid_cnp_none@5": Method("CNP", (0.91, 0.10), 30000),
    "sinusoid_cnp_activations@5": Method("MR-CNP (A)", (0.10, 0.01), 30000),
    "sinusoid_cnp_weights@5": Method("MR-CNP (W)", (0.11, 0.02), 120000),
    "sinusoid_maml_none@10": Method("MAML", (0.13, 0.01), 15000),
    "sinusoid_maml_activations@10": Method("MR-MAML (A)", (0.07, 0.02), 10000),
    "sinusoid_maml_weights@10": Method("MR-MAML (W)", (0.06, 0.01), 15000),
    "sinusoid_cnp_none@10": Method("CNP", (0.92, 0.05), 30000),
    "sinusoid_cnp_activations@10": Method("MR-CNP (A)", (0.09, 0.01), 30000),
    "sinusoid_cnp_weights@10": Method("MR-CNP (W)", (0.09, 0.01), 120000),
}
PAIRS = set()
OBJECTIVE = SQUARED_ERROR
FIGURE5 = {  # at 5 shots, read off the figure: inner-loop steps -> MSE
    "MAML": {0: 0.84, 1: 0.79, 5: 0.60, 100: 0.47, 200: 0.46},
    "MR-MAML": {0: 0.72, 1: 0.32, 5: 0.20, 100: 0.16, 200: 0.16},
}


def key(method, used):
    """Key in METHODS of a run's method and flags."""
    return f"{method}@{results.shots(used)}"
