"""The training step of four pose scripts as one would write it with Keras layers, for bench/train_step.py to compare.

Keras's layers, which get the weights of the moment by `stateless_call`; the encoder on all images of a call at once;
one task after the other in tf.map_fn; tf.GradientTape and Keras's Adam in one tf.function. The loss is the scripts'
own, and so is its gradient but for a term that MAML loses in Keras's batch norm (tests/test_bench.py).
"""

import keras
import tensorflow as tf
from absl import flags
from keras import layers

FLAGS = flags.FLAGS

SCRIPTS = ("maml_vanilla", "maml_bbb", "np_vanilla", "np_bbb")


def _encoder():
    return [
        keras.Input((FLAGS.dim_im, FLAGS.dim_im, 1)),
        layers.Rescaling(1 / 255),
        layers.Conv2D(32, 3, 2, "same", activation="relu", name="conv0"),
        layers.Conv2D(48, 3, 2, "same", activation="relu", name="conv1"),
        layers.MaxPooling2D(2, 2, "same"),
        layers.Conv2D(64, 3, 2, "same", activation="relu", name="conv2"),
        layers.Flatten(),
        layers.Dense(FLAGS.dim_w, name="code"),
    ]


def _head():
    side = int(FLAGS.dim_w**0.5)
    found = [layers.Reshape((side, side, 1))]
    for i in range(4):
        found.append(layers.Conv2D(FLAGS.num_filters, 3, padding="same", name=f"head{i}"))
        found += [layers.BatchNormalization(scale=False, name=f"norm{i}"), layers.ReLU()]
    return [*found, layers.GlobalAveragePooling2D(), layers.Dense(FLAGS.dim_y, dtype="float32", name="head_out")]


def _mlp(name, hidden, size):
    """ReLU between dense layers, linear at the end."""
    sizes = [*map(int, hidden), size]
    activations = ["relu"] * len(hidden) + [None]
    return [layers.Dense(n, a, name=f"{name}{i}") for i, (n, a) in enumerate(zip(sizes, activations, strict=True))]


def _mse(predictions, labels):
    return tf.reduce_mean(tf.math.squared_difference(tf.cast(predictions, tf.float32), labels))


class PlainStep:
    """The training step of a script of SCRIPTS at its flags. `variables`: dict name -> variable, with the names of the
    project's weights and "rho/<name>" for a posterior's scale."""

    def __init__(self, script, weights):
        """weights: the learner's, dict module -> Weights, whose values it starts from."""
        self.is_maml, self.adapts_encoder = script.startswith("maml"), script == "maml_vanilla"
        if self.is_maml:
            self.networks = {"head": keras.Sequential([keras.Input((FLAGS.dim_w,)), *_head()])}
        else:
            hidden_r, hidden_g, lifted = FLAGS.n_hidden_units_r, FLAGS.n_hidden_units_g, FLAGS.dim_w // 4
            sizes = {
                "lift": (FLAGS.dim_y, [], lifted), "pair": (FLAGS.dim_w + lifted, hidden_r, FLAGS.dim_r),
                "task": (FLAGS.dim_r, [], FLAGS.dim_z), "decoder": (FLAGS.dim_z + FLAGS.dim_w, hidden_g, FLAGS.dim_y),
            }  # fmt: skip
            self.networks = {
                name: keras.Sequential([keras.Input((None, size_in)), *_mlp(name, hidden, size)])
                for name, (size_in, hidden, size) in sizes.items()
            }
        self.networks["encoder"] = keras.Sequential(_encoder())
        means = {name: array for part in weights.values() for name, array in part.mean.items()}
        rho = {name: array for part in weights.values() for name, array in part.rho.items()}
        self.means = {_name(v): v for network in self.networks.values() for v in network.trainable_variables}
        for name, variable in self.means.items():
            variable.assign(means[name])
        self.rho = {name: tf.Variable(array) for name, array in rho.items()}
        self.variables = self.means | {f"rho/{name}": variable for name, variable in self.rho.items()}
        self.optimizer = keras.optimizers.Adam(FLAGS.meta_lr if self.is_maml else FLAGS.update_lr)
        self.optimizer.build(list(self.variables.values()))
        self.step = tf.function(self._step)

    def _step(self, batch):
        """One step on a MetaBatch; returns the loss before it."""
        with tf.GradientTape() as tape:
            loss = self.loss(batch)
        variables = list(self.variables.values())
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    def loss(self, batch):
        """The script's loss of a MetaBatch (support_x uint8 [tasks, K, side, side, 1], ...): scalar."""
        theta, kl = self._draw()
        return (self._maml_loss if self.is_maml else self._np_loss)(theta, batch) + kl

    def _draw(self):
        """All weights, dict name -> tensor, those of a posterior drawn, and beta times its KL."""
        theta, kl = {name: tf.convert_to_tensor(v) for name, v in self.means.items()}, 0.0
        for name, rho in self.rho.items():
            sigma, mean = tf.nn.softplus(rho), theta[name]
            theta[name] = mean + sigma * tf.random.normal(rho.shape)
            kl += tf.reduce_sum((sigma**2 + mean**2 - 1.0) / 2.0 - tf.math.log(sigma))
        return theta, FLAGS.beta * kl if self.rho else 0.0

    def _apply(self, network, theta, x):
        """That network with the weights `theta`: x [..., n_in], or images [n, side, side, 1], -> [..., n_out]."""
        network = self.networks[network]
        values = [theta[_name(variable)] for variable in network.trainable_variables]
        state = [tf.convert_to_tensor(variable) for variable in network.non_trainable_variables]
        return network.stateless_call(values, state, x, training=True)[0]

    def _encode(self, theta, batch):
        """Codes of the support and of the query points [tasks, K, dim_w], the encoder on all of them at once."""
        images = tf.concat([batch.support_x, batch.query_x], axis=1)
        code = self._apply("encoder", theta, tf.reshape(images, [-1, *images.shape[2:]]))
        return tf.split(tf.reshape(code, [*images.shape[:2], FLAGS.dim_w]), 2, axis=1)

    def _maml_loss(self, theta, batch):
        support_x, query_x = (batch.support_x, batch.query_x) if self.adapts_encoder else self._encode(theta, batch)
        start = {
            name: w
            for name, w in theta.items()
            if name.startswith("head") or (self.adapts_encoder and not name.startswith("norm"))
        }

        def predict(fast_weights, x):
            code = self._apply("encoder", theta | fast_weights, x) if self.adapts_encoder else x
            return self._apply("head", theta | fast_weights, code)

        def one_task(task):
            support_x, support_y, query_x, query_y = task
            fast_weights = start
            for _ in range(FLAGS.num_updates):
                with tf.GradientTape() as tape:
                    tape.watch(fast_weights)
                    loss = _mse(predict(fast_weights, support_x), support_y)
                gradients = tape.gradient(loss, fast_weights)
                fast_weights = {name: w - FLAGS.update_lr * gradients[name] for name, w in fast_weights.items()}
            return _mse(predict(fast_weights, query_x), query_y)

        tasks = (support_x, batch.support_y, query_x, batch.query_y)
        return tf.reduce_mean(tf.map_fn(one_task, tasks, fn_output_signature=tf.float32))

    def _np_loss(self, theta, batch):
        w, query_w = self._encode(theta, batch)
        y = self._apply("lift", theta, batch.support_y)
        r = self._apply("pair", theta, tf.concat([w, tf.cast(y, w.dtype)], axis=-1))
        z = self._apply("task", theta, tf.reduce_mean(r, axis=1, keepdims=True))
        z = tf.repeat(z, query_w.shape[1], axis=1)
        return _mse(self._apply("decoder", theta, tf.concat([z, query_w], axis=-1)), batch.query_y)


def _name(variable):
    """The project's name of a Keras variable."""
    layer, kind = variable.path.split("/")[-2:]
    return f"{layer}/{'offset' if kind == 'beta' else kind}"
