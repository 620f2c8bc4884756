from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import simpy

from foundation_lab.errors import BackendError, ServiceDown, ServiceError, TimedOut
from foundation_lab.services import Backend, Retry, Timeout, fixed_backoff
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.workload import request

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.simulation.process import Process

WAYS = ["interrupt", "ghost"]


def calling(sim: Simulation, call: Callable[[], Generator[Any, Any, Any]]) -> Process:
    """Start a call; the value is its result, or the name of the error, and when it ended."""

    def process() -> Generator[Any, Any, tuple[Any, float]]:
        try:
            result = yield from call()
        except (TimedOut, BackendError, ServiceDown, simpy.Interrupt, KeyError) as error:
            return type(error).__name__, sim.now
        return result, sim.now

    return sim.process(process())


def work(duration: float, end: Exception | str = "done") -> Generator[Any, Any, str]:
    yield duration
    if isinstance(end, Exception):
        raise end
    return end


def contained(call: Generator[Any, Any, Any]) -> Generator[Any, Any, None]:
    with suppress(ServiceError):
        yield from call


@pytest.mark.parametrize("abandon", WAYS)
def test_a_call_in_time_comes_through_with_its_result_or_its_error(abandon: str) -> None:
    sim = Simulation(seed=1)
    timeout = Timeout(sim, "api", 2, abandon)
    calls = [
        calling(sim, lambda: timeout.call(lambda: work(1))),
        calling(sim, lambda: timeout.call(lambda: work(1, BackendError("no")))),
        calling(sim, lambda: timeout.call(lambda: work(1, KeyError("a bug")))),
        calling(sim, lambda: timeout.call(lambda: "plain")),
    ]
    sim.run()
    assert [call.value for call in calls] == [
        ("done", 1),
        ("BackendError", 1),
        ("KeyError", 1),
        ("plain", 0),
    ]
    assert sim.now == 1  # no timer is left
    assert sim.recording.frame(Timeout.TimedOut).height == 0
    assert timeout.metrics() == {"in_flight": 0, "ghosts": 0}


@pytest.mark.parametrize("abandon", WAYS)
@pytest.mark.parametrize("duration", [2, 2.5, 100])
def test_a_call_that_takes_the_whole_time_or_more_is_given_up(
    abandon: str, duration: float
) -> None:
    sim = Simulation(seed=2)
    timeout = Timeout(sim, "api", 2, abandon)
    call = calling(sim, lambda: timeout.call(lambda: work(duration)))
    sim.run()
    assert call.value == ("TimedOut", 2)
    (row,) = sim.recording.frame(Timeout.TimedOut).select("time", "timeout", "ghost").rows()
    assert row == (2, 2, abandon == "ghost")
    assert sim.now == (duration if abandon == "ghost" else 2)


def test_an_interrupted_call_leaves_the_backend_and_a_ghost_takes_its_place_to_the_end() -> None:
    served = {}
    for abandon in WAYS:
        sim = Simulation(seed=3)
        backend = Backend(sim, "db", service_time=5, concurrency=1)
        timeout = Timeout(sim, "api", 2, abandon)
        call = calling(sim, lambda t=timeout, b=backend: t.call(b.request))  # type: ignore[misc]
        sim.run(until=3)
        assert call.value == ("TimedOut", 2)
        assert (backend.serving, timeout.ghosts) == ((1, 1) if abandon == "ghost" else (0, 0))
        sim.check_invariants()
        sim.run()
        assert (backend.serving, timeout.ghosts) == (0, 0)
        served[abandon] = sim.recording.frame(Backend.Served).height
    assert served == {"interrupt": 0, "ghost": 1}


def test_a_ghost_that_fails_in_the_simulated_world_disturbs_nobody() -> None:
    sim = Simulation(seed=4)
    timeout = Timeout(sim, "api", 2, "ghost")
    call = calling(sim, lambda: timeout.call(lambda: work(3, BackendError("nobody asks"))))
    sim.run()
    assert call.value == ("TimedOut", 2)
    assert sim.now == 3
    assert timeout.ghosts == 0


@pytest.mark.parametrize("end", [2, 3])
def test_a_bug_in_a_ghost_ends_the_run(end: float) -> None:
    sim = Simulation(seed=5)
    timeout = Timeout(sim, "api", 2, "ghost")
    calling(sim, lambda: timeout.call(lambda: work(end, KeyError("a bug"))))
    with pytest.raises(KeyError, match="a bug"):
        sim.run()


def test_a_ghost_goes_on_when_its_caller_is_interrupted_or_out_of_time_further_outside() -> None:
    sim = Simulation(seed=6)
    ghosts = Timeout(sim, "inner", 10, "ghost")
    outer = Timeout(sim, "outer", 2)
    ends: list[float] = []

    def leaving() -> Generator[Any, Any, None]:
        yield 5.0
        ends.append(sim.now)

    interrupted = calling(sim, lambda: ghosts.call(leaving))
    late = calling(sim, lambda: outer.call(lambda: ghosts.call(leaving)))
    sim.call_at(1, interrupted.interrupt)
    sim.run(until=3)
    assert (interrupted.value, late.value) == (("Interrupt", 1), ("TimedOut", 2))
    assert ghosts.ghosts == 2
    sim.run()
    assert ends == [5, 5]
    frame = sim.recording.frame(Timeout.TimedOut)
    assert frame.select("service_id", "ghost").rows() == [("outer", False)]


def test_a_ghost_belongs_to_the_request_that_started_it() -> None:
    sim = Simulation(seed=7)
    backend = Backend(sim, "db", service_time=5)
    timeout = Timeout(sim, "api", 2, "ghost")

    for _ in range(2):
        sim.process(contained(request(sim, "shop", lambda: timeout.call(backend.request))))
    sim.run()
    started = sim.recording.frame("foundation.request.started")["correlation_id"].to_list()
    assert sim.recording.frame(Backend.Served)["correlation_id"].to_list() == started


@pytest.mark.parametrize("abandon", WAYS)
def test_a_retry_inside_of_a_timeout_ends_with_it(abandon: str) -> None:
    sim = Simulation(seed=8)
    timeout = Timeout(sim, "api", 2.5, abandon)
    retry = Retry(sim, "api", max_attempts=5, backoff=fixed_backoff(0))
    attempts: list[float] = []

    def attempt() -> Generator[Any, Any, str]:
        attempts.append(sim.now)
        return work(1, BackendError("no"))

    call = calling(sim, lambda: timeout.call(lambda: retry.call(attempt)))
    sim.run()
    assert call.value == ("TimedOut", 2.5)
    assert len(attempts) == (3 if abandon == "interrupt" else 5)  # a ghost knows of no limit


@pytest.mark.parametrize("abandon", WAYS)
def test_a_retry_outside_of_a_timeout_tries_again_what_took_too_long(abandon: str) -> None:
    sim = Simulation(seed=9)
    timeout = Timeout(sim, "api", 2, abandon)
    retry = Retry(sim, "api", max_attempts=3, backoff=fixed_backoff(0))
    call = calling(sim, lambda: retry.call(lambda: timeout.call(lambda: work(7))))
    sim.run(until=6.5)
    assert call.value == ("TimedOut", 6)
    assert timeout.ghosts == (3 if abandon == "ghost" else 0)
    sim.run()
    assert sim.recording.frame(Timeout.TimedOut)["time"].to_list() == [2, 4, 6]
    assert timeout.ghosts == 0


def test_the_inner_of_two_limits_of_one_instant_belongs_to_the_outer_one() -> None:
    sim = Simulation(seed=10)
    inner, outer = Timeout(sim, "inner", 2), Timeout(sim, "outer", 2)
    call = calling(sim, lambda: outer.call(lambda: inner.call(lambda: work(9))))
    sim.run()
    assert call.value == ("TimedOut", 2)
    assert sim.recording.frame(Timeout.TimedOut)["service_id"].to_list() == ["outer"]


@pytest.mark.parametrize(
    ("abandon", "ended"), [("interrupt", ("in time", 2)), ("ghost", ("TimedOut", 2))]
)
def test_what_was_due_at_that_instant_before_the_call_began_is_in_time(
    abandon: str, ended: tuple[str, float]
) -> None:
    sim = Simulation(seed=15)
    due = sim.timeout(2, "in time")
    timeout = Timeout(sim, "api", 2, abandon)
    call = calling(sim, lambda: timeout.call(lambda: due))
    sim.run()
    assert call.value == ended
    assert timeout.metrics() == {"in_flight": 0, "ghosts": 0}
    sim.check_invariants()


def test_a_call_may_have_a_limit_of_its_own() -> None:
    sim = Simulation(seed=11)
    timeout = Timeout(sim, "api", 2)
    call = calling(sim, lambda: timeout.call(lambda: work(9), seconds=3))
    sim.run()
    assert call.value == ("TimedOut", 3)


def test_a_timeout_that_is_down_takes_no_call() -> None:
    sim = Simulation(seed=12)
    timeout = Timeout(sim, "api", 2)
    timeout.kill()
    call = calling(sim, lambda: timeout.call(lambda: work(1)))
    sim.run()
    assert call.value == ("ServiceDown", 0)


@pytest.mark.parametrize(
    ("seconds", "abandon", "message"),
    [
        (0, "interrupt", "seconds=0"),
        (1, "forget", "abandon='forget'; give 'interrupt' or 'ghost'"),
    ],
)
def test_a_wrong_argument_is_an_error_at_once(seconds: float, abandon: str, message: str) -> None:
    sim = Simulation(seed=13)
    with pytest.raises(ValueError, match=message):
        Timeout(sim, "api", seconds, abandon)
    assert not sim.components


def test_calls_and_ghosts_that_cannot_be_break_a_law() -> None:
    sim = Simulation(seed=14)
    timeout = Timeout(sim, "api", 1, "ghost")
    calling(sim, lambda: timeout.call(lambda: work(2)))
    sim.run(until=1.5)
    sim.check_invariants()
    (ghost,) = timeout._ghosts._left
    sim.run()
    timeout.in_flight = -1
    timeout._ghosts._left[ghost] = None
    assert timeout.violations() == ["-1 calls in flight", "1 of 1 ghosts have ended"]
