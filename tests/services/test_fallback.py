from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import simpy

from foundation_lab.errors import BackendError, ServiceDown, ServiceError, TimedOut
from foundation_lab.services import Backend, Fallback, Timeout
from foundation_lab.simulation.engine import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.simulation.process import Process


def calling(sim: Simulation, call: Callable[[], Generator[Any, Any, Any]]) -> Process:
    """Start a call; the value is its result, or the name of the error, and when it ended."""

    def process() -> Generator[Any, Any, tuple[Any, float]]:
        try:
            result = yield from call()
        except (ServiceError, simpy.Interrupt, KeyError) as error:
            return type(error).__name__, sim.now
        return result, sim.now

    return sim.process(process())


def work(duration: float, end: Exception | str = "done") -> Generator[Any, Any, str]:
    yield duration
    if isinstance(end, Exception):
        raise end
    return end


@pytest.mark.parametrize(
    ("source", "given", "expected"),
    [
        ("value", 0, (0, 1)),
        ("value", None, (None, 1)),
        ("function", lambda error: f"instead of {error}", ("instead of no", 1)),
        ("function", lambda _error: work(3, "later"), ("later", 4)),
        ("call", lambda: work(2, "another"), ("another", 3)),
        ("call", lambda: work(2, TimedOut("as well")), ("TimedOut", 3)),
    ],
    ids=["zero", "none", "of the error", "a generator", "call", "failing call"],
)
def test_something_else_stands_in_for_an_error(source: str, given: Any, expected: Any) -> None:
    sim = Simulation(seed=1)
    fallback = Fallback(sim, "api", **{source: given})
    call = calling(sim, lambda: fallback.call(lambda: work(1, BackendError("no"))))
    sim.run()
    assert call.value == expected
    used = sim.recording.frame(Fallback.Used)
    assert used.select("time", "error", "source").rows() == [(1, "BackendError", source)]
    assert fallback.metrics() == {"in_flight": 0}


def test_what_succeeds_needs_no_fallback() -> None:
    sim = Simulation(seed=2)
    fallback = Fallback(sim, "api", value=0)
    call = calling(sim, lambda: fallback.call(lambda: work(1)))
    sim.run()
    assert call.value == ("done", 1)
    assert sim.recording.frame(Fallback.Used).height == 0


@pytest.mark.parametrize("error", [KeyError("a bug"), BackendError("not meant")])
def test_other_errors_come_through(error: Exception) -> None:
    sim = Simulation(seed=3)
    fallback = Fallback(sim, "api", value=0, on=TimedOut)
    call = calling(sim, lambda: fallback.call(lambda: work(1, error)))
    sim.run()
    assert call.value == (type(error).__name__, 1)


def test_an_interrupt_and_a_limit_further_outside_come_through() -> None:
    sim = Simulation(seed=4)
    fallback = Fallback(sim, "api", value=0, on=lambda _error: True)
    timeout = Timeout(sim, "api", 2)
    interrupted = calling(sim, lambda: fallback.call(lambda: work(9)))
    late = calling(sim, lambda: timeout.call(lambda: fallback.call(lambda: work(9))))
    helped = calling(sim, lambda: fallback.call(lambda: timeout.call(lambda: work(9))))
    sim.call_at(1, interrupted.interrupt)
    sim.run()
    assert [interrupted.value, late.value] == [("Interrupt", 1), ("TimedOut", 2)]
    assert helped.value == (0, 2)


def test_a_second_backend_takes_over_from_the_first() -> None:
    sim = Simulation(seed=5)
    first = Backend(sim, "first", service_time=1, error_rate=1)
    second = Backend(sim, "second", service_time=2)
    fallback = Fallback(sim, "api", call=second.request)
    call = calling(sim, lambda: fallback.call(first.request))
    sim.run()
    assert call.value == (None, 3)


def test_a_fallback_that_is_down_takes_no_call() -> None:
    sim = Simulation(seed=6)
    fallback = Fallback(sim, "api", value=0)
    fallback.kill()
    call = calling(sim, lambda: fallback.call(lambda: work(1)))
    sim.run()
    assert call.value == (ServiceDown.__name__, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "was given none of them; give one of value, function and call"),
        ({"value": 1, "call": work}, "was given value and call; give one of"),
    ],
)
def test_there_is_exactly_one_fallback(arguments: dict[str, Any], message: str) -> None:
    sim = Simulation(seed=7)
    with pytest.raises(ValueError, match=message):
        Fallback(sim, "api", **arguments)
    with pytest.raises(TypeError, match="on='all'"):
        Fallback(sim, "api", value=1, on="all")  # type: ignore[arg-type]
    assert not sim.components
