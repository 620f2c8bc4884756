from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest

from foundation_lab.testing.sleeps import audit
from tests.testing.sleeps.suites import suite

if TYPE_CHECKING:
    from pathlib import Path

SLEEP = "import time\ntime.sleep(1)\n"


def test_files_and_folders_are_read_each_once_in_order(tmp_path: Path) -> None:
    suite(tmp_path, b=SLEEP, a=SLEEP, sub__c=SLEEP)
    found = audit([tmp_path, tmp_path / "a.py", tmp_path / "sub"])
    assert [each.file for each in found.findings] == [
        (tmp_path / name).as_posix() for name in ("a.py", "b.py", "sub/c.py")
    ]
    assert found.files == 3


def test_what_others_made_is_skipped(tmp_path: Path) -> None:
    suite(
        tmp_path,
        **{
            f"{folder}__x": SLEEP
            for folder in (".venv", "build", "dist", "node_modules", ".tox", "x.egg-info")
        },
        mine__x=SLEEP,
        their__lib__x=SLEEP,
    )
    (tmp_path / "their" / "pyvenv.cfg").touch()
    (found,) = audit([tmp_path]).findings
    assert found.file.endswith("mine/x.py")
    assert len(audit([tmp_path / "build"]).findings) == 1


def test_links_neither_go_round_in_circles_nor_count_twice(tmp_path: Path) -> None:
    suite(tmp_path, test_it=SLEEP)
    (tmp_path / "circle").symlink_to(tmp_path)
    (tmp_path / "a_link.py").symlink_to("test_it.py")
    (tmp_path / "nowhere.py").symlink_to("gone.py")
    found = audit([tmp_path])
    assert [each.file for each in found.findings] == [(tmp_path / "test_it.py").as_posix()]
    assert [each.message for each in found.problems] == ["not audited: no regular file"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"def broken(:\n", "no Python: invalid syntax"),
        (b"x = 1\0\n", "binary: it holds null bytes"),
        (b"# \xff\xfe\n", "undecodable: invalid or missing encoding declaration"),
        (b"# -*- coding: klingon -*-\n", "undecodable: unknown encoding: klingon"),
        (b"#" * 4_000_001, "4,000,001 bytes are more than the 4,000,000 that are audited"),
        (b"x = " + b"(" * 500 + b")" * 500, "no Python: too many nested parentheses"),
        (b"x = " + b"-" * 200_000 + b"1", "nested too deeply"),
    ],
    ids=["syntax", "binary", "encoding", "codec", "huge", "nested", "deep"],
)
def test_a_file_that_cannot_be_audited_is_told_and_stops_nothing(
    tmp_path: Path, content: bytes, message: str
) -> None:
    suite(tmp_path, test_it=SLEEP)
    (tmp_path / "bad.py").write_bytes(content)
    found = audit([tmp_path])
    assert len(found.findings) == 1
    (problem,) = found.problems
    assert problem.file.endswith("bad.py")
    assert problem.message.startswith(f"not audited: {message}")


def test_a_file_is_read_in_the_encoding_that_it_declares(tmp_path: Path) -> None:
    text = "# coding: latin-1\nimport time\nname = 'Grüße'\ntime.sleep(1)\r\n"
    (tmp_path / "test_it.py").write_bytes(text.encode("latin-1"))
    found = audit([tmp_path])
    assert (len(found.findings), found.problems) == (1, ())


def test_a_path_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.py: no such file or folder"):
        audit([tmp_path / "gone.py"])


def test_nothing_of_the_audited_code_is_run(tmp_path: Path) -> None:
    suite(tmp_path, test_it=SLEEP + "raise SystemExit('it was run')\n")
    assert len(audit([tmp_path]).findings) == 1


def test_a_module_of_the_project_is_not_taken_for_the_library_of_its_name(tmp_path: Path) -> None:
    suite(
        tmp_path,
        shop____init__="",
        shop__gevent="def sleep(seconds): ...\n",
        tests__test_it="import gevent\ngevent.sleep(1)\n",
    )
    assert len(audit([tmp_path]).findings) == 1


def test_the_sums_add_up(tmp_path: Path) -> None:
    suite(
        tmp_path,
        test_a="import time\ndef test_x():\n    time.sleep(0.1)\n    time.sleep(0.2)\n",
        test_b="import time\ndef test_y(n):\n    time.sleep(n)\n    time.sleep(3)\n",
    )
    found = audit([tmp_path])
    whole = sum(each.total_at_least for each in found.findings)
    assert whole == pytest.approx(3.3)
    for rows in (found.by_purpose(), found.by_file(), found.by_test()):
        assert sum(row.seconds for row in rows) == pytest.approx(whole)
        assert sum(row.sleeps for row in rows) == 4
        assert sum(row.unknown for row in rows) == 1
    assert [row.name.rpartition("/")[2] for row in found.by_test()] == [
        "test_b.py::test_y",
        "test_a.py::test_x",
    ]


def test_an_audit_is_the_same_in_every_process(tmp_path: Path) -> None:
    suite(
        tmp_path,
        conftest="import time, pytest\n@pytest.fixture\ndef up():\n    time.sleep(1)\n",
        helpers="import time\ndef a(n):\n    time.sleep(n)\ndef b():\n    a(2)\n",
        test_it="from helpers import *\nfrom helpers import b\ndef test_it(up):\n    b()\n",
    )
    program = (
        "import msgspec, sys\nfrom foundation_lab.testing.sleeps import audit\n"
        "print(msgspec.json.encode(audit(sys.argv[1:]).document()).decode())"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(told) == 1
    document = msgspec.json.decode(told.pop())
    assert document["totals"]["findings"] == 5


def test_the_document_keeps_its_names(tmp_path: Path) -> None:
    document = audit([suite(tmp_path, test_it=SLEEP + "x = 1  # lab: allow-sleep no\n")]).document()
    assert list(document) == [
        "version", "files", "totals", "by_purpose", "by_file", "by_test", "findings", "problems",
    ]  # fmt: skip
    (finding,) = msgspec.convert(document["findings"], list[dict[str, object]])
    assert sorted(finding) == [
        "allowed", "at_least", "call", "column", "confidence", "evidence", "file", "kind", "line",
        "purpose", "replacement", "seconds", "test", "times", "total", "total_at_least", "via",
    ]  # fmt: skip
    assert document["version"] == 1
    assert msgspec.convert(document["totals"], dict[str, float]) == {
        "findings": 1, "allowed": 0, "counted": 1, "seconds_at_least": 1.0, "unknown": 0,
    }  # fmt: skip
