"""Few-shot classification in which every class keeps its label: the paper's Tables 4 and 5 and Figure 10."""
