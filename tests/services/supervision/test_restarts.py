"""The rules of supervisors, without a simulation; vectors from OTP's `supervisor.erl`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation_lab.services.supervision.restarts import (
    RESTARTS,
    STRATEGIES,
    RestartLog,
    affected,
    is_normal,
    restarts_after,
)


@pytest.mark.parametrize(
    ("reason", "restarted"),
    [
        ("normal", {"permanent"}),
        ("shutdown", {"permanent"}),
        ("shutdown:no work", {"permanent"}),
        ("killed", {"permanent", "transient"}),
        ("crashed", {"permanent", "transient"}),
        ("shutdownish", {"permanent", "transient"}),
    ],
)
def test_who_is_restarted_after_which_exit(reason: str, restarted: set[str]) -> None:
    assert {kind for kind in RESTARTS if restarts_after(kind, reason)} == restarted
    assert is_normal(reason) == ("transient" not in restarted)


@pytest.mark.parametrize(
    ("strategy", "child", "together"),
    [
        ("one_for_one", "b", "b"),
        ("one_for_all", "b", "abc"),
        ("rest_for_one", "a", "abc"),
        ("rest_for_one", "b", "bc"),
        ("rest_for_one", "c", "c"),
    ],
)
def test_who_is_restarted_with_whom(strategy: str, child: str, together: str) -> None:
    assert affected(strategy, ["a", "b", "c"], child) == list(together)


@pytest.mark.parametrize(
    ("intensity", "period", "times", "allowed"),
    [
        (1, 5, [0, 5], [True, False]),
        (1, 5, [0, 6], [True, True]),
        (1, 5, [0, 5.001], [True, True]),
        (0, 5, [0], [False]),
        (3, 5, [0, 1, 2, 5, 6], [True, True, True, False, False]),
        (3, 5, [0, 1, 2, 5.5, 6.5], [True, True, True, True, True]),
        (2, 1, [7, 7, 7], [True, True, False]),
    ],
)
def test_how_many_restarts_are_too_many(
    intensity: int, period: float, times: list[float], allowed: list[bool]
) -> None:
    log = RestartLog(intensity, period)
    assert [log.add(time) for time in times] == allowed
    log.clear()
    assert len(log) == 0


@given(st.lists(st.integers(0, 60), max_size=30), st.integers(0, 4), st.integers(1, 10))
def test_the_log_counts_what_lies_within_the_period_its_border_included(
    times: list[int], intensity: int, period: int
) -> None:
    log, times = RestartLog(intensity, period), sorted(times)
    for number, time in enumerate(times):
        recent = sum(time - earlier <= period for earlier in times[: number + 1])
        assert log.add(time) == (recent <= intensity)
        assert len(log) == recent


@given(st.sampled_from(STRATEGIES), st.integers(1, 6), st.data())
def test_whoever_is_affected_is_in_the_order_of_start_and_the_child_among_them(
    strategy: str, size: int, data: st.DataObject
) -> None:
    children = list(range(size))
    child = data.draw(st.sampled_from(children))
    together = affected(strategy, children, child)
    assert child in together
    assert together == sorted(together)
