"""What the charts show. Seed 7 throughout; `checkout_under_outage` draws from seed 11."""

from operator import itemgetter
from typing import Any

import numpy as np
import polars as pl
import pytest

from foundation_lab.recording.recording import Recording
from foundation_lab.reporting import charts
from foundation_lab.reporting.canvas import MOST_BANDS, MOST_POINTS
from foundation_lab.reporting.report import CHARTS
from foundation_lab.reporting.style import label
from foundation_lab.reporting.timeline import Timeline
from foundation_lab.services import Backend
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.faults import Latency, Once, Outage, Periodic, Poisson, inject
from foundation_lab.telemetry import events as e
from tests.reporting.worlds import Script, checkout_under_outage, play


@pytest.fixture(scope="module")
def shop() -> Recording:
    return checkout_under_outage()


def traces(figure: Any) -> dict[str, Any]:
    return {trace.name: trace for trace in figure.data}


@pytest.mark.parametrize("name", CHARTS)
def test_a_recording_without_data_gives_a_figure_that_says_so(name: str) -> None:
    figure = getattr(charts, name)(Simulation(seed=7).recording)
    assert not figure.data
    assert "this recording" in figure.layout.annotations[0].text


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_can_have_the_wall_clock(shop: Recording, name: str) -> None:
    figure = getattr(charts, name)(shop, wall_clock=True)
    assert figure.layout.xaxis.type == "date"
    assert figure.layout.xaxis.range[0].startswith("2026-01-31T12:00")
    assert figure.layout.xaxis.range[1].startswith("2026-01-31T13:00")


def test_the_wall_clock_needs_an_instant_for_virtual_0() -> None:
    recording = play([(1.0, e.request.Finished("web", "ok", None, 0.5))], until=2.0)
    with pytest.raises(ValueError, match=r"give Simulation\(start=...\)"):
        charts.latency(recording, wall_clock=True)


@pytest.mark.parametrize("name", CHARTS)
def test_no_trace_has_more_points_than_a_browser_likes(shop: Recording, name: str) -> None:
    sizes = [max(len(trace.x), len(trace.y)) for trace in getattr(charts, name)(shop).data]
    assert max(sizes) <= 2_000
    assert sum(sizes) <= 20_000


@pytest.mark.parametrize("name", [name for name in CHARTS if name != "incidents"])
def test_faults_and_alerts_stand_on_every_time_axis(shop: Recording, name: str) -> None:
    figure = getattr(charts, name)(shop)
    bands = [(shape.x0, shape.x1) for shape in figure.layout.shapes]
    assert bands == [(15.0, 25.0), (40.0, 46.0), (55.0, 60.0)]
    assert list(traces(figure)["alert fires"].x) == pytest.approx([16.5, 2500 / 60, 3400 / 60])
    assert list(traces(figure)["alert resolved"].x) == [27.0, 47.0]


def test_latency_is_drawn_as_percentiles_of_windows() -> None:
    script: Script = [
        (1.0, e.request.Finished("web", "ok", None, 0.1)),
        (2.0, e.request.Finished("web", "ok", None, 0.3)),
        (11.0, e.request.Finished("web", "ok", None, 0.5)),
        (25.0, e.request.Finished("app", "ok", None, 9.0)),
    ]
    figure = charts.latency(play(script, until=30.0), client="web", width=10.0)
    p50 = traces(figure)["p50"]
    assert list(p50.x) == [5.0, 15.0, 25.0]
    assert list(p50.y[:2]) == pytest.approx([200.0, 500.0])
    assert np.isnan(p50.y[2])
    assert figure.layout.yaxis.title.text == "latency (ms)"
    assert figure.layout.xaxis.title.text == "virtual time (s)"
    assert "windows of 10 s" in figure.layout.title.subtitle.text


def test_throughput_adds_up_to_what_finished_also_at_the_very_end() -> None:
    script: Script = [
        (1.0, e.request.Finished("web", "ok", None, 0.1)),
        (9.0, e.request.Finished("web", "error", "Odd", 0.1)),
        (20.0, e.request.Finished("web", "ok", None, 0.1)),
    ]
    sim = Simulation(seed=7)
    for time, event in script:
        sim.call_at(time, lambda event=event: sim.telemetry.emit(event))  # type: ignore[misc]
    sim.run()
    figure = charts.throughput(sim.recording, width=10.0)
    assert sim.recording.facts.until == 20.0
    assert list(traces(figure)["ok"].y) == pytest.approx([0.1, 0.1])
    assert list(traces(figure)["error"].y) == pytest.approx([0.1, 0.0])
    assert list(traces(figure)["ok"].width) == [10.0, 10.0]


def test_throughput_has_a_colour_for_each_outcome_that_occurs(shop: Recording) -> None:
    figure = charts.throughput(shop)
    bars = [trace for trace in figure.data if trace.type == "bar"]
    assert [bar.name for bar in bars] == ["ok", "error", "timeout", "rejected"]
    assert len({bar.marker.color for bar in bars}) == 4
    total = sum(float(np.sum(bar.y)) for bar in bars) * 50.0
    assert total == pytest.approx(4231, abs=1)


def test_a_window_that_is_too_narrow_is_refused_with_the_least_that_works(
    shop: Recording,
) -> None:
    with pytest.raises(ValueError, match=r"width=0\.5 .* give at least 5"):
        charts.throughput(shop, width=0.5)
    with pytest.raises(ValueError, match=r"width=0 "):
        charts.latency(shop, width=0)


def test_breakers_have_a_row_each_and_a_bar_for_each_state() -> None:
    c = e.circuit_breaker
    script: Script = [
        (0.0, e.service.Started("pay", "circuit_breaker", "pid")),
        (0.0, e.service.Started("stock", "circuit_breaker", "pid")),
        (10.0, c.StateChange("pay", "closed", "open", "3 failures")),
        (40.0, c.StateChange("pay", "open", "half_open", "waited")),
    ]
    figure = charts.breakers(play(script, until=60.0))
    assert figure.layout.yaxis.ticktext == ("stock", "pay")
    bars = traces(figure)
    assert list(bars["closed"].base) == [0.0, 0.0]
    assert list(bars["closed"].y) == [1, 0]
    assert list(bars["closed"].x) == [10.0, 60.0]
    assert (list(bars["open"].base), list(bars["open"].x)) == ([10.0], [30.0])
    assert list(bars["half-open"].text) == ["pay half-open, from 40 s, for 20 s"]


def test_of_many_breakers_the_busiest_are_shown() -> None:
    script: Script = [
        (0.0, e.service.Started(f"b{n}", "circuit_breaker", "pid")) for n in range(40)
    ]
    script.append((1.0, e.circuit_breaker.StateChange("b39", "closed", "open", "odd")))
    figure = charts.breakers(play(script, until=10.0))
    assert len(figure.layout.yaxis.ticktext) == 30
    assert figure.layout.yaxis.ticktext[0] == "b39"
    assert "the 30 busiest of 40 rows" in figure.layout.title.subtitle.text


def test_of_many_states_the_longest_are_shown() -> None:
    c = e.circuit_breaker
    script: Script = []
    for n in range(2_500):
        script.append((2.0 * n, c.StateChange("pay", "closed", "open", "odd")))
        lasting = 1.5 if n % 2 else 0.5
        script.append((2.0 * n + lasting, c.StateChange("pay", "open", "closed", "odd")))
    figure = charts.breakers(play(script, until=5_000.0))
    opened = traces(figure)["open"]
    assert len(opened.x) == MOST_POINTS
    assert np.sum(opened.x) * 60 == pytest.approx(1_250 * 1.5 + 750 * 0.5)
    assert "the longest 2,000 of 2,500 (open)" in figure.layout.title.subtitle.text


def test_pools_show_what_is_in_use_against_the_capacity() -> None:
    c = e.connection
    script: Script = [
        (0.0, c.PoolCreated("db", 1, 1)),
        (2.0, c.ConnectionAcquired("db", "db-1", 0.0)),
        (6.0, c.ConnectionReleased("db", "db-1", 4.0)),
        (6.0, c.ConnectionAcquired("db", "db-1", 3.0)),
    ]
    figure = charts.pools(play(script, until=10.0))
    shown = traces(figure)
    assert list(shown["in use"].x) == [0.0, 2.0, 6.0, 6.0, 10.0]
    assert list(shown["in use"].y) == [0.0, 1.0, 0.0, 1.0, 1.0]
    assert list(shown["capacity"].y) == [2, 2]
    assert list(shown["waiting"].x) == [3.0, 6.0, 10.0]
    assert list(shown["waiting"].y) == [1.0, 0.0, 0.0]


def test_long_step_functions_are_downsampled_and_the_subtitle_says_so(shop: Recording) -> None:
    figure = charts.pools(shop)
    in_use = next(trace for trace in figure.data if trace.name == "in use")
    assert len(in_use.x) == MOST_POINTS
    assert max(in_use.y) == 10
    assert "downsampled to 2,000 points a line" in figure.layout.title.subtitle.text


def test_small_families_of_events_share_a_line() -> None:
    sim = Simulation(seed=7)
    for n in range(12):
        for _ in range(12 - n):
            sim.telemetry.emit(f"shop{n}.order.placed")
    names = [trace.name for trace in charts.event_rates(sim.recording).data]
    assert names == [*(f"shop{n}.order" for n in range(9)), "3 others"]


def many_faults(number: int, *, every: float, length: float, same: bool) -> Recording:
    script: Script = [(0.0, e.request.Finished("web", "ok", None, 0.1))]
    for n in range(number):
        plan = "outage:db:0" if same else f"f{n}"
        fault = e.fault.Injected("db", f"f{n}", "outage", {}, plan)
        script.append((n * every, fault))
        script.append((n * every + length, e.fault.Cleared("db", f"f{n}", "outage", length)))
    return play(sorted(script, key=itemgetter(0)), until=number * every)


def test_only_the_longest_of_very_many_faults_are_drawn() -> None:
    figure = charts.latency(many_faults(300, every=1, length=0.9, same=False))
    assert len(figure.layout.shapes) == MOST_BANDS
    assert "the longest 240 of 300 faults" in figure.layout.title.subtitle.text
    assert not figure.layout.annotations


def test_many_occurrences_of_a_fault_are_drawn_over_the_whole_time() -> None:
    apart = charts.latency(many_faults(100, every=1, length=0.5, same=True))
    assert len(apart.layout.shapes) == 100
    close = charts.latency(many_faults(2_000, every=1, length=0.5, same=True))
    (band,) = close.layout.shapes
    end = close.layout.xaxis.range[1]
    assert (band.x0, band.x1) == (0, pytest.approx(end * 1999.5 / 2000))
    assert "2,000 faults, neighbours drawn as one" in close.layout.title.subtitle.text


def test_each_fault_has_a_row_for_all_its_occurrences() -> None:
    sim = Simulation(seed=7)
    db = Backend(sim, "db", service_time=0.01)
    inject(sim, db, Latency(delay=0.1), when=Periodic(every=10, duration=15))
    inject(sim, db, Latency(delay=0.2), when=Once(at=40))
    inject(sim, db, Outage(), when=Poisson(rate=0.2, duration=1))
    sim.run(until=60)
    figure = charts.incidents(sim.recording)
    names = figure.layout.yaxis.ticktext
    assert sorted(names) == ["latency db 10", "latency db 40", "outage db"]


def test_nothing_that_plotly_shows_can_be_read_as_html() -> None:
    figures = [
        getattr(charts, name)(checkout_under_outage(odd="<b>&<i>")).to_plotly_json()
        for name in CHARTS
    ]

    def strings(node: Any) -> list[str]:
        if isinstance(node, str):
            return [node]
        if isinstance(node, dict):
            return [s for key, value in node.items() for s in strings(value) if key != "template"]
        if isinstance(node, list | tuple):
            return [s for value in node for s in strings(value)]
        return []

    shown = [s for figure in figures for s in strings(figure)]
    risky = [s for s in shown if "<" in s.replace("<extra></extra>", "")]
    assert risky == []
    assert any("&lt;b&gt;&amp;" in s for s in shown)


def test_long_names_are_cut_before_they_are_escaped() -> None:
    assert label("<" * 50) == "&lt;" * 39 + "…"
    assert label("a & b") == "a &amp; b"


def test_time_is_shown_in_a_unit_that_suits_the_recording() -> None:
    for until, title in [(0.5, "ms"), (90.0, "s"), (900.0, "min"), (20_000.0, "h")]:
        timeline = Timeline(play([], until=until))
        assert timeline.title == f"virtual time ({title})"
    assert list(Timeline(play([], until=900.0)).at(pl.Series([60.0]))) == [1.0]


def test_a_recording_that_lasts_no_time_can_be_drawn() -> None:
    sim = Simulation(seed=7)
    sim.telemetry.emit(e.request.Finished("web", "ok", None, 0.0))
    for name in ("latency", "throughput", "event_rates"):
        assert getattr(charts, name)(sim.recording).data
