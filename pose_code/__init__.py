"""MAML and neural processes, plain and meta-regularized (Yin et al., ICLR 2020)."""
