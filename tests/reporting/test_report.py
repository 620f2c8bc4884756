"""The page itself: what is in it, and what cannot get out. Seed 7; the worlds draw from seed 11."""

import base64
import hashlib
import html.parser
import json
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from foundation_lab.recording.recording import Recording
from foundation_lab.reporting import summarise, write_report
from foundation_lab.reporting.report import CHARTS, MOST_EMBEDDED, MOST_ROWS, in_script, render
from foundation_lab.simulation.engine import Simulation
from foundation_lab.telemetry import events as e
from tests.reporting.worlds import Script, checkout_under_outage, play

ATTACK = "<script>alert(1)</script></script>\"'<!--&<img src=x onerror=alert(2)>"
MEGABYTE = 1_000_000


class Page(html.parser.HTMLParser):
    """What a browser would make of a page: its elements, its scripts and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.elements and self.elements[-1][0] == "script" and self.cdata_elem == "script":
            self.scripts[-1] += data
        else:
            self.text += data

    def data(self, identity: str) -> object:
        places = [a.get("id") for tag, a in self.elements if tag == "script"]
        return json.loads(self.scripts[places.index(identity)])


@pytest.fixture(scope="module")
def shop() -> Recording:
    return checkout_under_outage()


@pytest.fixture(scope="module")
def page(shop: Recording) -> Page:
    return Page(render(shop))


def test_the_page_is_the_same_for_a_recording_that_was_saved_and_loaded(
    shop: Recording, tmp_path: Path
) -> None:
    shop.save(tmp_path / "run")
    one = write_report(shop, tmp_path / "one.html")
    two = write_report(Recording.load(tmp_path / "run"), tmp_path / "deep" / "two.html")
    three = write_report(checkout_under_outage(), tmp_path / "three.html")
    assert one.read_bytes() == two.read_bytes() == three.read_bytes()
    assert one.stat().st_size < 8 * MEGABYTE
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "deep",
        "one.html",
        "run",
        "three.html",
    ]


def test_the_page_says_what_was_run_and_what_came_out(shop: Recording, page: Page) -> None:
    for expected in ("checkout-under-outage", "Seed", "60 min", "34,154", shop.digest, "complete"):
        assert expected in page.text
    for heading in ("Requests by client", "Durations by service", "Errors", "Faults", "Alerts"):
        assert heading in page.text
    assert "80.76 %" in page.text


def test_the_charts_stand_in_their_order_each_in_a_place_of_its_own(page: Page) -> None:
    plots = [a["id"] for tag, a in page.elements if a.get("class") == "plot"]
    assert plots == [f"chart-{name.replace('_', '-')}" for name in CHARTS]
    figures = page.data("figures")
    assert isinstance(figures, list)
    assert [figure["id"] for figure in figures] == plots


def test_the_page_holds_plotly_once_and_asks_for_nothing(page: Page) -> None:
    assert sum(script.lstrip().startswith("/**\n* plotly.js") for script in page.scripts) == 1
    for tag, attributes in page.elements:
        assert "src" not in attributes, tag
        assert not (attributes.get("href") or "#").partition("#")[0], tag
    assert "showSendToCloud: false" in page.scripts[-1]


def test_only_the_two_scripts_of_the_page_may_run(page: Page) -> None:
    policy = next(a["content"] for tag, a in page.elements if "http-equiv" in a) or ""
    running = [
        script
        for script, attributes in zip(
            page.scripts, [a for tag, a in page.elements if tag == "script"], strict=True
        )
        if attributes.get("type") != "application/json"
    ]
    hashes = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in running]
    assert len(running) == 2
    assert re.findall(r"'sha256-([^']+)'", policy) == hashes
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-inline" not in policy.partition("style-src")[0]
    assert "http" not in policy


def test_the_summary_is_in_the_page_as_json(shop: Recording, page: Page) -> None:
    embedded = page.data("summary")
    expected = json.loads(msgspec.json.encode(summarise(shop)))
    assert embedded == {**expected, "cut": {}}


def test_names_from_a_recording_cannot_become_markup() -> None:
    plain = Page(render(checkout_under_outage()))
    odd = Page(render(checkout_under_outage(odd=ATTACK), title=f"Title {ATTACK}"))
    assert [tag for tag, _ in odd.elements] == [tag for tag, _ in plain.elements]
    assert len(odd.scripts) == 4
    assert odd.scripts[2:] == plain.scripts[2:]
    assert f"payments{ATTACK}" in odd.text
    assert f"Title {ATTACK}" in odd.text
    summary = odd.data("summary")
    assert isinstance(summary, dict)
    assert summary["breakers"][0]["name"] == f"payments{ATTACK}"


def test_json_for_a_script_says_the_same_and_has_nothing_that_html_knows() -> None:
    text = json.dumps(["</script>", "<!--", "a & b", "\u2028\u2029"], ensure_ascii=False)
    safe = in_script(text)
    assert json.loads(safe) == json.loads(text)
    assert not set("<>&\u2028\u2029") & set(safe)


def test_an_empty_recording_has_a_page_too() -> None:
    page = Page(render(Simulation(seed=7).recording))
    assert page.data("figures") == []
    assert "Not shown, for want of data: latency of requests" in page.text


def test_a_partial_recording_says_where_it_ends_and_why(shop: Recording) -> None:
    facts = msgspec.structs.replace(shop.facts, status="failed", error="DeadlockError: <stuck>")
    page = Page(render(Recording(shop._parts, facts)))
    assert "This recording is partial: it ends at 60 min, with DeadlockError: <stuck>." in page.text
    assert any(a.get("class") == "badge partial" for _, a in page.elements)


def test_a_recording_with_its_scenario_names_the_command_that_makes_it_again() -> None:
    recording = play([], until=1.0)
    facts = msgspec.structs.replace(recording.facts, scenario={"name": "<tiny>", "seed": 7})
    recording = Recording(recording._parts, facts)
    page = Page(render(recording))
    assert "foundation-lab reproduce RECORDING" in page.text
    assert '"name": "<tiny>"' in page.text
    better = Page(render(recording, command="foundation-lab run tiny.yaml --seed 7"))
    assert "foundation-lab run tiny.yaml --seed 7" in better.text
    assert "RECORDING" not in better.text


def test_a_report_begins_with_the_question_that_its_scenario_asks() -> None:
    recording = play([], until=1.0)
    assert 'class="question"' not in render(recording)
    scenario = {"name": "tiny", "description": "Is 1 < 2?\n", "seed": 7}
    facts = msgspec.structs.replace(recording.facts, scenario=scenario)
    page = render(Recording(recording._parts, facts))
    assert '<p class="question">Is 1 &lt; 2?</p>' in page


def test_a_model_in_python_is_run_again_by_hand() -> None:
    page = Page(render(play([], until=1.0)))
    assert "Run it again with seed 7" in page.text
    assert "RECORDING" not in page.text


def test_a_large_recording_still_makes_a_page_that_can_be_sent() -> None:
    script: Script = []
    for n in range(3_000):
        name = f"service-{n}-{'x' * 40}"
        script.append(
            (0.0, e.service.Started(name, "circuit_breaker", f"circuit_breaker:{name}:0"))
        )
        script.append((1.0 + n, e.circuit_breaker.StateChange(name, "closed", "open", "odd")))
        script.append((1.0 + n, e.fault.Injected(name, f"f{n}", "outage", {"share": 0.5})))
        script.append((1.0 + n, e.alert.Firing(name, f"a{n}", "key", "critical", 1.0)))
    text = render(play(script, until=4_000.0))
    page = Page(text)
    assert len(text.encode()) < 8 * MEGABYTE
    assert f"The first {MOST_ROWS} of 3,000 rows." in page.text
    summary = page.data("summary")
    assert isinstance(summary, dict)
    assert summary["cut"]["faults"] == 3_000
    assert len(summary["faults"]) == MOST_EMBEDDED


def test_a_report_replaces_a_file_but_never_a_folder(tmp_path: Path) -> None:
    recording = play([], until=1.0)
    target = tmp_path / "report.html"
    target.write_text("old")
    write_report(recording, target)
    assert target.read_text().startswith("<!DOCTYPE html>")
    with pytest.raises(IsADirectoryError, match=r"give a file such as .*/report\.html"):
        write_report(recording, tmp_path)


def test_a_report_that_cannot_be_made_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.write_text("old")
    with pytest.raises(ValueError, match="wall_clock"):
        write_report(
            play([(0.5, e.request.Finished("web", "ok", None, 0.1))], until=1.0),
            target,
            wall_clock=True,
        )
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_importing_the_package_does_not_import_what_is_heavy() -> None:
    heavy = {"plotly", "jinja2", "xlsxwriter", "pandas", "simpy", "scipy"}
    program = f"import sys, foundation_lab.reporting; print(sorted({heavy} & {{*sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_the_verdicts_on_objectives_stand_before_everything_else() -> None:
    recording = play([(1.0, e.request.Finished("web", "ok", None, 0.25))], until=2.0)
    objectives = [
        {"client": "web", "metric": "p99", "at_least": None, "at_most": 0.2},
        {"client": "web", "metric": "success", "at_least": 0.9, "at_most": None},
    ]
    facts = msgspec.structs.replace(recording.facts, scenario={"objectives": objectives})
    page = Page(render(Recording(recording._parts, facts)))
    assert page.text.index("p99 of web at most 200 ms") < page.text.index("Requests by client")
    words = [a.get("class") for tag, a in page.elements if tag == "td"]
    assert words.count("missed") == words.count("met") == 1
    assert "250 ms" in page.text
