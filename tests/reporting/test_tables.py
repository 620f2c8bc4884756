"""Tables of a summary. The worlds draw from seed 11."""

import pytest

from foundation_lab.reporting import cell_text, summarise, tables
from foundation_lab.reporting.tables import Table
from foundation_lab.reporting.units import nice_width, number_text, share_text, unit_of
from foundation_lab.simulation.engine import Simulation
from foundation_lab.telemetry import events as e
from tests.reporting.worlds import Script, checkout_under_outage, play


def test_every_row_has_a_value_for_every_column_and_every_value_has_a_text() -> None:
    found = tables(summarise(checkout_under_outage()))
    assert [table.name for table in found] == [
        "clients",
        "durations",
        "services",
        "breakers",
        "pools",
        "backends",
        "retries",
        "limiters",
        "errors",
        "faults",
        "alerts",
        "sessions",
        "events",
    ]
    check(found)


def check(found: tuple[Table, ...]) -> None:
    for table in found:
        for row in table.rows:
            assert len(row) == len(table.columns)
            for value, column in zip(row, table.columns, strict=True):
                assert value is None or isinstance(value, str) == (column.kind == "text")
                assert cell_text(value, column.kind)


def test_every_kind_of_service_with_a_story_has_a_table() -> None:
    script: Script = [
        (1.0, e.event_loop.Served("loop", "ok", 0.1, 0.2, 0.0, 0.3)),
        (1.0, e.load_balancer.Picked("front", "a", 1)),
        (1.0, e.load_shed.Rejected("shedder", "full", 0, 3)),
        (1.0, e.adaptive_limit.Permitted("learner", 0.0, 1, 20)),
        (1.0, e.hedge.Started("search", 1, 2)),
        (1.0, e.timeout.TimedOut("limit", 1.0, ghost=False)),
        (1.0, e.fallback.Used("prices", "TimedOut", "value")),
        (1.0, e.bulkhead.Rejected("narrow", "full", 0.0)),
        (1.0, e.cache.Miss("cached", "a", joined=False)),
        (1.0, e.queue.Published("jobs", "m", None, 0.0, 0.0, 1)),
        (1.0, e.autoscaler.Evaluated("scaler", 0.5, 1, 1, 1, 1, "none")),
        (1.0, e.supervisor.GaveUp("keeper", "a", 1, 0, 5.0)),
    ]
    found = tables(summarise(play(script, until=2.0)))
    names = [table.name for table in found if table.name not in {"durations", "errors", "events"}]
    assert names == [
        "event_loops",
        "balancers",
        "shedders",
        "adaptive_limits",
        "queues",
        "autoscalers",
        "supervisors",
        "hedges",
        "timeouts",
        "fallbacks",
        "bulkheads",
        "caches",
    ]
    check(found)


def test_a_balancer_without_picks_has_no_shares() -> None:
    script: Script = [(1.0, e.load_balancer.Rejected("front", "no_host"))]
    balancers = {table.name: table for table in tables(summarise(play(script, until=2.0)))}
    assert balancers["balancers"].rows == (("front", 0, 1, 0, 0, None),)


def test_several_clients_have_a_row_for_all_of_them() -> None:
    clients = tables(summarise(checkout_under_outage()))[0]
    assert [row[0] for row in clients.rows] == ["batch", "app", "web", "all"]
    assert clients.rows[-1][2] == sum(row[2] for row in clients.rows[:-1])


def test_an_empty_recording_has_no_tables() -> None:
    assert tables(summarise(Simulation(seed=7).recording)) == ()


@pytest.mark.parametrize("span", [1e-6, 0.3, 1.0, 7.0, 59.0, 3600.0, 86_400.0, 1e7])
def test_a_nice_width_makes_48_to_120_windows(span: float) -> None:
    width = nice_width(span)
    assert 48 <= span / width * (1 + 1e-9) <= 120.001
    assert f"{width:e}"[0] in "125"


def test_a_share_is_whole_only_when_it_is() -> None:
    assert share_text(0.999999) == "99.99 %"
    assert share_text(0.000001) == "<0.01 %"
    assert share_text(0.29) == "29 %"


def test_numbers_are_short_and_never_lose_their_size() -> None:
    assert number_text(1_234_567.8) == "1,234,568"
    assert number_text(0.00012345) == "0.000123"
    assert number_text(float("inf")) == "inf"
    assert number_text(-2.5) == "-2.5"


def test_units_grow_with_what_they_measure() -> None:
    found = [unit_of(s).symbol for s in (0.0, 1e-9, 1e-5, 0.5, 10.0, 600.0, 11_000.0, 1e6)]
    assert found == ["s", "µs", "µs", "ms", "s", "min", "h", "d"]
