from functools import cache
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
FIGURE = "application/vnd.plotly.v1+json"


@cache
def executed(path: Path) -> nbformat.NotebookNode:
    """Run a notebook from top to bottom; once more when its kernel died or hung."""
    for attempt in (1, 2):
        notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
        client = NotebookClient(
            notebook,
            timeout=120,
            startup_timeout=120,
            kernel_name="python3",
            resources={"metadata": {"path": str(path.parent)}},
        )
        try:
            return client.execute()
        except (CellTimeoutError, DeadKernelError):
            if attempt == 2:
                raise
    raise AssertionError


def displayed(notebook: nbformat.NotebookNode) -> list[dict[str, object]]:
    """What the cells show, as bundles of MIME types."""
    return [
        output["data"]
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "data" in output
    ]


@pytest.mark.notebook
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_runs_from_top_to_bottom(path: Path) -> None:
    notebook = executed(path)
    assert displayed(notebook)


@pytest.mark.notebook
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_the_first_notebook_shows_frames_of_both_kinds_and_three_figures() -> None:
    shown = displayed(executed(FOLDER / "01_first_run.ipynb"))
    pages = [str(bundle.get("text/html", "")) for bundle in shown]
    assert sum(FIGURE in bundle for bundle in shown) == 3
    assert any("shape: (5, 9)" in page for page in pages), "a polars frame of events"
    assert any("<th>75%</th>" in page for page in pages), "a pandas description"
    assert any("<b>Recording</b>" in page for page in pages)
    assert any("<b>Simulation</b>" in page for page in pages)


@pytest.mark.notebook
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_the_second_notebook_tells_which_variants_recover_and_when() -> None:
    shown = displayed(executed(FOLDER / "02_what_if.ipynb"))
    assert sum(FIGURE in bundle for bundle in shown) == 2
    pages = [str(bundle.get("text/html", "")) for bundle in shown]
    (table,) = [page for page in pages if "recovered at" in page]
    for variant, recovers in (("short_line", True), ("budget_of_a_ratio", False)):
        (row,) = [line for line in table.split("<tr>") if variant in line]
        assert ("null" not in row) == recovers
    assert str(shown[-1]["text/plain"]) == "[None, None, None, None, None]"


@pytest.mark.notebook
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_the_third_notebook_shows_exact_times_a_failure_and_many_orders() -> None:
    notebook = executed(FOLDER / "03_tests_without_sleep.ipynb")
    shown = [str(bundle["text/plain"]) for bundle in displayed(notebook)]
    assert shown == ["2.375", "30.0", "1800.0", "20"]
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    (failure,) = [output.text for output in outputs if "text" in output]
    assert "to: wanted 'closed', got 'open'" in failure
