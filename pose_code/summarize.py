"""The table of all runs found below some folders: mean (standard deviation) over trials beside the paper's numbers.

1. Prints Markdown; --out=PREFIX also writes PREFIX.md and PREFIX.csv. --methods=np_vanilla,np_vanilla+wd keeps these.
2. --bars=FILE draws the table with every object's error, --figure=FILE the training curves.
3. --shots=FILE draws the error against the number of support views of runs evaluated with --eval_shots.
4. --against=beta --figure=FILE draws the error against that flag (the paper's Figures 2 and 9).
5. --html=FILE writes a report with all of it, in one file that needs no network.
6. --keep=FOLDER copies the runs' small files there, without paths of this machine: how results/ is filled.

Command: python -m pose_code.summarize --logdir=LOGDIR[,LOGDIR...] [--out=results/table]
Cost: seconds.
"""

import math
import sys
from pathlib import Path

from absl import flags

from metalearn import figures, kept, results
from metalearn.cli import UserError, run_main
from pose_code import html_report, paper

FLAGS = flags.FLAGS


def main(argv):
    del argv
    runs = results.load_results(FLAGS.logdir, paper)
    if FLAGS.methods:
        if unknown := set(FLAGS.methods) - {*paper.METHODS, *(run["key"] for run in runs)}:
            raise UserError(
                f"--methods: no method {', '.join(sorted(unknown))}; give some of {', '.join(paper.METHODS)}"
            )
        runs = [run for run in runs if run["key"] in FLAGS.methods]
        if not runs:
            raise UserError(f"--methods={','.join(FLAGS.methods)}: no run of these below the folders of --logdir")
    rows = results.table(runs)
    text = results.markdown(runs)
    print(text)
    if FLAGS.best:
        best = min(rows, key=lambda row: (math.isnan(row["mean"]), row["mean"]))  # nan: a trial diverged
        print(
            f"\nsmallest error: {best['run']}: {results.mean_std(best['mean'], best['std'])}, {best['trials']} trials"
        )
    for folder in FLAGS.logdir:
        for unfinished in sorted(Path(folder).rglob("flags.cfg")):
            if not (unfinished.parent / "result.json").exists():
                print(f"unfinished: {unfinished.parent}", file=sys.stderr)
    if FLAGS.out:
        results.write_table(FLAGS.out, text, rows)
    if FLAGS.figure:
        figure = figures.draw_against(runs, FLAGS.against) if FLAGS.against else figures.draw_curves(runs)
        figures.save_figure(figure, FLAGS.figure)
    if FLAGS.shots:
        if (figure := figures.draw_shots(runs)) is None:
            raise UserError("--shots: no run was evaluated at several; evaluate with --train=False --eval_shots=1,5,30")
        figures.save_figure(figure, FLAGS.shots)
    if FLAGS.bars:
        figures.save_figure(figures.draw_table(runs), FLAGS.bars)
    if FLAGS.html:
        html_report.write(FLAGS.html, runs)
    if FLAGS.keep:
        kept.keep(runs, FLAGS.keep)


if __name__ == "__main__":
    flags.DEFINE_list("logdir", None, "folders to search for runs", required=True)
    flags.DEFINE_string("out", None, "prefix of the .md and .csv files to write")
    flags.DEFINE_list("methods", None, "keep these: scripts' names, +wd for --weight_decay; default all")
    flags.DEFINE_string("bars", None, "image file to draw the table to")
    flags.DEFINE_string("shots", None, "image file to draw the error against the number of support views to")
    flags.DEFINE_string("figure", None, "image file to draw the training curves to")
    flags.DEFINE_string("against", None, "draw the error against this flag in place of the curves: beta, update_lr")
    flags.DEFINE_string("html", None, "HTML file to write the report to: table, pictures, example objects, settings")
    flags.DEFINE_string("keep", None, "folder to copy result.json, curve and examples of the runs to")
    flags.DEFINE_bool("best", False, "also name the run with the smallest error")
    run_main(main)
