"""Backends, processor sharing and load shedders with any line: nothing is lost, nothing is idle."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation_lab.errors import ServiceError
from foundation_lab.services import Backend, LoadShedder, ProcessorSharing
from foundation_lab.simulation.distributions import exponential
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.faults import Outage, SlowDown, inject
from foundation_lab.simulation.lines.line import (
    AdaptiveLifo,
    EarliestDeadline,
    Fifo,
    Lifo,
    Priority,
    Ticket,
)
from foundation_lab.simulation.lines.shedding import CoDel, ControlledDelay, DeadlineAware
from foundation_lab.simulation.slots import Slots

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.simulation.lines.line import Line
    from foundation_lab.simulation.process import Process

LINES: dict[str, Callable[[], Line]] = {
    "fifo": Fifo,
    "lifo": Lifo,
    "lifo of 2": lambda: Lifo(longest=2),
    "adaptive lifo": lambda: AdaptiveLifo(1),
    "priority": Priority,
    "earliest deadline": EarliestDeadline,
    "codel": lambda: CoDel(0.2, 0.5, keep=0),
    "controlled delay": lambda: ControlledDelay(0.2, 0.5, order=AdaptiveLifo(1)),
    "deadline": lambda: DeadlineAware(0.1),
    "deadline, earliest first": lambda: DeadlineAware(earliest_first=True),
    "deadline within codel": lambda: CoDel(0.2, 0.5, order=DeadlineAware(order=Priority())),
}

SERVICES: dict[str, Callable[[Simulation, int, Line], Any]] = {
    "backend": lambda sim, n, line: Backend(
        sim, "one", service_time=0.3, concurrency=n, queue_limit=3, line=line
    ),
    "sharing": lambda sim, n, line: ProcessorSharing(
        sim, "one", service_time=0.3, concurrency=n, queue_limit=3, line=line
    ),
    "shedder": lambda sim, n, line: LoadShedder(
        sim, "one", max_concurrent=n, max_waiting=3, line=line, thresholds={2: 1}
    ),
}

WAYS_OUT = (
    "backend.served",
    "backend.rejected",
    "backend.abandoned",
    "load_shed.rejected",
    "load_shed.expired",
    "load_shed.abandoned",
    "load_shed.finished",
)

tenths = st.integers(0, 20).map(lambda k: k / 10)
crowds = st.lists(
    st.tuples(tenths, st.integers(0, 2), st.sampled_from([None, 0.0, 0.3, 0.5, 1.0])), max_size=9
)


def asking(service: Any, priority: int, deadline: float | None) -> Generator[Any, Any, Any]:
    if isinstance(service, LoadShedder):
        return service.call(lambda: service.sim.sleep(0.3), priority=priority, deadline=deadline)
    return service.request(priority=priority, deadline=deadline)  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", SERVICES)
@settings(max_examples=250, deadline=None)
@given(
    line=st.sampled_from(sorted(LINES)),
    crowd=crowds,
    interrupts=st.lists(st.tuples(tenths, st.integers(0, 8)), max_size=4),
    troubles=st.lists(st.tuples(tenths, st.sampled_from(["bounce", "outage", "slow"])), max_size=2),
    sizes=st.lists(st.tuples(tenths, st.integers(1, 3)), max_size=2),
)
def test_who_came_was_served_or_went_another_way_exactly_once(  # noqa: PLR0917
    kind: str,
    line: str,
    crowd: list[tuple[float, int, float | None]],
    interrupts: list[tuple[float, int]],
    troubles: list[tuple[float, str]],
    sizes: list[tuple[float, int]],
) -> None:
    sim = Simulation(seed=1)
    service = SERVICES[kind](sim, 1, LINES[line]())
    largest = max([1, *(size for _, size in sizes)])

    def laws(_record: object) -> None:
        sim.check_invariants()
        assert service._slots.used <= largest

    sim.telemetry.attach("laws", "**", laws, on_error="raise")
    asked = []

    def caller(at: float, priority: int, patience: float | None) -> Generator[Any, Any, None]:
        with suppress(ServiceError, simpy.Interrupt):
            yield at
            asked.append(at)
            yield from asking(service, priority, None if patience is None else at + patience)

    callers = [sim.process(caller(*each)) for each in crowd]
    for at, which in interrupts:
        if which < len(callers):
            sim.call_at(at, lambda p=callers[which]: p.is_alive and p.interrupt())  # type: ignore[misc]
    for at, trouble in troubles:
        strike(sim, service, at, trouble)
    for at, size in sizes:
        sim.call_at(at, lambda size=size: service.resize(size))  # type: ignore[misc]
    for now in (0.35, 0.75, 1.15, 2.05):
        sim.run(until=now)
        left = departures(sim)
        inside = service._slots.used + service.waiting
        assert left + inside == len(asked)
    sim.run()
    sim.check_invariants()
    assert service._slots.used == service.waiting == 0
    assert departures(sim) == len(asked)
    assert not sim.living()


def strike(sim: Simulation, service: Any, at: float, trouble: str) -> None:
    if trouble == "bounce" or isinstance(service, LoadShedder):
        sim.call_at(at, service.kill)
        sim.call_at(at, lambda: service.up or service.restart())
    elif trouble == "outage":
        inject(sim, service, [Outage(service="one", start=at, duration=0.3)])
    else:
        inject(sim, service, [SlowDown(service="one", start=at, duration=0.5, factor=3)])


def departures(sim: Simulation) -> int:
    counts = sim.recording.counts
    return sum(counts.get(f"foundation.{way}", 0) for way in WAYS_OUT)


# -- who is next ---------------------------------------------------------------------------------


class Watched:
    """A line around another that checks its law whenever somebody is let out to be served."""

    def __init__(self, line: Line, law: Callable[[list[Any], Any, Slots], bool]) -> None:
        self.line, self.law = line, law
        self.waiting: dict[Any, float] = {}

    def attach(self, slots: Slots) -> None:
        self.slots = slots
        self.line.attach(slots)

    def append(self, waiter: Any, /) -> None:
        self.waiting[waiter] = self.slots.now
        self.line.append(waiter)

    def popleft(self) -> Any:
        present = [waiter for waiter in self.waiting if not waiter.triggered]
        waiter = self.line.popleft()
        if not waiter.triggered:
            assert self.law(present, waiter, self.slots)
        return waiter

    def __getattr__(self, name: str) -> Any:
        return getattr(self.line, name)

    def __iter__(self) -> Any:
        return iter(self.line)

    def __len__(self) -> int:
        return len(self.line)


LAWS: dict[str, tuple[Callable[[], Line], Callable[[list[Any], Any, Slots], bool]]] = {
    "fifo": (Fifo, lambda present, who, _: who is present[0]),
    "lifo": (Lifo, lambda present, who, _: who is present[-1]),
    "adaptive lifo": (
        lambda: AdaptiveLifo(2),
        lambda present, who, _: who is (present[-1] if len(present) > 2 else present[0]),
    ),
    "priority": (
        Priority,
        lambda present, who, _: who is min(present, key=lambda w: w.ticket.priority),
    ),
    "earliest deadline": (
        EarliestDeadline,
        lambda present, who, _: who is min(present, key=lambda w: w.ticket.deadline),
    ),
    "deadline": (
        lambda: DeadlineAware(0.1),
        lambda present, who, slots: (
            who is next(w for w in present if w.ticket.deadline >= slots.now + 0.1)
        ),
    ),
    "controlled delay": (
        lambda: ControlledDelay(0.2, 0.5),
        lambda present, who, slots: (
            who is next(w for w in present if slots.now - w.since <= w.limit)
        ),
    ),
}


@settings(max_examples=250, deadline=None)
@given(
    name=st.sampled_from(sorted(LAWS)),
    crowd=crowds,
    interrupts=st.lists(st.tuples(tenths, st.integers(0, 8)), max_size=3),
)
def test_each_line_serves_in_its_order(
    name: str,
    crowd: list[tuple[float, int, float | None]],
    interrupts: list[tuple[float, int]],
) -> None:
    make, law = LAWS[name]
    sim = Simulation(seed=2)
    watched = Watched(make(), law)
    slots = Slots(sim, 1, line=watched)

    def somebody(at: float, priority: int, patience: float | None) -> Generator[Any, Any, None]:
        deadline = math.inf if patience is None else at + patience
        with suppress(ServiceError, simpy.Interrupt):
            yield at
            turn = slots.claim(Ticket(priority, deadline))
            if turn is not None:
                yield from slots.wait(turn)
            try:
                yield 0.3
            finally:
                slots.release()

    callers: list[Process] = [sim.process(somebody(*each)) for each in crowd]
    for at, which in interrupts:
        if which < len(callers):
            sim.call_at(at, lambda p=callers[which]: p.is_alive and p.interrupt())  # type: ignore[misc]
    sim.run()
    assert slots.violations() == []
    assert slots.used == slots.waiting == 0


@pytest.mark.parametrize("name", ["fifo", "lifo", "adaptive lifo", "priority", "earliest deadline"])
def test_a_line_that_sends_nobody_away_is_never_idle_while_somebody_waits(name: str) -> None:
    """The server is busy for the same spans whatever the order, so it is done at the same time."""
    done = set()
    for order in ("fifo", name):
        sim = Simulation(seed=3)
        backend = Backend(sim, "one", service_time=0.25, line=LINES[order]())
        stream = sim.stream("gaps")
        for k in range(200):
            at = k * 0.2 + 0.3 * stream.random()
            call = backend.request(priority=k % 3, deadline=100 - k)
            sim.process(later(at, call))
        sim.run()
        frame = sim.recording.frame(Backend.Served)
        done.add(tuple(frame["time"].round(9).to_list()))
        assert frame.height == 200
    assert len(done) == 1


def later(at: float, call: Generator[Any, Any, Any]) -> Generator[Any, Any, None]:
    yield at
    yield from call


@pytest.mark.parametrize("line", LINES)
def test_the_same_seed_gives_the_same_recording(line: str) -> None:
    def digest() -> str:
        sim = Simulation(seed=4)
        backend = Backend(sim, "one", service_time=exponential(0.3), line=LINES[line]())
        stream = sim.stream("who")

        def caller(at: float) -> Generator[Any, Any, None]:
            yield at
            with suppress(ServiceError):
                yield from backend.request(
                    priority=int(3 * stream.random()), deadline=at + stream.random()
                )

        for k in range(100):
            sim.process(caller(k * 0.2))
        sim.run()
        return sim.recording.digest

    assert digest() == digest()


@pytest.mark.parametrize("kind", SERVICES)
def test_with_telemetry_off_everything_takes_the_same_course(kind: str) -> None:
    def ends(*, telemetry: bool) -> list[tuple[int, float]]:
        sim = Simulation(seed=5)
        if not telemetry:
            sim.telemetry.disable()
        service = SERVICES[kind](sim, 1, ControlledDelay(0.2, 0.5))
        ended = []

        def caller(number: int) -> Generator[Any, Any, None]:
            yield number * 0.13
            with suppress(ServiceError):
                yield from asking(service, number % 3, None)
            ended.append((number, sim.now))

        for number in range(30):
            sim.process(caller(number))
        sim.run()
        sim.check_invariants()
        return ended

    assert ends(telemetry=True) == ends(telemetry=False)
