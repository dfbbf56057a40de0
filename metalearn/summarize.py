"""The table, pictures and report of many runs: what a domain's summarize.py does."""

import math
import sys
from pathlib import Path

from absl import flags

from metalearn import figures, kept, results
from metalearn.cli import UserError

FLAGS = flags.FLAGS


def define_flags():
    flags.DEFINE_list("logdir", None, "folders to search for runs", required=True)
    flags.DEFINE_string("out", None, "prefix of the .md and .csv files to write")
    flags.DEFINE_list("methods", None, "keep the rows of these methods, by their keys; an unknown one lists them all")
    flags.DEFINE_string("bars", None, "image file to draw the table to")
    flags.DEFINE_string("shots", None, "image file to draw the error against the number of support points to")
    flags.DEFINE_string("figure", None, "image file to draw the training curves to; bold: means over nine summaries")
    flags.DEFINE_list("against", None, "flag to draw the error against with --figure, and flags that may vary with it")
    flags.DEFINE_string("html", None, "HTML file to write the report to: table, pictures, example tasks, settings")
    flags.DEFINE_string("keep", None, "folder to copy result.json, curve and examples of the runs to")
    flags.DEFINE_bool("best", False, "also name the best run")


def run(paper, write_html):
    """Print and write what the flags ask for. Returns the runs, of `results.load_results`.

    paper: a domain's module of that name, see `results.load_results`. write_html: (path, runs), its report.
    """
    runs = results.load_results(FLAGS.logdir, paper)
    if FLAGS.methods:
        if unknown := set(FLAGS.methods) - {*paper.METHODS, *(run["key"] for run in runs)}:
            raise UserError(
                f"--methods: no method {', '.join(sorted(unknown))}; give some of {', '.join(paper.METHODS)}"
            )
        left_out = sorted({run["key"] for run in runs} - set(FLAGS.methods))
        runs = [run for run in runs if run["key"] in FLAGS.methods]
        if not runs:
            raise UserError(f"--methods={','.join(FLAGS.methods)}: no run of these below the folders of --logdir")
        if left_out:
            print(f"left out by --methods: {', '.join(left_out)}", file=sys.stderr)
    if FLAGS.against:
        runs = results.against(runs, FLAGS.against[0], paper)
    rows = results.table(runs)
    text = results.markdown(runs)
    print(text)
    if FLAGS.best:
        better = max if paper.OBJECTIVE.larger_is_better else min
        converged = [row for row in rows if not math.isnan(row["mean"])] or rows  # nan: a trial diverged
        best = better(converged, key=lambda row: row["mean"])
        print(f"\nbest: {best['run']}: {results.mean_std(best['mean'], best['std'])}, {best['trials']} trials")
    for folder in FLAGS.logdir:
        for unfinished in sorted(Path(folder).rglob("flags.cfg")):
            if not (unfinished.parent / "result.json").exists():
                print(f"unfinished: {unfinished.parent}", file=sys.stderr)
    if FLAGS.out:
        results.write_table(FLAGS.out, text, rows)
    if FLAGS.figure:
        figure = figures.draw_against(runs, *FLAGS.against) if FLAGS.against else figures.draw_curves(runs)
        figures.save_figure(figure, FLAGS.figure)
    if FLAGS.shots:
        if (figure := figures.draw_shots(runs)) is None:
            raise UserError("--shots: no run was evaluated at several; evaluate with --train=False --eval_shots=1,5,30")
        figures.save_figure(figure, FLAGS.shots)
    if FLAGS.bars:
        figures.save_figure(figures.draw_table(runs), FLAGS.bars)
    if FLAGS.html:
        write_html(FLAGS.html, runs)
    if FLAGS.keep:
        kept.keep(runs, FLAGS.keep)
    return runs
