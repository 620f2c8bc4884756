from __future__ import annotations

from textwrap import dedent

import pytest

from foundation_lab.testing.sleeps import Audit, audit_text


def audited(code: str) -> Audit:
    return audit_text(dedent(code))


@pytest.mark.parametrize(
    "code",
    [
        "import time\ntime.sleep(1)  # lab: allow-sleep the kernel takes a second",
        "import time\n# lab: allow-sleep the kernel takes a second\ntime.sleep(1)",
        "import time\n# lab: allow-sleep the kernel takes a second\n# and more\ntime.sleep(1)",
        "import time\ntime.sleep(\n    1  # lab: allow-sleep: the kernel takes a second\n)",
        "import time\ndef f():  # lab: allow-sleep the kernel takes a second\n    time.sleep(1)",
        "import time\n# lab: allow-sleep the kernel takes a second\n@d\ndef f():\n  time.sleep(1)",
        "# lab: allow-sleep-in-file the kernel takes a second\nimport time\ntime.sleep(1)",
        "import time\nx = [time.sleep(1)]  #lab:allow-sleep the kernel takes a second",
    ],
)
def test_a_comment_with_a_reason_allows_a_sleep(code: str) -> None:
    found = audited(code)
    assert [each.allowed for each in found.findings] == ["the kernel takes a second"]
    assert (found.counted, found.problems) == ((), ())


def test_a_comment_without_a_reason_allows_nothing_and_is_told() -> None:
    found = audited("import time\ntime.sleep(1)  # lab: allow-sleep")
    assert len(found.counted) == 1
    assert [(each.line, each.message) for each in found.problems] == [
        (2, "this comment gives no reason, so it allows nothing: '# lab: allow-sleep <reason>'")
    ]


def test_a_comment_where_nothing_sleeps_is_told() -> None:
    found = audited("import time\nx = 1  # lab: allow-sleep it used to")
    assert [each.message for each in found.problems] == [
        "this comment allows no sleep: there is none here"
    ]


def test_a_comment_allows_its_own_sleep_only() -> None:
    found = audited(
        """
        import time

        def test_it():
            time.sleep(1)  # lab: allow-sleep why not
            time.sleep(2)

        # lab: allow-sleep too far away

        time.sleep(3)
        """
    )
    assert [each.seconds for each in found.counted] == [2.0, 3.0]


def test_a_text_that_looks_like_the_comment_is_none() -> None:
    found = audited('import time\ntime.sleep(len("# lab: allow-sleep because"))')
    assert len(found.counted) == 1
