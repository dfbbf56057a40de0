"""The flags of the classification scripts, their data, and the network that they share."""

from pathlib import Path

from absl import flags

from classification import class_file
from classification.tasks import ClassTasks, split_classes
from metalearn import image_maml, image_networks, training
from metalearn.bayes_layers import gaussian_weights, point_weights
from metalearn.cli import UserError, int_list, set_defaults

FLAGS = flags.FLAGS


def define_flags(inner_loop=True):
    """The flags of all scripts. inner_loop: False for one that adapts at meta-test only."""
    flags.DEFINE_string("data_dir", None, f"folder of {class_file.NAME}", required=True)
    flags.DEFINE_integer("dim_im", 28, "side of the images in pixels", lower_bound=1)
    flags.DEFINE_integer("channels", 1, "of the images: 1 for grey, 3 for colours", lower_bound=1)
    flags.DEFINE_integer("ways", 20, "N: classes per task", lower_bound=2, upper_bound=1000)
    flags.DEFINE_integer("query_shots", None, "query images per class; unset: K", lower_bound=1, upper_bound=1000)
    flags.DEFINE_integer("num_train_classes", None, "classes to train on; unset: three quarters of them", lower_bound=1)
    flags.DEFINE_enum(
        "held_out", "test", ("test", "validation"),
        "what is evaluated on: the classes that are not for training, or a fifth of those that are, for a search",
    )  # fmt: skip
    flags.DEFINE_integer("data_seed", 0, "seed of the choice of classes and of their labels", lower_bound=0)
    flags.DEFINE_integer(
        "num_test_tasks", 600, "tasks of an evaluation, of training and of held-out classes each",
        lower_bound=1, upper_bound=1_000_000,
    )  # fmt: skip
    flags.DEFINE_bool("task_sets", False, "train on disjoint sets of N classes only, the stricter reading of the paper")
    flags.DEFINE_bool("mutually_exclusive", False, "draw labels anew for each training task, as is usual (Figure 10)")
    flags.DEFINE_list("strides", "1,1,1,1", "of the head's four convolutions")
    image_maml.define_flags(inner_loop)
    defaults = {"update_batch_size": 1, "meta_batch_size": 16, "eval_episodes": 1, "test_num_updates": 10}
    defaults |= {"update_lr": 0.1, "meta_lr": 1e-3, "checkpoint_every": 250}
    set_defaults(defaults)


def load_tasks(used=None, train_type=ClassTasks):
    """ClassTasks of the training and of the held-out classes. used: dict of a run's flags; unset: this process's.
    train_type: a subclass for the training classes."""
    used = used or {name: FLAGS[name].value for name in FLAGS}
    path = Path(used["data_dir"]) / class_file.NAME
    classes = class_file.load(path)
    if classes.images.shape[-2:] != (used["dim_im"], used["channels"]):
        side, channels = classes.images.shape[-2:]
        raise UserError(f"{path}: give --dim_im={side} --channels={channels}, as its images are")
    parts = split_classes(classes, used["num_train_classes"], used["data_seed"], used["held_out"])
    shots = used["update_batch_size"]
    settings = dict(
        ways=used["ways"], shots=shots, query_shots=used["query_shots"] or shots,
        num_tasks=used["num_test_tasks"],
    )  # fmt: skip
    if used["task_sets"] and used["mutually_exclusive"]:
        raise UserError("--task_sets: its sets have fixed labels; give it without --mutually_exclusive")
    fixed = {"fixed_labels": not used["mutually_exclusive"], "task_sets": used["task_sets"]}
    train = train_type(parts[0], **settings, **fixed, label_seed=used["data_seed"])
    return train, ClassTasks(parts[1], **settings)


def init_encoder(rng, *, bayesian=False, stochastic_code=False):
    """Weights of the image encoder."""
    dim_code = FLAGS.dim_w * (2 if stochastic_code else 1)
    encoder = image_networks.init_image_encoder(rng, FLAGS.dim_im, dim_code, FLAGS.channels)
    return gaussian_weights(encoder, FLAGS.var, rng) if bayesian else point_weights(encoder)


def strides():
    """--strides as four numbers."""
    values = int_list("strides")
    if len(values) != 4:
        raise UserError(f"--strides={','.join(FLAGS.strides)}: give four, one per convolution of the head")
    return values


def run(learner, tasks, **kwargs):
    """training.run on the tasks (of `load_tasks`). kwargs: the other arguments of it."""
    training.run(
        learner, *tasks, name_flags=_name_flags(kwargs.pop("name_flags")), iterations_flag="metatrain_iterations",
        examples={"num_tasks": 3, "num_points": 2 * FLAGS.ways, "support": True}, **kwargs,
    )  # fmt: skip


def _name_flags(names):
    """With the flags that make another problem of it."""
    return ["ways", "update_batch_size", *["mutually_exclusive"] * FLAGS.mutually_exclusive, *names]
