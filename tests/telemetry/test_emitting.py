from typing import Any

import pytest
import simpy

from foundation_lab.simulation.engine import Simulation
from foundation_lab.telemetry import Record, Telemetry, events

SEED = 12
YES, NO = True, False
Backoff, HealthCheck = events.retry.Backoff, events.circuit_breaker.HealthCheck


def by_object(sim: Simulation, cls: Any) -> Any:
    return lambda *fields: sim.telemetry.emit(cls(*fields))


def by_fields(sim: Simulation, cls: Any) -> Any:
    return sim.telemetry.emitting(cls)


def world(way: Any, row_limit: int | None = None) -> Simulation:
    """Return a finished simulation whose processes emit in one of the two ways."""
    sim = Simulation(SEED, row_limit=row_limit)
    backs_off, is_checked = way(sim, Backoff), way(sim, HealthCheck)

    def worker(name: str) -> Any:
        for step in range(20):
            yield 0.5
            backs_off(name, step, step / 2, "fixed")
            with sim.telemetry.context(correlation_id=f"{name}-{step}", node="n1"):
                is_checked(name, step % 2 == 0)
            sim.process(helper(name), name=f"helper of {name}")

    def helper(name: str) -> Any:
        is_checked(name, YES)
        yield 0.0
        backs_off(name, 0, 1.0, "linear")

    for name in ("a", "b"):
        sim.process(worker(name), name=name)
    backs_off("main", 1, 0.0, "none")
    sim.run()
    return sim


@pytest.mark.parametrize("row_limit", [None, 1, 7, 64])
def test_events_given_by_their_fields_are_recorded_as_events_that_are_made_first(
    row_limit: int | None,
) -> None:
    expected = world(by_object).recording
    found = world(by_fields, row_limit).recording
    assert len(found) == 161
    assert found.events.equals(expected.events)
    assert found.digest == expected.digest
    assert found.frame(Backoff).equals(expected.frame(Backoff))


def test_the_sequence_number_is_returned() -> None:
    sim = Simulation(SEED)
    backs_off = sim.telemetry.emitting(Backoff)
    assert [backs_off("a", 1, 0.5, "fixed") for _ in range(3)] == [0, 1, 2]
    assert sim.telemetry.sequence == 3


def test_a_handler_that_is_attached_later_is_told_and_one_that_is_detached_is_not() -> None:
    sim = Simulation(SEED)
    backs_off = sim.telemetry.emitting(Backoff)
    backs_off("a", 1, 0.5, "fixed")
    told: list[Record] = []
    sim.telemetry.attach("h", Backoff, told.append)
    backs_off("a", 2, 0.5, "fixed")
    sim.telemetry.detach("h")
    backs_off("a", 3, 0.5, "fixed")
    assert [record.event for record in told] == [Backoff("a", 2, 0.5, "fixed")]
    assert sim.recording.frame(Backoff)["attempt"].to_list() == [1, 2, 3]


def test_what_a_handler_emits_has_the_event_that_it_handles_as_its_cause() -> None:
    sim = Simulation(SEED)
    backs_off, is_checked = sim.telemetry.emitting(Backoff), sim.telemetry.emitting(HealthCheck)

    def react(_record: Record) -> None:
        sim.telemetry.detach("h")
        is_checked("a", NO)

    sim.telemetry.attach("h", Backoff, react)
    is_checked("a", YES)
    backs_off("a", 1, 0.5, "fixed")
    is_checked("a", YES)
    assert sim.recording.events["cause"].to_list() == [None, 0, 1, 1]


def test_nothing_is_emitted_while_telemetry_is_disabled_or_sealed() -> None:
    sim = Simulation(SEED)
    backs_off = sim.telemetry.emitting(Backoff)
    sim.telemetry.disable()
    assert backs_off("a", 1, 0.5, "fixed") == -1
    sim.telemetry.enable()
    assert backs_off("a", 2, 0.5, "fixed") == 0
    sim.telemetry.seal()
    assert backs_off("a", 3, 0.5, "fixed") == -1
    assert len(sim.recording) == 1


def test_too_few_and_too_many_fields_are_an_error_and_defaults_are_filled_in() -> None:
    sim = Simulation(SEED)
    backs_off, is_checked = sim.telemetry.emitting(Backoff), sim.telemetry.emitting(HealthCheck)
    with pytest.raises(TypeError, match="Missing required argument 'strategy'"):
        backs_off("a", 1, 0.5)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="Extra positional arguments"):
        backs_off("a", 1, 0.5, "fixed", "more")  # type: ignore[call-arg]
    assert is_checked("a", YES) == 0
    assert sim.recording.frame(HealthCheck)["state"].to_list() == [None]


def test_a_process_of_simpys_own_class_emits_too() -> None:
    sim = Simulation(SEED)
    backs_off = sim.telemetry.emitting(Backoff)

    def foreign() -> Any:
        backs_off("a", 1, 0.5, "fixed")
        yield sim.timeout(1)
        with sim.telemetry.context(correlation_id="c"):
            backs_off("a", 2, 0.5, "fixed")

    simpy.Process(sim, foreign())
    sim.run()
    frame = sim.recording.frame(Backoff)
    assert frame["process"].to_list() == ["foreign", "foreign"]
    assert frame["correlation_id"].to_list() == [None, "c"]
    assert frame["cause"].to_list() == [None, 0]


def test_a_bus_that_records_nothing_tells_its_handlers() -> None:
    told: list[Record] = []
    bus = Telemetry(Simulation(SEED), sink=None, ids=None)
    backs_off = bus.emitting(Backoff)
    assert backs_off("a", 1, 0.5, "fixed") == 0
    bus.attach("h", Backoff, told.append)
    assert backs_off("a", 2, 0.5, "fixed") == 1
    assert [record.sequence for record in told] == [1]


def test_a_cause_comes_before_what_it_leads_to() -> None:
    sim = Simulation(SEED)
    with pytest.raises(ValueError, match="cause=0 of event 0; a cause comes before"):
        sim.telemetry.emit(Backoff("a", 1, 0.5, "fixed"), cause=0)
    assert sim.telemetry.emit(Backoff("a", 1, 0.5, "fixed")) == 0
    assert sim.telemetry.emit(Backoff("a", 1, 0.5, "fixed"), cause=0) == 1


# -- who listens ---------------------------------------------------------------------------------

LISTENERS: list[dict[str, Any]] = [
    {"pattern": Backoff},
    {"pattern": Backoff, "where": {"service_id": "a"}},
    {"pattern": Backoff, "where": {"service_id": "a", "attempt": 3}},
    {"pattern": "retry", "where": {"no_such_field": 3}},
    {"pattern": Backoff, "where": {"service_id": ["a"]}},
    {"pattern": Backoff, "where": {}},
    {"pattern": HealthCheck, "where": lambda record: record.sequence % 2},
    {"pattern": "retry", "where": {"service_id": "b"}},
    {"pattern": "**"},
]
NUMBERS = [str(number) for number, _ in enumerate(LISTENERS)]


def listened(way: Any, *listeners: dict[str, Any]) -> Any:
    """Return the digest of a world with listeners, and what each of them was told."""
    told: list[list[Record]] = [[] for _ in listeners]

    def attached(sim: Simulation, cls: Any) -> Any:
        if not sim.telemetry.handlers():
            for number, (listener, heard) in enumerate(zip(listeners, told, strict=True)):
                sim.telemetry.attach(f"{number}", handler=heard.append, **listener)
        return way(sim, cls)

    return world(attached).recording.digest, told


@pytest.mark.parametrize("listener", LISTENERS, ids=NUMBERS)
def test_both_ways_tell_a_listener_the_same_and_record_the_same(listener: dict[str, Any]) -> None:
    quick = listened(by_fields, listener)
    slow = listened(by_object, listener)
    assert quick == slow
    assert quick[0] == world(by_fields).recording.digest


@pytest.mark.parametrize("second", LISTENERS, ids=NUMBERS)
def test_two_listeners_are_told_what_each_alone_would_be(second: dict[str, Any]) -> None:
    first = LISTENERS[1]
    _, both = listened(by_fields, first, second)
    alone = [listened(by_fields, each)[1][0] for each in (first, second)]
    assert both == alone


def test_a_listener_that_comes_and_goes_is_told_what_happens_meanwhile() -> None:
    sim = Simulation(SEED)
    backs_off = sim.telemetry.emitting(Backoff)
    heard: list[int] = []

    def listen(where: Any = None) -> None:
        sim.telemetry.attach("x", Backoff, lambda r: heard.append(r.sequence), where=where)

    backs_off("a", 1, 0.0, "none")
    listen()
    backs_off("a", 1, 0.0, "none")
    sim.telemetry.detach("x")
    backs_off("a", 1, 0.0, "none")
    listen({"attempt": 2})
    backs_off("a", 1, 0.0, "none")
    backs_off("a", 2, 0.0, "none")
    sim.telemetry.emit(Backoff("a", 2, 0.0, "none"))
    with pytest.raises(TypeError):
        backs_off("a")  # type: ignore[call-arg]
    assert heard == [1, 4, 5]


def test_what_a_handler_emits_of_a_class_nobody_listens_to_is_caused_by_what_it_handles() -> None:
    sim = Simulation(SEED)
    backs_off, is_checked = by_fields(sim, Backoff), by_fields(sim, HealthCheck)
    sim.telemetry.attach("x", Backoff, lambda _record: is_checked("a", YES))
    for _ in range(2):
        backs_off("a", 1, 0.0, "none")
    is_checked("b", YES)
    assert sim.recording.events["cause"].to_list() == [None, 0, 0, 2, 2]


def test_emitters_of_one_class_are_one_function() -> None:
    telemetry = Simulation(SEED).telemetry
    assert telemetry.emitting(Backoff) is telemetry.emitting(Backoff)
