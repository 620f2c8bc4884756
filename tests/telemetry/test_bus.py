import math
from enum import Enum
from typing import Any

import pytest

from foundation_lab.errors import UnknownName
from foundation_lab.services import Backend, CircuitBreaker, Retry
from foundation_lab.services.retrying.backoff import exponential_backoff
from foundation_lab.simulation.distributions import exponential
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.traffic.arrivals import poisson
from foundation_lab.simulation.workload import Workload
from foundation_lab.telemetry import Context, Record, Telemetry, events

SEED = 12


class Level(str, Enum):  # noqa: UP042  (not a StrEnum: its str() is another text)
    HIGH = "high"


def exhausted(final_error: str = "BackendError") -> events.retry.Exhausted:
    return events.retry.Exhausted("payments", 3, final_error)


def test_emit_returns_the_sequence_and_stamps_time_node_and_process() -> None:
    sim = Simulation(seed=SEED)

    def clerk() -> Any:
        yield sim.timeout(2.5)
        assert sim.telemetry.emit(exhausted()) == 1

    assert sim.telemetry.emit(exhausted()) == 0
    sim.process(clerk(), name="clerk-1")
    sim.run()
    frame = sim.recording.frame(events.retry.Exhausted)
    assert frame["time"].to_list() == [0.0, 2.5]
    assert frame["process"].to_list() == ["main", "clerk-1"]
    assert frame["node"].to_list() == ["lab", "lab"]
    assert sim.telemetry.sequence == 2


def test_an_event_can_be_emitted_by_its_class_its_name_or_a_tuple() -> None:
    sim = Simulation(seed=SEED)
    labels = {"service_id": "payments", "final_error": "BackendError"}
    sim.telemetry.emit(exhausted())
    for name in (events.retry.Exhausted, "retry.exhausted", ("foundation", "retry", "exhausted")):
        sim.telemetry.emit(name, {"total_attempts": 3}, labels)
    frame = sim.recording.frame("retry.exhausted").drop("sequence", "cause")
    assert frame.height == 4
    assert frame.unique().height == 1


def test_a_field_whose_name_is_a_keyword_is_given_by_its_public_name() -> None:
    sim = Simulation(seed=SEED)
    labels = {"service_id": "payments", "from": "closed", "to": "open", "reason": "failures"}
    sim.telemetry.emit("circuit_breaker.state_change", metadata=labels)
    assert sim.recording.frame("circuit_breaker.state_change")["from"].to_list() == ["closed"]


def test_an_ad_hoc_event_keeps_its_loose_fields() -> None:
    sim = Simulation(seed=SEED)
    sim.telemetry.emit("shop.order.placed", {"amount": 9}, {"customer": "ann"})
    row = sim.recording.frame("shop.order.placed").row(0, named=True)
    assert (row["amount"], row["customer"]) == (9.0, "ann")


def test_what_is_wrong_with_an_event_is_said_at_once() -> None:
    emit = Simulation(seed=SEED).telemetry.emit
    with pytest.raises(UnknownName, match=r"unknown event 'foundation\.retry\.exhasted'"):
        emit("foundation.retry.exhasted")
    with pytest.raises(UnknownName, match=r"unknown field of .* 'attemts'; did you mean"):
        emit("retry.exhausted", {"attemts": 3})
    with pytest.raises(TypeError, match=r"foundation\.retry\.exhausted: .*total_attempts.*fields"):
        emit("retry.exhausted", metadata={"service_id": "payments"})
    with pytest.raises(ValueError, match="'time', which the bus fills itself"):
        emit("shop.order.placed", {"time": 3.0})
    with pytest.raises(TypeError, match=r"is 'nine'; give a number, or a label: metadata={"):
        emit("shop.order.placed", {"amount": "nine"})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match=r"'amount' of .* is both a measurement and a label"):
        emit("shop.order.placed", {"amount": 9.0}, {"amount": "nine"})
    with pytest.raises(TypeError, match="has its fields already"):
        emit(exhausted(), {"total_attempts": 4})
    with pytest.raises(TypeError, match="42 does not name an event"):
        emit(42)  # type: ignore[arg-type]


def test_a_refused_event_leaves_no_gap_in_the_sequence() -> None:
    sim = Simulation(seed=SEED)
    with pytest.raises(UnknownName):
        sim.telemetry.emit("foundation.nothing")
    with pytest.raises(TypeError), sim.telemetry.context(correlation_id=7):  # type: ignore[arg-type]
        sim.telemetry.emit(exhausted())
    assert sim.telemetry.emit(exhausted()) == 0
    assert sim.recording.frame(events.retry.Exhausted)["sequence"].to_list() == [0]


def test_the_value_of_an_enumeration_is_recorded() -> None:
    sim = Simulation(seed=SEED)
    sim.telemetry.emit(exhausted(Level.HIGH))
    sim.telemetry.emit(exhausted("high"))
    assert sim.recording.frame("retry.exhausted")["final_error"].to_list() == ["high", "high"]


def test_no_number_stays_no_number_and_is_missing_where_a_field_is_optional() -> None:
    sim = Simulation(seed=SEED)
    sim.telemetry.emit(events.retry.Backoff("payments", 1, math.nan, "constant"))
    sim.telemetry.emit(events.circuit_breaker.CallStart("payments", math.nan))
    assert sim.recording.frame("retry.backoff")["delay"].is_nan().to_list() == [True]
    assert sim.recording.frame("circuit_breaker.call_start")["timeout"].to_list() == [None]


def test_a_process_names_the_last_event_that_led_to_its_next_one_as_cause() -> None:
    sim = Simulation(seed=SEED)
    emit = sim.telemetry.emit

    def child() -> Any:
        emit(exhausted("child"))
        yield sim.timeout(1)

    def parent() -> Any:
        emit(exhausted("first"))
        sim.process(child())
        emit(exhausted("second"))
        yield sim.timeout(2)
        emit(exhausted("third"), cause=0)

    sim.process(parent())
    sim.run()
    frame = sim.recording.frame("retry.exhausted").select("final_error", "cause")
    assert dict(frame.rows()) == {"first": None, "second": 0, "child": 0, "third": 0}


def test_a_handler_s_events_are_caused_by_the_one_it_handles_and_change_no_process() -> None:
    sim = Simulation(seed=SEED)
    emit = sim.telemetry.emit
    sim.telemetry.attach("echo", "shop.order", lambda _record: emit("shop.echo.heard"))

    def clerk() -> Any:
        emit("shop.order.placed")
        yield sim.timeout(1)
        emit("shop.order.sent")

    sim.process(clerk())
    sim.run()
    rows = sim.recording.events.select("sequence", "event", "cause").rows()
    assert rows == [
        (0, "shop.order.placed", None),
        (1, "shop.echo.heard", 0),
        (2, "shop.order.sent", 0),
        (3, "shop.echo.heard", 2),
    ]


def test_context_is_inherited_by_processes_and_restored_after_the_block() -> None:
    sim = Simulation(seed=SEED)
    telemetry = sim.telemetry

    def worker(label: str) -> Any:
        yield sim.timeout(1)
        telemetry.emit("shop.work.done", metadata={"label": label})

    with telemetry.context(correlation_id="c-1", node="node-1") as outer:
        sim.process(worker("outer"))
        with telemetry.context(correlation_id="c-2"):
            sim.process(worker("inner"))
        assert telemetry.running.context == outer == Context("node-1", "c-1")
    sim.process(worker("none"))
    sim.run()
    frame = sim.recording.frame("shop.work.done").select("label", "correlation_id", "node")
    assert frame.rows() == [
        ("outer", "c-1", "node-1"),
        ("inner", "c-2", "node-1"),
        ("none", None, "lab"),
    ]


def test_context_of_one_process_is_not_seen_by_an_interleaved_one() -> None:
    sim = Simulation(seed=SEED)
    telemetry = sim.telemetry

    def worker(label: str) -> Any:
        with telemetry.context(correlation_id=label):
            for _ in range(3):
                yield sim.timeout(1)
                telemetry.emit("shop.work.done", metadata={"label": label})

    sim.process(worker("a"))
    sim.process(worker("b"))
    sim.run()
    frame = sim.recording.frame("shop.work.done")
    assert frame["label"].to_list() == frame["correlation_id"].to_list() == ["a", "b"] * 3


def test_context_is_restored_when_the_block_fails_and_a_given_cause_with_it() -> None:
    sim = Simulation(seed=SEED)
    telemetry = sim.telemetry
    telemetry.emit("shop.order.placed")
    telemetry.emit("shop.order.paid")

    def fail() -> None:
        with telemetry.context(span_id="s", cause=0):
            telemetry.emit("shop.order.sent")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    telemetry.emit("shop.order.delivered")
    assert telemetry.running.context == Context()
    assert sim.recording.events["cause"].to_list() == [None, 0, 0, 1]


def test_ids_come_from_the_seed_and_have_128_bits() -> None:
    ids = [Simulation(seed=seed).telemetry.new_id() for seed in (1, 1, 2)]
    assert ids[0] == ids[1] != ids[2]
    assert all(len(identifier) == 32 and int(identifier, 16) >= 0 for identifier in ids)


def test_a_disabled_bus_records_and_tells_nothing_until_it_is_enabled() -> None:
    sim = Simulation(seed=SEED)
    heard: list[Record] = []
    sim.telemetry.attach("all", "**", heard.append)
    sim.telemetry.disable()
    assert sim.telemetry.emit(exhausted()) == -1
    assert not sim.telemetry.enabled
    sim.telemetry.enable()
    assert sim.telemetry.emit(exhausted()) == 0
    assert len(sim.recording) == len(heard) == 1


def test_a_sealed_recording_takes_nothing_more_and_cannot_be_opened_again() -> None:
    sim = Simulation(seed=SEED)
    sim.telemetry.emit(exhausted())
    sim.telemetry.seal()
    assert sim.telemetry.emit(exhausted()) == -1
    with pytest.raises(RuntimeError, match="sealed; nothing can be added"):
        sim.telemetry.enable()
    assert len(sim.recording) == 1


def test_a_bus_without_a_sink_only_tells_its_handlers() -> None:
    sim = Simulation(seed=SEED)
    bus = Telemetry(sim, None, sim.stream("ids"))
    heard: list[Record] = []
    bus.attach("all", "**", heard.append)
    bus.emit(exhausted())
    assert [record.sequence for record in heard] == [0]
    assert len(sim.recording) == 0


def test_services_do_the_same_at_the_same_times_with_telemetry_disabled() -> None:
    def trajectory(*, enabled: bool) -> list[tuple[float, str]]:
        sim = Simulation(seed=SEED)
        if not enabled:
            sim.telemetry.disable()
        backend = Backend(
            sim, "db", concurrency=1, service_time=exponential(0.1), error_rate=0.3, queue_limit=4
        )
        breaker = CircuitBreaker(sim, "db", failure_threshold=3, reset_timeout=1.0)
        retry = Retry(sim, "db", max_attempts=3, backoff=exponential_backoff(base=0.1, cap=1.0))
        seen: list[tuple[float, str]] = []

        def call() -> Any:
            try:
                yield from retry.call(lambda: breaker.call(backend.request))
            except Exception as error:
                seen.append((sim.now, repr(error)))
                raise
            seen.append((sim.now, "ok"))

        Workload(sim, "web", poisson(8.0), call)
        sim.run(until=60)
        seen.append((sim.now, breaker.status))
        return seen

    observed, silent = trajectory(enabled=True), trajectory(enabled=False)
    assert observed == silent
    assert len({text for _, text in observed}) > 3
