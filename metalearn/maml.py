"""MAML (Finn et al., 2017) and MR-MAML (Algorithm 2): `adapt` is the inner loop, `Maml` the outer loss."""

import tensorflow as tf
from absl import flags

from metalearn.bayes_layers import draw_code, draw_thetas, kl_sigma


def define_flags(inner_loop=True):
    """Flags of both loops, with the released maml_bbb's defaults. inner_loop: False for a script that adapts at
    meta-test only."""
    if inner_loop:
        flags.DEFINE_integer("num_updates", 5, "inner-loop steps in training", lower_bound=0, upper_bound=1000)
        flags.DEFINE_bool("stop_grad", False, "first-order MAML: no gradient through any inner step")
    flags.DEFINE_integer("test_num_updates", 20, "inner-loop steps at meta-test", lower_bound=0, upper_bound=100_000)
    flags.DEFINE_float("update_lr", 0.002, "inner loop step size alpha", lower_bound=0.0)
    flags.DEFINE_float("meta_lr", 0.002, "learning rate of the outer step", lower_bound=0.0)
    flags.DEFINE_integer("metatrain_iterations", 30000, "outer steps", lower_bound=0)


def adapt(loss_fn, weights, num_updates, update_lr, given=(), *, stop_grad=False, unroll=True, recompute=False):
    """The inner loop: `num_updates` steps of gradient descent on one task's support set.

    Args:
      loss_fn: (dict of weights, *given) -> scalar support loss.
      weights: dict name -> tensor, the shared start.
      update_lr: step size alpha.
      given: what else the loss depends on, structures of tensors.
      stop_grad: treat each step's gradient as a constant (first-order MAML).
      unroll: True builds one subgraph per step, the fastest to differentiate. False builds a loop, which traces at
        once: for meta-test, where nothing is differentiated.
      recompute: keep only the weights between steps for the outer gradient, and compute each step again for it
        (gradient checkpointing): less memory, more time. `given` must then have all that this gradient is to reach.

    Returns:
      fast_weights, a dict like `weights`, differentiable with respect to the start (second order unless stop_grad).
    """

    def step(fast_weights, *given):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(fast_weights)
            loss = loss_fn(fast_weights, *given)
        gradients = tape.gradient(loss, fast_weights)
        if stop_grad:
            gradients = {name: tf.stop_gradient(gradient) for name, gradient in gradients.items()}
        return {name: w - update_lr * gradients[name] for name, w in fast_weights.items()}

    if not unroll:
        loop = tf.while_loop(
            lambda i, _: i < num_updates, lambda i, fast: (i + 1, step(fast, *given)), (0, dict(weights))
        )
        return loop[1]
    fast_weights = dict(weights)
    for _ in range(num_updates):
        fast_weights = _recomputed(step, fast_weights, *given) if recompute else step(fast_weights, *given)
    return fast_weights


def _recomputed(function, *arguments):
    """function(*arguments), structured as the first argument, of which nothing but the arguments is kept for the
    gradient. tf.recompute_grad cannot be used: it hides the function's operations from the tape inside it, too."""

    @tf.custom_gradient
    def run(*tensors):
        def call(tensors):
            return function(*tf.nest.pack_sequence_as(arguments, tensors))

        def gradient(*upstream):
            with tf.control_dependencies(upstream):  # not before it is wanted, which would keep it as well
                again = [tf.identity(tensor) for tensor in tensors]
            differentiable = [tensor for tensor in again if tensor.dtype.is_floating]  # images are whole numbers
            with tf.GradientTape() as tape:
                tape.watch(differentiable)
                results = tf.nest.flatten(call(again))
            zero = tf.UnconnectedGradients.ZERO
            gradients = iter(tape.gradient(results, differentiable, upstream, unconnected_gradients=zero))
            return [next(gradients) if tensor.dtype.is_floating else None for tensor in again]

        return tf.nest.flatten(call(tensors)), gradient

    return tf.nest.pack_sequence_as(arguments[0], run(*tf.nest.flatten(arguments)))


class Maml:
    """Outer loss of MAML and its meta-regularized forms.

    The network is head(encode(x)). The head's weights are adapted; its offsets (of a normalization) are meta-learned
    only. The encoder is adapted too (`adapt_encoder`, plain MAML) or shared by all tasks, and then may be stochastic in
    its weights (they have a rho: MR on weights, Eq. 5) or in its code (`stochastic_code`: MR on activations, Eq. 3).
    """

    def __init__(
        self,
        *,
        objective,
        init,
        encode,
        predict_from_code,
        adapt_encoder,
        num_updates,
        test_num_updates,
        update_lr,
        test_update_lr=None,
        stop_grad=False,
        recompute=False,
        stochastic_code=False,
        beta=0.0,
        kl_on="query",
        test_mean_code=False,
        theta_per="meta_batch",
        task_penalty=None,
        inner_loop="map",
    ):
        """
        objective: an Objective; its loss is what both loops descend.
        init: NumPy generator -> initial weights, {"encoder", "head", "offsets": Weights}.
        encode: (dict of the encoder's weights, x [n, ...]) -> code [n, dim].
        predict_from_code: (dict of head and offsets, code) -> [n, dim_y].
        stop_grad, recompute: of `adapt`. test_update_lr: the inner step size at meta-test; None takes update_lr.
        beta: factor of the KL in the outer loss. kl_on: whose code the KL of `stochastic_code` is taken on, the "query"
        points (Eq. 3) or the "support" points. test_mean_code: meta-test takes its mean in place of draws. theta_per:
        of `draw_thetas`.
        task_penalty: (predictions [K, dim_y] for a task's support set before adapting, after it) -> scalar, whose mean
        over tasks is added to the outer loss.
        inner_loop: "map" adapts to one task after the other, "vectorized" to all at once, with a batch of weights.
        """
        self.objective, self.init, self.encode, self.predict_from_code = objective, init, encode, predict_from_code
        self.adapt_encoder, self.stochastic_code = adapt_encoder, stochastic_code
        self.num_updates, self.test_num_updates = num_updates, test_num_updates
        self.update_lr, self.stop_grad, self.recompute = update_lr, stop_grad, recompute
        self.test_update_lr = update_lr if test_update_lr is None else test_update_lr
        self.beta, self.kl_on, self.inner_loop = beta, kl_on, inner_loop
        self.test_mean_code, self.theta_per, self.task_penalty = test_mean_code, theta_per, task_penalty
        error = objective.name
        self.train_tags = {f"pre_{error}": f"Pre-{error}", error: f"Post-{error}_{num_updates}"}
        self.val_tags = {f"pre_{error}": f"Pre-{error}", error: f"Post-{error}_{test_num_updates}"}

    def stochastic(self, weights):
        """Whether predictions with these weights depend on the seed, by more than rounding."""
        return (self.stochastic_code and not self.test_mean_code) or weights["encoder"].draws_differ()

    def loss(self, weights, batch, seed):
        """Outer loss of one MetaBatch and its metrics. seed: int tensor [2] for theta."""
        predictions, pre_error, penalty, kl = self._adapt_and_predict(
            weights, batch, seed, self.num_updates, self.update_lr
        )
        loss, error = self.objective.means(predictions, batch.query_y)
        regularizer = self.beta * kl + penalty
        pre_error = tf.reduce_mean(pre_error)
        metrics = {"regularizer": regularizer, f"pre_{self.objective.name}": pre_error, self.objective.name: error}
        return loss + regularizer, metrics | {"kl": kl, **kl_sigma(weights)}

    def predict(self, weights, batch, seed, num_updates=None):
        """Meta-test: predictions [tasks, n, dim_y] on the query set after num_updates (`test_num_updates`) inner steps,
        and the support sets' errors before the first, [tasks]. Not to be differentiated."""
        num_updates = self.test_num_updates if num_updates is None else num_updates
        predictions, pre_error, _, _ = self._adapt_and_predict(
            weights, batch, seed, num_updates, self.test_update_lr, self.test_mean_code, unroll=False
        )
        return predictions, pre_error

    def _adapt_and_predict(self, weights, batch, seed, num_updates, update_lr, mean_code=False, unroll=True):
        seed_theta, seed_code = tf.unstack(tf.random.split(seed, 2))
        thetas, kl = draw_thetas(weights["encoder"], seed_theta, self.theta_per), weights["encoder"].kl()
        adapted, offsets = weights["head"].mean, weights["offsets"].mean
        support, query = batch.support_x, batch.query_x
        if self.adapt_encoder:
            adapted = thetas[0] | adapted
        else:
            # All support and query points of the meta-batch in one call: nothing here depends on the task.
            support, query, code_kl = draw_code(
                self.encode, thetas, support, query, seed_code, self.stochastic_code, self.kl_on, mean_code
            )
            kl += code_kl

        def forward(fast_weights, x, offsets=offsets):
            code = self.encode(fast_weights, x) if self.adapt_encoder else x
            return self.predict_from_code(fast_weights | offsets, code)

        def support_loss(fast_weights, x, y, offsets):
            return self.objective.loss(forward(fast_weights, x, offsets), y)

        def one_task(task):
            support_x, support_y, query_x = task

            given = support_x, support_y, offsets
            how = {"stop_grad": self.stop_grad, "unroll": unroll, "recompute": self.recompute}
            fast_weights = adapt(support_loss, adapted, num_updates, update_lr, given, **how)
            before = forward(adapted, support_x)
            penalty = self.task_penalty(before, forward(fast_weights, support_x)) if self.task_penalty else tf.zeros([])
            # A metric only; without the stop tf.map_fn would run its backward pass, with zeros.
            pre_error = tf.stop_gradient(self.objective.error(before, support_y))
            return forward(fast_weights, query_x), pre_error, penalty

        tasks = (support, batch.support_y, query)
        if self.inner_loop == "vectorized":
            predictions, pre_error, penalty = tf.vectorized_map(one_task, tasks)
        else:
            predictions = tf.TensorSpec([query.shape[1], batch.support_y.shape[-1]])
            output = (predictions, tf.TensorSpec([]), tf.TensorSpec([]))
            predictions, pre_error, penalty = tf.map_fn(one_task, tasks, fn_output_signature=output)
        return predictions, pre_error, tf.reduce_mean(penalty), kl
