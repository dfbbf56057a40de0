"""curve.csv of a run: a row a summary."""

import csv

from metalearn.cli import UserError
from metalearn.files import atomic_path


class Curve:
    """The file as it is written. On resume the rows past the checkpoint go; the run writes them again."""

    def __init__(self, path, step):
        self.path = path
        kept = []
        if path.exists():
            try:
                with open(path, newline="") as file:
                    rows = list(csv.DictReader(file))
                if rows and not _is_whole(rows[-1]):
                    del rows[-1]  # a full disk cut it short
                iterations = [int(row["iteration"]) for row in rows]
                if not all(map(_is_whole, rows)) or iterations != sorted(set(iterations)):
                    raise ValueError("a row that is none, or in the wrong place")
                kept = [row for row in rows if int(row["iteration"]) <= step]
            except (ValueError, TypeError, KeyError, csv.Error) as error:
                raise UserError(f"{path}: damaged ({error!r}); delete it to resume without its rows") from None
        self.columns = list(kept[0]) if kept else None  # of a run from before a metric: it resumes without
        with atomic_path(path) as temporary, open(temporary, "w", newline="") as file:
            self._write(file, kept)

    def _write(self, file, rows, header=True):
        if rows:
            writer = csv.DictWriter(file, self.columns or list(rows[0]), extrasaction="ignore")
            if header:
                writer.writeheader()
            writer.writerows(rows)

    def write(self, step, seconds, row):
        row = {"iteration": step, "seconds": round(seconds, 1), **{k: f"{v:.6g}" for k, v in row.items()}}
        with open(self.path, "a", newline="") as file:
            self._write(file, [row], header=file.tell() == 0)


def _is_whole(row):
    """Whether a row of a curve, a dict of texts, has a number in each column and none beyond."""
    try:
        return None not in row and bool(list(map(float, row.values())))
    except (TypeError, ValueError):
        return False


def read_curve(path):
    """The rows of a curve.csv, each a dict of numbers. Raises UserError if it is damaged."""
    try:
        with open(path, newline="") as file:
            rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
        if rows and "iteration" not in rows[0]:
            raise ValueError("no line of names")
        return rows
    except (TypeError, ValueError, csv.Error) as e:
        raise UserError(f"{path}: damaged ({e}); move it away to draw the others") from None
