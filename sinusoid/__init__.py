"""The sinusoid experiment (Table 1, Figures 5 to 8): its tasks and small networks, on the learners of metalearn."""

import numpy as np

NUM_AMPLITUDES = 20
AMPLITUDES = np.linspace(0.1, 4.0, NUM_AMPLITUDES)  # of the training tasks
U_RANGE = (-5.0, 5.0)
DIM_X = 1 + NUM_AMPLITUDES  # of an input (u, one-hot)
