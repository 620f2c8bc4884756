from __future__ import annotations

from typing import TYPE_CHECKING

from foundation_lab.recording.recording import Recording
from tests.testing.inner import run_pytest

if TYPE_CHECKING:
    from pytest import Pytester  # noqa: PT013  (types alone)

pytest_plugins = ["pytester"]


def test_a_failure_leaves_its_recording_a_report_and_its_words(pytester: Pytester) -> None:
    pytester.makepyfile(
        test_shop="""
        import pytest

        @pytest.mark.lab(seed=7)
        @pytest.mark.parametrize("kind", ["a/b"])
        def test_it(sim, kind):
            sim.telemetry.emit("shop.told", {"number": 3})
            assert kind == "c"

        def test_passes(sim):
            pass

        def test_plain():
            assert False
        """
    )
    result = run_pytest(pytester, "--lab-artifacts=kept")
    result.assert_outcomes(passed=1, failed=2)
    (folder,) = (pytester.path / "kept").iterdir()
    assert folder.name.startswith("test_shop_test_it_a_b_-")
    result.stdout.fnmatch_lines(
        [
            "*- artifacts -*",
            f"kept/{folder.name}",
            "  call.txt",
            "  recording/",
            "  report.html",
        ]
    )
    recording = Recording.load(folder / "recording")
    assert (recording.facts.seed, recording.counts) == (7, {"shop.told": 1})
    assert "--lab-replay=7" in (folder / "report.html").read_text(encoding="utf-8")
    words = (folder / "call.txt").read_text(encoding="utf-8")
    assert "assert 'a/b' == 'c'" in words
    assert "-- virtual time --" in words


def test_what_cannot_be_kept_does_not_break_the_report(pytester: Pytester) -> None:
    pytester.makepyfile("def test_it(sim): assert False")
    (pytester.path / "kept").write_text("a file", encoding="utf-8")
    result = run_pytest(pytester, "--lab-artifacts=kept")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["kept/*: not all could be kept: *Error: *"])
