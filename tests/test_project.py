import ast
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from ruamel.yaml import YAML

import foundation_lab
from foundation_lab import errors

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]

SHIPPED_FOR_THE_USER = {"jupyterlab", "pyarrow"}
"""Not imported by name: the notebook server, and what polars needs to hand frames to pandas."""

DISTRIBUTIONS = {
    "_pytest": "pytest",
    "markupsafe": "jinja2",
    "pydantic_core": "pydantic",
    "ruamel": "ruamel.yaml",
}
"""Where an imported name is not the name of the distribution that brings it."""

LEFTOVERS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|/work/|/opt/|\.\./shared")


def test_the_conda_environment_asks_for_what_pyproject_asks_for() -> None:
    wanted = {name: each.specifier for name, each in declared().items()}
    wanted["python"] = SpecifierSet(PROJECT["requires-python"])
    wanted["pip"] = SpecifierSet()  # conda wants it named where a `pip:` section follows
    conda, pip = environment()
    assert pip == ["-e ."]
    assert {name: SpecifierSet(specifier) for name, specifier in map(split, conda)} == wanted


def test_conda_can_read_every_line_of_the_environment() -> None:
    rattler = pytest.importorskip("rattler")
    for line in environment()[0]:
        assert rattler.MatchSpec(line, strict=True).name.normalized == split(line)[0]


def test_the_constraints_pin_every_dependency_within_its_specifier() -> None:
    pins: dict[str, list[str]] = {}
    for each in map(Requirement, lines_of("constraints.txt")):
        (pin,) = each.specifier
        assert pin.operator == "==", each
        pins.setdefault(each.name.replace("-", "."), []).append(pin.version)
    for name, requirement in declared().items():
        versions = pins.get(name.replace("-", "."), [])
        assert versions, f"{name} is not pinned: make constraints"
        assert all(requirement.specifier.contains(version) for version in versions), name


def test_the_constraints_name_no_place_to_load_from() -> None:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert not re.search(r"://|^-| @ ", text, re.MULTILINE)


def test_every_package_imported_is_declared_and_the_other_way_round() -> None:
    core = {Requirement(line).name for line in PROJECT["dependencies"]}
    extras = PROJECT["optional-dependencies"]
    wanted = ("excel", "fix", "hypothesis", "threads")
    extra = {Requirement(line).name for name in wanted for line in extras[name]}
    imported = {DISTRIBUTIONS.get(name, name) for name in third_party_imports()}
    assert imported - core - extra == set(), "imported, not declared"
    assert core - imported - SHIPPED_FOR_THE_USER == set(), "declared, not imported"


def test_ci_runs_the_test_command_of_the_readme_word_for_word() -> None:
    printed = subprocess.run(
        ["bash", ".ci/run", "--print"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == readme_command("tests")


@pytest.mark.parametrize("name", ["first run", "tests"])
def test_a_command_of_the_readme_is_one_line_that_starts_from_a_bare_python(name: str) -> None:
    command = readme_command(name)
    assert command.startswith("python3 -m venv .venv && .venv/bin/pip install ")
    assert " -c constraints.txt " in command
    assert "\n" not in command


def test_the_first_run_of_the_readme_names_a_scenario_that_exists() -> None:
    (scenario,) = re.findall(r"foundation-lab run (\S+)", readme_command("first run"))
    assert (ROOT / scenario).is_file(), scenario


def test_the_installed_version_is_the_one_of_the_sources() -> None:
    try:
        installed = importlib.metadata.version(PROJECT["name"])
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("foundation-lab is not installed here")
    assert installed == foundation_lab.__version__


def test_the_changelog_has_a_heading_for_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    version = re.escape(foundation_lab.__version__)
    assert re.search(rf"^## \[?{version}\b", changelog, re.MULTILINE)


def test_every_public_name_can_be_loaded_and_the_names_are_sorted() -> None:
    assert [name for name in foundation_lab.__all__ if not hasattr(foundation_lab, name)] == []
    assert foundation_lab.__all__ == sorted(foundation_lab.__all__)


def test_the_licence_is_apache_2() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    words = " ".join((ROOT / "LICENSE").read_text(encoding="utf-8").split())
    assert words.startswith("Apache License Version 2.0, January 2004")


@pytest.mark.parametrize(
    "notebook",
    [pytest.param(path, id=path.stem) for path in sorted(ROOT.glob("notebooks/*.ipynb"))],
)
def test_a_notebook_is_kept_without_outputs_and_starts_with_its_title(notebook: Path) -> None:
    content = json.loads(notebook.read_text(encoding="utf-8"))
    code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    assert [cell for cell in code if cell["outputs"] or cell["execution_count"] is not None] == []
    first = content["cells"][0]
    assert first["cell_type"] == "markdown"
    assert "".join(first["source"]).startswith("# ")
    assert content["metadata"]["kernelspec"]["name"] == "python3"


def test_no_file_has_leftovers_of_the_work_on_it() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in texts()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if LEFTOVERS.search(line)
    ]
    assert found == []


def declared() -> dict[str, Requirement]:
    """Every direct dependency, of the core and of all extras, by its name."""
    extras = PROJECT["optional-dependencies"].values()
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in extra)]
    requirements = map(Requirement, lines)
    return {each.name: each for each in requirements if each.name != PROJECT["name"]}


def environment() -> tuple[list[str], list[str]]:
    """The conda lines and the pip lines of environment.yml."""
    content = YAML(typ="safe").load(ROOT / "environment.yml")
    conda = [line for line in content["dependencies"] if isinstance(line, str)]
    (pip,) = (line["pip"] for line in content["dependencies"] if not isinstance(line, str))
    return conda, pip


def split(line: str) -> tuple[str, str]:
    """The name and the specifier of a conda line."""
    name, _, specifier = line.partition(" ")
    return name, specifier


def lines_of(file: str) -> list[str]:
    return (ROOT / file).read_text(encoding="utf-8").splitlines()


def readme_command(name: str) -> str:
    """The shell block of README.md that follows the line `<!-- name -->`."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(rf"^<!-- {name} -->\n```sh\n(.*?)\n```$", text, re.DOTALL | re.MULTILINE)
    assert block, f"README.md: no ```sh block follows the line <!-- {name} -->"
    return block[1]


def third_party_imports() -> set[str]:
    """The top-level names that the package imports from outside of the standard library."""
    names = {name for path in (ROOT / "foundation_lab").rglob("*.py") for name in imports_of(path)}
    return names - sys.stdlib_module_names - {"foundation_lab"}


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def texts() -> Iterator[Path]:
    """Every text file of the project but this one, which spells out what it looks for."""
    suffixes = {".py", ".md", ".yaml", ".yml", ".ipynb", ".toml", ".txt", ".html", ".css", ".j2"}
    folders = ("foundation_lab", "tests", "scenarios", "notebooks", "benchmarks", "docs")
    candidates = [*ROOT.glob("*"), ROOT / ".ci" / "run"]
    candidates += [path for folder in folders for path in (ROOT / folder).rglob("*")]
    for path in candidates:
        named = path.suffix in suffixes or path.name in {"Makefile", "run"}
        if path.is_file() and named and path != Path(__file__):
            yield path


def test_every_failure_of_the_simulated_world_has_its_name_at_the_top() -> None:
    names = {
        name
        for name, each in vars(errors).items()
        if isinstance(each, type) and issubclass(each, errors.ServiceError)
    }
    assert names <= set(foundation_lab.__all__)
