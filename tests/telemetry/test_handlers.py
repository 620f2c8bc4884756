from functools import partial
from typing import Any

import pytest

from foundation_lab.errors import UnknownName
from foundation_lab.simulation.engine import Simulation
from foundation_lab.telemetry import Record, events
from foundation_lab.telemetry.handlers import Policy

SEED = 13
FAILURE = "foundation.telemetry.handler.failure"


def broken(_record: Record) -> None:
    raise ZeroDivisionError("handler is broken")


def names(heard: list[Record]) -> list[str]:
    return [record.name for record in heard]


def test_a_handler_receives_stamped_records_with_fields_by_name() -> None:
    sim = Simulation(seed=SEED)
    heard: list[Record] = []
    sim.telemetry.attach("log", "circuit_breaker.state_change", heard.append)
    sim.telemetry.emit(events.retry.IgnoredError("payments", 1, "ValueError"))
    with sim.telemetry.context(correlation_id="c-1", node="n-1"):
        sim.telemetry.emit(events.circuit_breaker.StateChange("payments", "closed", "open", "x"))
    (record,) = heard
    assert (record.sequence, record.time, record.process) == (1, 0.0, "main")
    assert (record.node, record.correlation_id, record.cause) == ("n-1", "c-1", 0)
    assert (record["from"], record["to"], record.get("nothing", 5)) == ("closed", "open", 5)
    with pytest.raises(UnknownName, match=r"unknown field .* 'form'; did you mean 'from'"):
        _ = record["form"]


def test_a_handler_sees_the_event_in_the_recording_already() -> None:
    sim = Simulation(seed=SEED)
    lengths: list[int] = []
    sim.telemetry.attach("count", "shop", lambda _record: lengths.append(len(sim.recording)))
    sim.telemetry.emit("shop.order.placed")
    sim.telemetry.emit("shop.order.placed")
    assert lengths == [1, 2]


def test_handlers_are_called_by_order_and_then_by_attachment() -> None:
    sim = Simulation(seed=SEED)
    called: list[str] = []

    def note(handler_id: str, _record: Record) -> None:
        called.append(handler_id)

    for handler_id, order in (("c", 1), ("a", 0), ("d", 1), ("b", 0), ("first", -1)):
        sim.telemetry.attach(handler_id, "**", partial(note, handler_id), order=order)
    sim.telemetry.emit("shop.order.placed")
    assert called == ["first", "a", "b", "c", "d"]
    assert [attached.id for attached in sim.telemetry.handlers()] == called


def test_filters_are_field_values_or_a_predicate() -> None:
    sim = Simulation(seed=SEED)
    by_value: list[Record] = []
    by_predicate: list[Record] = []
    attach = sim.telemetry.attach
    attach("value", "retry.backoff", by_value.append, where={"service_id": "a", "attempt": 2})
    attach("late", "retry.**", by_predicate.append, where=lambda record: record["delay"] > 1)
    attach("none", "retry.**", by_value.append, where={"no_such_field": None})
    for service, attempt, delay in (("a", 1, 0.5), ("a", 2, 0.5), ("b", 2, 5.0)):
        sim.telemetry.emit(events.retry.Backoff(service, attempt, delay, "constant"))
    assert [record.sequence for record in by_value] == [1]
    assert [record.sequence for record in by_predicate] == [2]


def test_a_filter_by_a_field_that_the_event_does_not_have_is_refused() -> None:
    sim = Simulation(seed=SEED)
    with pytest.raises(UnknownName, match=r"state_change 'too'; did you mean 'to'"):
        sim.telemetry.attach("h", events.circuit_breaker.StateChange, print, where={"too": "open"})
    assert sim.telemetry.handlers() == []
    sim.telemetry.attach(
        "h", "shop.order.placed", print, where={"price": 3}
    )  # not in the catalogue


def test_one_handler_of_many_patterns_is_told_once() -> None:
    sim = Simulation(seed=SEED)
    heard: list[Record] = []
    sim.telemetry.attach_many("m", ["shop", "shop.order.*", ("retry", "backoff")], heard.append)
    sim.telemetry.emit("shop.order.placed")
    sim.telemetry.emit("bakery.oven.lit")
    sim.telemetry.emit(events.retry.Backoff("a", 1, 0.1, "constant"))
    assert names(heard) == ["shop.order.placed", "foundation.retry.backoff"]
    with pytest.raises(ValueError, match="given no pattern"):
        sim.telemetry.attach_many("empty", [], heard.append)
    with pytest.raises(UnknownName):
        sim.telemetry.attach_many("wrong", ["shop", "foundation.rety"], heard.append)
    assert [attached.id for attached in sim.telemetry.handlers()] == ["m"]


def test_what_is_wrong_with_an_attachment_is_said_at_once() -> None:
    sim = Simulation(seed=SEED)
    attach = sim.telemetry.attach
    attach("log", "retry", broken)
    with pytest.raises(ValueError, match="id 'log' is attached already; detach it first"):
        attach("log", "shop", broken)
    with pytest.raises(UnknownName, match="circuit_breaker"):
        attach("other", "foundation.circuit_braker.*", broken)
    with pytest.raises(TypeError, match="handler 'other' is 5; give a function"):
        attach("other", "retry", 5)  # type: ignore[arg-type]
    for policy in ("ignore", 0, -1, True, 1.5):
        with pytest.raises(ValueError, match="use 'detach', 'keep', 'raise' or a number from 1"):
            attach("other", "retry", broken, on_error=policy)  # type: ignore[arg-type]
    with pytest.raises(UnknownName, match="unknown handler 'lgo'; did you mean 'log'"):
        sim.telemetry.detach("lgo")
    assert [attached.id for attached in sim.telemetry.handlers()] == ["log"]


def test_detached_handlers_hear_nothing_more() -> None:
    sim = Simulation(seed=SEED)
    heard: list[Record] = []
    telemetry = sim.telemetry
    for handler_id, pattern in (("a", "shop"), ("b", "shop"), ("c", "bakery"), ("d", "retry")):
        telemetry.attach(handler_id, pattern, heard.append)
    assert [attached.id for attached in telemetry.handlers("shop.order.placed")] == ["a", "b"]
    telemetry.emit("shop.order.placed")
    telemetry.detach("a")
    telemetry.emit("shop.order.placed")
    assert telemetry.detach_all("shop") == 1
    telemetry.emit("shop.order.placed")
    assert telemetry.detach_all() == 2
    telemetry.emit("bakery.oven.lit")
    assert len(heard) == 3
    assert telemetry.handlers() == []
    telemetry.attach("a", "shop", heard.append)


def test_a_handler_attached_while_an_event_is_handled_hears_the_next_one() -> None:
    sim = Simulation(seed=SEED)
    heard: list[Record] = []

    def attach_late(_record: Record) -> None:
        if len(sim.telemetry.handlers()) == 1:
            sim.telemetry.attach("late", "shop", heard.append)

    sim.telemetry.attach("early", "shop", attach_late)
    sim.telemetry.emit("shop.order.placed")
    assert heard == []
    sim.telemetry.emit("shop.order.sent")
    assert names(heard) == ["shop.order.sent"]


def test_a_handler_detached_while_an_event_is_handled_still_hears_that_one() -> None:
    sim = Simulation(seed=SEED)
    heard: list[Record] = []

    def detach_other(_record: Record) -> None:
        if len(sim.telemetry.handlers()) > 1:
            sim.telemetry.detach("other")

    sim.telemetry.attach("first", "shop", detach_other)
    sim.telemetry.attach("other", "shop", heard.append)
    sim.telemetry.emit("shop.order.placed")
    sim.telemetry.emit("shop.order.sent")
    assert names(heard) == ["shop.order.placed"]


@pytest.mark.parametrize(
    ("policy", "failures"),
    [
        ("detach", [(1, True)]),
        ("keep", [(1, False), (2, False), (3, False)]),
        (1, [(1, True)]),
        (2, [(1, False), (2, True)]),
    ],
)
def test_the_policy_says_when_a_failing_handler_is_detached(
    policy: Policy, failures: list[tuple[int, bool]]
) -> None:
    sim = Simulation(seed=SEED)
    sim.telemetry.attach("bad", "shop", broken, on_error=policy)
    for _ in range(3):
        sim.telemetry.emit("shop.order.placed")
    frame = sim.recording.frame(FAILURE)
    assert frame.select("failures", "detached").rows() == failures
    assert set(frame["handler_id"]) == {"bad"}
    assert set(frame["failed_event"]) == {"shop.order.placed"}
    assert set(frame["error"]) == {"ZeroDivisionError: handler is broken"}
    attached = [handler.id for handler in sim.telemetry.handlers()]
    assert attached == ([] if failures[-1][1] else ["bad"])


def test_a_failure_is_caused_by_the_event_and_the_other_handlers_still_run() -> None:
    sim = Simulation(seed=SEED)
    heard: list[Record] = []
    sim.telemetry.attach("bad", "shop", broken)
    sim.telemetry.attach("good", "**", heard.append)
    sequence = sim.telemetry.emit("shop.order.placed")
    assert names(heard) == [FAILURE, "shop.order.placed"]
    assert heard[0].cause == sequence


def test_the_policy_raise_gives_the_exception_to_the_emitter() -> None:
    sim = Simulation(seed=SEED)
    sim.telemetry.attach("strict", "shop", broken, on_error="raise")
    with pytest.raises(ZeroDivisionError):
        sim.telemetry.emit("shop.order.placed")
    assert sim.telemetry.emit("bakery.oven.lit") == 1
    assert sim.recording.events["cause"].to_list() == [None, 0]


def test_a_failing_filter_counts_as_a_failing_handler() -> None:
    sim = Simulation(seed=SEED)
    sim.telemetry.attach("bad", "shop", print, where=lambda record: record["nothing"] == 1)
    sim.telemetry.emit("shop.order.placed")
    assert sim.recording.frame(FAILURE)["handler_id"].to_list() == ["bad"]


@pytest.mark.parametrize("policy", ["detach", "keep", 5])
def test_a_handler_that_fails_on_the_failure_of_handlers_makes_no_further_one(
    policy: Policy,
) -> None:
    sim = Simulation(seed=SEED)
    sim.telemetry.attach("worse", FAILURE, broken, on_error=policy)
    sim.telemetry.attach("bad", "shop", broken, on_error=policy)
    sim.telemetry.emit("shop.order.placed")
    assert sim.recording.counts[FAILURE] == 1
    assert ("worse" in [h.id for h in sim.telemetry.handlers()]) == (policy != "detach")


def test_failing_handlers_change_nothing_of_what_happens() -> None:
    def happened(policy: Policy | None) -> list[tuple[Any, ...]]:
        sim = Simulation(seed=SEED)
        if policy is not None:
            sim.telemetry.attach("bad", "**", broken, on_error=policy)

        def worker(label: int) -> Any:
            for _ in range(20):
                yield sim.timeout(sim.stream("work").random())
                with sim.telemetry.span("shop.work", label=label):
                    yield sim.timeout(0.1)

        for label in range(3):
            sim.process(worker(label))
        sim.run()
        recording = sim.recording.wide("shop")
        return recording.drop("sequence", "cause").rows()

    assert happened(None) == happened("detach") == happened("keep") == happened(7)
