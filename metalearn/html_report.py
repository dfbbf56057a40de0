"""One HTML file about many runs, readable without a network: table, pictures, predictions on examples, settings."""

import base64
import html
import io
import re
from pathlib import Path

import numpy as np
from PIL import Image

from metalearn import figures, results
from metalearn.files import atomic_path, read_arrays
from metalearn.settings import flag_text

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
.small figure { width: 3.4rem; } .small figure img { width: 3.2rem; height: 3.2rem; }
td code { font-size: 12px; }
"""


def write(path, runs, *, title, about, about_examples, draw_examples):
    """Write the report of the runs (of results.load_results) to `path`, whole or not at all.

    title, about, about_examples: of the page, below it, and above the examples, in HTML. draw_examples: dict of the
    arrays of an examples.npz -> lines of HTML.
    """
    parts = [
        "<!DOCTYPE html><html lang=en><head><meta charset=utf-8><title>Meta-learning without memorization</title>",
        f"<style>{_STYLE}</style></head><body><h1>Meta-learning without memorization: {title}</h1>",
        f"<p>{about} With <i>shuffled support</i> the labels of the support set are permuted: where the error stays "
        "the same, they are not used.</p>",
        _table(runs),
        _plot(figures.draw_table(runs), "meta-test error of each row"),
        "<h2>Training curves</h2>",
        _plot(figures.draw_curves(runs), "training curves"),
        *_by_shots(runs),
        f"<h2>Predictions on held-out tasks</h2><p>{about_examples}</p>",
        *(_examples(trials[0], draw_examples) for _, trials in results.group(runs) if trials[0]["iterations"]),
        "<h2>Settings</h2>",
        *(_settings(name, trials) for name, trials in results.group(runs)),
        "</body></html>\n",
    ]
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(parts), encoding="utf-8")


def _table(runs):
    rows = results.table(runs)
    columns = results.columns(rows, runs[0])
    lines = ["<table><tr>" + "".join(f"<th>{html.escape(title)}</th>" for title, _ in columns) + "</tr>"]
    for row in rows:
        lines.append("<tr>" + "".join(f"<td>{_code(cell(row))}</td>" for _, cell in columns) + "</tr>")
    data = ", ".join(sorted({f"{row['data']}, run folders {row['preset']}" for row in rows}))
    lines.append(f"</table><p>Data: {html.escape(data)}.</p>")
    return "\n".join([*lines, *(f"<p>{_code(line)}</p>" for line in results.notes(runs))])


def _code(text):
    """Markdown's `code` in HTML."""
    return re.sub("`(.*?)`", r"<code>\1</code>", html.escape(text))


def _by_shots(runs):
    """Picture and table of the error at several numbers of support points, if any run has them."""
    figure = figures.draw_shots(runs)
    if figure is None:
        return []
    lines = []
    for _, trials in results.group(runs):
        for shots, errors in results.by_shots(trials).items():
            cells = _name(trials[0]), shots, results.mean_std(np.mean(errors), results.std(errors)), len(errors)
            lines.append("<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells) + "</tr>")
    head = "<table><tr><th>method</th><th>support points</th><th>meta-test</th><th>trials</th></tr>"
    return ["<h2>Support points</h2>", _plot(figure, "error against support points"), head, *lines, "</table>"]


def _name(run):
    return f"{run['label']} {run['settings']}".strip()


def _image(data, css_class, alt):
    source = base64.b64encode(data).decode()
    return f'<img class="{css_class}" alt="{html.escape(alt)}" src="data:image/png;base64,{source}">'


def _plot(figure, alt):
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=110)
    figures.pyplot().close(figure)
    return _image(buffer.getvalue(), "plot", alt)


def load_examples(path):
    """The arrays of a run's examples.npz, dict name -> array. Raises UserError if it is damaged."""

    def read(stored):
        arrays = {name.replace("target", "query"): stored[name] for name in stored.files}  # its name in older runs
        return {name: arrays[name] for name in ("query_x", "query_y", "prediction")} | arrays

    return read_arrays(path, read, "damaged", "delete it, or evaluate the run again with --train=False")


def _examples(result, draw):
    """The example tasks of one run as `draw`, a domain's, has them."""
    path = result["folder"] / "examples.npz"
    title = f"<h3>{html.escape(_name(result))}</h3>"
    if not path.exists():
        return f"{title}<p>This run has no examples.npz; --train=False evaluates it again and makes it.</p>"
    return "\n".join([title, *draw(load_examples(path))])


def picture(image):
    """An image, uint8 [side, side, 1 or 3], as an element of the page."""
    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(buffer, "PNG")
    return _image(buffer.getvalue(), "view", "an image")


def _settings(name, trials):
    first = trials[0]
    used = [(flag, value) for flag, value in first["flags"].items() if flag not in ("trial", "logdir")]
    cells = " ".join(f"<code>{html.escape(flag_text(*flag))}</code>" for flag in used if flag[1] is not None)
    command = f"<p><code>{html.escape(first.get('command', ''))}</code></p>"
    summary = f"{html.escape(first['label'])}, {len(trials)} trials: {html.escape(name)}"
    return f"<details><summary>{summary}</summary>{command}<p>{cells}</p></details>"
