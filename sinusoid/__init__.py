"""The sinusoid experiment (Table 1, Figures 5 and 6): its tasks and small networks, on the learners of pose_code."""
