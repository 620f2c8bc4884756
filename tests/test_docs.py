"""Every block in `docs/` runs, every service has its page and keys, every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from foundation_lab import services
from foundation_lab.scenario.build import build
from foundation_lab.scenario.load import load_scenario
from foundation_lab.scenario.services import KINDS
from foundation_lab.services import Service
from foundation_lab.telemetry import events
from tests.scenario import key_tables
from tests.test_event_coverage import EMITTERS, classes_of, shipped

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {page: page.read_text(encoding="utf-8") for page in sorted(DOCS.rglob("*.md"))}
OF_SERVICES = {page: text for page, text in PAGES.items() if page.parent.name == "services"}
BLOCKS = [
    pytest.param(block, id=f"{page.parent.stem}-{page.stem}-{number}")
    for page, text in PAGES.items()
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", text, re.DOTALL), 1)
]
SCENARIOS = [
    pytest.param(block, id=f"{page.parent.stem}-{page.stem}-{number}")
    for page, text in PAGES.items()
    if page.stem.startswith("scenarios")
    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", text, re.DOTALL), 1)
]
SERVICES = sorted(
    name
    for name in services.__all__
    if isinstance(one := getattr(services, name), type) and issubclass(one, Service)
)
FAMILIES = sorted(
    {
        cls.event_name.split(".")[1]
        for module in (*EMITTERS.values(), events.async_operation, events.fault, events.request)
        for cls in classes_of(module)
    }
)


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_of_python_in_the_docs_runs(block: str) -> None:
    exec(compile(block, "docs", "exec", dont_inherit=True), {"__name__": "docs"})


@pytest.mark.parametrize("block", SCENARIOS)
def test_a_block_of_yaml_in_the_docs_is_a_scenario_or_parts_of_one(
    tmp_path: Path, block: str
) -> None:
    whole = "" if "seed:" in block else "name: docs\ndescription: A block.\nseed: 1\nhorizon: 20\n"
    path = tmp_path / "docs.yaml"
    path.write_text(whole + block, encoding="utf-8")
    for variant in (None, *load_scenario(path).variants):
        sim = build(load_scenario(path, variant=variant, until=20))
        sim.run(until=20)
        sim.check_invariants()


def test_the_keys_of_every_service_are_on_the_page_as_the_models_have_them() -> None:
    page = key_tables.PAGE.read_text(encoding="utf-8")
    shown = [name for _, name, _ in key_tables.BLOCK.findall(page)]
    assert {*KINDS, *key_tables.PARTS} <= set(shown)
    assert len(shown) == len(set(shown))
    assert key_tables.renewed(page) == page, "python -m tests.scenario.key_tables"


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "Service"])
def test_every_service_is_on_a_page(name: str) -> None:
    assert [page.stem for page, text in OF_SERVICES.items() if f"`{name}`" in text]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_of_events_is_on_a_page(family: str) -> None:
    known = re.compile(rf"`(foundation\.)?{family}(\.\w+)?`")
    assert [page.stem for page, text in OF_SERVICES.items() if known.search(text)]


def test_a_table_of_events_leaves_none_of_its_family_out_and_makes_none_up() -> None:
    rows = re.compile(r"^\| `(?:foundation\.)?([a-z_]+\.[a-z_]+)` \|", re.MULTILINE)
    told = {event for text in OF_SERVICES.values() for event in rows.findall(text)}
    families = {event.partition(".")[0] for event in told}
    emitted = {cls.event_name.removeprefix("foundation.") for cls in shipped()}
    assert told == {event for event in emitted if event.partition(".")[0] in families}


def headings(text: str) -> set[str]:
    """Return the anchors of a page, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_links_between_pages_resolve(page: Path) -> None:
    prose = re.sub(r"```.*?```", "", PAGES[page], flags=re.DOTALL)
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", prose):
        path, _, anchor = target.partition("#")
        other = (page.parent / path).resolve() if path else page
        assert other.exists(), target
        if anchor:
            assert anchor in headings(other.read_text(encoding="utf-8")), target
