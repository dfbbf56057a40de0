"""Vectorized maps compiled by XLA."""

import tensorflow as tf


class Compiled:
    """`function` of nested tensors, compiled by XLA once for each set of their shapes. It may have no gradient of a
    loop in it.

    tf.function(jit_compile=True) traces under XLA, where tf.vectorized_map makes a function of its own of its body. The
    gradient takes shapes out of that, for which XLA makes constants of all that goes into it, and compiles again for
    each meta-batch. So the function is traced first here, and XLA gets the whole. The gradient of a loop does need to
    be traced under XLA.
    """

    def __init__(self, function):
        self._function, self._compiled = tf.function(function, autograph=False), {}

    def __call__(self, *args):
        _, compiled = self.of(*args)
        return compiled(*tf.nest.flatten(args))

    def of(self, *args):
        """The function as it is traced for such arguments (a ConcreteFunction), and compiled, of a flat list of
        them."""
        traced = self._function.get_concrete_function(*args)
        if id(traced) not in self._compiled:
            structure = tf.nest.map_structure(lambda _: None, args)

            def of_flat(*flat):
                return traced(*tf.nest.pack_sequence_as(structure, flat))

            self._compiled[id(traced)] = tf.function(of_flat, autograph=False, jit_compile=True)
        return traced, self._compiled[id(traced)]
