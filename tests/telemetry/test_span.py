from typing import Any

import polars as pl
import pytest

from foundation_lab.recording.recording import Recording
from foundation_lab.simulation.engine import Simulation

SEED = 14


def ends(recording: Recording) -> pl.DataFrame:
    frame = recording.wide("shop.*.stop", "shop.*.exception")
    return frame.select("event", "span_id", "duration")


def test_start_and_stop_share_a_span_id_and_the_fields() -> None:
    sim = Simulation(seed=SEED)

    def clerk() -> Any:
        with sim.telemetry.span("shop.order", customer="ann", items=3) as span:
            yield sim.timeout(1.5)
            span.set(paid=True, amount=9.5)

    sim.process(clerk(), name="clerk")
    sim.run()
    start = sim.recording.frame("shop.order.start").row(0, named=True)
    stop = sim.recording.frame("shop.order.stop").row(0, named=True)
    assert start["span_id"] == stop["span_id"]
    assert len(start["span_id"]) == 32
    assert (start["customer"], start["items"]) == (stop["customer"], stop["items"]) == ("ann", 3.0)
    assert (stop["paid"], stop["amount"], stop["duration"]) == (True, 9.5, 1.5)
    assert "paid" not in start
    assert stop["cause"] == start["sequence"]
    assert (stop["process"], stop["time"]) == ("clerk", 1.5)
    assert sim.recording.tables["shop.order.stop"].units.keys() == {"duration", "items", "amount"}


def test_an_inner_span_names_the_outer_one_as_its_parent() -> None:
    sim = Simulation(seed=SEED)
    span = sim.telemetry.span
    with span("shop.order") as outer, span("shop.payment") as inner:
        assert sim.telemetry.running.context.span_id == inner.span_id
    with span("shop.parcel") as later:
        pass
    assert sim.telemetry.running.context.span_id is None
    frame = sim.recording.wide("shop.*.start")
    parents = dict(frame.select("span_id", "parent_span_id").rows())
    assert parents == {outer.span_id: None, inner.span_id: outer.span_id, later.span_id: None}


def test_a_process_started_in_a_span_has_it_as_parent() -> None:
    sim = Simulation(seed=SEED)

    def child() -> Any:
        yield sim.timeout(5)
        with sim.telemetry.span("shop.parcel"):
            yield sim.timeout(1)

    with sim.telemetry.span("shop.order") as outer:
        sim.process(child())
    sim.run()
    assert sim.recording.frame("shop.parcel.stop")["parent_span_id"].to_list() == [outer.span_id]


def test_an_exception_ends_the_span_and_passes_through() -> None:
    sim = Simulation(seed=SEED)
    with pytest.raises(KeyError), sim.telemetry.span("shop.order", customer="ann"):
        raise KeyError("tea")
    row = sim.recording.frame("shop.order.exception").row(0, named=True)
    assert (row["kind"], row["error"], row["customer"]) == ("KeyError", "'tea'", "ann")
    assert row["duration"] == 0.0
    assert "shop.order.stop" not in sim.recording.counts


def test_an_interrupt_ends_the_span_at_its_instant() -> None:
    sim = Simulation(seed=SEED)

    def clerk() -> Any:
        with sim.telemetry.span("shop.order"):
            yield sim.timeout(10)

    process = sim.process(clerk())
    process.defused = True
    sim.call_in(2, lambda: process.interrupt("fire alarm"))
    sim.run()
    row = sim.recording.frame("shop.order.exception").row(0, named=True)
    assert (row["kind"], row["time"], row["duration"]) == ("Interrupt", 2.0, 2.0)


def test_closing_a_generator_outside_of_any_process_ends_its_span_in_its_own_name() -> None:
    sim = Simulation(seed=SEED)

    def clerk() -> Any:
        with sim.telemetry.span("shop.order"):
            yield sim.timeout(10)

    process = sim.process(clerk(), name="clerk")
    sim.run(until=3)
    process.generator.close()
    row = sim.recording.frame("shop.order.exception").row(0, named=True)
    assert (row["kind"], row["process"], row["duration"]) == ("closed", "clerk", 3.0)
    assert sim.telemetry.running.context.span_id is None


def test_a_span_of_a_generator_that_another_process_closes_belongs_to_its_opener() -> None:
    sim = Simulation(seed=SEED)

    def clerk() -> Any:
        with sim.telemetry.span("shop.order"):
            yield sim.timeout(10)

    opened = sim.process(clerk(), name="clerk")

    def closer() -> Any:
        yield sim.timeout(1)
        with sim.telemetry.span("shop.closing"):
            opened.generator.close()

    sim.process(closer(), name="closer")
    sim.run(until=2)
    frame = sim.recording.wide("shop.*.exception", "shop.*.stop").select("event", "process")
    assert frame.rows() == [("shop.order.exception", "clerk"), ("shop.closing.stop", "closer")]


def test_interleaved_processes_do_not_mix_their_spans() -> None:
    sim = Simulation(seed=SEED)

    def clerk(label: str, delay: float) -> Any:
        with sim.telemetry.span("shop.order", label=label):
            yield sim.timeout(delay)
            with sim.telemetry.span("shop.payment", label=label):
                yield sim.timeout(delay)

    sim.process(clerk("a", 1.0))
    sim.process(clerk("b", 1.5))
    sim.run()
    orders = dict(sim.recording.frame("shop.order.start").select("label", "span_id").rows())
    payments = dict(
        sim.recording.frame("shop.payment.stop").select("label", "parent_span_id").rows()
    )
    assert orders == payments
    assert len(set(orders.values())) == 2


def test_a_sealed_recording_ignores_the_end_of_an_abandoned_span() -> None:
    sim = Simulation(seed=SEED)

    def clerk() -> Any:
        with sim.telemetry.span("shop.order"):
            yield sim.timeout(10)

    process = sim.process(clerk())
    sim.run(until=1)
    sim.telemetry.seal()
    digest = sim.recording.digest
    process.generator.close()
    assert sim.recording.counts == {"shop.order.start": 1}
    assert sim.recording.digest == digest


def test_a_span_is_entered_once() -> None:
    span = Simulation(seed=SEED).telemetry.span("shop.order")
    with span:
        pass
    with pytest.raises(RuntimeError, match="make a new one"), span:
        pass


@pytest.mark.parametrize(
    "field", ["duration", "span_id", "parent_span_id", "error", "kind", "time"]
)
def test_a_span_refuses_a_field_that_is_filled_for_it(field: str) -> None:
    telemetry = Simulation(seed=SEED).telemetry
    with pytest.raises(ValueError, match=f"field '{field}'.*rename"):
        telemetry.span("shop.order", **{field: "x"})
    with telemetry.span("shop.order") as span, pytest.raises(ValueError, match=field):
        span.set(**{field: 3})


def test_a_span_whose_name_is_refused_leaves_the_context_as_it_was() -> None:
    telemetry = Simulation(seed=SEED).telemetry
    with pytest.raises(ValueError, match="unknown event"), telemetry.span("foundation.wrong"):
        pass
    assert telemetry.running.context.span_id is None


def test_spans_draw_the_same_ids_with_telemetry_disabled() -> None:
    def next_id(*, enabled: bool) -> str:
        telemetry = Simulation(seed=SEED).telemetry
        if not enabled:
            telemetry.disable()
        with telemetry.span("shop.order"):
            pass
        return telemetry.new_id()

    assert next_id(enabled=True) == next_id(enabled=False)
