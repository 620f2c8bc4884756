from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from foundation_lab.testing.trial import Trial
from tests.testing.inner import run_pytest

if TYPE_CHECKING:
    from pytest import Pytester, RunResult  # noqa: PT013  (types alone)

pytest_plugins = ["pytester"]


def run(pytester: Pytester, code: str, *options: str) -> RunResult:
    pytester.makepyfile(test_orders=code)
    return run_pytest(pytester, *options)


FAILS_AT_5 = """
    import pytest

    seen = []

    @pytest.fixture
    def fresh():
        return []

    @pytest.mark.seeds(20)
    def test_it(sim, fresh):
        fresh.append(sim.seed)
        seen.append(sim.seed)
        assert fresh == [sim.seed]
        assert sim.seed != 5

    def test_afterwards():
        assert seen == {seen}
"""


def test_a_test_is_run_with_all_its_seeds_and_reported_once(pytester: Pytester) -> None:
    code = FAILS_AT_5.replace("!= 5", "< 20").replace("{seen}", "list(range(20))")
    run(pytester, code).assert_outcomes(passed=2)


def test_the_first_seed_that_fails_is_reported_with_the_command_that_replays_it(
    pytester: Pytester,
) -> None:
    result = run(pytester, FAILS_AT_5.replace("{seen}", "list(range(6))"))
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*- virtual time -*",
            "seed 5, t=0",
            "*- sweep -*",
            "seed 5 failed, of 20: 5 passed before it",
            "again: pytest test_orders.py::test_it --lab-replay=5",
        ]
    )


def test_a_replay_runs_that_seed_alone(pytester: Pytester) -> None:
    result = run(pytester, FAILS_AT_5.replace("{seen}", "[5]"), "--lab-replay=5")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.no_fnmatch_line("*- sweep -*")


def test_seeds_go_on_from_the_seed_of_the_marker(pytester: Pytester) -> None:
    code = """
        import pytest

        seen = []

        @pytest.mark.lab(seed=7, seeds=3)
        def test_it(sim):
            seen.append(sim.seed)

        def test_afterwards():
            assert seen == [7, 8, 9]
    """
    run(pytester, code).assert_outcomes(passed=2)


def test_the_option_is_for_all_tests_of_the_lab_and_for_no_other(pytester: Pytester) -> None:
    code = """
        import pytest

        seen = []

        def test_it(lab):
            seen.append(lab.seed)

        @pytest.mark.seeds(1)
        def test_marked(sim):
            seen.append(sim.seed)

        def test_plain():
            seen.append("plain")

        def test_afterwards():
            assert seen == [0, 1, 2, 0, "plain"]
    """
    run(pytester, code, "--lab-seeds=3").assert_outcomes(passed=4)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--lab-seeds=0", "--lab-seeds=0: give a number of seeds from 1"),
        ("--lab-flaky=-1", "--lab-flaky=-1: give a number of orders from 1"),
        ("--lab-flaky=2 --lab-check-determinism", "--lab-flaky does what --lab-check-determinism*"),
        ("--lab-replay=soon", "--lab-replay=soon: 'soon' names no trial; write SEED*"),
        ("--lab-replay=1:lifo", "--lab-replay=1:lifo: schedule='lifo'; there are fifo,*"),
        ("--lab-wall-limit=-1", "--lab-wall-limit=-1.0: give seconds of real time, 0 for no limit"),
        ("--lab-wall-limit=nan", "--lab-wall-limit=nan: give seconds of real time*"),
        ("--override-ini=lab_wall_limit=x", "lab_wall_limit=x: give seconds of real time*"),
    ],
)
def test_an_option_that_cannot_be_is_refused_before_any_test(
    pytester: Pytester, option: str, words: str
) -> None:
    result = run(pytester, "", *option.split())
    result.stderr.fnmatch_lines([f"ERROR: {words}"])
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_many_seeds_for_a_test_without_a_simulation_are_refused(pytester: Pytester) -> None:
    result = run(
        pytester,
        """
        import pytest

        @pytest.mark.seeds(200)
        def test_it():
            pass

        @pytest.mark.lab(seeds=200)
        def test_too():
            pass

        @pytest.mark.seeds(2)
        class TestSome:
            def test_with(self, sim):
                pass

            def test_without(self):
                pass
        """,
    )
    result.assert_outcomes(passed=2, errors=2)
    said = "does nothing, for the test does not take the fixture 'sim'"
    result.stdout.fnmatch_lines([f"*@pytest.mark.seeds(200) {said}*"])
    result.stdout.fnmatch_lines([f"*@pytest.mark.lab(seeds=200) {said}*"])


def test_a_seed_that_is_skipped_is_left_out_and_the_others_are_run(pytester: Pytester) -> None:
    result = run(
        pytester,
        """
        import pytest

        @pytest.fixture
        def odd(sim):
            if sim.seed % 2 == 0:
                pytest.skip("even")

        @pytest.mark.seeds(5)
        def test_fails(sim, odd):
            assert sim.seed != 3

        @pytest.mark.seeds(5)
        def test_passes(sim, odd):
            pass

        @pytest.mark.seeds(5)
        def test_nothing_is_left(sim):
            pytest.skip("all of them")
        """,
        "-rP",
    )
    result.assert_outcomes(passed=1, failed=1, skipped=1)
    result.stdout.fnmatch_lines(["seed 3 failed, of 5: 1 passed before it"])
    result.stdout.fnmatch_lines(["skipped: seeds 0, 2, 4"])


def test_a_sweep_that_must_fail_does_when_one_of_its_seeds_does(pytester: Pytester) -> None:
    result = run(
        pytester,
        """
        import pytest

        @pytest.mark.seeds(5)
        @pytest.mark.xfail(strict=True)
        def test_does(sim):
            assert sim.seed < 3

        @pytest.mark.seeds(5)
        @pytest.mark.xfail(strict=True)
        def test_does_not(sim):
            pass
        """,
    )
    result.assert_outcomes(xfailed=1, failed=1)
    result.stdout.fnmatch_lines(["*test_does_not*", "*XPASS(strict)*"])


def test_fixtures_that_live_longer_than_a_test_are_made_once(pytester: Pytester) -> None:
    code = """
        import pytest

        made, ended = [], []

        @pytest.fixture(scope="module")
        def shared():
            made.append(1)
            yield len(made)
            ended.append(1)

        @pytest.mark.seeds(5)
        def test_it(sim, shared):
            assert (shared, ended) == (1, [])
            assert sim.seed != {fails}

        def test_afterwards(shared):
            assert (shared, ended) == (1, [])
    """
    run(pytester, code.replace("{fails}", "None")).assert_outcomes(passed=2)
    run(pytester, code.replace("{fails}", "2")).assert_outcomes(passed=1, failed=1)


def test_when_the_last_test_of_a_module_fails_early_its_fixtures_end_all_the_same(
    pytester: Pytester,
) -> None:
    pytester.makepyfile(
        test_a="""
        import pytest

        ended = []

        @pytest.fixture(scope="module")
        def shared():
            yield
            ended.append(1)

        @pytest.mark.seeds(5)
        def test_it(sim, shared):
            assert sim.seed < 2
        """,
        test_b="""
        import test_a

        def test_it():
            assert test_a.ended == [1]
        """,
    )
    run_pytest(pytester).assert_outcomes(passed=1, failed=1)


def test_an_error_in_the_teardown_of_a_seed_is_an_error_of_the_test(pytester: Pytester) -> None:
    code = """
        import pytest

        @pytest.fixture
        def fragile(sim):
            yield
            assert sim.seed != 3, "three"

        @pytest.mark.seeds(5)
        def test_it(fragile):
            pass
    """
    result = run(pytester, code)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["E *AssertionError: three", "seed 3 failed, of 5: 3 passed *"])


def test_an_expected_failure_ends_the_sweep_and_a_skip_does_not(pytester: Pytester) -> None:
    code = """
        import pytest

        seen = []

        @pytest.mark.seeds(5)
        def test_skipped(sim):
            seen.append(sim.seed)
            pytest.skip("not today")

        @pytest.mark.xfail(strict=True)
        @pytest.mark.seeds(5)
        def test_expected(sim):
            seen.append(sim.seed)
            assert False

        def test_afterwards():
            assert seen == [0, 1, 2, 3, 4, 0]
    """
    run(pytester, code).assert_outcomes(passed=1, skipped=1, xfailed=1)


def test_a_property_that_no_seed_has_hit_fails_the_sweep(pytester: Pytester) -> None:
    code = """
        import pytest
        from foundation_lab.testing import never, sometimes

        @pytest.mark.seeds(10)
        def test_it(sim, monitor):
            with monitor(never("shop.lost"), sometimes("shop.late")):
                if sim.seed == {late}:
                    sim.telemetry.emit("shop.late")
    """
    run(pytester, code.replace("{late}", "4")).assert_outcomes(passed=1)
    result = run(pytester, code.replace("{late}", "99"))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*test_orders.py::test_it: 0 properties violated, 1 never hit, in 10 runs",
            "sometimes shop.late(): not once in seeds 0, 1, 2, ... (10 in all)",
        ]
    )


def test_a_seed_that_violates_a_property_is_the_one_that_is_reported(pytester: Pytester) -> None:
    code = """
        import pytest
        from foundation_lab.testing import never

        @pytest.mark.seeds(10)
        def test_it(sim, monitor):
            with monitor(never("shop.lost")):
                if sim.seed == 4:
                    sim.telemetry.emit("shop.lost")
    """
    result = run(pytester, code)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["seed 4 failed, of 10: 4 passed before it"])


# -- schedules -----------------------------------------------------------------------------------

LOST_UPDATE = """
    import pytest

    def add(sim, account):
        yield sim.timeout(1.0)
        before = account["balance"]
        yield sim.timeout(0)
        account["balance"] = before + 10

    def audit(sim, account):
        yield sim.timeout(1.0)
        yield sim.timeout(0)
        assert account["balance"] in (0, 10)

    @pytest.mark.lab(seeds=50, schedule="{schedule}")
    def test_it(sim):
        account = {"balance": 0}
        sim.process(add(sim, account), name="add")
        sim.process(audit(sim, account), name="audit")
        order = []

        def noted(name):
            yield sim.timeout(1.0)
            order.append(name)

        for name in "abc":
            sim.process(noted(name), name=name)
        sim.run()
        assert order[0] != "c"
"""


@pytest.mark.parametrize("schedule", ["shuffle", "pct"])
def test_a_schedule_finds_an_order_that_first_in_first_out_never_shows(
    pytester: Pytester, schedule: str
) -> None:
    fifo = run(pytester, LOST_UPDATE.replace("{schedule}", "fifo"))
    fifo.assert_outcomes(passed=1)
    result = run(pytester, LOST_UPDATE.replace("{schedule}", schedule))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            f"schedule *:{schedule}, digest *",
            "*choices were not the first in the queue",
            f"again: pytest test_orders.py::test_it --lab-replay=*:{schedule}",
        ]
    )
    told = result.stdout.str()
    again = told.rpartition("--lab-replay=")[2].split()[0]
    digest = told.partition("digest ")[2].split()[0]
    replayed = run(pytester, LOST_UPDATE.replace("{schedule}", "fifo"), f"--lab-replay={again}")
    replayed.assert_outcomes(failed=1)
    replayed.stdout.fnmatch_lines([f"schedule {again}, digest {digest}"])


def test_jitter_varies_the_delays_of_each_seed(pytester: Pytester) -> None:
    code = """
        import pytest

        seen = []

        @pytest.mark.lab(seeds=5, jitter=0.05)
        def test_it(sim):
            sim.run(until=sim.timeout(10))
            assert 9.5 <= sim.now <= 10.5
            seen.append(sim.now)

        def test_afterwards():
            assert len(set(seen)) == 5
    """
    run(pytester, code).assert_outcomes(passed=2)


# -- how a trial is spelt ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "trial"),
    [
        ("17", Trial(17)),
        ("-1", Trial(-1)),
        ("17:pct", Trial(17, "pct")),
        ("17:shuffle:3", Trial(17, "shuffle", 3)),
        ("17:pct~0.05", Trial(17, "pct", 0, 0.05)),
        ("17~0.05", Trial(17, "fifo", 0, 0.05)),
        ("17~0.12345678901", Trial(17, "fifo", 0, 0.12345678901)),
    ],
)
def test_a_trial_is_written_as_it_is_read(text: str, trial: Trial) -> None:
    assert Trial.parse(text) == trial
    assert str(trial) == text


@pytest.mark.parametrize("text", ["", "pct", "17:", "17:pct:x", "17~much", "17:random", "17~2"])
def test_a_trial_that_is_spelt_otherwise_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write SEED|there are fifo|give a fraction"):
        Trial.parse(text)
