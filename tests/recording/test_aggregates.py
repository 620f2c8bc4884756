import gc
import json
import math
import re
import tracemalloc
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st

import foundation_lab
from foundation_lab.alerting import InMemoryNotifier, PatternRule, watch
from foundation_lab.errors import EventsNotKept, InvalidRecording, UnknownName
from foundation_lab.recording import aggregator, recount, summaries, tally
from foundation_lab.recording.aggregates import Aggregates
from foundation_lab.recording.columns import ColumnTypeError
from foundation_lab.recording.recording import Recording
from foundation_lab.services import (
    Backend,
    CircuitBreaker,
    Retry,
    exponential_backoff,
)
from foundation_lab.simulation.distributions import exponential
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.traffic.arrivals import poisson
from foundation_lab.simulation.workload import Workload
from foundation_lab.telemetry import (
    Count,
    Event,
    Flag,
    OptionalLabel,
    OptionalSeconds,
    Record,
    Seconds,
    events,
)
from foundation_lab.testing import assert_event, capture_events
from tests.recording.models import busy

SEED = 34
NUMBER = st.floats(width=64)


class Measured(Event, frozen=True):
    """Something was measured."""

    event_name: ClassVar[str] = "testlab.measured"

    service: OptionalLabel
    seconds: Seconds
    perhaps: OptionalSeconds
    times: Count
    outcome: OptionalLabel
    fine: Flag


class Timed(Event, frozen=True):
    """The wall clock was read."""

    event_name: ClassVar[str] = "testlab.timed"
    deterministic: ClassVar[bool] = False

    took: Seconds


class Bare(Event, frozen=True):
    """Something happened, and there is no more to say about it."""

    event_name: ClassVar[str] = "testlab.bare"


MEASURED = st.builds(
    Measured,
    st.sampled_from([None, "", "a", "b", "c"]),
    NUMBER,
    st.none() | NUMBER,
    st.integers(-(2**60), 2**60),
    st.sampled_from([None, "", "ok", "error", "late", "lost"]),
    st.booleans(),
)
LOOSE = st.tuples(
    st.dictionaries(st.sampled_from(["m", "n"]), NUMBER, max_size=2),
    st.fixed_dictionaries(
        {},
        optional={
            "service": st.sampled_from(["a", "b"]),
            "flag": st.booleans(),
            "number": st.integers(0, 9),
            "list": st.lists(st.text(max_size=2)),
        },
    ),
)


def shop(*, keep: Any = "events", seed: int = SEED, **options: Any) -> Simulation:
    """Return a shop that ran for a while, with failures on every level."""
    sim = Simulation(seed, name="shop", keep=keep, **options)
    db = Backend(sim, "db", concurrency=4, service_time=exponential(mean=0.04), error_rate=0.6)
    breaker = CircuitBreaker(sim, "payments", failure_threshold=3, reset_timeout=2.0)
    retry = Retry(sim, "payments", max_attempts=2, backoff=exponential_backoff(0.05, cap=1.0))
    calls = poisson(rate=40)
    Workload(sim, "web", calls, lambda: breaker.call(lambda: retry.call(db.request)))
    Workload(sim, "app", poisson(rate=10), db.request)
    sim.run(until=60)
    return sim


def told(sim: Simulation, happened: list[Any]) -> Simulation:
    """Let a simulation emit what happened."""
    for event in happened:
        if isinstance(event, Event):
            sim.telemetry.emit(event)
        else:
            sim.telemetry.emit("testlab.loose", *event)
    return sim


def values(sim: Simulation, numbers: list[float]) -> dict[str, Any]:
    """Return the row of a measurement that had these values."""
    for number in numbers:
        sim.telemetry.emit("testlab.loose", {"m": number})
    return sim.aggregates.frame().row(0, named=True)


@pytest.fixture(scope="module")
def kept() -> Recording:
    return shop().recording


@pytest.fixture(scope="module")
def counted() -> Aggregates:
    return shop(keep="aggregates").aggregates


@pytest.fixture
def sim() -> Simulation:
    return Simulation(SEED, keep="aggregates")


# -- the numbers ---------------------------------------------------------------------------------


def test_counts_are_those_of_the_recording(kept: Recording, counted: Aggregates) -> None:
    assert counted.counts == kept.counts
    assert len(counted) == len(kept) > aggregator.EVERY
    by_service = kept.events.group_by("event", "service").agg(
        count=pl.len().cast(pl.Int64), first=pl.col("time").min(), last=pl.col("time").max()
    )
    order = ["event", "service"]
    assert counted.occurrences().equals(by_service.sort(order, nulls_last=False))


def test_measurements_are_those_of_the_recording(kept: Recording, counted: Aggregates) -> None:
    frame = counted.frame()
    assert frame.columns[:7] == ["event", "service", "field", "unit", "count", "nulls", "sum"]
    assert frame.height > 15
    for row in frame.iter_rows(named=True):
        services = kept.events.filter(event=row["event"])["service"]
        found = kept.frame(row["event"]).filter(services.eq_missing(row["service"]))[row["field"]]
        numbers = found.cast(pl.Float64).drop_nulls()
        assert row["unit"] == kept.tables[row["event"]].units[row["field"]]
        assert (row["count"], row["nulls"]) == (len(numbers), found.null_count())
        assert (row["min"], row["max"]) == (numbers.min(), numbers.max())
        assert row["sum"] == pytest.approx(numbers.sum(), rel=1e-12)
        if not len(numbers):
            assert set(list(row.values())[7:]) == {None}
            continue
        assert row["mean"] == pytest.approx(numbers.mean(), rel=1e-12)
        assert row["std"] == pytest.approx(numbers.std(), rel=1e-12, abs=1e-15)
        for name, q in {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}.items():
            exact = numbers.quantile(q, interpolation="linear")
            assert row[name] == pytest.approx(exact, rel=1 / 128), row


def test_labels_are_those_of_the_recording(kept: Recording, counted: Aggregates) -> None:
    labels = counted.labels()
    finished = labels.filter(event="foundation.request.finished", field="outcome")
    assert finished.height == 5
    counts = kept.frame("request.finished").group_by("client", "outcome").len()
    assert {(s, v): n for s, v, n in finished.select("service", "value", "count").rows()} == {
        (client, outcome): count for client, outcome, count in counts.rows()
    }
    changes = labels.filter(event=CircuitBreaker.StateChange.event_name, field="to")
    assert changes["count"].is_sorted(descending=True)
    assert set(changes["value"]) == {"closed", "open", "half_open"}
    assert labels.filter(field="service_id").height == 0


@pytest.mark.parametrize("row_limit", [None, 1000])
def test_a_recording_has_the_same_aggregates_as_a_run_that_kept_nothing_else(
    counted: Aggregates, row_limit: int | None
) -> None:
    kept = shop(row_limit=row_limit).aggregates
    assert kept.digest == counted.digest
    assert kept.frame().equals(counted.frame())
    assert kept.labels().equals(counted.labels())
    assert kept.occurrences().equals(counted.occurrences())
    assert kept.facts == counted.facts


@given(
    st.lists(MEASURED | LOOSE | st.builds(Timed, st.floats(0, 9)), max_size=30),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(1, 4),
)
def test_neither_batches_nor_what_is_kept_change_a_digit(
    happened: list[Any], every: int, at_once: int, most: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tally, "MOST_SERVICES", most)
        patch.setattr(tally, "MOST_VALUES", most)
        patch.setattr(aggregator, "TEXTS", at_once)
        whole = told(Simulation(SEED, keep="aggregates"), happened).aggregates
        patch.setattr(aggregator, "EVERY", every)
        patch.setattr(recount, "AT_ONCE", at_once)
        in_batches = told(Simulation(SEED, keep="aggregates"), happened).aggregates
        from_events = told(Simulation(SEED), happened).aggregates
    for other in (in_batches, from_events):
        assert other.frame().equals(whole.frame())
        assert other.labels().equals(whole.labels())
        assert other.occurrences().equals(whole.occurrences())
        assert other.digest == whole.digest
    assert len(whole) == len(happened)


def test_a_loaded_recording_of_every_kind_of_column_can_be_counted(tmp_path: Path) -> None:
    found = Aggregates.of(Recording.load(busy().recording.save(tmp_path / "run")))
    assert found.digest == busy().aggregates.digest
    assert found.counts == busy().recording.counts
    assert found.frame()["field"].unique(maintain_order=True).to_list() == [
        "timeout", "attempt", "delay", "amount",
    ]  # fmt: skip
    assert set(found.labels()["field"]) == {
        "strategy", "kind", "status", "session_id", "protocol", "label", "odd",
    }  # fmt: skip


def test_values_that_are_no_numbers_count_as_none(sim: Simulation) -> None:
    for perhaps in (None, math.nan, 1.0):
        sim.telemetry.emit(Measured("a", math.nan, perhaps, 1, None, fine=True))
    frame = sim.aggregates.frame()
    assert frame.select("field", "count", "nulls", "sum", "mean").rows() == [
        ("perhaps", 1, 2, 1.0, 1.0),
        ("seconds", 0, 3, 0.0, None),
        ("times", 3, 0, 3.0, 1.0),
    ]
    assert frame.row(1)[8:] == (None,) * 8
    assert sim.aggregates.quantile(Measured, "seconds", 0.5) is None


def test_zero_negative_and_infinite_values_are_values(sim: Simulation) -> None:
    row = values(sim, [0.0, -0.0, -3.0, 5.0])
    assert (row["sum"], row["min"], row["p50"], row["max"]) == (2.0, -3.0, 0.0, 5.0)
    row = values(sim, [math.inf])
    assert (row["count"], row["sum"], row["mean"], row["max"]) == (5, *[math.inf] * 3)
    assert (row["p50"], row["p999"]) == (0.0, math.inf)
    assert math.isnan(row["std"])


def test_quantiles_are_neither_below_the_least_nor_above_the_largest_value(sim: Simulation) -> None:
    row = values(sim, [0.1001, 0.1001])
    assert {row[name] for name in ("min", "p50", "p90", "p95", "p99", "p999", "max")} == {0.1001}
    assert values(sim, [0.0999])["p50"] == pytest.approx(0.1001, rel=1 / 128)


def test_flags_are_counted_like_labels_and_nulls_are_not(sim: Simulation) -> None:
    told(sim, [Measured("a", 0, 0, 0, outcome, fine=fine) for outcome, fine in LABELLED])
    assert sim.aggregates.labels().select("field", "value", "count").rows() == [
        ("fine", "true", 3),
        ("fine", "false", 1),
        ("outcome", "ok", 2),
        ("outcome", "late", 1),
    ]


LABELLED = [("ok", True), ("ok", True), (None, False), ("late", True)]


def test_an_event_without_a_field_is_counted(sim: Simulation) -> None:
    told(sim, [Bare(), Timed(1.0), Bare()])
    assert sim.aggregates.counts == {"testlab.bare": 2, "testlab.timed": 1}


# -- limits --------------------------------------------------------------------------------------


def test_services_beyond_the_limit_are_counted_together(
    sim: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally, "MOST_SERVICES", 2)
    sent = [3, 1, 4, 3, 2, 4, 1]

    def sender() -> Any:
        for number in sent:
            yield sim.timeout(1)
            sim.telemetry.emit(events.retry.Backoff(f"s{number}", 1, number, "constant"))

    sim.process(sender())
    sim.run()
    found = sim.aggregates
    assert found.occurrences().drop("event").rows() == [
        ("(other)", 3, 3.0, 6.0),
        ("s1", 2, 2.0, 7.0),
        ("s3", 2, 1.0, 4.0),
    ]
    assert found.quantile(events.retry.Backoff, "delay", 0.5, "(other)") == 4.0


def test_values_of_a_label_beyond_the_limit_are_counted_together(sim: Simulation) -> None:
    names = [f"to-{number % 40}" for number in range(100)]
    for name in names:
        sim.telemetry.emit("testlab.sent", metadata={"to": name})
    labels = sim.aggregates.labels()
    other = [name for name in names if int(name[3:]) >= tally.MOST_VALUES]
    assert labels.row(0) == ("testlab.sent", None, "to", "(other)", len(other))
    assert labels.height == tally.MOST_VALUES + 1
    assert labels["count"].sum() == 100


def test_memory_does_not_grow_with_events_processes_and_ids() -> None:
    sim = Simulation(SEED, keep="aggregates")
    emit, draw = sim.telemetry.emit, sim.stream("draw").expovariate

    def customer(number: int) -> Any:
        with sim.telemetry.context(correlation_id=sim.telemetry.new_id(), node=f"node-{number}"):
            for attempt in range(6):
                emit(events.retry.Backoff("db", attempt, draw(1.0), f"strategy-{number}"))
            emit("shop.order.placed", {"amount": draw(0.1)}, {"order": f"order-{number}"})
            yield sim.timeout(1)

    def customers(most: int) -> Any:
        for number in range(most):
            yield sim.process(customer(number), name=f"customer-{number}")

    def memory_after(most: int) -> int:
        sim.process(customers(most))
        sim.run()
        _ = sim.aggregates
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = memory_after(2500)
        assert memory_after(7500) - before < 200_000
    finally:
        tracemalloc.stop()
    assert sim.recorder.rows == sim.telemetry.sequence == 70_000
    assert 1000 < sim.recorder.bytes < 100_000


# -- asking --------------------------------------------------------------------------------------


def test_a_quantile_is_that_of_all_services_or_of_one(kept: Recording, counted: Aggregates) -> None:
    latency = kept.frame("request.finished")["duration"]
    clients = kept.frame("request.finished")["client"]
    for q in (0.0, 0.1, 0.5, 0.99, 1.0):
        exact = latency.quantile(q, interpolation="linear")
        assert counted.quantile("request.finished", "duration", q) == pytest.approx(
            exact, rel=1 / 128
        )
        alone = latency.filter(clients == "app").quantile(q, interpolation="linear")
        assert counted.quantile("request.finished", "duration", q, "app") == pytest.approx(
            alone, rel=1 / 128
        )
    assert counted.quantile("request.finished", "duration", 0) == latency.min()
    assert counted.quantile("request.finished", "duration", 1) == latency.max()


def test_quantiles_of_what_did_not_happen_are_none(sim: Simulation) -> None:
    assert sim.aggregates.quantile(events.retry.Backoff, "delay", 0.5) is None
    assert sim.aggregates.frame().height == sim.aggregates.labels().height == 0
    assert sim.aggregates.frame().schema == busy().aggregates.frame().schema


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("retry.bakoff", "delay", 0.5), r"unknown event .* 'foundation\.retry\.backoff'"),
        (("testlab.mesured", "seconds", 0.5), r"unknown event .* 'testlab\.measured'"),
        (("retry.backoff", "dalay", 0.5), r"measurement of foundation\.retry\.backoff .* 'delay'"),
        (("retry.backoff", "strategy", 0.5), r"unknown measurement"),
        (("request.finished", "durtion", 0.5), r"measurement of .*finished 'durtion'.* 'duration'"),
        (("request.finished", "duration", 0.5, "wep"), r"service of .* 'wep'; did you mean 'web'"),
    ],
    ids=str,
)
def test_a_name_that_is_unknown_is_answered_with_the_nearest(
    counted: Aggregates, arguments: Any, message: str
) -> None:
    with pytest.raises(UnknownName, match=message):
        counted.quantile(*arguments)


@pytest.mark.parametrize("q", [-0.01, 1.01, 99, math.nan])
def test_a_quantile_is_from_0_to_1(counted: Aggregates, q: float) -> None:
    with pytest.raises(ValueError, match=r"outside 0 to 1; write the 99th percentile as 0\.99"):
        counted.quantile("request.finished", "duration", q)


def test_equal_runs_have_equal_digests_and_others_have_not(counted: Aggregates) -> None:
    assert shop(keep="aggregates").aggregates.digest == counted.digest
    assert shop(keep="aggregates", seed=SEED + 1).aggregates.digest != counted.digest


def test_wall_clock_data_are_no_part_of_the_digest() -> None:
    one, two = (
        told(Simulation(SEED, keep="aggregates"), [Measured("a", 1, 1, 1, "ok", fine=True), timed])
        for timed in (Timed(1.0), Timed(2.0))
    )
    assert one.aggregates.digest == two.aggregates.digest
    assert not one.aggregates.frame().equals(two.aggregates.frame())


def test_aggregates_do_not_change_with_later_events(sim: Simulation) -> None:
    first = Measured("a", 1, 1, 1, "ok", fine=True)
    before = told(sim, [first]).aggregates
    frames, digest = (before.frame(), before.labels(), before.occurrences()), before.digest
    assert sim.aggregates is before
    told(sim, [Measured("a", 9, 1, 1, "ok", fine=True), Measured("b", 1, 1, 1, "no", fine=False)])
    assert sim.aggregates.counts == {"testlab.measured": 3}
    again = before.frame(), before.labels(), before.occurrences()
    assert all(one.equals(other) for one, other in zip(frames, again, strict=True))
    assert before.counts == {"testlab.measured": 1}
    assert summaries.digest_of(before._events) == digest


def test_it_makes_no_difference_how_often_one_asks() -> None:
    asked, left_alone = (Simulation(SEED, keep="aggregates") for _ in range(2))
    draw = np.random.default_rng(SEED).lognormal
    for number in range(100):
        event = Measured("a", draw(), draw(), number, "ok", fine=True)
        told(asked, [event])
        told(left_alone, [event])
        assert len(asked.aggregates) == number + 1
    assert asked.aggregates.digest == left_alone.aggregates.digest


def test_the_status_is_up_to_date_though_no_event_happened(sim: Simulation) -> None:
    assert sim.aggregates.facts.until == 0
    sim.run(until=60)
    assert sim.aggregates.facts.until == 60


# -- a simulation that keeps aggregates ----------------------------------------------------------


def test_a_simulation_that_keeps_aggregates_has_no_recording(sim: Simulation) -> None:
    with pytest.raises(EventsNotKept, match=r"read sim\.aggregates, or .* keep='events'") as caught:
        _ = sim.recording
    assert isinstance(caught.value, RuntimeError)


def test_what_is_kept_is_events_or_aggregates() -> None:
    keep: Any = "numbers"
    with pytest.raises(ValueError, match="keep='numbers'; choose 'events' or 'aggregates'"):
        Simulation(SEED, keep=keep)
    with pytest.raises(
        ValueError, match=r"row_limit=9 with keep='aggregates'.* leave row_limit out"
    ):
        Simulation(SEED, keep="aggregates", row_limit=9)


def test_what_is_kept_does_not_change_the_run(kept: Recording) -> None:
    sim = shop(keep="aggregates")
    sim.check_invariants()
    assert sim.telemetry.sequence == sim.recorder.rows == len(kept)
    assert sim.now == kept.facts.until
    assert repr(sim) == f"<Simulation 'shop' seed=34 t=60 s, {len(kept):,} events>"
    assert f"{len(kept):,} events" in sim._repr_html_()


def test_handlers_expectations_and_alerts_work_without_events() -> None:
    heard: dict[str, list[Record]] = {"events": [], "aggregates": []}
    alerts = []
    for keep, records in heard.items():
        options: Any = {"keep": keep}
        sim = Simulation(SEED, **options)
        breaker = CircuitBreaker(sim, "payments", failure_threshold=1, reset_timeout=5.0)
        db = Backend(sim, "db", service_time=0.1, error_rate=1.0)
        sim.telemetry.attach("heard", CircuitBreaker.StateChange, records.append)
        rule = PatternRule(
            name="open", event=CircuitBreaker.StateChange, where={"to": "open"}, quiet_period=1.0
        )
        mail = InMemoryNotifier("mail")
        with watch(sim, [rule], notifiers=[mail]):
            Workload(sim, "web", poisson(rate=2), partial(breaker.call, db.request))
            with assert_event(sim, CircuitBreaker.StateChange, to="open", within=60.0):
                pass
            with capture_events(sim, "request.finished") as captured:
                sim.run(until=60)
        assert len(captured) > 50
        alerts.append(len(mail.notifications))
    assert heard["events"] == heard["aggregates"]
    assert alerts[0] == alerts[1] > 0


def test_processes_of_simpy_are_counted_like_others(sim: Simulation) -> None:
    def process() -> Any:
        yield sim.timeout(1)
        sim.telemetry.emit(Timed(1.0))
        take(2.0)

    take = sim.telemetry.emitting(Timed)
    simpy.Process(sim, process())
    sim.process(process())
    sim.run()
    assert sim.aggregates.frame().select("count", "sum").row(0) == (4, 6.0)


@pytest.mark.parametrize(
    "event",
    [
        events.retry.Backoff("a", 1, "soon", "constant"),  # type: ignore[arg-type]
        events.retry.Backoff("a", 1.5, 0.5, "constant"),  # type: ignore[arg-type]
        events.retry.Backoff(5, 1, 0.5, "constant"),  # type: ignore[arg-type]
        events.retry.Backoff(None, 1, 0.5, "constant"),  # type: ignore[arg-type]
        events.circuit_breaker.HealthCheck("a", "yes"),  # type: ignore[arg-type]
        events.service.HealthCheck("a", "k", "ok", {"it": object()}),
    ],
    ids=["seconds", "count", "label", "none", "flag", "metrics"],
)
def test_a_value_of_the_wrong_type_is_the_same_error_whatever_is_kept(event: Any) -> None:
    sims = Simulation(SEED), Simulation(SEED, keep="aggregates")
    errors = []
    for sim in sims:
        told(sim, [events.retry.Exhausted("a", 1, "x"), event, event])
        with pytest.raises(ColumnTypeError) as caught:
            _ = sim.aggregates
        errors.append(re.sub(" at 0x.*? ", " ", str(caught.value)))
    assert errors[0] == errors[1]
    assert "(event 1, recorded without it)" in errors[0]
    assert sims[0].aggregates.counts == sims[1].aggregates.counts
    assert sims[0].aggregates.digest == sims[1].aggregates.digest
    assert len(sims[1].aggregates) == 3


def test_a_value_of_the_wrong_type_comes_to_light_when_somebody_reads_and_not_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(aggregator, "EVERY", 10)
    sim = Simulation(SEED, keep="aggregates")
    take: Any = sim.telemetry.emitting(Timed)
    for number in range(29):
        take("x" if number == 25 else 1.0)
    take(1.0)
    with pytest.raises(ColumnTypeError, match=r"'took' of testlab\.timed .* 'x' \(event 25,"):
        _ = sim.aggregates
    assert len(sim.aggregates) == sim.telemetry.sequence == 30


# -- files and display ---------------------------------------------------------------------------


def test_loaded_aggregates_are_the_saved_ones(tmp_path: Path, counted: Aggregates) -> None:
    path = counted.save(tmp_path / "deep" / "run.json")
    loaded = Aggregates.load(str(path))
    assert loaded.digest == counted.digest
    assert (loaded.facts, loaded.versions) == (counted.facts, counted.versions)
    assert loaded.frame().equals(counted.frame())
    assert loaded.labels().equals(counted.labels())
    assert loaded.occurrences().equals(counted.occurrences())
    assert repr(loaded) == repr(counted)
    assert [each.name for each in path.parent.iterdir()] == ["run.json"]


@given(st.lists(MEASURED | LOOSE, max_size=20))
def test_whatever_was_counted_can_be_saved(
    tmp_path_factory: pytest.TempPathFactory, happened: list[Any]
) -> None:
    found = told(Simulation(SEED, keep="aggregates"), happened).aggregates
    loaded = Aggregates.load(found.save(tmp_path_factory.mktemp("run") / "run.json"))
    assert loaded.frame().equals(found.frame())
    assert loaded.labels().equals(found.labels())


def test_a_file_is_replaced_only_when_told(tmp_path: Path, counted: Aggregates) -> None:
    path = counted.save(tmp_path / "run.json")
    with pytest.raises(FileExistsError, match=r"run\.json exists already; give another file"):
        counted.save(path)
    assert Aggregates.load(counted.save(path, force=True)).digest == counted.digest
    with pytest.raises(FileExistsError, match="exists already"):
        counted.save(tmp_path, force=True)


SERVICE = ("events", "testlab.measured", "services", 0)
MOMENTS = (*SERVICE, "measurements", "seconds", "moments")
SKETCH = (*SERVICE, "measurements", "seconds", "sketch")


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("format_version",), 9, r"format_version is 9, .*; upgrade"),
        (("events",), [], "not the aggregates of a run"),
        ((*SERVICE, "count"), 7, "the content has digest"),
        ((*SERVICE, "first"), "x", "not the aggregates of a run"),
        ((*MOMENTS, 0), "one", "not the aggregates of a run"),
        ((*MOMENTS, 1), "low", "not the aggregates of a run"),
        ((*MOMENTS, 3), "xyz", "not the aggregates of a run"),
        ((*MOMENTS, 3), "1p-1", "not the aggregates of a run"),
        ((*MOMENTS, 3), "1p999999999999", "is no exact sum"),
        (SKETCH, [[1]], "not the aggregates of a run"),
        (SKETCH, [[1, 2], [1]], "2 places, but 1 counts"),
        (SKETCH, [[2**70], [1]], "not the aggregates of a run"),
    ],
    ids=str,
)
def test_a_damaged_file_is_refused_with_its_name(
    sim: Simulation, tmp_path: Path, place: tuple[Any, ...], value: Any, message: str
) -> None:
    told(sim, [Measured("a", 1, math.inf, 1, "ok", fine=True)])
    path = sim.aggregates.save(tmp_path / "run.json")
    content = json.loads(path.read_bytes())
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    assert inner[place[-1]] != value
    inner[place[-1]] = value
    path.write_text(json.dumps(content))
    with pytest.raises(InvalidRecording, match=rf"run\.json: .*{message}"):
        Aggregates.load(path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b'{"format_version": "1"}'])
def test_another_file_is_refused_with_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "run.json"
    with pytest.raises(InvalidRecording, match=r"run\.json: no aggregates can be read"):
        Aggregates.load(path)
    path.write_bytes(content)
    with pytest.raises(InvalidRecording, match=r"run\.json: not the aggregates .* cut short"):
        Aggregates.load(path)
    with pytest.raises(InvalidRecording, match="no aggregates can be read"):
        Aggregates.load(tmp_path)


def test_the_representation_is_one_line_and_its_html_is_escaped() -> None:
    sim = Simulation(SEED, name="<b>shop</b>", keep="aggregates")
    told(sim, [Bare(), Bare()])
    sim.run(until=60)
    assert repr(sim.aggregates) == (
        "<Aggregates '<b>shop</b>' seed=34: 2 events in 60 virtual seconds, complete>"
    )
    page = sim.aggregates._repr_html_()
    assert "&lt;b&gt;shop" in page
    assert "<code>testlab.bare</code></td><td>2</td><td>1</td>" in page


def test_the_class_is_public() -> None:
    assert foundation_lab.Aggregates is Aggregates
