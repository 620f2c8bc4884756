import re
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

from foundation_lab.testing.sleeps import audit

ROOT = Path(__file__).parents[1]
PACKAGE = "foundation_lab"

LINK = re.compile(r"\w+(?: & \w+)* --> \w+(?: & \w+)*")
NAMES_WITHOUT_A_NOUN = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
HEAVY = {
    "httpx",
    "jinja2",
    "numpy",
    "pandas",
    "plotly",
    "polars",
    "pyarrow",
    "scipy",
    "simpy",
}

Arrow = tuple[str, str]


def test_the_import_contracts_of_pyproject_are_kept() -> None:
    lint_imports = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run(
        [lint_imports, "--no-cache", "--no-logo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_diagram_in_architecture_md_shows_every_import_and_no_other() -> None:
    drawn = arrows_drawn(diagram((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")))
    real = arrows_imported()
    assert drawn == real, "what ARCHITECTURE.md should draw:\n" + "\n".join(links(real))


def test_only_the_command_line_enters_by_the_front_door_for_the_version() -> None:
    graph = grimp.build_graph(PACKAGE, exclude_type_checking_imports=True, cache_dir=None)
    assert graph.find_modules_that_directly_import(PACKAGE) <= {f"{PACKAGE}.cli.app"}


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("import foundation_lab", id="the package"),
        pytest.param("import foundation_lab.testing.plugin", id="the pytest plugin"),
        pytest.param(
            "sys.argv = ['foundation-lab', '--help']\n"
            "from foundation_lab.cli import main\n"
            "try: main()\n"
            "except SystemExit as end: assert not end.code, end.code\n",
            id="the help of the command line",
        ),
    ],
)
def test_starting_imports_nothing_heavy(statement: str) -> None:
    program = f"import sys\n{statement}\nprint(*sys.modules, file=sys.stderr)"
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert HEAVY & set(run.stderr.split()) == set()


def test_every_module_is_named_after_what_it_holds() -> None:
    modules = (ROOT / PACKAGE).rglob("*.py")
    assert [str(path) for path in modules if path.stem in NAMES_WITHOUT_A_NOUN] == []


def test_no_test_sleeps_on_the_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found = audit(["tests"])
    assert [f"{each.file}:{each.line}: {each.call}" for each in found.counted] == []
    assert found.problems == ()


def test_a_diagram_is_read_arrow_by_arrow() -> None:
    text = """
    Words before.

    ```mermaid
    flowchart TD
        %% a comment
        subgraph upper["what happens"]
            a["a: two words"]
        end
        a & b --> c & d
        c --> d
    ```
    """
    drawn = arrows_drawn(diagram(text))
    assert drawn == {("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d")}


def test_an_arrow_of_another_shape_is_refused_rather_than_overlooked() -> None:
    with pytest.raises(ValueError, match=r"a -\.-> b"):
        arrows_drawn("flowchart TD\n    a -.-> b\n")


def test_links_and_arrows_say_the_same() -> None:
    arrows = {("a", "c"), ("a", "d"), ("b", "d")}
    assert links(arrows) == ["a --> c & d", "b --> d"]
    assert arrows_drawn("\n".join(links(arrows))) == arrows


def diagram(text: str) -> str:
    """The first mermaid block of a Markdown page."""
    found = re.search(r"```mermaid\n(.*?)```", text, re.DOTALL)
    assert found, "no mermaid block"
    return found[1]


def arrows_drawn(mermaid: str) -> set[Arrow]:
    """Every `importer --> imported` of a flowchart; `a & b --> c & d` is four of them."""
    arrows: set[Arrow] = set()
    for line in (raw.strip() for raw in mermaid.splitlines()):
        if LINK.fullmatch(line):
            tails, heads = (side.split(" & ") for side in line.split(" --> "))
            arrows |= {(tail, head) for tail in tails for head in heads}
        elif re.search(r"[-=.]>|---", line) and not line.startswith("%%"):
            message = f"{line!r}: an arrow is written `a & b --> c & d`"
            raise ValueError(message)
    return arrows


def arrows_imported() -> set[Arrow]:
    """Every import between two parts of the package, those for types only left out."""
    graph = grimp.build_graph(PACKAGE, exclude_type_checking_imports=True, cache_dir=None)
    parts = graph.find_children(PACKAGE)
    for part in parts:
        graph.squash_module(part)
    return {
        (part.removeprefix(f"{PACKAGE}."), imported.removeprefix(f"{PACKAGE}."))
        for part in parts
        for imported in graph.find_modules_directly_imported_by(part) & parts - {part}
    }


def links(arrows: set[Arrow]) -> list[str]:
    """The lines of a flowchart that draw these arrows, one a tail."""
    tails = sorted({tail for tail, _ in arrows})
    return [
        f"{tail} --> {' & '.join(sorted(head for each, head in arrows if each == tail))}"
        for tail in tails
    ]
