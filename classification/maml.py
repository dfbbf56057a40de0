"""MAML, TAML and MR-MAML on few-shot classification whose classes keep their labels: Tables 4 and 5, Figure 10.

1. --regularizer=none: encoder and head are adapted; nothing keeps the learner from learning every class by heart.
2. --taml: the same network, and the outer loss adds --taml_factor * (entropy of the predictions for the support set
   after adapting - before adapting) (TAML, Jamal and Qi, 2019): the start is to be unsure, the end sure.
3. --regularizer=weights (MR-MAML(W), Algorithm 2): an encoder with a Gaussian posterior, not adapted, before a head
   that is; the loss adds beta * KL (Eq. 5).
4. --regularizer=activations (MR-MAML(A)): a deterministic encoder with a stochastic code, whose KL is added (Eq. 3).
5. --mutually_exclusive draws the labels of each training task anew: the usual few-shot classification (Figure 10).

Command: python maml.py --flagfile=../presets/classification/small/maml_weights.cfg --data_dir=DATA_DIR --logdir=LOGDIR
Cost: see experiments/table4.sh.
Expect (the paper, Table 4, Omniglot, 20-way, 1 and 5 shots): MAML 7.8 and 50.7 %, MR-MAML(W) 83.3 and 94.1 %.
"""

import functools

import tensorflow as tf
from absl import flags

from classification import class_learners, paper
from metalearn import image_maml
from metalearn.bayes_layers import define_kl_on_flag, define_posterior_flags
from metalearn.cli import UserError, run_main

FLAGS = flags.FLAGS


def define_flags():
    class_learners.define_flags()
    flags.DEFINE_enum(
        "regularizer", "none", ("none", "weights", "activations"), "Eq. 5 on weights, Eq. 3 on activations"
    )
    flags.DEFINE_bool("taml", False, "TAML, without a regularizer")
    flags.DEFINE_float("taml_factor", 1.0, "factor of TAML's difference of entropies", lower_bound=0.0)
    define_posterior_flags(var=-4.0, rho_lr=5e-3, beta=1e-5)
    define_kl_on_flag()


def make_learner():
    kind = FLAGS.regularizer
    if FLAGS.taml and kind != "none":
        raise UserError(f"--taml with --regularizer={kind}: give one of them")
    regularized = kind != "none"
    return image_maml.image_maml(
        objective=paper.OBJECTIVE,
        init_encoder=lambda rng: class_learners.init_encoder(
            rng, bayesian=kind == "weights", stochastic_code=kind == "activations"
        ),
        dim_y=FLAGS.ways,
        strides=class_learners.strides(),
        adapt_encoder=not regularized,
        stochastic_code=kind == "activations",
        beta=FLAGS.beta if regularized else 0.0,
        kl_on=FLAGS.kl_on,
        theta_per=FLAGS.theta_per,
        task_penalty=functools.partial(taml_penalty, FLAGS.taml_factor) if FLAGS.taml else None,
    )


def taml_penalty(factor, before, after):
    """factor * (entropy after adapting - entropy before), in nats, means over the points of one task.
    before, after: logits [points, N]."""

    def entropy(logits):
        log_p = tf.nn.log_softmax(logits)
        return -tf.reduce_mean(tf.reduce_sum(tf.exp(log_p) * log_p, axis=-1))

    return factor * (entropy(after) - entropy(before))


def main(argv):
    del argv
    class_learners.run(
        make_learner(),
        class_learners.load_tasks(),
        method=f"class_maml_{'taml' if FLAGS.taml else FLAGS.regularizer}",
        name_flags=["meta_lr", "update_lr", *["beta"] * (FLAGS.regularizer != "none")],
        learning_rates={"mean": FLAGS.meta_lr, "rho": FLAGS.rho_lr},
    )


if __name__ == "__main__":
    define_flags()
    run_main(main)
