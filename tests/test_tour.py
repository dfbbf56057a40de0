"""docs/tour.ipynb runs from top to bottom, and is stored with its outputs."""

import nbclient
import nbformat
from scripts import REPO

BOOK = REPO / "docs/tour.ipynb"
SMALLER = {
    "NUM_OBJECTS, NUM_QUERIES, MOST_SHOTS = 6, 15, 30": "NUM_OBJECTS, NUM_QUERIES, MOST_SHOTS = 2, 4, 15",
    "STEPS = [0, 1, 2, 5, 10, 20, 40]": "STEPS = [0, 20]",
    "SHOTS = [1, 2, 5, 10, 15, 30]": "SHOTS = [2, 15]",
}


def test_the_notebook_runs_and_its_learner_adapts(tmp_path):
    book = nbformat.read(BOOK, as_version=4)
    for cell in book.cells:
        for setting, smaller in SMALLER.items():
            cell.source = cell.source.replace(setting, smaller)
        cell.source = cell.source.replace('ROOT / "work_dir/tour"', f'Path("{tmp_path}")')
    book.cells.append(nbformat.v4.new_code_cell("assert by_steps[-1].mean() < 0.8 * by_steps[0].mean()"))
    nbclient.NotebookClient(book, timeout=300, resources={"metadata": {"path": BOOK.parent}}).execute()
    assert all(setting in str(nbformat.read(BOOK, as_version=4)) for setting in SMALLER)


def test_the_stored_notebook_has_its_pictures_and_no_messages_of_this_machine():
    cells = [cell for cell in nbformat.read(BOOK, as_version=4).cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    outputs = [output for cell in cells for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 5
    assert not any(output.get("name") == "stderr" or output.output_type == "error" for output in outputs)
