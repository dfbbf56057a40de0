"""Tables 4 and 5 of all runs found below some folders: accuracy in percent, the paper's beside it.

The columns: on held-out classes after adapting, mean (standard deviation) over trials; half the 95 % interval over the
evaluation's tasks, mean over trials; on training tasks before adapting, which is memorization (Table 5: MAML is near
100, chance is 100 / N); after adapting; with shuffled support labels.

The options are those of pose_code/summarize.py, and --figure10=FILE draws accuracy against beta as the paper does.

Command: python -m classification.summarize --logdir=LOGDIR[,LOGDIR...] [--out=results/table4]
Cost: seconds.
"""

import functools

import numpy as np
from absl import flags

from classification import paper
from metalearn import figures, html_report, results, summarize
from metalearn.cli import UserError, run_main

FLAGS = flags.FLAGS


def _draw_examples(arrays):
    """Of each example task the support images by label, then query images with the label that was predicted."""
    for task in range(len(arrays["query_x"])):
        labels = arrays["support_y"][task].argmax(-1)
        order = np.argsort(labels, kind="stable")
        support = (_figure(arrays["support_x"][task][i], f"{labels[i]}") for i in order)
        predicted, true = (arrays[name][task].argmax(-1) for name in ("prediction", "query_y"))
        query = (_query(image, *pair) for image, *pair in zip(arrays["query_x"][task], predicted, true, strict=True))
        yield f"<p>Support set:</p><div class='views small'>{''.join(support)}</div>"
        yield f"<p>Query images:</p><div class='views small'>{''.join(query)}</div>"


def _query(image, predicted, true):
    right = predicted == true
    text = f"{true}" if right else f"{predicted}, true {true}"
    return _figure(image, f"<b style='color:{'#284' if right else '#c22'}'>{text}</b>")


def _figure(image, caption):
    return f"<figure><div>{html_report.picture(image)}</div>{caption}</figure>"


write_report = functools.partial(
    html_report.write,
    title="classification",
    about="Accuracy in percent, mean (standard deviation) over trials.",
    about_examples="Three tasks of the evaluation. The number under an image is its label in the task. Under a query "
    "image: in <b style='color:#284'>green</b> the label where it was predicted right, in <b style='color:#c22'>red"
    "</b> the predicted and the true one.",
    draw_examples=_draw_examples,
)


def draw_figure10(runs):
    """Accuracy on mutually exclusive tasks against beta, and MAML's as a line, with the paper's."""
    maml, by_beta = (
        [run for run in runs if run["key"] == f"class_maml_{kind}@20x1+me"] for kind in ("none", "weights")
    )
    if not by_beta:
        raise UserError("--figure10: no run of MR-MAML(W) with --mutually_exclusive below the folders of --logdir")
    by_beta = [trials for _, trials in results.group(by_beta)]
    by_beta.sort(key=lambda trials: trials[0]["flags"]["beta"])
    betas = [trials[0]["flags"]["beta"] for trials in by_beta]
    errors = [[trial["test"] for trial in trials] for trials in by_beta]
    figure, axis = figures.pyplot().subplots(figsize=(5, 3.4), layout="constrained")
    deviations = [results.std(accuracies) or 0.0 for accuracies in errors]
    axis.errorbar(
        betas, np.mean(errors, axis=1), deviations, color="tab:red", marker="o", capsize=2, label="MR-MAML(W)"
    )
    axis.plot(*zip(*paper.FIGURE10.items(), strict=True), ":", color="tab:red", label="MR-MAML(W), the paper")
    if maml:
        axis.axhline(np.mean([run["test"] for run in maml]), color="tab:blue", label="MAML")
    axis.axhline(paper.METHODS["class_maml_none@20x1+me"].paper[0], ls=":", color="tab:blue", label="MAML, the paper")
    axis.set(xscale="log", xlabel="beta", ylabel="meta-test accuracy, %")
    axis.legend(fontsize=8)
    return figure


def main(argv):
    del argv
    runs = summarize.run(paper, write_report)
    if FLAGS.figure10:
        figures.save_figure(draw_figure10(runs), FLAGS.figure10)


if __name__ == "__main__":
    summarize.define_flags()
    flags.DEFINE_string("figure10", None, "image file to draw accuracy against beta to")
    run_main(main)
