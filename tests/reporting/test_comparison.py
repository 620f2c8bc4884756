"""The figure that compares runs."""

from __future__ import annotations

import pytest

from foundation_lab.reporting import charts
from foundation_lab.simulation.engine import Simulation
from foundation_lab.telemetry import events as e
from tests.reporting.worlds import play

FAST = play([(1.0, e.request.Finished("web", "ok", None, 0.5))] * 4, until=2.0)
SLOW = play(
    [
        (1.0, e.request.Finished("web", "ok", None, 1.0)),
        (1.0, e.request.Finished("web", "error", "BackendError", 2.0)),
        (1.5, e.request.Finished("app", "ok", None, 9.0)),
    ],
    until=2.0,
)


def test_each_run_has_a_line_of_goodput_and_one_of_latency() -> None:
    figure = charts.comparison({"fast": FAST, "slow": SLOW}, client="web", width=2.0)
    lines = [(trace.name, trace.yaxis, trace.y.tolist()) for trace in figure.data]
    assert lines == [
        ("fast", "y", [2.0]),  # four in two seconds
        ("fast", "y2", [0.5]),
        ("slow", "y", [0.5]),
        ("slow", "y2", [1.99]),
    ]
    everybody = charts.comparison({"slow": SLOW}, width=2.0)
    assert everybody.data[0].y.tolist() == [1.0]


def test_a_latency_between_two_gaps_is_seen() -> None:
    ends = [(at, e.request.Finished("web", "ok", None, 0.5)) for at in (1.0, 3.0, 7.0, 9.0)]
    figure = charts.comparison({"gaps": play(ends, until=10.0)}, width=2.0)
    rate, tail = figure.data
    assert rate.marker.size == (0, 0, 0, 0, 0)
    assert tail.marker.size == (0, 0, 0, 0, 0)  # two and two are lines
    figure = charts.comparison({"gaps": play([*ends[:1], *ends[2:]], until=10.0)}, width=2.0)
    assert figure.data[1].marker.size == (6, 0, 0, 0, 0)


def test_runs_without_requests_give_a_figure_that_says_so() -> None:
    figure = charts.comparison({"empty": Simulation(seed=7).recording})
    assert not figure.data
    assert "No request finished" in figure.layout.annotations[0].text


@pytest.mark.parametrize("number", [0, 11])
def test_no_run_or_more_than_there_are_colours_are_refused(number: int) -> None:
    with pytest.raises(ValueError, match=f"{number} recordings; give 1 to 10"):
        charts.comparison({f"run {k}": FAST for k in range(number)})
