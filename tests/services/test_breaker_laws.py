"""Whatever happens to its callers, a breaker keeps its laws and finds its way back to closed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation_lab.errors import BackendError, ServiceError
from foundation_lab.services import CircuitBreaker, CountWindow
from foundation_lab.simulation.engine import Simulation
from tests.services.breakers import calls, changes, succeed

if TYPE_CHECKING:
    from collections.abc import Generator

    from foundation_lab.simulation.process import Process


class Ignored(ServiceError):
    """An error that does not count."""


@dataclass(frozen=True)
class Call:
    """A call that takes so long and ends in this way."""

    seconds: int
    error: type[ServiceError] | None
    timeout: int | None


@dataclass(frozen=True)
class Interrupt:
    """Interrupts one of the callers."""

    caller: int


HANDS = ("trip", "reset", "force_open", "disable", "metrics_only")
CALLS = st.builds(
    Call,
    seconds=st.integers(0, 6),
    error=st.sampled_from([None, None, BackendError, BackendError, Ignored]),
    timeout=st.none() | st.integers(1, 9),
)
STEPS = st.one_of(
    CALLS,
    CALLS,
    CALLS,
    st.builds(Interrupt, caller=st.integers(0, 20)),
    st.sampled_from(["crash", "stay down", "trip", *HANDS]),
)
OPTIONS = st.fixed_dictionaries(
    {
        "counting": st.builds(CountWindow, st.integers(1, 4), minimum_calls=st.integers(1, 4)),
        "slow_call_duration": st.none() | st.integers(1, 9),
        "reset_timeout": st.integers(1, 3),
        "automatic_half_open": st.booleans(),
        "half_open_calls": st.integers(1, 4),
        "half_open_rule": st.sampled_from(["every", "rate"]),
        "half_open_max_wait": st.none() | st.integers(1, 9),
    }
)


class World:
    """A breaker and its callers."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.sim = Simulation(seed=1)
        self.breaker = CircuitBreaker(self.sim, "db", ignore=(Ignored,), **options)
        self.callers: list[Process] = []

    def do(self, step: Call | Interrupt | str) -> None:
        match step:
            case Call():
                self.callers.append(self.sim.process(self._caller(step)))
            case Interrupt(caller):
                if caller < len(self.callers) and self.callers[caller].is_alive:
                    self.callers[caller].interrupt()
            case "crash" | "stay down" if self.breaker.up:
                self.breaker.kill()
            case str() if self.breaker.up:
                getattr(self.breaker, step)()
        if step == "crash" and not self.breaker.up:
            self.breaker.restart()

    def _caller(self, call: Call) -> Generator[Any, Any, None]:
        def work() -> Generator[Any, Any, None]:
            yield from self.sim.sleep(call.seconds)
            if call.error is not None:
                raise call.error

        with suppress(ServiceError, simpy.Interrupt):
            yield from self.breaker.call(work, timeout=call.timeout)


@settings(max_examples=300)
@given(options=OPTIONS, script=st.lists(st.tuples(st.integers(0, 3), STEPS), max_size=40))
def test_no_probe_is_leaked_and_no_half_open_breaker_hangs(
    options: dict[str, Any], script: list[tuple[int, Call | Interrupt | str]]
) -> None:
    world = World(options)
    sim, breaker = world.sim, world.breaker
    breaker.trip()
    for gap, step in script:
        if gap:
            sim.run(until=sim.now + gap)
        world.do(step)
        sim.check_invariants()
    sim.run(until=sim.now + 20.5)  # every call has ended, and nothing is due at this instant
    sim.check_invariants()
    assert breaker.in_flight == 0
    _half_open_no_longer_than(options["half_open_max_wait"], sim)
    for _ in range(2):  # probes that failed before may open it once more
        if breaker.status in {"open", "half_open"}:
            _probe(sim, breaker)
    assert breaker.status not in {"open", "half_open"}


def _probe(sim: Simulation, breaker: CircuitBreaker) -> None:
    """Call a broken breaker until there is a verdict: every call of these must be a probe."""
    while breaker.status == "open" and breaker.retry_after:
        sim.run(until=sim.now + breaker.retry_after)
    for _ in range(breaker.half_open_calls):
        assert calls(sim, breaker, succeed) == ["ok"]
        if breaker.status != "half_open":
            return
    pytest.fail(f"no verdict after {breaker.half_open_calls} probes")


def _half_open_no_longer_than(seconds: float | None, sim: Simulation) -> None:
    for (entered, _, to), (left, _, _) in pairwise(changes(sim)):
        if to == "half_open" and seconds is not None:
            assert left - entered <= seconds
