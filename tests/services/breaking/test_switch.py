"""The switch of a breaker says when it was used against its laws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from foundation_lab.services import Consecutive, State
from foundation_lab.services.breaking.switch import Switch

if TYPE_CHECKING:
    from foundation_lab.simulation.engine import Simulation


@pytest.fixture
def switch(sim: Simulation) -> Switch:
    """Return a switch that has just become half-open, for one probe."""
    switch = Switch(
        sim,
        "db",
        Consecutive(1),
        lambda _opening: 10.0,
        slow_after=None,
        automatic=True,
        probes=1,
        rule="every",
        max_wait=5.0,
    )
    switch.open("drill")
    sim.run(until=10.5)
    assert switch.state is State.HALF_OPEN
    assert switch.violations(in_flight=0) == []
    return switch


def test_a_probe_that_nobody_is_waiting_for_is_a_leak(switch: Switch) -> None:
    assert switch.admits()
    assert switch.violations(in_flight=1) == []
    assert switch.violations(in_flight=0) == ["1 probes in flight among 0 calls"]


def test_a_permit_that_is_given_back_twice_is_told(switch: Switch) -> None:
    assert switch.admits()
    switch.ignore()
    assert switch.violations(in_flight=0) == []
    switch.ignore()
    assert switch.violations(in_flight=0) == ["-1 of -1 probes in flight, 1 allowed"]


def test_a_broken_breaker_that_nothing_will_move_is_told(switch: Switch) -> None:
    switch.halt()
    assert switch.violations(in_flight=0) == [
        "half_open, and its time is over at None",
        "half_open without a timer",
    ]
