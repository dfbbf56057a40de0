"""Weights of a network, either points or a mean-field Gaussian: the only place where theta is drawn.

A network in this project is a function of a dict {name: tensor} (see layers.py), so "a Bayesian layer" is a
distribution over such a dict. `Weights` is that distribution, a named tuple of tensors, and a learner is made Bayesian
by starting it from `gaussian_weights` in place of `point_weights`. Who trains them (training.py) owns the variables.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from absl import flags


class Weights(NamedTuple):
    """q(theta) = N(mean, softplus(rho)^2) for every tensor that has a rho; the others are points without a KL term.

    mean: dict name -> tensor. rho: dict name -> tensor of the same shape, empty for deterministic weights.
    The prior is N(0, 1) for every weight, so with sigma = softplus(rho)
      KL = sum over weights of  (sigma^2 + mean^2 - 1) / 2 - log sigma.
    """

    mean: dict
    rho: dict

    @property
    def stochastic(self):
        return bool(self.rho)

    def draws_differ(self):
        """Whether draws of theta differ by more than rounding: not with every sigma below float32's resolution at 1, as
        at rho = -20. For weights with values, not in a graph."""
        resolution = np.finfo(np.float32).eps
        return any(np.max(tf.nn.softplus(rho)) > resolution for rho in self.rho.values())

    def sample(self, seed):
        """One draw theta = mean + softplus(rho) * noise, a dict of tensors; see `draw_thetas` for how many are
        drawn. seed: int tensor [2]; the same seed gives the same draw. Without rho: the means."""
        if not self.rho:
            return dict(self.mean)
        sizes = [rho.shape.num_elements() for rho in self.rho.values()]
        # One call for all tensors: every further stateless call costs a key schedule and a kernel launch.
        noise = tf.split(tf.random.stateless_normal([sum(sizes)], seed), sizes)
        theta = dict(self.mean)
        for (name, rho), eps in zip(self.rho.items(), noise, strict=True):
            theta[name] = self.mean[name] + tf.nn.softplus(rho) * tf.reshape(eps, rho.shape)
        return theta

    def kl(self):
        """KL(q(theta; mean, sigma) || N(0, I)) in nats, a plain sum over weights (Eq. 5): scalar, 0 without rho."""
        squares = [tf.reduce_sum(self.mean[name] ** 2) for name in self.rho]
        return 0.5 * sum(squares, tf.constant(0.0)) + self.kl_sigma()

    def kl_sigma(self):
        """The part of `kl` that is sigma's, constant where rho does not learn: sum of (sigma^2 - 1) / 2 - log sigma."""
        total = tf.constant(0.0)
        for rho in self.rho.values():
            total += tf.reduce_sum(gaussian_kl(0.0, rho))
        return total


def _log_softplus(x):
    """Also for x << 0, where softplus(x) = exp(x) loses all digits, and below -104 is 0."""
    return tf.where(x < -15.0, x, tf.math.log(tf.nn.softplus(tf.maximum(x, -15.0))))


def point_weights(initial):
    """Deterministic weights. initial: dict name -> array."""
    return Weights(initial, {})


def gaussian_weights(initial, untransformed_scale, rng, spread=0.1):
    """A posterior for every tensor whose name ends in "kernel"; biases and offsets stay points without a KL term.

    All starts as in TensorFlow Probability's layers, which upstream used: the kernels' means at N(0, 0.1^2), not at
    `initial`, rho at N(untransformed_scale, spread^2), biases at `initial` + N(0, spread^2).

    Glorot's means are half as large in an image encoder's wide layers, no larger than the noise of rho = -3, and MR-CNP
    then never learns: its posterior falls back to the prior.

    initial: dict name -> array; untransformed_scale: the start of rho, before softplus; spread: 0 draws neither.
    """

    def draw(mean, std):
        return (mean + (std and rng.normal(0.0, std, mean.shape))).astype(np.float32)

    kernels = [name for name in initial if name.endswith("kernel")]
    means = {name: draw(np.zeros(initial[name].shape), 0.1) for name in kernels}
    rho = {name: draw(np.full(initial[name].shape, untransformed_scale), spread) for name in kernels}
    biases = {name: draw(array, spread) for name, array in initial.items() if name.endswith("bias")}
    return Weights(initial | means | biases, rho)


def kl_sigma(weights):
    """The metric of that name of a learner's weights, dict module -> Weights; none if all are points."""
    parts = [part.kl_sigma() for part in weights.values() if part.stochastic]
    return {"kl_sigma": tf.add_n(parts)} if parts else {}


def gaussian_kl(mean, rho):
    """KL(N(mean, softplus(rho)^2) || N(0, 1)) summed over the last axis, in nats. mean, rho: [..., dim] -> [...]."""
    return tf.reduce_sum(0.5 * (tf.nn.softplus(rho) ** 2 + mean**2 - 1.0) - _log_softplus(rho), axis=-1)


def task_noise(shape, seed):
    """Standard normal noise [tasks, ...] for this meta-batch. Where it is split over replicas, this
    replica's share of one draw for all, so that no result depends on the number of replicas."""
    context = tf.distribute.get_replica_context()
    num_replicas, replica = context.num_replicas_in_sync, context.replica_id_in_sync_group
    noise = tf.random.stateless_normal([num_replicas * shape[0], *shape[1:]], seed)
    return noise if num_replicas == 1 else noise[replica * shape[0] : (replica + 1) * shape[0]]


def define_posterior_flags(var, rho_lr=None, beta=1e-3):
    """Flags of meta-regularization on weights."""
    flags.DEFINE_float("beta", beta, "beta in Eq. 5, factor of KL(q(theta) || N(0, I))", lower_bound=0.0)
    define_scale_flags(var, rho_lr)


def define_scale_flags(var, rho_lr=None):
    """Those of its scale and of how theta is drawn."""
    flags.DEFINE_float("var", var, "start of rho, the posterior scale before softplus", -100.0, 100.0)
    flags.DEFINE_float("rho_lr", rho_lr, "learning rate of rho; unset: that of the means", lower_bound=0.0)
    define_theta_flag()


def define_code_flags(beta=0.01):
    """Flags of meta-regularization on activations."""
    flags.DEFINE_float("beta", beta, "beta in Eq. 3, factor of KL(q(z*|x*) || N(0, I))", lower_bound=0.0)
    define_kl_on_flag()


def define_kl_on_flag():
    """--kl_on of a script with a stochastic code."""
    flags.DEFINE_enum(
        "kl_on", "query", ("query", "support", "context"),
        "whose code the KL is on: Eq. 3's query, or upstream's support; context is support",
    )  # fmt: skip


def define_theta_flag():
    """--theta_per of a script with a posterior."""
    flags.DEFINE_enum(
        "theta_per", "meta_batch", ("meta_batch", "set"),
        "one draw of theta per meta-batch (Algorithms 1, 2), or one for all its support sets and one for all its query "
        "sets, as the released code draws by calling its encoder twice; in training and at meta-test",
    )  # fmt: skip


def draw_thetas(weights, seed, theta_per):
    """theta for the support sets and theta for the query sets of a meta-batch. theta_per: the flag's value."""
    if theta_per == "meta_batch" or not weights.stochastic:
        theta = weights.sample(seed)
        return theta, theta
    return tuple(weights.sample(part) for part in tf.unstack(tf.random.split(seed, 2)))


def draw_code(encode, thetas, support_x, query_x, seed, stochastic_code, kl_on, mean_code=False):
    """Code of both sets of a meta-batch, in one call of the encoder if they have one theta.

    Args:
      encode: (weights, x [n, ...]) -> code [n, dim], or [n, 2 dim] = (mean, rho) if `stochastic_code`.
      thetas: of `draw_thetas`.
      support_x, query_x: [tasks, K, ...] and [tasks, n, ...].
      seed: int tensor [2], for the noise.
      kl_on: "query" or "support" (or "context", the same), whose code is held to N(0, I).
      mean_code: take the mean of a stochastic code in place of a draw.

    Returns:
      codes [tasks, K, dim] and [tasks, n, dim], and the KL in nats: summed over the code, averaged over points (0
      without `stochastic_code`).
    """

    def codes(theta, x):
        code = encode(theta, tf.reshape(x, [-1, *x.shape[2:]]))
        return tf.reshape(code, [*x.shape[:2], code.shape[-1]])

    num_support, (theta, query_theta) = support_x.shape[1], thetas
    if theta is query_theta:
        code = codes(theta, tf.concat([support_x, query_x], axis=1))
    else:
        code = tf.concat([codes(theta, support_x), codes(query_theta, query_x)], axis=1)
    kl = tf.constant(0.0)
    if stochastic_code:
        mean, rho = tf.split(code, 2, axis=-1)
        code = mean if mean_code else mean + tf.nn.softplus(rho) * task_noise(mean.shape, seed)
        regularized = slice(num_support, None) if kl_on == "query" else slice(num_support)
        kl = tf.reduce_mean(gaussian_kl(mean[:, regularized], rho[:, regularized]))
    return code[:, :num_support], code[:, num_support:], kl
