from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import pytest

from foundation_lab.testing import plugin

if TYPE_CHECKING:
    from pytest import Pytester, RunResult  # noqa: PT013  (types alone)

pytest_plugins = ["pytester"]

INSTALLED = any(entry.value == plugin.__name__ for entry in entry_points(group="pytest11"))


def run(pytester: Pytester, code: str, *options: str) -> RunResult:
    """Run a test file under the plugin, whether or not the package is installed."""
    pytester.makepyfile(code)
    return pytester.runpytest_inprocess(
        "-p",
        "no:cacheprovider",
        "-p",
        "no:asyncio",
        "-p",
        "no:randomly",  # where it is installed: one test here looks at what another has left
        "--strict-markers",
        "-W",
        "error",
        *options,
        plugins=() if INSTALLED else (plugin,),
    )


def test_the_plugin_brings_in_nothing_heavy_before_a_test_asks_for_it() -> None:
    program = f"""
import sys
import {plugin.__name__}
heavy = ("simpy", "polars", "pandas", "numpy", "msgspec", "foundation_lab.telemetry")
print([name for name in heavy if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout == "[]\n"


def test_the_fixtures_share_one_simulation(pytester: Pytester) -> None:
    result = run(
        pytester,
        """
        def test_it(sim, assert_event, refute_event, assert_sequence, assert_any, capture_events):
            def tell(sim):
                for text in ("a", "b"):
                    yield sim.timeout(1.0)
                    sim.telemetry.emit("kit.told", metadata={"text": text})

            with (
                capture_events("kit") as kept,
                assert_sequence([("kit.told", {"text": "a"}), "kit.told"]) as told,
                assert_any(["kit.other", "kit.told"]),
                assert_event("kit.told", text="a"),
            ):
                sim.process(tell(sim))
            assert (len(kept), told.time) == (2, 2.0)
            with refute_event("kit.told"):
                pass
        """,
    )
    result.assert_outcomes(passed=1)


def test_the_seed_comes_from_the_marker_then_the_option_then_is_0(pytester: Pytester) -> None:
    code = """
        import pytest

        @pytest.mark.lab(seed=7)
        def test_marked(sim):
            assert sim.seed == 7
            assert sim.name.endswith("then_is_0.py::test_marked")

        def test_unmarked(sim, pytestconfig):
            assert sim.seed == pytestconfig.getoption("--lab-seed")
        """
    run(pytester, code).assert_outcomes(passed=2)
    run(pytester, code, "--lab-seed=12").assert_outcomes(passed=2)


def test_the_default_seed_is_0(pytester: Pytester) -> None:
    run(pytester, "def test_it(sim): assert sim.seed == 0").assert_outcomes(passed=1)


@pytest.mark.parametrize("arguments", ["7", "sede=7", "seed='seven'", ""])
def test_a_marker_that_gives_no_seed_is_an_error(pytester: Pytester, arguments: str) -> None:
    result = run(
        pytester,
        f"""
        import pytest

        @pytest.mark.lab({arguments})
        def test_it(sim):
            pass
        """,
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*@pytest.mark.lab({arguments}): give a whole number*"])


LEAKY = """
    class Leaky:
        name, kind, status = "pool", "leaky", "up"

        def violations(self):
            return ["2 in use of 1"]
"""


def test_broken_conservation_laws_are_an_error_after_a_test_that_passed(
    pytester: Pytester,
) -> None:
    result = run(
        pytester,
        LEAKY
        + """
    def test_it(sim):
        sim.add(Leaky())
    """,
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["*InvariantError: at t=0: leaky 'pool': 2 in use of 1", "*virtual time*"]
    )


def test_a_test_that_failed_is_not_blamed_for_broken_laws_too(pytester: Pytester) -> None:
    result = run(
        pytester,
        LEAKY
        + """
    def test_it(sim):
        sim.add(Leaky())
        assert False
    """,
    )
    result.assert_outcomes(failed=1)


def test_after_the_test_telemetry_is_sealed(pytester: Pytester) -> None:
    result = run(
        pytester,
        """
        kept = []

        def test_it(sim):
            kept.append(sim)
            sim.telemetry.emit("kit.told")

        def test_it_afterwards():
            kept[0].telemetry.emit("kit.told")
            assert kept[0].telemetry.sequence == 1
        """,
    )
    result.assert_outcomes(passed=2)


def test_a_failure_gets_a_section_with_seed_time_events_and_who_waits(pytester: Pytester) -> None:
    result = run(
        pytester,
        """
        import pytest

        def stuck(sim):
            yield sim.timeout(2.5)
            for number in range(25):
                sim.telemetry.emit("kit.told", {"number": number})
            yield sim.wait("a reply that nobody sends")

        @pytest.mark.lab(seed=7)
        def test_it(sim):
            sim.process(stuck(sim))
            sim.run()
            assert False
        """,
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*- virtual time -*",
            "seed 7, t=2.5",
            "these wait:",
            "  stuck waits for a reply that nobody sends (*:*)",
            "last 20 of 25 events:",
            "  #5 t=2.5 kit.told(number=5.0) by stuck",
            "  #24 t=2.5 kit.told(number=24.0) by stuck",
        ]
    )
    result.stdout.no_fnmatch_line("  #4 t=2.5*")


def test_a_failed_expectation_shows_its_message_and_not_the_kit(pytester: Pytester) -> None:
    result = run(
        pytester,
        """
        def test_it(sim, assert_event):
            with assert_event("circuit_breaker.state_change", to="open"):
                pass
        """,
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *AssertionError: no foundation.circuit_breaker.state_change(to='open') in *",
            "*.py:2: AssertionError",
        ]
    )
    result.stdout.no_fnmatch_line("*blocks.py*")


def test_a_section_is_written_even_when_the_recording_is_broken(pytester: Pytester) -> None:
    result = run(
        pytester,
        """
        from foundation_lab.telemetry import events

        def test_it(sim):
            sim.telemetry.emit(events.service.Stopped("db", "backend", 3))
            assert False
        """,
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["seed 0, t=0", "nothing more can be told: ColumnTypeError: *"])


def test_tests_without_a_simulation_get_no_section(pytester: Pytester) -> None:
    result = run(pytester, "def test_it(): assert False")
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*virtual time*")


def test_the_marker_is_listed(pytester: Pytester) -> None:
    result = run(pytester, "", "--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.lab(seed): the seed of the fixture 'sim'*"])


def test_the_limit_of_real_time_comes_from_the_option_then_from_the_setting(
    pytester: Pytester,
) -> None:
    code = """
        def test_it(sim, assert_event):
            from foundation_lab.testing.configuration import current
            limit = current().wall

            def forever():
                while True:
                    yield 1.0

            sim.process(forever())
            with assert_event("kit.told", within=1e12):
                assert limit == 0.05
        """
    by_option = run(pytester, code, "--lab-wall-limit=0.05")
    by_option.stdout.fnmatch_lines(["*real time was over at t=*", "*0.05 s of real time*"])
    pytester.makeini("[pytest]\nlab_wall_limit = 0.05\n")
    run(pytester, code).stdout.fnmatch_lines(["*real time was over at t=*"])


def test_a_failure_says_how_to_run_the_test_again_with_its_seed(pytester: Pytester) -> None:
    result = run(
        pytester,
        """
        def test_it(sim, assert_event):
            with assert_event("kit.told"):
                pass
        """,
        "--lab-seed=12",
    )
    result.stdout.fnmatch_lines(["*again: pytest *.py::test_it --lab-seed 12"])


def test_failures_tell_everything_with_vv(pytester: Pytester) -> None:
    code = """
        def test_it(sim, assert_event):
            with assert_event("kit.told", number=99.0):
                for number in range(30):
                    sim.telemetry.emit("kit.told", {"number": number})
        """
    run(pytester, code).stdout.fnmatch_lines(["E *last 10 of 30 events:"])
    run(pytester, code, "-vv").stdout.fnmatch_lines(["E *last 30 of 30 events:"])
