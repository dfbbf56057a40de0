"""The flags of the two families of pose scripts and the learners built from them.

The eight scripts differ in what is adapted, what is stochastic and what is penalized; that is what they pass here.
"""

import copy
from pathlib import Path

from absl import flags

from metalearn import image_maml, image_networks, run_folder, training
from metalearn.bayes_layers import gaussian_weights, point_weights
from metalearn.cli import UserError, int_list, set_defaults
from metalearn.neural_process import NeuralProcess, init_neural_process
from pose_code import paper
from pose_code.pose_dataset import PoseSplit

FLAGS = flags.FLAGS

run_folder.BEFORE |= {"distinct_tasks": True, "aggregator_lr": None}  # None: the rate of the means
run_folder.FORMER_VALUES["label_noise"] = {False: "none", True: "uniform"}
LABEL_NOISE = ("none", "uniform", "quarters")
_NO_EFFECT = "accepted for the released script's command lines, without effect, as there"


def define_data_flags():
    """The flags of all pose scripts: data, and the learners' start."""
    flags.DEFINE_string("data_dir", None, "folder of the data that pose_data/data_gen.py writes", required=True)
    flags.DEFINE_list("data", "train_data.pkl,val_data.pkl", "file names of the training and the held-out objects")
    flags.DEFINE_integer("num_classes", 1, "objects per task", lower_bound=1)
    flags.DEFINE_integer("dim_im", 128, "side of the images in pixels; a divisor of the stored side averages blocks")
    flags.DEFINE_enum(
        "label_noise", "none", LABEL_NOISE,
        "meta-augmentation (Rajendran et al., 2020): a random angle for each training task, added to all its labels "
        "modulo a full turn; quarters, as there: 0, 90, 180 or 270 degrees",
    )  # fmt: skip
    flags.DEFINE_enum(
        "eval_label_noise", "none", LABEL_NOISE,
        "evaluate also on held-out tasks whose labels are turned so; result.json has it under others",
    )  # fmt: skip
    flags.DEFINE_list(
        "eval_shots", [], "evaluate also with these numbers of support views, on the same query views; under others"
    )
    flags.DEFINE_bool("distinct_tasks", False, "no object twice in a meta-batch; else each task is drawn independently")
    flags.DEFINE_integer("dim_y", 1, "label numbers to predict, the last ones of (x, y, angle)")
    flags.DEFINE_enum(
        "init", "released", ("released", "glorot"),
        "initial weights: as the released scripts draw them, or Glorot-uniform kernels of point layers, biases 0 and "
        "one rho (np_ib then lifts y to dim_w // 4 numbers, not dim_w // 2); they move a CNP to memorizing or away",
    )  # fmt: skip


def define_maml_flags(inner_loop=True, **defaults):
    """The flags of every MAML script with upstream's maml_bbb defaults; keyword arguments override defaults.

    inner_loop: False for a script that adapts at meta-test only.
    """
    define_data_flags()
    image_maml.define_flags(inner_loop)
    set_defaults({"summary_every": 50, "checkpoint_every": 200, **defaults})


def define_np_flags(**defaults):
    """The flags of every neural-process script with upstream's np_vanilla defaults; keyword arguments override."""
    define_data_flags()
    flags.DEFINE_integer("dim_w", 64, "size of the image code w", lower_bound=1, upper_bound=65_536)
    flags.DEFINE_integer("dim_r", 100, "size of the aggregate r of the support set", lower_bound=1, upper_bound=65_536)
    flags.DEFINE_integer("dim_z", 64, "size of the task code z", lower_bound=1, upper_bound=65_536)
    flags.DEFINE_list("n_hidden_units_g", "100,100", "hidden layer sizes of the decoder")
    flags.DEFINE_list("n_hidden_units_r", "100,100", "hidden layer sizes of the pair encoder before aggregation")
    flags.DEFINE_bool("deterministic", True, "z is a function of the support set; False draws z ~ N(mu(r), sigma(r)^2)")
    flags.DEFINE_float("facto", 1.0, "factor of z before the decoder; 0 removes it: pure memorization", -100.0, 100.0)
    flags.DEFINE_integer("num_updates", 140000, "training iterations", lower_bound=0)
    flags.DEFINE_float("update_lr", 1e-3, "learning rate", lower_bound=0.0)
    set_defaults(defaults)


def define_weight_decay_flags(weight_decay):
    """Flags of weight decay on all weights."""
    flags.DEFINE_bool("weight_decay", weight_decay, "decay all weights")
    flags.DEFINE_float("beta", 1e-3, "decay per step under --weight_decay", lower_bound=0.0)


def define_flags_without_effect(**defaults):
    """Flags that the released script has and never reads, so that its command lines still run."""
    for name, default in defaults.items():
        define = flags.DEFINE_bool if isinstance(default, bool) else flags.DEFINE_string
        define(name, default, _NO_EFFECT)


def load_splits(used=None):
    """PoseSplit of the training and of the held-out objects. used: dict of a run's flags; unset: this process's."""
    used = used or {name: FLAGS[name].value for name in FLAGS}
    if len(used["data"]) != 2:
        raise UserError(f"--data={','.join(used['data'])}: give two file names, training and held-out objects")
    settings = [used[name] for name in ("dim_im", "dim_y", "num_classes", "update_batch_size")]
    return [PoseSplit(Path(used["data_dir"]) / name, *settings) for name in used["data"]]


def run(learner, *, name_flags, **kwargs):
    """training.run on the data of the flags, with examples of predictions. kwargs: the other arguments of it."""
    if ignored := [f"--{name}" for name in FLAGS if FLAGS[name].help == _NO_EFFECT and FLAGS[name].present]:
        print(f"{', '.join(sorted(ignored))}: {_NO_EFFECT}")
    train, val = load_splits()
    train.label_noise, train.distinct_tasks = FLAGS.label_noise, FLAGS.distinct_tasks
    name_flags = [*name_flags, *["label_noise"] * (FLAGS.label_noise != "none")]
    training.run(
        learner, train, val, name_flags=name_flags, other_vals=other_splits(val), examples={"num_points": 4}, **kwargs
    )


def other_splits(val):
    """What --eval_label_noise and --eval_shots evaluate on, too: name -> PoseSplit."""
    others = {}
    if FLAGS.eval_label_noise != "none":
        turned = others[f"label_noise_{FLAGS.eval_label_noise}"] = copy.copy(val)
        turned.eval_label_noise = FLAGS.eval_label_noise
    most = val.labels.shape[1] - val.shots
    for shots in int_list("eval_shots"):
        if shots > most:
            raise UserError(f"--eval_shots={shots}: beside {val.shots} query views the objects have {most}")
        with_shots = others[f"{shots}_shots"] = copy.copy(val)
        with_shots.eval_shots = shots
    return others


def pose_maml(*, adapt_encoder, encoder="paper", bayesian_encoder=False, inner_loop=True, **kwargs):
    """Maml on the pose networks with the flags' settings. encoder: a name in image_networks.ENCODERS. kwargs:
    stochastic_code, beta, kl_on of Maml."""
    return image_maml.image_maml(
        objective=paper.OBJECTIVE,
        init_encoder=lambda rng: _init_encoder(rng, bayesian_encoder, kwargs),
        dim_y=FLAGS.dim_y,
        std_out=1.0 if FLAGS.init == "released" else None,
        relu_after=image_networks.ENCODERS[encoder],
        theta_per=FLAGS.theta_per if bayesian_encoder else "meta_batch",
        adapt_encoder=adapt_encoder,
        inner_loop=inner_loop,
        **kwargs,
    )


def pose_np(*, bayesian_encoder=False, bayesian_decoder=False, released_init=None, **kwargs):
    """NeuralProcess on the pose networks with the flags' settings.

    released_init: arguments of `init_neural_process` under --init=released, besides the standard deviation of all
    kernels up to z. kwargs: stochastic_code, beta, kl_on of NeuralProcess.
    """
    hidden_r, hidden_g = int_list("n_hidden_units_r"), int_list("n_hidden_units_g")

    def init(rng):
        decoder = init_neural_process(
            rng, dim_w=FLAGS.dim_w, dim_y=FLAGS.dim_y, dim_r=FLAGS.dim_r, dim_z=FLAGS.dim_z, hidden_r=hidden_r,
            hidden_g=hidden_g, deterministic=FLAGS.deterministic,
            **({"std": 0.05, **(released_init or {})} if FLAGS.init == "released" else {}),
        )  # fmt: skip
        encoder = _init_encoder(rng, bayesian_encoder, kwargs)
        decoder = _posterior(decoder, rng) if bayesian_decoder else point_weights(decoder)
        return {"encoder": encoder, "decoder": decoder}

    return NeuralProcess(
        objective=paper.OBJECTIVE,
        init=init,
        encode=image_networks.image_encoder,
        num_hidden_r=len(hidden_r),
        num_hidden_g=len(hidden_g),
        deterministic=FLAGS.deterministic,
        facto=FLAGS.facto,
        theta_per=FLAGS.theta_per if bayesian_encoder else "meta_batch",
        **kwargs,
    )


def _init_encoder(rng, bayesian, kwargs):
    dim_code = FLAGS.dim_w * (2 if kwargs.get("stochastic_code") else 1)
    encoder = image_networks.init_image_encoder(rng, FLAGS.dim_im, dim_code)
    return _posterior(encoder, rng) if bayesian else point_weights(encoder)


def _posterior(initial, rng):
    return gaussian_weights(initial, FLAGS.var, rng, spread=0.1 if FLAGS.init == "released" else 0.0)
