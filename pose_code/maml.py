"""MAML (Finn et al., 2017) and MR-MAML (Algorithm 2): `adapt` is the inner loop, `Maml` the outer loss."""

import tensorflow as tf

from pose_code.bayes_layers import PointWeights, draw_code


def adapt(loss_fn, weights, num_updates, update_lr, stop_grad=False):
    """The inner loop: `num_updates` steps of gradient descent on one task's support set.

    Args:
      loss_fn: dict of weights -> scalar support loss.
      weights: dict name -> tensor, the shared start.
      update_lr: step size alpha.
      stop_grad: treat each step's gradient as a constant (first-order MAML).

    Returns:
      fast_weights, a dict like `weights`, differentiable with respect to the start (second order unless stop_grad),
      and the list of support losses before each step.
    """
    fast_weights, losses = dict(weights), []
    for _ in range(num_updates):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(fast_weights)
            loss = loss_fn(fast_weights)
        gradients = tape.gradient(loss, fast_weights)
        if stop_grad:
            gradients = {name: tf.stop_gradient(gradient) for name, gradient in gradients.items()}
        fast_weights = {name: w - update_lr * gradients[name] for name, w in fast_weights.items()}
        losses.append(loss)
    return fast_weights, losses


def mean_squared_error(prediction, y):
    """MSE in label units squared, (turns x 10)^2. Both [..., n, dim_y] -> [...]."""
    return tf.reduce_mean(tf.math.squared_difference(prediction, y), axis=[-2, -1])


class Maml:
    """Outer loss of MAML and its meta-regularized forms.

    The network is head(encode(x)). The head's convolutions and output layer are adapted; its normalisation offsets are
    meta-learned only. The encoder is adapted too (`adapt_encoder`, plain MAML) or shared by all tasks, and then may be
    stochastic in its weights (`encoder` is GaussianWeights: MR on weights, Eq. 5) or in its code (`stochastic_code`:
    MR on activations, Eq. 3).
    """

    def __init__(
        self,
        *,
        encoder,
        head,
        offsets,
        encode,
        predict_from_code,
        adapt_encoder,
        num_updates,
        test_num_updates,
        update_lr,
        stop_grad=False,
        stochastic_code=False,
        beta=0.0,
        kl_on="query",
    ):
        """encoder: PointWeights or GaussianWeights of `encode(weights, x)`, x [n, ...] -> code [n, dim]. head, offsets:
        dicts of arrays for `predict_from_code(weights, code) -> [n, dim_y]`. beta: factor of the KL in the outer loss.
        kl_on: whose code the KL of `stochastic_code` is taken on, the "query" points (Eq. 3) or the "context" points.
        """
        self.encoder, self.head, self.offsets = encoder, PointWeights(head), PointWeights(offsets)
        self.encode, self.predict_from_code = encode, predict_from_code
        self.adapt_encoder, self.stochastic_code = adapt_encoder, stochastic_code
        self.num_updates, self.test_num_updates = num_updates, test_num_updates
        self.update_lr, self.stop_grad = update_lr, stop_grad
        self.beta, self.kl_on = beta, kl_on
        self.stochastic = encoder.stochastic or stochastic_code
        self.modules = {"encoder": self.encoder, "head": self.head, "offsets": self.offsets}
        self.train_tags = {"pre_mse": "Pre-mse", "mse": f"Post-mse_{num_updates}"}
        self.val_tags = {"pre_mse": "Pre-mse", "mse": f"Post-mse_{test_num_updates}"}

    def loss(self, batch, seed):
        """Outer loss of one MetaBatch and its metrics. seed: int tensor [2] for theta (one draw a meta-batch)."""
        predictions, pre_mse, kl = self._adapt_and_predict(batch, seed, self.num_updates)
        mse = tf.reduce_mean(mean_squared_error(predictions, batch.target_y))
        metrics = {"pre_mse": pre_mse, "mse": mse, "kl": kl}
        return mse + self.beta * kl, metrics

    def predict(self, batch, seed):
        """Meta-test: predictions [tasks, n, dim_y] on the query set after `test_num_updates` steps, and the support MSE
        before the first (scalar)."""
        predictions, pre_mse, _ = self._adapt_and_predict(batch, seed, self.test_num_updates)
        return predictions, pre_mse

    def _adapt_and_predict(self, batch, seed, num_updates):
        seed_theta, seed_code = tf.unstack(tf.random.split(seed, 2))
        theta, kl = self.encoder.sample(seed_theta), self.encoder.kl()
        weights, offsets = self.head.mean, self.offsets.mean
        context, target = batch.context_x, batch.target_x
        if self.adapt_encoder:
            weights = theta | weights
        else:
            # All support and query points of the meta-batch in one call: nothing here depends on the task.
            context, target, code_kl = draw_code(
                self.encode, theta, context, target, seed_code, self.stochastic_code, self.kl_on
            )
            kl += code_kl

        def forward(fast_weights, x):
            code = self.encode(fast_weights, x) if self.adapt_encoder else x
            return self.predict_from_code(fast_weights | offsets, code)

        def one_task(task):
            context_x, context_y, target_x = task

            def support_loss(fast_weights):
                return mean_squared_error(forward(fast_weights, context_x), context_y)

            fast_weights, losses = adapt(support_loss, weights, num_updates, self.update_lr, self.stop_grad)
            return forward(fast_weights, target_x), losses[0] if losses else support_loss(weights)

        predictions, pre_mse = tf.map_fn(
            one_task,
            (context, batch.context_y, target),
            fn_output_signature=(tf.TensorSpec(batch.target_y.shape[1:]), tf.TensorSpec([])),
        )
        return predictions, tf.reduce_mean(pre_mse), kl
