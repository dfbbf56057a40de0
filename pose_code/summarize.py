"""The table of all runs found below some folders: mean (standard deviation) over trials beside the paper's numbers.

1. Prints Markdown; --out=PREFIX also writes PREFIX.md and PREFIX.csv. --methods=np_vanilla,np_vanilla+wd keeps these.
2. --bars=FILE draws the table with every object's error, --figure=FILE the training curves.
3. --shots=FILE draws the error against the number of support views of runs evaluated with --eval_shots.
4. --against=beta --figure=FILE draws the error against that flag, beside the paper's Figures 2 and 9. The runs may
   differ in nothing else, but for flags that are named after it: --against=update_lr,rho_lr.
5. --html=FILE writes a report with all of it, in one file that needs no network.
6. --keep=FOLDER copies the runs' small files there, without paths of this machine: how results/ is filled.

Command: python -m pose_code.summarize --logdir=LOGDIR[,LOGDIR...] [--out=results/table]
Cost: seconds.
"""

from metalearn import summarize
from metalearn.cli import run_main
from pose_code import paper, pose_report


def main(argv):
    del argv
    summarize.run(paper, pose_report.write)


if __name__ == "__main__":
    summarize.define_flags()
    run_main(main)
