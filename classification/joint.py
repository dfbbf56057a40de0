"""Fine-tuning and nearest neighbour: one network trained to tell all training classes apart, then used on new ones.

1. Training is no meta-learning: the cross-entropy over all training classes, on images of random ones. The network is
   MAML's, with as many outputs as there are classes.
2. --classify=finetune: at meta-test a new last layer starts from zero, and the whole network takes --test_num_updates
   gradient steps of size --update_lr on the support set.
3. --classify=nearest: a query image gets the label of the support image whose features, what the last layer reads, have
   the largest cosine with its own.

Command: python joint.py --flagfile=../presets/classification/small/joint_finetune.cfg --data_dir=DATA_DIR
--logdir=LOGDIR
Cost: a few minutes: there is no inner loop in training.
Expect (the paper, Table 4, MiniImagenet, 5-way, 1 and 5 shots): fine-tuning 28.9 and 49.8 %, nearest 41.1 and 51.0 %.
"""

import functools

import numpy as np
import tensorflow as tf
from absl import flags

from classification import class_learners, paper
from classification.tasks import ClassTasks
from metalearn import image_networks, layers
from metalearn.bayes_layers import point_weights
from metalearn.cli import UserError, run_main
from metalearn.maml import adapt
from metalearn.tasks import MetaBatch

FLAGS = flags.FLAGS


class AllClasses(ClassTasks):
    """Its `sample` gives images of random classes, with labels that are one-hot over all of them: y is [tasks, N * K,
    number of classes]. Evaluation visits N-way tasks, as ClassTasks does."""

    def sample(self, rng, meta_batch_size):
        total, drawings = self.classes.images.shape[:2]
        arrays = []
        for number in (self.shots, self.query_shots):
            size = meta_batch_size, self.ways * number
            classes, images = rng.integers(total, size=size), rng.integers(drawings, size=size)
            arrays += [self.classes.images[classes, images], np.eye(total, dtype=np.float32)[classes]]
        return MetaBatch(*arrays)


class Joint:
    """The learner (see metalearn/tasks.py)."""

    objective = paper.OBJECTIVE
    train_tags, val_tags = {}, {}

    def __init__(self):
        self.features_of_code = functools.partial(
            image_networks.conv_features, norm=FLAGS.norm, max_pool=FLAGS.max_pool, strides=class_learners.strides()
        )
        self.classify = {"finetune": self._finetune, "nearest": self._nearest}[FLAGS.classify]
        self.test_num_updates, self.update_lr = FLAGS.test_num_updates, FLAGS.update_lr

    def init(self, rng):
        head, offsets = image_networks.init_conv_head(rng, FLAGS.dim_w, FLAGS.num_filters, FLAGS.num_outputs)
        encoder = class_learners.init_encoder(rng)
        return {"encoder": encoder, "head": point_weights(head), "offsets": point_weights(offsets)}

    def stochastic(self, weights):
        return False

    def loss(self, weights, batch, seed):
        """The cross-entropy over all classes, of both sets' images as one batch."""
        del seed
        x, y = (
            tf.concat(pair, axis=1) for pair in ((batch.support_x, batch.query_x), (batch.support_y, batch.query_y))
        )
        x, y = (tf.reshape(array, [1, -1, *array.shape[2:]]) for array in (x, y))
        logits = self._logits(weights["encoder"].mean | weights["head"].mean | weights["offsets"].mean, x[0])
        loss, accuracy = self.objective.means(logits[None], y)
        return loss, {self.objective.name: accuracy}

    def predict(self, weights, batch, seed, num_updates=None):
        """Logits [tasks, n, N] for the query sets of N-way tasks, and None: before its support set nothing says which
        label a new class has."""
        del seed
        num_updates = self.test_num_updates if num_updates is None else num_updates
        adapted = weights["encoder"].mean | weights["head"].mean
        one_task = functools.partial(self.classify, adapted, weights["offsets"].mean, num_updates)
        tasks = (batch.support_x, batch.support_y, batch.query_x)
        output = tf.TensorSpec([batch.query_x.shape[1], batch.support_y.shape[-1]])
        return tf.map_fn(one_task, tasks, fn_output_signature=output), None

    def _features(self, weights, x):
        return self.features_of_code(weights, image_networks.image_encoder(weights, x))

    def _logits(self, weights, x):
        return layers.dense(weights, "head_out", self._features(weights, x))

    def _finetune(self, adapted, offsets, num_updates, task):
        support_x, support_y, query_x = task
        shape = [adapted["head_out/kernel"].shape[0], support_y.shape[-1]]
        new = {"head_out/kernel": tf.zeros(shape), "head_out/bias": tf.zeros(shape[1])}

        def support_loss(weights):
            return self.objective.loss(self._logits(weights | offsets, support_x), support_y)

        fast_weights = adapt(support_loss, adapted | new, num_updates, self.update_lr, unroll=False)
        return self._logits(fast_weights | offsets, query_x)

    def _nearest(self, weights, offsets, num_updates, task):
        del num_updates
        support_x, support_y, query_x = task
        features = (self._features(weights | offsets, x) for x in (support_x, query_x))
        support, query = (tf.math.l2_normalize(array, axis=-1) for array in features)
        cosines = tf.linalg.matmul(query, support, transpose_b=True)  # [n, N * K]
        # of each label the largest; a cosine of another label's point becomes less than any
        return tf.reduce_max(tf.where(support_y[None] > 0, cosines[..., None], -2.0), axis=1)


def define_flags():
    class_learners.define_flags(inner_loop=False)
    flags.DEFINE_enum("classify", "finetune", ("finetune", "nearest"), "how new classes are told apart")
    flags.DEFINE_integer("num_outputs", None, "recorded, not to be given: the number of training classes")


def make_learner():
    return Joint()


def main(argv):
    del argv
    if FLAGS.strategy:
        raise UserError(f"--strategy={FLAGS.strategy}: the batch norm is over a whole meta-batch; train on one device")
    if given := [f"--{name}" for name in ("mutually_exclusive", "task_sets") if FLAGS[name].value]:
        raise UserError(f"{', '.join(given)}: training tells all classes apart at once; train without")
    train, val = class_learners.load_tasks(train_type=AllClasses)
    if FLAGS.num_outputs not in (None, len(train.classes.names)):
        raise UserError(f"--num_outputs={FLAGS.num_outputs}: there are {len(train.classes.names)} training classes")
    FLAGS.num_outputs = len(train.classes.names)
    class_learners.run(
        make_learner(),
        (train, val),
        method=f"class_joint_{FLAGS.classify}",
        name_flags=["meta_lr", "update_lr"],
        learning_rates={"mean": FLAGS.meta_lr},
    )


if __name__ == "__main__":
    define_flags()
    run_main(main)
