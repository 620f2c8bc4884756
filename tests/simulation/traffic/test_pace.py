"""A clock that runs at a pace of its own, by hand."""

from __future__ import annotations

import math

from foundation_lab.simulation.traffic.pace import Pace


def test_until_a_change_both_times_are_equal() -> None:
    pace = Pace(10)
    assert (pace.operational(13), pace.due(17), pace.speed) == (13, 17, 1)


def test_a_change_rescales_what_is_left() -> None:
    pace = Pace(0)
    pace.change(4, factor=2)
    assert pace.operational(7) == 10
    assert pace.due(10) == 7
    pace.change(7, factor=0.5)
    assert pace.due(12) == 11


def test_a_clock_at_0_stands_still_and_goes_on_where_it_was() -> None:
    pace = Pace(0)
    pace.change(5, factor=0)
    assert pace.operational(100) == 5
    assert pace.due(6) == math.inf
    assert pace.due(5) == 5
    pace.change(100, factor=1)
    assert pace.due(6) == 101


def test_a_stop_keeps_the_factor() -> None:
    pace = Pace(0)
    pace.change(0, factor=4)
    pace.change(1, running=False)
    pace.change(3, running=True)
    assert pace.due(8) == 4
    assert pace.speed == 4
