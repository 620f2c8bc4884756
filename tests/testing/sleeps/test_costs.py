from __future__ import annotations

import pytest

from tests.testing.sleeps.suites import findings, only


@pytest.mark.parametrize(
    ("expression", "seconds"),
    [
        ("0.25", 0.25),
        ("PAUSE", 1.5),
        ("PAUSE * 2 + 1", 4.0),
        ("2 ** 3 / 4", 2.0),
        ("7 // 2 % 2", 1.0),
        ("+1", 1.0),
        ("-3", 0.0),
        ("float(3)", 3.0),
        ("abs(-2)", 2.0),
        ("min(4, PAUSE)", 1.5),
        ("len('abc')", 3.0),
        ("timedelta(minutes=1, milliseconds=500).total_seconds()", 60.5),
        ("timedelta(0, 2).total_seconds()", 2.0),
        ("Config.delay", 0.75),
        ("True", 1.0),
        ("(later := 3)", 3.0),
        ("2 or 2", 2.0),
        ("int(2.9)", 2.0),
        ("round(2.6)", 3.0),
        ("random.choice([2, 2])", 2.0),
        ("len([1, 2])", 2.0),
        ("len({1: 2})", 1.0),
        ("random.randint(3, 3)", 3.0),
    ],
)
def test_a_duration_is_computed_where_the_code_tells_it(expression: str, seconds: float) -> None:
    found = findings(
        f"""
        import time, random
        from datetime import timedelta
        PAUSE = 1.5

        class Config:
            delay = PAUSE / 2

        def test_it():
            time.sleep({expression})
        """
    )
    assert [each.seconds for each in found] == [seconds]


@pytest.mark.parametrize(
    ("expression", "at_least"),
    [
        ("delay()", 0.0),
        ("max(1, delay())", 1.0),
        ("random.uniform(0.5, 2)", 0.5),
        ("1 + random.random()", 1.0),
        ("0.1 if fast else 2", 0.1),
        ("1 / 0", 0.0),
        ("10 ** 400", 0.0),
        ("1e999", 0.0),
        ("'soon'", 0.0),
        ("LOOP", 0.0),
        ("abs(delay())", 0.0),
        ("(-1) ** 0.5", 0.0),
        ("timedelta(years=1).total_seconds()", 0.0),
        ("delay.total_seconds()", 0.0),
        ("float(x=1)", 0.0),
        ("len(delay())", 0.0),
        ("2 % delay()", 0.0),
        ("1 << 3", 0.0),
        ("not 1", 0.0),
    ],
)
def test_an_unknown_duration_has_a_lower_bound(expression: str, at_least: float) -> None:
    found = only(f"import time, random\nLOOP = LOOP + 1\ntime.sleep({expression})")
    assert (found.seconds, found.at_least, found.total_at_least) == (None, at_least, at_least)


def test_a_name_means_what_it_was_assigned_before_the_sleep() -> None:
    found = findings(
        """
        import time

        def test_it():
            pause = 1
            time.sleep(pause)
            pause = 2
        """
    )
    assert [each.seconds for each in found] == [1.0]


def test_attributes_of_the_instance_and_of_the_class_are_known() -> None:
    found = findings(
        """
        import time

        class TestIt:
            ttl = 2

            def setup_method(self):
                self.pause = 0.5

            def test_it(self):
                time.sleep(self.ttl + self.pause)
        """
    )
    assert [each.seconds for each in found] == [2.5]


@pytest.mark.parametrize(
    ("loop", "times", "total", "at_least"),
    [
        ("for _ in range(3)", 3, 1.5, 1.5),
        ("for _ in range(2, N)", 2, 1.0, 1.0),
        ("for a in (1, 2)", 2, 1.0, 1.0),
        ("for a in NAMES", 3, 1.5, 1.5),
        ("for a, b in enumerate(NAMES)", 3, 1.5, 1.5),
        ("for a in [0] * 4", 4, 2.0, 2.0),
        ("for a in whatever()", None, None, 0.5),
        ("while busy()", None, None, 0.5),
        ("for _ in range(0)", 0, 0.0, 0.0),
    ],
)
def test_loops_multiply(loop: str, times: int | None, total: float | None, at_least: float) -> None:
    found = only(
        f"""
        import time
        N, NAMES = 4, ["a", "b", "c"]

        def test_it():
            {loop}:
                time.sleep(0.5)
        """
    )
    assert (found.times, found.total, found.total_at_least) == (times, total, at_least)


def test_a_loop_that_may_end_early_counts_once_at_least() -> None:
    found = only(
        """
        import time

        def test_it():
            for _ in range(10):
                if ready():
                    break
                time.sleep(0.5)
        """
    )
    assert (found.times, found.total, found.total_at_least) == (None, None, 0.5)


def test_a_loop_over_durations_sums_them_up() -> None:
    found = only(
        """
        import time

        def test_it():
            for pause in (0.1, 0.2, 0.3):
                time.sleep(pause * 10)
        """
    )
    assert (found.times, found.total) == (3, 6.0)


def test_parameters_of_a_test_multiply_and_are_summed_up() -> None:
    first, second = findings(
        """
        import time, pytest
        pytestmark = pytest.mark.parametrize("mode", ["a", "b"])

        @pytest.mark.parametrize(("delay", "n"), [(1, "x"), pytest.param(2, "y", id="two")])
        def test_it(delay, n, mode):
            time.sleep(delay)
            time.sleep(0.5)
        """
    )
    assert (first.times, first.total) == (4, 6.0)
    assert (second.times, second.total) == (4, 2.0)


def test_a_set_up_runs_for_each_test_of_its_class() -> None:
    found = only(
        """
        import time, unittest

        class TestIt(unittest.TestCase):
            def setUp(self):
                time.sleep(0.5)

            def test_a(self): ...
            def test_b(self): ...
        """
    )
    assert (found.times, found.total) == (2, 1.0)


def test_a_fixture_that_no_test_names_runs_for_each_of_them() -> None:
    found = only(
        """
        import time, pytest

        @pytest.fixture(autouse=True)
        def settle():
            time.sleep(0.5)

        def test_a(): ...
        def test_b(): ...
        """
    )
    assert (found.total, found.total_at_least) == (None, 1.0)


def test_comprehensions_fixture_parameters_and_marks_of_a_class_multiply() -> None:
    found = findings(
        """
        import time, pytest

        @pytest.fixture(params=[1, 2, 3])
        def each():
            time.sleep(1)

        @pytest.mark.parametrize("a", range(2))
        class TestIt:
            pytestmark = [pytest.mark.parametrize(argnames=["b"], argvalues="xyz")]

            def test_it(self):
                [time.sleep(0.5) for _ in range(2)]
                [time.sleep(0.25) for x in y if x]

        @pytest.mark.parametrize("n", numbers())
        @pytest.mark.repeat(3)
        def test_other(n):
            time.sleep(1)
        """
    )
    assert [(each.times, each.total_at_least) for each in found] == [
        (3, 3.0),
        (12, 6.0),
        (None, 1.5),
        (None, 3.0),
    ]
