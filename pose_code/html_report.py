"""One HTML file about many runs, readable without a network: table, pictures, predictions on examples, settings."""

import base64
import html
import io
import math
import zipfile

import numpy as np
from PIL import Image

from metalearn import figures, results
from metalearn.cli import UserError
from metalearn.files import atomic_path
from pose_code import paper

NUM_OBJECTS = 6

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #ddd; text-align: right; }
th:first-child, td:first-child { text-align: left; }
img.plot { max-width: 100%; }
.views { display: flex; flex-wrap: wrap; gap: .6rem; margin: .4rem 0 1rem; }
figure { margin: 0; width: 9rem; font-size: 12px; }
figure div { display: flex; gap: .3rem; }
figure img, figure svg { width: 4.3rem; height: 4.3rem; image-rendering: pixelated; background: #f4f4f4; }
td code { font-size: 12px; }
"""


def write(path, runs):
    """Write the report of pose runs (of results.load_results) to `path`, whole or not at all."""
    parts = [
        "<!DOCTYPE html><html lang=en><head><meta charset=utf-8><title>Meta-learning without memorization</title>",
        f"<style>{_STYLE}</style></head><body><h1>Meta-learning without memorization: pose regression</h1>",
        "<p>Mean squared error in units of (36 degrees)², mean (standard deviation) over trials; a constant "
        f"prediction has {paper.OBJECTIVE.chance:.2f}. With <i>shuffled support</i> the labels of the views that a "
        "learner is given are permuted: where the error stays the same, they are not used.</p>",
        _table(results.table(runs)),
        _plot(figures.draw_table(runs), "meta-test error of each row"),
        "<h2>Training curves</h2>",
        _plot(figures.draw_curves(runs), "training curves"),
        *_by_shots(runs),
        "<h2>Predictions on held-out objects</h2><p>Query views of the evaluation's first episode, trial by trial the "
        "same. Dials: <b>black</b> the true angle, <b style='color:#999'>grey</b> predicted before adapting to the "
        "support set (learners with an inner loop), <b style='color:#c22'>red</b> predicted after.</p>",
        *(_examples(trials[0]) for _, trials in results.group(runs) if trials[0]["iterations"]),
        "<h2>Settings</h2>",
        *(_settings(name, trials) for name, trials in results.group(runs)),
        "</body></html>\n",
    ]
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(parts), encoding="utf-8")


def _table(rows):
    summaries = [name for name in paper.OBJECTIVE.summaries if any(row[name] is not None for row in rows)]
    columns = (
        "method", "meta-test", "the paper", "training objects", "shuffled support",
        *(name.replace("_", " ") for name in summaries), "trials", "iterations", "min",
    )  # fmt: skip
    lines = ["<table><tr>" + "".join(f"<th>{column}</th>" for column in columns) + "</tr>"]
    for row in rows:
        cells = (
            row["method"], results.mean_std(row["mean"], row["std"]),
            results.mean_std(row["paper_mean"], row["paper_std"]), f"{row['train_mean']:.2f}",
            f"{row['shuffled_mean']:.2f}", *("-" if row[name] is None else f"{row[name]:.2f}" for name in summaries),
            row["trials"], f"{row['iterations']:,}", f"{row['minutes']:.1f}",
        )  # fmt: skip
        lines.append("<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells) + "</tr>")
    data = ", ".join(sorted({f"{row['data']}, preset {row['preset']}" for row in rows}))
    return "\n".join([*lines, f"</table><p>Data: {html.escape(data)}.</p>"])


def _by_shots(runs):
    """Picture and table of the error at several numbers of support views, if any run has them."""
    figure = figures.draw_shots(runs)
    if figure is None:
        return []
    lines = []
    for _, trials in results.group(runs):
        for shots, errors in results.by_shots(trials).items():
            cells = trials[0]["label"], shots, results.mean_std(np.mean(errors), results.std(errors)), len(errors)
            lines.append("<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells) + "</tr>")
    head = "<table><tr><th>method</th><th>support views</th><th>meta-test</th><th>trials</th></tr>"
    return ["<h2>Support views</h2>", _plot(figure, "error against support views"), head, *lines, "</table>"]


def _image(data, css_class, alt):
    source = base64.b64encode(data).decode()
    return f'<img class="{css_class}" alt="{html.escape(alt)}" src="data:image/png;base64,{source}">'


def _plot(figure, alt):
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=110)
    figures.pyplot().close(figure)
    return _image(buffer.getvalue(), "plot", alt)


def _examples(result):
    """The example views of one run, an object a line; empty if the run kept none."""
    path = result["folder"] / "examples.npz"
    title = f"<h3>{html.escape(result['label'])}</h3>"
    if not path.exists():
        return f"{title}<p>This run has no examples.npz; --train=False evaluates it again and makes it.</p>"
    try:
        with np.load(path) as stored:
            arrays = {name.replace("target", "query"): stored[name] for name in stored.files}  # its name in older runs
        images, true, after = arrays["query_x"], arrays["query_y"], arrays["prediction"]
        before = arrays.get("prediction_before", np.full(after.shape, np.nan))
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as e:
        raise UserError(f"{path}: damaged ({e}); delete it, or evaluate the run again with --train=False") from None
    lines = [title]
    for task in range(min(NUM_OBJECTS, len(images))):
        figures = (
            _view(
                images[task, i, ..., 0], *(angles[task, i, -1] / paper.LABEL_SCALE for angles in (true, before, after))
            )
            for i in range(images.shape[1])
        )
        lines.append(f"<div class=views>{''.join(figures)}</div>")
    return "\n".join(lines)


def _view(image, true, before, after):
    """One view with a dial; angles in turns, `before` nan if it is not defined."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    hands = []
    for turns, color, width in ((true, "#000", 3), (before, "#999", 2), (after, "#c22", 2)):
        if np.isfinite(turns):
            x, y = 20 + 17 * math.cos(2 * math.pi * turns), 20 - 17 * math.sin(2 * math.pi * turns)
            hands.append(f'<line x1="20" y1="20" x2="{x:.1f}" y2="{y:.1f}" stroke="{color}" stroke-width="{width}"/>')
    dial = f'<svg viewBox="0 0 40 40"><circle cx="20" cy="20" r="19" fill="none" stroke="#ccc"/>{"".join(hands)}</svg>'
    start = f"{before * 360:.0f}° → " if np.isfinite(before) else ""
    caption = f"true {true * 360:.0f}°, predicted {start}{after * 360:.0f}°"
    return f"<figure><div>{_image(buffer.getvalue(), 'view', 'a view')}{dial}</div>{caption}</figure>"


def _settings(name, trials):
    first = trials[0]
    used = {flag: value for flag, value in first["flags"].items() if flag not in ("trial", "logdir")}
    cells = " ".join(f"<code>--{html.escape(f'{flag}={value}')}</code>" for flag, value in used.items())
    command = f"<p><code>{html.escape(first.get('command', ''))}</code></p>"
    summary = f"{html.escape(first['label'])}, {len(trials)} trials: {html.escape(name)}"
    return f"<details><summary>{summary}</summary>{command}<p>{cells}</p></details>"
