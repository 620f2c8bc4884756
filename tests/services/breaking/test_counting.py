from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation_lab.services import Consecutive, CountWindow, TimeWindow
from foundation_lab.services.breaking.counting import TOO_FEW, Rates

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.services.breaking.counting import Counting


def opens_at(counting: Counting, pattern: str, step: float = 1.0) -> int | None:
    """Return the number of the call (from 1) that opens; `F` is a failure, `S` a success."""
    for number, letter in enumerate(pattern.replace(" ", ""), 1):
        if counting.record(number * step, failed=letter == "F"):
            return number
    return None


@pytest.mark.parametrize(
    ("pattern", "opened"),
    [("FFF", 3), ("FFSFF", None), ("FFSFFF", 6), ("SSSFFF", 6), ("FF", None)],
)
def test_consecutive_failures_are_counted_from_the_last_success(
    pattern: str, opened: int | None
) -> None:
    assert opens_at(Consecutive(3), pattern) == opened


@pytest.mark.parametrize(
    ("pattern", "opened"),
    [
        ("FFFSS", 5),  # 3 of 5, a success completes the minimum
        ("FFFF", None),  # below the minimum
        ("FFSSS", None),  # 2 of 5
        ("FFSSSF", 6),  # 3 of 6
        ("SSSSSFFFFF", 10),
    ],
)
def test_a_time_window_of_20_s_from_5_calls_opens_at_half_of_them(
    pattern: str, opened: int | None
) -> None:
    window = TimeWindow(20, failure_rate=0.5, minimum_calls=5)
    assert opens_at(window, pattern, step=0.1) == opened


@pytest.mark.parametrize(
    ("pattern", "opened"),
    [
        ("SSFFFFFFSS", 10),  # 6 of 10, not before the 10th
        ("FFFFFFFFF", None),
        ("SSSSSSFFFF", None),  # 4 of the last 10
        ("SSSSSSFFFFF", 11),  # 5 of the last 10
        ("FFFFSSSSSS FFFF", None),  # each failure that comes pushes one out
        ("FFFFSSSSSS FFFFF", 15),
    ],
)
def test_a_count_window_of_10_opens_at_half_of_the_last_10(
    pattern: str, opened: int | None
) -> None:
    assert opens_at(CountWindow(10, failure_rate=0.5), pattern) == opened


def test_a_call_leaves_the_time_window_at_exactly_its_length() -> None:
    window = TimeWindow(10, failure_rate=1, minimum_calls=2)
    assert not window.record(0.0, failed=True)
    assert not window.record(10.0, failed=True)  # alone: the first has just left
    assert window.record(19.999, failed=True)


@pytest.mark.parametrize(("failures", "calls"), [(7, 100), (29, 100), (57, 100), (3, 10)])
@pytest.mark.parametrize("make", [CountWindow, TimeWindow], ids=["count", "time"])
def test_a_rate_is_reached_exactly_whatever_its_float(
    make: Callable[..., Counting], failures: int, calls: int
) -> None:
    counting = make(calls * 2, failure_rate=failures / calls, minimum_calls=calls)
    pattern = "S" * (calls - failures) + "F" * failures
    assert opens_at(counting, pattern) == calls


def test_reset_forgets_everything() -> None:
    for counting in (Consecutive(2), CountWindow(2), TimeWindow(9, minimum_calls=2)):
        counting.record(0.0, failed=True)
        counting.reset()
        assert not counting.record(0.0, failed=True)
        assert counting.record(0.0, failed=True)


def test_why_tells_the_counts() -> None:
    consecutive, window = Consecutive(2), CountWindow(4)
    for failed in (True, False, True):
        consecutive.record(0.0, failed=failed)
        window.record(0.0, failed=failed)
    assert consecutive.why() == "1 failures in a row"
    assert window.why() == "2 of 3 calls failed"


@given(
    calls=st.lists(st.booleans(), max_size=60),
    size=st.integers(1, 12),
    minimum=st.none() | st.integers(1, 15),
    tenths=st.integers(1, 10),
)
def test_a_count_window_agrees_with_counting_it_all_again(
    calls: list[bool], size: int, minimum: int | None, tenths: int
) -> None:
    window = CountWindow(size, failure_rate=tenths / 10, minimum_calls=minimum)
    least = size if minimum is None else min(size, minimum)
    for index, failed in enumerate(calls):
        last = calls[max(0, index + 1 - size) : index + 1]
        expected = len(last) >= least and 10 * sum(last) >= tenths * len(last)
        assert window.record(0.0, failed=failed) == expected


@given(
    calls=st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=60),
    seconds=st.integers(1, 12),
    minimum=st.integers(1, 8),
    tenths=st.integers(1, 10),
)
def test_a_time_window_agrees_with_counting_it_all_again(
    calls: list[tuple[int, bool]], seconds: int, minimum: int, tenths: int
) -> None:
    window = TimeWindow(seconds, failure_rate=tenths / 10, minimum_calls=minimum)
    past: list[tuple[int, bool]] = []
    now = 0
    for gap, failed in calls:
        now += gap
        past.append((now, failed))
        inside = [bad for time, bad in past if now < time + seconds]
        expected = len(inside) >= minimum and 10 * sum(inside) >= tenths * len(inside)
        assert window.record(now, failed=failed) == expected


@given(
    calls=st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.booleans()), max_size=60),
    window=st.builds(
        TimeWindow,
        st.integers(1, 12),
        failure_rate=st.sampled_from([0.2, 0.5, 1.0]),
        slow_rate=st.sampled_from([0.2, 0.5, 1.0]),
        minimum_calls=st.integers(1, 8),
    ),
)
def test_either_rate_opens_a_window_and_both_can_be_read(
    calls: list[tuple[int, bool, bool]], window: TimeWindow
) -> None:
    past: list[tuple[int, bool, bool]] = []
    now = 0
    for gap, failed, slow in calls:
        now += gap
        past.append((now, failed, slow))
        inside = [call for call in past if now < call[0] + window.seconds]
        rates = Rates(
            sum(bad for _, bad, _ in inside) / len(inside),
            sum(late for _, _, late in inside) / len(inside),
        )
        judged = len(inside) >= window.minimum_calls
        reached = rates.failed >= window.failure_rate or rates.slow >= window.slow_rate
        assert window.record(now, failed=failed, slow=slow) == (judged and reached)
        assert window.rates(now) == (rates if judged else TOO_FEW)


def test_a_count_window_is_judged_at_its_size_when_the_minimum_is_larger() -> None:
    window = CountWindow(2, minimum_calls=10, slow_rate=0.5)
    assert not window.record(0.0, failed=False, slow=True)
    assert window.record(0.0, failed=False)
    assert window.rates(0.0) == (0, 0.5)
    assert window.why() == "1 of 2 calls were slow"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CountWindow(5, slow_rate=0), "slow_rate=0; give a share of calls above 0"),
        (lambda: Consecutive(0), "failure_threshold=0"),
        (lambda: CountWindow(0), "size=0"),
        (lambda: CountWindow(5, failure_rate=0), "failure_rate=0"),
        (lambda: CountWindow(5, minimum_calls=0), "minimum_calls=0"),
        (lambda: TimeWindow(5, failure_rate=1.1), "failure_rate=1.1"),
        (lambda: TimeWindow(0), "seconds=0"),
    ],
)
def test_a_wrong_argument_is_an_error_at_once(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def shares(window: TimeWindow, course: list[tuple[float, str]]) -> list[float]:
    """Record calls at their times; `R` only reads. Return the share of failures after each."""
    found = []
    for time, letters in course:
        for letter in letters.strip("R"):
            window.record(time, failed=letter == "F")
        found.append(window.rates(time).failed)
    return found


def test_the_time_window_of_resilience4js_own_test() -> None:
    """testSlidingTimeWindowMetrics: 5 s; its times lie within the seconds that count there."""
    course: list[tuple[float, str]]
    course = [(0, "F"), (0.1, "S"), (0.2, "S"), (1.2, "S"), (2.2, "S"), (3.2, "F"), (4.2, "S")]
    course += [(5.2, "S"), (6.2, "S"), (11.2, "S")]
    window = TimeWindow(5, minimum_calls=1)
    assert shares(window, course) == pytest.approx(
        [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5, 2 / 6, 2 / 7, 1 / 5, 1 / 5, 0]
    )


def test_the_time_window_of_pollys_own_test() -> None:
    """RollingHealthMetricsTests, GetHealthInfo_EnsureWindowRespected: ten windows of 1 s."""
    window = TimeWindow(10, minimum_calls=1)
    course: list[tuple[float, str]]
    course = [(0, "FS"), (2, "RFS"), (4, "RSS"), (6, "RSS"), (8, "RSS"), (10, "R"), (12, "R")]
    found = shares(window, course)
    assert found == pytest.approx([1 / 2, 2 / 4, 2 / 6, 2 / 8, 2 / 10, 1 / 8, 0])
    assert window.rates(18) == TOO_FEW


@pytest.mark.parametrize(
    ("throughput", "failures", "breaks"),
    [(10, 0, False), (10, 1, True), (10, 2, True), (11, 2, True), (11, 1, False), (9, 1, False)],
)
def test_whether_pollys_circuit_breaks(throughput: int, failures: int, *, breaks: bool) -> None:
    """AdvancedCircuitBehaviorTests: a ratio of 0.1, at least 10 calls; the last one failed."""
    window = TimeWindow(30, failure_rate=0.1, minimum_calls=10)
    pattern = "S" * (throughput - failures) + "F" * failures
    assert [window.record(0, failed=letter == "F") for letter in pattern][-1] is breaks
