from __future__ import annotations

import sys
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from foundation_lab.errors import MissingExtra
from foundation_lab.testing.sleeps import changes
from tests.testing.sleeps.suites import suite

if TYPE_CHECKING:
    from pathlib import Path


def fixed(folder: Path, code: str) -> str:
    """The text after all safe fixes."""
    pytest.importorskip("libcst")
    for change in changes([suite(folder, test_it=code)]):
        change.write()
    return (folder / "test_it.py").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            """
            import time

            def test_it():
                one()
                # a breath
                time.sleep(0.1)
            """,
            """
            import time

            def test_it():
                one()
                # a breath
            """,
            id="the last statement",
        ),
        pytest.param(
            """
            import time as t

            def test_it():
                one()   # kept as it is
                t.sleep(0)
                assert  two()
            """,
            """
            import time as t

            def test_it():
                one()   # kept as it is
                assert  two()
            """,
            id="0 seconds",
        ),
        pytest.param(
            """
            import time

            def wait():
                return 1
                time.sleep(2)
            """,
            """
            import time

            def wait():
                return 1
            """,
            id="unreachable",
        ),
        pytest.param(
            """
            import time

            def test_it():
                time.sleep(1)
            """,
            """
            import time

            def test_it():
                pass
            """,
            id="nothing else",
        ),
        pytest.param(
            """
            import time

            def test_it():
                one()
                # the first of two

                # what comes next
                time.sleep(0)  # let it run
                two()

                # Regression: this was wrong once.
                time.sleep(1)

            def test_other():
                # only a pause
                time.sleep(1)
            """,
            """
            import time

            def test_it():
                one()
                # the first of two

                # what comes next
                two()

                # Regression: this was wrong once.

            def test_other():
                pass
                # only a pause
            """,
            id="comments above it",
        ),
        pytest.param(
            """
            import select
            import threading

            def test_it(server):
                select.select([], [], [], 0.5)
                threading.Event().wait(timeout = DELAY)
                assert server.up
            """,
            """
            import select
            import threading
            import time

            def test_it(server):
                time.sleep(0.5)
                time.sleep(DELAY)
                assert server.up
            """,
            id="the same pause",
        ),
    ],
)
def test_what_is_safe_is_rewritten_and_the_rest_of_the_text_stays(
    tmp_path: Path, before: str, after: str
) -> None:
    assert fixed(tmp_path, before) == dedent(after)


@pytest.mark.parametrize(
    "body",
    [
        "def test_it():\n    time.sleep(1)\n    assert one()",
        "def test_it(server):\n    one()\n    time.sleep(1)",
        "def test_it():\n    Thread(target=f).start()\n    time.sleep(1)",
        "def test_it():\n    Thread(target=f).start()\n    time.sleep(0)",
        "def test_it():\n    with one():\n        time.sleep(1)",
        "def helper():\n    one()\n    time.sleep(1)",
        "async def test_it():\n    await asyncio.sleep(0)",
        "class TestIt:\n  def teardown_method(self): ...\n  def test_it(self):\n    time.sleep(1)",
        "class TestIt(Base):\n    def test_it(self):\n        time.sleep(1)",
        "@pytest.fixture(autouse=True)\ndef f(): yield\ndef test_it():\n    time.sleep(1)",
        "def test_it():\n    one(); time.sleep(1)",
        "def test_it():\n    time.sleep(1)  # lab: allow-sleep it is good for us",
        "def test_it():\n    x = time.sleep(1)",
    ],
)
def test_what_might_change_a_test_is_left_alone(tmp_path: Path, body: str) -> None:
    code = f"import asyncio, time, pytest\n\n{body}\n"
    assert fixed(tmp_path, code) == code


def test_a_diff_writes_nothing_and_a_write_keeps_rights_and_line_ends(tmp_path: Path) -> None:
    pytest.importorskip("libcst")
    path = tmp_path / "test_it.py"
    head = b"# coding: latin-1\r\nimport time\r\n\r\ndef test_it():\r\n    '\xfc'\r\n"
    path.write_bytes(head + b"    time.sleep(0)\r\n")
    path.chmod(0o640)
    (change,) = changes([path])
    assert "-    time.sleep(0)" in change.diff()
    assert b"sleep" in path.read_bytes()
    change.write()
    assert path.read_bytes().endswith(b"def test_it():\r\n    '\xfc'\r\n")
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]
    assert changes([path]) == []


def test_without_the_extra_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "libcst", None)
    with pytest.raises(MissingExtra, match=r"foundation-lab\[fix\]"):
        changes([tmp_path])
