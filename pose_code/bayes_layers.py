"""Weights of a network, either points or a mean-field Gaussian: the only place where theta is drawn.

A network in this project is a function of a dict {name: tensor} (see networks.py), so "a Bayesian layer" is a
distribution over such a dict. Both classes below offer the same three things, and a learner is made Bayesian by
handing it the other class:

  sample(seed) -> dict of tensors   one draw of theta; the caller reuses it for a whole meta-batch (Algorithms 1, 2)
  kl()         -> scalar, nats      KL(q(theta; mu, sigma) || N(0, I)), a plain sum over weights (Eq. 5)
  variables, rho_variables          what the optimizer moves
"""

import tensorflow as tf


class PointWeights:
    """Deterministic weights: `sample` returns the variables themselves and `kl` is zero."""

    stochastic = False

    def __init__(self, initial):
        """initial: dict name -> float array of any shape."""
        self.mean = {name: tf.Variable(value, dtype=tf.float32, name=name) for name, value in initial.items()}

    @property
    def variables(self):
        return list(self.mean.values())

    @property
    def rho_variables(self):
        return []

    def sample(self, seed):
        del seed
        return {name: variable.value() for name, variable in self.mean.items()}

    def kl(self):
        return tf.constant(0.0)


class GaussianWeights(PointWeights):
    """q(theta) = N(mu, softplus(rho)^2) for every tensor whose name ends in "kernel"; the rest (biases, offsets) are
    points without a KL term, as in Bayes by Backprop's usual layers.

    The prior is N(0, 1) for every weight, so with sigma = softplus(rho)
      KL = sum over weights of  (sigma^2 + mu^2 - 1) / 2 - log sigma.
    """

    stochastic = True

    def __init__(self, initial, untransformed_scale):
        """initial: dict name -> array, the start of mu. untransformed_scale: the start of rho, before softplus."""
        super().__init__(initial)
        self.rho = {
            name: tf.Variable(tf.fill(mu.shape, float(untransformed_scale)), name=f"{name}_rho")
            for name, mu in self.mean.items()
            if name.endswith("kernel")
        }

    @property
    def rho_variables(self):
        return list(self.rho.values())

    def sample(self, seed):
        """One draw theta = mu + softplus(rho) * noise. seed: int tensor [2]; the same seed gives the same draw."""
        sizes = [rho.shape.num_elements() for rho in self.rho.values()]
        # One call for all tensors: every further stateless call costs a key schedule and a kernel launch.
        noise = tf.split(tf.random.stateless_normal([sum(sizes)], seed), sizes)
        theta = super().sample(seed)
        for (name, rho), eps in zip(self.rho.items(), noise, strict=True):
            theta[name] += tf.nn.softplus(rho) * tf.reshape(eps, rho.shape)
        return theta

    def kl(self):
        total = tf.constant(0.0)
        for name, rho in self.rho.items():
            sigma = tf.nn.softplus(rho)
            # log softplus(rho) loses all digits for rho << 0, where softplus(rho) = exp(rho) and its log is rho.
            log_sigma = tf.where(rho < -15.0, rho, tf.math.log(tf.maximum(sigma, 1e-30)))
            total += tf.reduce_sum(0.5 * (sigma**2 + self.mean[name] ** 2 - 1.0) - log_sigma)
        return total


def gaussian_kl(mean, scale):
    """KL(N(mean, scale^2) || N(0, 1)) summed over the last axis, in nats. mean, scale: [..., dim] -> [...]."""
    return tf.reduce_sum(0.5 * (scale**2 + mean**2 - 1.0) - tf.math.log(scale), axis=-1)


def draw_code(encode, theta, context_x, target_x, seed, stochastic_code, kl_on):
    """Code of both sets of a meta-batch, under one theta and in one call of the encoder.

    Args:
      encode: (weights, x [n, ...]) -> code [n, dim], or [n, 2 dim] = (mean, untransformed scale) if `stochastic_code`.
      context_x, target_x: [tasks, K, ...] and [tasks, n, ...].
      seed: int tensor [2], for the noise.
      kl_on: "query" or "context", whose code is held to N(0, I).

    Returns:
      codes [tasks, K, dim] and [tasks, n, dim], and the KL in nats: summed over the code, averaged over points (0
      without `stochastic_code`).
    """
    tasks, num_context = context_x.shape[:2]
    points = tf.concat([context_x, target_x], axis=1)
    code = encode(theta, tf.reshape(points, [-1, *points.shape[2:]]))
    code = tf.reshape(code, [tasks, points.shape[1], code.shape[-1]])
    kl = tf.constant(0.0)
    if stochastic_code:
        mean, untransformed_scale = tf.split(code, 2, axis=-1)
        scale = tf.nn.softplus(untransformed_scale)
        code = mean + scale * tf.random.stateless_normal(tf.shape(mean), seed)
        regularized = slice(num_context, None) if kl_on == "query" else slice(num_context)
        kl = tf.reduce_mean(gaussian_kl(mean[:, regularized], scale[:, regularized]))
    return code[:, :num_context], code[:, num_context:], kl
