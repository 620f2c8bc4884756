from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from foundation_lab.testing import plugin

if TYPE_CHECKING:
    from pytest import Pytester, RunResult  # noqa: PT013  (types alone)

from tests.testing.inner import run_pytest

pytest_plugins = ["pytester"]


def run(pytester: Pytester, code: str, *options: str) -> RunResult:
    """Run a test file under this plugin and no other that happens to be installed."""
    pytester.makepyfile(code)
    return run_pytest(pytester, *options)


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


def test_the_clock_the_events_the_waits_and_the_monitor_are_those_of_the_simulation(
    pytester: Pytester,
) -> None:
    result = run(
        pytester,
        """
        from foundation_lab.services import Backend
        from foundation_lab.testing import never

        def test_it(lab, sim, clock, events, wait_for, wait_for_service_ready, monitor):
            assert lab is sim

            def tell():
                yield 5.0
                sim.telemetry.emit("kit.told", {"number": 3})

            sim.process(tell())
            with monitor(never("kit.lost")):
                assert clock.advance(5) == 5.0
            assert events.frame("kit.told")["number"].to_list() == [3.0]
            assert wait_for(lambda: sim.now == 5.0)
            db = Backend(sim, "db", service_time=1.0)
            assert wait_for_service_ready("db") is db
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


@pytest.mark.parametrize(
    ("marker", "remedy"),
    [
        ("lab(7)", "give some of seed, seeds, schedule, jitter, leaks, failures"),
        ("lab(sede=7)", "give some of seed, seeds, schedule, jitter, leaks, failures"),
        ("lab()", "give some of seed, seeds, schedule, jitter, leaks, failures"),
        ("lab(seed='seven')", "give a whole number as @pytest.mark.lab(seed=7)"),
        ("lab(seeds=0)", "give a number of seeds as @pytest.mark.lab(seeds=200)"),
        ("lab(jitter='some')", "give a fraction as @pytest.mark.lab(jitter=0.05)"),
        ("seeds()", "give a number of seeds, as @pytest.mark.seeds(200)"),
        ("seeds(True)", "give a number of seeds, as @pytest.mark.seeds(200)"),
    ],
)
def test_a_marker_that_says_what_cannot_be_is_an_error_with_the_remedy(
    pytester: Pytester, marker: str, remedy: str
) -> None:
    result = run(
        pytester,
        f"""
        import pytest

        @pytest.mark.{marker}
        def test_it(sim):
            pass
        """,
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*@pytest.mark.{marker}: {remedy}*"])


@pytest.mark.parametrize(
    ("marker", "remedy"),
    [
        ("lab(leaks='some')", "leaks='some'; give allow, lost or forbid"),
        ("lab(schedule='random')", "schedule='random'; there are fifo, shuffle, pct"),
        ("lab(jitter=1)", "jitter=1; give a fraction from 0 to 1, such as 0.05 for 5 %"),
        ("lab(failures='some')", "@pytest.mark.lab: failures='some'; give exception types"),
        (
            "lab(failures=Exception)",
            "@pytest.mark.lab: failures=<class 'Exception'> covers interrupts",
        ),
        (
            "lab(failures={OSError: 'late'})",
            "@pytest.mark.lab: failures={OSError: 'late'}: there is no such outcome; give 'error'",
        ),
    ],
)
def test_a_value_that_cannot_be_is_an_error_with_those_that_can(
    pytester: Pytester, marker: str, remedy: str
) -> None:
    result = run(pytester, f"import pytest\n@pytest.mark.{marker}\ndef test_it(sim): pass\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"{remedy}*"])
    said = result.stdout.str()
    assert "plan_of" not in said  # the test's line is to blame, and none of ours
    assert "During handling" not in said


def test_the_nearest_marker_that_says_something_counts(pytester: Pytester) -> None:
    run(
        pytester,
        """
        import pytest

        @pytest.mark.lab(seed=3, schedule="pct")
        class TestOrders:
            @pytest.mark.lab(seed=7)
            def test_it(self, sim):
                assert (sim.seed, type(sim).__name__) == (7, "Exploration")
        """,
    ).assert_outcomes(passed=1)


LEAKY = """
    class Leaky:
        name, kind, status = "pool", "leaky", "up"

        def violations(self):
            return ["2 in use of 1"]
"""


def test_exceptions_that_a_marker_declares_are_failures_of_the_world(pytester: Pytester) -> None:
    code = """
        import pytest
        from foundation_lab import Workload, constant_rate

        class Declined(Exception): pass
        class Late(Declined): pass

        pytestmark = pytest.mark.lab(failures=Declined)

        def failing():
            yield 0.5
            raise Late

        def outcome(sim):
            Workload(sim, "shop", constant_rate(1), failing)
            sim.run(until=2)
            return sim.recording.frame("request.finished")["outcome"].to_list()

        def test_of_the_module(sim, lab):
            assert outcome(lab) == ["error"]

        @pytest.mark.lab(seed=3)
        @pytest.mark.lab(failures={Late: "timeout", Declined: "error"})
        def test_of_its_own(virtual_time):
            assert outcome(virtual_time) == ["timeout"]

        @pytest.mark.lab(failures=())
        def test_of_none(sim):
            with pytest.raises(Late):
                outcome(sim)
    """
    run(pytester, code).assert_outcomes(passed=3)
    for options in (["--lab-seeds=3"], ["--lab-replay=5:pct"], ["--lab-flaky=2"]):
        run(pytester, code, *options).assert_outcomes(passed=3)


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
    result.stdout.fnmatch_lines(["@pytest.mark.lab(seed, seeds, *", "@pytest.mark.seeds(n): *"])


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
    result.stdout.fnmatch_lines(["*again: pytest *.py::test_it --lab-replay=12"])


def test_an_assertion_that_is_undecided_when_the_test_ends_is_told(pytester: Pytester) -> None:
    result = run(
        pytester,
        """
        def test_it(sim, assert_event):
            def tester():
                yield from assert_event("kit.told")

            sim.process(tester())
            sim.run(until=3)
        """,
    )
    result.assert_outcomes(passed=1, errors=1)
    told = "the test ended at t=3, before assert_event(kit.told()) was decided, so it checked *"
    result.stdout.fnmatch_lines([f"E *RuntimeWarning: {told}"])


def test_a_test_that_was_cut_short_need_not_have_used_all_that_it_made(
    pytester: Pytester,
) -> None:
    result = run(
        pytester,
        """
        import gc
        import pytest
        from foundation_lab import Simulation
        from foundation_lab.testing import assert_event, monitor, never

        @pytest.fixture
        def told(sim, assert_event):
            return assert_event("kit.told")

        def test_skipped(told):
            pytest.skip("not today")

        @pytest.mark.xfail(strict=True)
        def test_fails_as_expected(told):
            other = Simulation(seed=1)
            unused = assert_event(other, "kit.told"), monitor(other, never("kit.told"))
            raise LookupError

        def test_after_them():
            gc.collect()

        def test_unused(told):
            pass

        def test_after_it():
            gc.collect()
        """,
    )
    assert result.parseoutcomes()["skipped"] == 1
    assert result.parseoutcomes()["xfailed"] == 1
    result.stdout.no_fnmatch_line("*::test_after_them*")
    result.stdout.fnmatch_lines(["*RuntimeWarning: assert_event(kit.told()) was never entered*"])


def test_the_longer_names_are_fixtures_too(pytester: Pytester) -> None:
    result = run(
        pytester,
        """
        def test_it(
            sim,
            assert_telemetry_event,
            refute_telemetry_event,
            assert_telemetry_sequence,
            assert_telemetry_any,
            capture_telemetry,
        ):
            with (
                capture_telemetry("kit") as kept,
                assert_telemetry_sequence(["kit.told"]),
                assert_telemetry_any(["kit.told"]),
                assert_telemetry_event("kit.told"),
                refute_telemetry_event("kit.other"),
            ):
                sim.telemetry.emit("kit.told")
            assert len(kept) == 1
        """,
    )
    result.assert_outcomes(passed=1)


def test_a_fixture_that_is_given_a_simulation_says_that_it_has_one(pytester: Pytester) -> None:
    result = run(
        pytester,
        """
        def test_it(sim, wait_for):
            wait_for(sim, lambda: True)
        """,
    )
    result.stdout.fnmatch_lines(["E *TypeError: the fixture wait_for has the simulation of the *"])


def test_any_failure_says_once_how_to_run_the_test_again_from_this_folder(
    pytester: Pytester,
) -> None:
    pytester.makeini("[pytest]\n")
    folder = pytester.mkdir("some tests")
    (folder / "test_shop.py").write_text(
        "import pytest\n"
        "@pytest.mark.lab(seed=10, seeds=5)\n"
        "@pytest.mark.parametrize('x', ['a b'])\n"
        "def test_it(sim, x, assert_event, monkeypatch, tmp_path):\n"
        "    monkeypatch.chdir(tmp_path)\n"
        "    if sim.seed == 12:\n"
        "        assert x == 'c'\n"
        "    with assert_event('kit.told'):\n"
        "        if sim.seed != 13:\n"
        "            sim.telemetry.emit('kit.told')\n"
    )
    outside = run_pytest(pytester)
    outside.stdout.fnmatch_lines(["again: pytest 'some tests/test_shop.py::test_it?a b]' --lab-r*"])
    assert outside.stdout.str().count("again: pytest") == 1
    pytester.chdir()
    with pytest.MonkeyPatch.context() as patches:
        patches.chdir(folder)
        inside = run_pytest(pytester)
        inside.stdout.fnmatch_lines(["again: pytest 'test_shop.py::test_it?a b]' --lab-replay=12"])
        again = run_pytest(pytester, "test_shop.py::test_it[a b]", "--lab-replay=13")
    told = "again: pytest 'test_shop.py::test_it[a b]' --lab-replay=13"
    assert again.stdout.str().count(told) == 1


def test_failures_tell_everything_with_vv(pytester: Pytester) -> None:
    code = """
        def test_it(sim, assert_event):
            with assert_event("kit.told", number=99.0):
                for number in range(30):
                    sim.telemetry.emit("kit.told", {"number": number})
        """
    run(pytester, code).stdout.fnmatch_lines(["E *last 10 of 30 events:"])
    run(pytester, code, "-vv").stdout.fnmatch_lines(["E *last 30 of 30 events:"])
