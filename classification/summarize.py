"""Tables 4 and 5 of all runs found below some folders: accuracy in percent, the paper's beside it.

The columns: on held-out classes after adapting, mean (standard deviation) over trials; half the 95 % interval over the
evaluation's tasks, mean over trials; on training tasks before adapting, which is memorization (Table 5: MAML is near
100, chance is 100 / N); after adapting; with shuffled support labels.

The options are those of pose_code/summarize.py; --against=beta --figure=FILE draws Figure 10.

Command: python -m classification.summarize --logdir=LOGDIR[,LOGDIR...] [--out=results/table4]
Cost: seconds.
"""

import functools

import numpy as np

from classification import paper
from metalearn import html_report, summarize
from metalearn.cli import run_main


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


def main(argv):
    del argv
    summarize.run(paper, write_report)


if __name__ == "__main__":
    summarize.define_flags()
    run_main(main)
