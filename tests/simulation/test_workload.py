"""Open loops: loads that change while they run, and clients with few connections."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from scipy import stats

from foundation_lab.errors import BackendError
from foundation_lab.services import Backend
from foundation_lab.simulation.distributions import exponential
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.faults import Outage, SlowDown, inject
from foundation_lab.simulation.traffic.arrivals import constant_rate, poisson, timestamps
from foundation_lab.simulation.workload import Workload
from foundation_lab.simulation.workloads.paced_users import PacedUsers
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from foundation_lab.simulation.traffic.arrivals import Arrivals

SEED = 61


def started(sim: Simulation, client: str = "web") -> list[float]:
    frame = sim.recording.frame(events.request.Started)
    return [row["time"] for row in frame.iter_rows(named=True) if row["client"] == client]


def loaded(
    changes: list[tuple[float, Callable[[Workload], object]]],
    arrivals: Arrivals | None = None,
    until: float = 20,
) -> Simulation:
    sim = Simulation(seed=SEED)
    web = Workload(sim, "web", arrivals or constant_rate(1), lambda: 1)
    for time, change in changes:
        sim.call_at(time, partial(change, web))
    sim.run(until=until)
    sim.check_invariants()
    return sim


def to(factor: float) -> Callable[[Workload], None]:
    return lambda web: web.change_load(factor)


# -- changing the load ---------------------------------------------------------------------------


def test_a_change_of_load_rescales_the_gap_that_is_under_way() -> None:
    sim = loaded([(2.5, to(2)), (4.5, to(0.25))], until=13)
    assert started(sim) == [1, 2, 2.75, 3.25, 3.75, 4.25, 6.5, 10.5]
    frame = sim.recording.frame(events.workload.LoadChanged)
    assert frame.select("time", "client", "factor").rows() == [
        (2.5, "web", 2),
        (4.5, "web", 0.25),
    ]


def test_a_factor_of_0_pauses_and_what_was_left_of_the_gap_is_left_still() -> None:
    sim = loaded([(2.5, to(0)), (10, to(1))], until=13)
    assert started(sim) == [1, 2, 10.5, 11.5, 12.5]


@pytest.mark.parametrize("factor", [0, 0.5, 3])
def test_an_arrival_at_the_very_instant_of_a_change_still_comes(factor: float) -> None:
    first = loaded([(2, to(factor))], timestamps([1, 2, 90]))
    assert started(first) == [1, 2]
    again = loaded([(0.5, to(1)), (2, to(factor))], timestamps([1, 2, 90]))
    assert started(again) == [1, 2]


def test_changes_at_one_instant_are_as_the_last_of_them() -> None:
    sim = loaded([(2.5, to(7)), (2.5, to(0)), (2.5, to(2))], until=4)
    assert started(sim) == [1, 2, 2.75, 3.25, 3.75]


def test_a_change_between_an_arrivals_time_and_its_process_is_of_the_next_gap() -> None:
    sim = Simulation(seed=SEED)
    web = Workload(sim, "web", constant_rate(1), lambda: 1)
    sim.call_at(0.5, partial(web.change_load, 1))
    # set later than the timer of the arrival at 1, so that it fires right after it
    sim.call_at(0.6, lambda: sim.call_at(1, partial(web.change_load, 2)))
    sim.run(until=2.1)
    assert started(sim) == [1, 1.5, 2]


def test_arrivals_of_one_instant_stay_together_whatever_the_load() -> None:
    sim = loaded([(1, to(3)), (1, to(0.3)), (2, to(2))], timestamps([1, 1, 1, 2, 2]))
    assert started(sim) == pytest.approx([1, 1, 1, 2.35, 2.35])


@pytest.mark.parametrize("seed", range(20))
def test_any_changes_keep_the_order_and_the_number_of_arrivals(seed: int) -> None:
    sim = Simulation(seed=seed)
    chance = sim.stream("changes")
    web = Workload(sim, "web", poisson(1), lambda: 1)
    expected = last = 0.0
    factor, now = 1.0, 0.0
    for _ in range(200):
        now += chance.random()
        expected += (now - last) * factor
        factor, last = chance.choice([0, 0.1, 1 / 3, 1, 7]), now
        sim.call_at(now, partial(web.change_load, factor))
    sim.run(until=now)
    plain = Simulation(seed=seed)
    Workload(plain, "web", poisson(1), lambda: 1)
    plain.run(until=expected)
    assert len(started(sim)) == len(started(plain))
    assert started(sim) == sorted(started(sim))


def test_a_change_before_anything_has_begun_counts_from_the_start() -> None:
    sim = Simulation(seed=SEED)
    web = Workload(sim, "web", constant_rate(1), lambda: 1)
    web.change_load(4)
    assert web.load == 4
    sim.run(until=1)
    assert started(sim) == [0.25, 0.5, 0.75]


def test_a_change_from_a_process_and_from_a_handler_are_the_same() -> None:
    sim = Simulation(seed=SEED)
    web = Workload(sim, "web", constant_rate(1), lambda: 1)

    def spike() -> Any:
        yield 2.5
        web.change_load(2)

    sim.process(spike())
    sim.run(until=4)
    other = Simulation(seed=SEED)
    web = Workload(other, "web", constant_rate(1), lambda: 1)
    other.telemetry.attach("once", events.request.Started, lambda _: web.change_load(2))
    other.run(until=3)
    assert started(sim) == [1, 2, 2.75, 3.25, 3.75]
    assert started(other) == [1, 1.5, 2, 2.5]


def test_a_stopped_workload_goes_on_where_it_was_with_the_load_it_had() -> None:
    stop, start = (lambda web: web.stop()), (lambda web: web.start())
    changes = [(1.0, start), (2.5, to(2)), (3.0, stop), (3.5, stop), (5.0, start), (5.1, start)]
    sim = loaded(changes, until=6.5)
    assert started(sim) == [1, 2, 2.75, 5.25, 5.75, 6.25]
    factors = sim.recording.frame(events.workload.LoadChanged)["factor"].to_list()
    assert factors == [2, 0, 2]


def test_a_changed_poisson_process_is_one_with_the_new_rate_and_the_same_draws() -> None:
    sim = loaded([(1000, to(3))], poisson(2), until=3000)
    times = started(sim)
    before = [time for time in times if time < 1000]
    after = [time for time in times if time >= 1000]
    assert len(before) == pytest.approx(2000, abs=4 * 2000**0.5)
    assert len(after) == pytest.approx(12_000, abs=4 * 12_000**0.5)
    gaps = [b - a for a, b in pairwise(after)]
    assert stats.kstest(gaps, "expon", args=(0, 1 / 6)).pvalue > 1e-4
    plain = started(loaded([], poisson(2), until=7000))
    warped = [time if time < 1000 else 1000 + 3 * (time - 1000) for time in times]
    assert warped == pytest.approx(plain[: len(warped)])


def test_a_change_of_one_workload_does_not_move_another() -> None:
    found = []
    for factor in (1, 5):
        sim = Simulation(seed=SEED)
        other = Workload(sim, "other", poisson(3), lambda: 1)
        Workload(sim, "web", poisson(2), lambda: 1)
        sim.call_at(5, partial(other.change_load, factor))
        sim.run(until=50)
        found.append(started(sim))
    assert found[0] == found[1]


def test_a_change_after_the_last_arrival_does_nothing() -> None:
    sim = loaded([(5, to(2))], timestamps([1]))
    assert started(sim) == [1]


@pytest.mark.parametrize("factor", [-1, float("inf"), float("nan")])
def test_a_factor_is_a_finite_number_from_0(factor: float) -> None:
    web = Workload(Simulation(seed=SEED), "web", constant_rate(1), lambda: 1)
    with pytest.raises(ValueError, match="factor="):
        web.change_load(factor)


# -- few connections -----------------------------------------------------------------------------


def test_with_all_connections_busy_a_request_waits_at_the_client_and_that_is_its_latency() -> None:
    sim = Simulation(seed=SEED)
    web = Workload(sim, "web", timestamps([0, 1, 2]), lambda: sim.sleep(10), max_in_flight=2)
    sim.run(until=3)
    assert (web.sent, web.in_flight, web.finished) == (3, 3, 0)
    sim.check_invariants()
    sim.run()
    assert started(sim) == [0, 1, 2]
    delayed = sim.recording.frame(events.request.Delayed)
    assert delayed.select("time", "client", "delay").rows() == [(10, "web", 8)]
    finished = sim.recording.frame(events.request.Finished)
    assert finished.select("time", "duration").rows() == [(10, 10), (11, 10), (20, 18)]
    ids = sim.recording.frame(events.request.Started)["correlation_id"]
    assert delayed["correlation_id"].to_list() == ids.to_list()[2:]


def test_a_connection_is_given_back_when_a_request_fails_or_is_interrupted() -> None:
    sim = Simulation(seed=SEED)

    def call() -> Any:
        yield 1.5
        raise BackendError("no")

    web = Workload(sim, "web", timestamps([0, 1, 2, 3]), call, max_in_flight=1)
    waiter: list[Any] = []
    sim.call_at(1.2, lambda: waiter.extend(p for p in sim.living() if p.name == "web"))
    sim.call_at(1.5, lambda: [process.interrupt() for process in waiter[-1:]])
    sim.run()
    sim.check_invariants()
    finished = sim.recording.frame(events.request.Finished)
    assert finished["outcome"].to_list() == ["cancelled", "error", "error", "error"]
    assert finished["time"].to_list() == [1.5, 1.5, 3.5, 5.0]
    assert web.in_flight == 0


def sleep_next(sim: Simulation, durations: Iterator[float]) -> Any:
    return sim.sleep(next(durations))


def test_unpinned_the_first_free_connection_is_taken_pinned_each_keeps_its_schedule() -> None:
    found = {}
    for pinned in (False, True):
        sim = Simulation(seed=SEED)
        durations = iter([10.0, 1.0, 1.0, 1.0])
        PacedUsers(
            sim,
            "web",
            2,
            timestamps([0, 1, 2, 3]),
            partial(sleep_next, sim, durations),
            pinned=pinned,
        )
        sim.run()
        sim.check_invariants()
        found[pinned] = sim.recording.frame(events.request.Finished)["time"].to_list()
    assert found == {False: [2, 3, 4, 10], True: [2, 4, 10, 11]}


def test_a_stall_is_seen_by_all_that_should_have_been_sent_and_not_by_those_sent_alone() -> None:
    """A server that stalls for 10 s once in 100 s: ten of a hundred requests a second meet it."""
    sim = Simulation(seed=SEED)
    server = Backend(sim, "server", service_time=0.001)
    inject(sim, server, [SlowDown(service="server", start=50, duration=0.01, factor=10_000)])
    PacedUsers(sim, "load", 1, constant_rate(100), server.request)
    sim.run(until=200)
    sim.check_invariants()
    finished = sim.recording.frame(events.request.Finished)
    delays = sim.recording.frame(events.request.Delayed).select("correlation_id", "delay")
    joined = finished.join(delays, on="correlation_id", how="left", maintain_order="left")
    intended = joined["duration"]
    coordinated = joined["duration"] - joined["delay"].fill_null(0.0)
    assert coordinated.max() == pytest.approx(10)
    assert (coordinated > 0.01).sum() == 1
    assert coordinated.quantile(0.99) == pytest.approx(0.001)
    assert intended.max() == pytest.approx(10)
    # while it stalls 1000 are late, and 111 more until it has caught up at 1000 a second
    assert (intended > 0.0011).sum() == pytest.approx(1111, abs=3)
    assert intended.quantile(0.99) == pytest.approx(8.2, abs=0.1)


@pytest.mark.parametrize("connections", [0, True, 1.5])
def test_connections_are_a_whole_number_from_1(connections: Any) -> None:
    sim = Simulation(seed=SEED)
    with pytest.raises(ValueError, match=f"^connections={connections!r}; give a whole number"):
        PacedUsers(sim, "web", connections, constant_rate(1), lambda: 1)
    with pytest.raises(ValueError, match=f"^max_in_flight={connections!r}; give a whole number"):
        Workload(sim, "web", constant_rate(1), lambda: 1, max_in_flight=connections)
    assert not sim.components


# -- laws ----------------------------------------------------------------------------------------


def test_what_was_sent_has_finished_or_is_in_flight_at_any_instant() -> None:
    sim = Simulation(seed=SEED)
    db = Backend(sim, "db", service_time=exponential(0.3), concurrency=2, error_rate=0.2)
    inject(sim, db, [Outage(service="db", start=7, duration=3)])
    web = Workload(sim, "web", poisson(6), db.request)
    few = PacedUsers(sim, "few", 3, poisson(2), db.request)
    for until in range(1, 30):
        sim.run(until=until)
        sim.check_invariants()
        assert web.sent == web.finished + web.in_flight
        assert few.status == f"{few.sent:,} sent"
    assert sim.recording.counts["foundation.request.finished"] == web.finished + few.finished


def test_the_law_can_be_checked_by_a_handler_in_the_middle_of_a_request() -> None:
    sim = Simulation(seed=SEED)
    Workload(sim, "web", constant_rate(1), lambda: sim.sleep(1.5))
    sim.telemetry.attach("law", "request", lambda _: sim.check_invariants())
    sim.run(until=10)
    assert "foundation.telemetry.handler.failure" not in sim.recording.counts


def test_a_request_that_is_lost_breaks_the_law() -> None:
    sim = Simulation(seed=SEED)
    web = Workload(sim, "web", constant_rate(1), lambda: sim.sleep(1.5))
    sim.run(until=2.1)
    web._ledger.sent += 1
    assert web.violations() == ["3 sent, but 0 finished and 2 in flight"]


def test_a_workload_is_the_same_without_telemetry() -> None:
    found = []
    for enabled in (True, False):
        sim = Simulation(seed=SEED)
        if not enabled:
            sim.telemetry.disable()
        db = Backend(sim, "db", service_time=exponential(0.3))
        web = PacedUsers(sim, "web", 2, poisson(3), db.request)
        sim.call_at(5, partial(web.change_load, 2))
        sim.run(until=20)
        sim.check_invariants()
        found.append((web.sent, web.finished))
    assert found[0] == found[1]
