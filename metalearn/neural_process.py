"""Conditional neural processes (Garnelo et al., 2018) and MR-CNP (Algorithm 1): encode, aggregate, decode."""

import tensorflow as tf

from metalearn import layers
from metalearn.bayes_layers import draw_code, draw_thetas, kl_sigma, task_noise


def init_neural_process(
    rng, *, dim_w, dim_y, dim_r, dim_z, hidden_r, hidden_g, deterministic=True, lift_divisor=4, std=None,
    decoder_std=None,
):  # fmt: skip
    """Initial weights of everything behind the encoder: [w, lifted y] -> r_i, mean r -> z, [z, w*] -> y*.

    lift_divisor: y is lifted to dim_w // lift_divisor numbers; None: y joins w as it is. std: of the kernels up to z,
    decoder_std: of the decoder's; None: Glorot. The released code has 0.05 up to z. Glorot's kernels make the signal
    from y to z some hundred times stronger, which decides whether a CNP memorizes.
    """
    dim_lift = max(1, dim_w // lift_divisor) if lift_divisor else dim_y
    return {
        **(layers.init_mlp(rng, "lift", [dim_y, dim_lift], std) if lift_divisor else {}),
        **layers.init_mlp(rng, "pair", [dim_w + dim_lift, *hidden_r, dim_r], std),
        **layers.init_mlp(rng, "task", [dim_r, dim_z if deterministic else 2 * dim_z], std),
        **layers.init_mlp(rng, "decoder", [dim_z + dim_w, *hidden_g, dim_y], decoder_std),
    }


class NeuralProcess:
    """Loss of the CNP and its meta-regularized forms.

    Stochastic in the encoder's weights (they have a rho: MR on weights, Eq. 5), in all weights (the decoder's too:
    Bayes by Backprop), or in the code (`stochastic_code`: MR on activations, Eq. 3).
    """

    def __init__(
        self,
        *,
        objective,
        init,
        encode,
        num_hidden_r,
        num_hidden_g,
        deterministic=True,
        facto=1.0,
        stochastic_code=False,
        beta=0.0,
        kl_on="query",
        test_mean_code=False,
        theta_per="meta_batch",
    ):
        """
        objective: an Objective, whose loss is trained on.
        init: NumPy generator -> initial weights, {"encoder", "decoder": Weights}, the latter of `init_neural_process`.
        encode: (dict of the encoder's weights, x [n, ...]) -> code w [n, dim_w].
        beta: factor of the KL in the loss. kl_on: whose code the KL of `stochastic_code` is taken on, the "query"
        points (Eq. 3) or the "support" points. test_mean_code: meta-test takes its mean in place of draws. theta_per:
        of `draw_thetas`.
        """
        self.objective, self.init, self.encode = objective, init, encode
        self.num_hidden_r, self.num_hidden_g = num_hidden_r, num_hidden_g
        self.deterministic, self.facto = deterministic, facto
        self.stochastic_code, self.beta, self.kl_on = stochastic_code, beta, kl_on
        self.test_mean_code, self.theta_per = test_mean_code, theta_per
        self.train_tags = self.val_tags = {}

    def stochastic(self, weights):
        """Whether predictions with these weights depend on the seed, by more than rounding."""
        code = self.stochastic_code and not self.test_mean_code
        return code or not self.deterministic or any(part.draws_differ() for part in weights.values())

    def loss(self, weights, batch, seed):
        """Loss of one MetaBatch and its metrics. seed: int tensor [2] for theta."""
        predictions, kl = self._predict(weights, batch, seed)
        loss, error = self.objective.means(predictions, batch.query_y)
        metrics = {"regularizer": self.beta * kl, self.objective.name: error, "kl": kl, **kl_sigma(weights)}
        return loss + self.beta * kl, metrics

    def predict(self, weights, batch, seed):
        """Predictions [tasks, n, dim_y] on the query set; None: a CNP has no error before it sees a support set."""
        return self._predict(weights, batch, seed, self.test_mean_code)[0], None

    def _predict(self, weights, batch, seed, mean_code=False):
        seed_theta, seed_decoder, seed_code, seed_z = tf.unstack(tf.random.split(seed, 4))
        thetas = draw_thetas(weights["encoder"], seed_theta, self.theta_per)
        decoder = weights["decoder"].sample(seed_decoder)
        w, query_w, code_kl = draw_code(
            self.encode, thetas, batch.support_x, batch.query_x, seed_code, self.stochastic_code, self.kl_on, mean_code
        )
        # pair features [tasks, K, dim_r], aggregated over the support set: r [tasks, dim_r]
        lifted_y = layers.mlp(decoder, "lift", 1, batch.support_y) if "lift0/kernel" in decoder else batch.support_y
        r = layers.mlp(decoder, "pair", self.num_hidden_r + 1, tf.concat([w, lifted_y], axis=-1))
        z = layers.mlp(decoder, "task", 1, tf.reduce_mean(r, axis=1))
        if not self.deterministic:
            mean, untransformed_scale = tf.split(z, 2, axis=-1)
            z = mean + tf.nn.softplus(untransformed_scale) * task_noise(mean.shape, seed_z)
        # every query point sees its task's z: [tasks, n, dim_z + dim_w] -> [tasks, n, dim_y]
        z = tf.repeat(self.facto * z[:, None], query_w.shape[1], axis=1)
        predictions = layers.mlp(decoder, "decoder", self.num_hidden_g + 1, tf.concat([z, query_w], axis=-1))
        return predictions, weights["encoder"].kl() + weights["decoder"].kl() + code_kl
