"""The command line of the audit, and its pages."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections import defaultdict
from io import StringIO
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from foundation_lab.testing.sleeps import (
    Changed,
    Measurement,
    SuiteFailed,
    measure,
    pages,
    recorder,
)
from foundation_lab.testing.sleeps.measure import differences
from tests.test_cli import command_line, refused
from tests.testing.sleeps.suites import suite

if TYPE_CHECKING:
    from pathlib import Path

TWO = """
import time

def test_it():
    time.sleep(1)
    time.sleep(2)  # lab: allow-sleep a second <b>reason</b>
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return suite(tmp_path, test_it=TWO)


def test_a_table_shows_each_sleep_and_what_to_write_instead(folder: Path) -> None:
    done = command_line("audit-sleeps", "test_it.py", folder=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 sleeps in 1 file, 3 s, 1 allowed" in done.stdout
    assert "clock.advance(1)" in done.stdout
    assert "test_it.py:5" in done.stdout


def test_json_is_one_document(folder: Path) -> None:
    done = command_line("audit-sleeps", ".", "--json", folder=folder)
    document = json.loads(done.stdout)
    assert document["totals"]["seconds_at_least"] == 3.0
    assert [each["file"] for each in document["findings"]] == ["test_it.py", "test_it.py"]


def test_markdown_means_nothing_that_it_does_not_say(folder: Path) -> None:
    done = command_line("audit-sleeps", ".", "--md", folder=folder)
    assert done.stdout.startswith("# Sleeps\n")
    assert "&lt;b>reason" in done.stdout
    assert "<b>" not in done.stdout


def test_the_page_is_escaped_and_loads_nothing(folder: Path) -> None:
    suite(folder, test_x="import time\ndef test_x():\n    time.sleep(f('<script>'))\n")
    done = command_line("audit-sleeps", ".", "--html", "out.html", folder=folder)
    assert "page  out.html" in done.stdout
    page = (folder / "out.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert not re.search(r"(src|href)=|https?://|url\(", page)
    assert "default-src 'none'" in page
    again = command_line("audit-sleeps", ".", "--html", "again.html", folder=folder)
    assert again.returncode == 0
    assert (folder / "again.html").read_text(encoding="utf-8") == page


@pytest.mark.parametrize(("most", "code"), [(0, 1), (1, 0), (2, 0)])
def test_the_ratchet_counts_what_no_comment_allows(folder: Path, most: int, code: int) -> None:
    done = command_line("audit-sleeps", ".", "--max", most, folder=folder)
    assert done.returncode == code
    assert ("--max is 0" in done.stderr) == bool(code)
    assert done.stdout.startswith("2 sleeps in 1 file, 3 s, 1 allowed\n")
    assert ("test_it.py:5" in done.stdout) == bool(code)  # tables when there is something to do,
    assert "test_it.py:6" not in done.stdout  # and nothing of what is allowed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gone.py",), "gone.py: no such file or folder"),
        (("empty",), "no Python file at empty"),
        ((".", "--json", "--md"), "give --json or --md, not both"),
        ((".", "--write"), "--write goes with --fix"),
        ((".", "--fix", "--json"), "--fix prints a diff"),
        ((".", "--measure", "--max", "1"), "--html and --max are about the audit"),
        ((".", "--html", "empty"), "empty is a folder"),
    ],
)
def test_wrong_usage_is_refused(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    (folder / "empty").mkdir()
    assert refused(command_line("audit-sleeps", *arguments, folder=folder)).startswith(message)


def test_fixes_are_shown_before_they_are_written(folder: Path) -> None:
    pytest.importorskip("libcst")
    suite(folder, test_y="import time\n\ndef test_y():\n    one()\n    time.sleep(0)\n")
    shown = command_line("audit-sleeps", "test_y.py", "--fix", folder=folder)
    assert "-    time.sleep(0)" in shown.stdout
    assert "1 sleeps can be rewritten safely" in shown.stderr
    written = command_line("audit-sleeps", "test_y.py", "--fix", "--write", folder=folder)
    assert written.stdout.startswith("test_y.py:5: it lets other threads run")
    assert "sleep" not in (folder / "test_y.py").read_text(encoding="utf-8")


def test_fixing_without_the_extra_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "libcst", None)
    assert "foundation-lab[fix]" in refused(
        command_line("audit-sleeps", ".", "--fix", folder=folder)
    )


# -- measuring -------------------------------------------------------------------------------------


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suites that are measured find this very package, installed or not."""
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))


@pytest.mark.usefixtures("here")
def test_measuring_runs_the_tests_and_sums_up_what_they_really_sleep(tmp_path: Path) -> None:
    suite(
        tmp_path,
        test_it="""
        import asyncio
        from time import sleep

        def test_a():
            sleep(0.02)
            sleep(0.01)

        def test_b():
            asyncio.run(asyncio.sleep(0.01))
            assert False

        def test_c():
            pass
        """,
    )
    found = measure(["test_it.py"], tmp_path)
    assert found.tests == 3
    assert [test for test, _ in found.by_test] == ["test_it.py::test_a", "test_it.py::test_b"]
    assert 0.04 <= found.slept < found.seconds
    assert (found.note is None) == (found.virtual_seconds is not None)
    if found.note is not None:
        assert "--lab-virtual" in found.note
        assert (found.saved, found.changed) == (None, ())


@pytest.mark.usefixtures("here")
def test_a_suite_that_cannot_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(SuiteFailed, match="pytest ended with 4"):
        measure(["gone.py"], tmp_path)


@pytest.mark.usefixtures("here")
def test_a_measurement_is_a_table_or_json(folder: Path) -> None:
    suite(folder, test_it="import time\n\ndef test_it():\n    time.sleep(0.001)\n")
    table = command_line("audit-sleeps", ".", "--measure", folder=folder)
    assert "1 test in " in table.stdout
    assert "test_it.py::test_it" in table.stdout
    document = command_line("audit-sleeps", ".", "--measure", "--json", folder=folder)
    assert json.loads(document.stdout)["tests"] == 1


@pytest.mark.usefixtures("here")
def test_a_suite_runs_again_where_time_can_be_virtual(tmp_path: Path) -> None:
    suite(
        tmp_path,
        conftest="""
        import time
        from contextlib import suppress

        def pytest_addoption(parser):
            with suppress(ValueError):  # the plugin has the option itself
                parser.addoption("--lab-virtual", action="store_true")

        def pytest_configure(config):
            if config.getoption("--lab-virtual"):
                time.sleep = lambda seconds: None
        """,
        test_it="import time\n\ndef test_it():\n    time.sleep(0.01)\n",
    )
    found = measure(["test_it.py"], tmp_path)
    assert (found.note, found.changed) == (None, ())
    assert found.virtual_seconds is not None
    assert found.saved == pytest.approx(found.seconds - found.virtual_seconds, abs=0.002)


def test_what_ended_otherwise_is_told_test_by_test() -> None:
    before = {"a": "passed", "b": "passed", "c": "failed"}
    after = {"a": "passed", "b": "failed", "d": "passed"}
    assert differences(before, after) == (
        Changed("b", "passed", "failed"),
        Changed("c", "failed", "not run"),
        Changed("d", "not run", "passed"),
    )


def test_a_measurement_in_virtual_time_says_what_it_saves() -> None:
    result = Measurement(
        2, 9.5, 8.0, (("t.py::a", 8.0),), 1.5, 8.0, (Changed("t.py::b", "passed", "failed"),), None
    )
    page = StringIO()
    Console(file=page, width=100).print(pages.measured(result))
    assert "2 tests in 9.5 s, of which 8 s slept" in page.getvalue()
    assert "in virtual time 1.5 s: 8 s saved" in page.getvalue()
    assert "t.py::b: passed, in virtual time failed" in page.getvalue()


def test_a_recorded_sleep_belongs_to_the_test_that_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    times = iter([1.0, 3.5, 4.0, 4.25])
    monkeypatch.setenv(recorder.REPORT, str(report))
    monkeypatch.setattr(recorder, "_clock", lambda: next(times))
    monkeypatch.setattr(recorder, "_sleep", lambda _: None)

    async def at_once(_: float, result: object) -> object:
        return result

    monkeypatch.setattr(recorder, "_asyncio_sleep", at_once)
    monkeypatch.setattr(recorder, "_slept", defaultdict(float))
    monkeypatch.setattr(recorder, "_running", "t.py::a")
    recorder._recorded_sleep(1)
    assert asyncio.run(recorder._recorded_asyncio_sleep(1, "done")) == "done"
    recorder.pytest_unconfigure()
    assert json.loads(report.read_text(encoding="utf-8"))["slept"] == {"t.py::a": 2.75}


def test_the_worst_phase_of_a_test_is_its_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes: dict[str, str] = {}
    monkeypatch.setattr(recorder, "_outcomes", outcomes)
    for test, when, outcome in (
        ("a", "setup", "passed"),
        ("a", "call", "passed"),
        ("b", "setup", "skipped"),
        ("c", "call", "passed"),
        ("c", "teardown", "failed"),
        ("d", "call", "failed"),
        ("d", "teardown", "passed"),
    ):
        report = SimpleNamespace(nodeid=test, when=when, outcome=outcome)
        recorder.pytest_runtest_logreport(report)  # type: ignore[arg-type]
    assert outcomes == {"a": "passed", "b": "skipped", "c": "error", "d": "failed"}


def test_a_broken_file_is_told_in_every_form(folder: Path) -> None:
    (folder / "bad.py").write_text("def (:", encoding="utf-8")
    assert "bad.py:1: not audited" in command_line("audit-sleeps", ".", folder=folder).stdout
    assert "## Problems" in command_line("audit-sleeps", ".", "--md", folder=folder).stdout
    command_line("audit-sleeps", ".", "--html", "out.html", "--json", folder=folder)
    assert "<h2>Problems</h2>" in (folder / "out.html").read_text(encoding="utf-8")


def test_long_tables_are_cut_and_say_so(folder: Path) -> None:
    code = "\n".join(f"def test_{n}(x):\n    time.sleep(max(1, x))\n" for n in range(20))
    suite(folder, test_it=f"import time\n{code}")
    shown = command_line("audit-sleeps", ".", folder=folder).stdout
    assert "and 5 more" in shown
    assert "at least 20 s, 20 of unknown length" in shown
    assert "at least 1 s" in shown
