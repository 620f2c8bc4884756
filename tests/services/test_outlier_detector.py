"""Outlier detection, by the rules of Envoy."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation_lab.errors import BackendError, UnknownName
from foundation_lab.services import Health, OutlierDetector
from foundation_lab.services.balancing.outliers import low_success_rates
from foundation_lab.simulation.engine import Simulation
from tests.services.breakers import fail, succeed, taking

if TYPE_CHECKING:
    from collections.abc import Generator

HOSTS = [f"host-{number}" for number in range(10)]


def spread(detector: OutlierDetector, host: str, failures: int, successes: int) -> None:
    """Let calls to a host end, never two failures in a row while successes last."""
    while failures or successes:
        if failures:
            detector.observe(host, failed=True)
            failures -= 1
        if successes:
            detector.observe(host, failed=False)
            successes -= 1


def test_five_failures_in_a_row_take_a_host_out_at_once() -> None:
    sim = Simulation(seed=1)
    detector = OutlierDetector(sim, "web", HOSTS)
    for failed in [True] * 4 + [False] + [True] * 4:
        detector.observe("host-3", failed=failed)
    assert detector.ejected() == []
    assert detector.health() is Health.HEALTHY
    detector.observe("host-3", failed=True)
    assert detector.ejected() == ["host-3"]
    assert detector.in_rotation() == [host for host in HOSTS if host != "host-3"]
    assert detector.health() is Health.DEGRADED
    ejected = sim.recording.frame(OutlierDetector.Ejected)
    assert ejected.select("host", "reason", "duration", "ejected").rows() == [
        ("host-3", "5 failures in a row", 30.0, 1)
    ]


def test_a_host_comes_back_at_the_first_sweep_after_its_time() -> None:
    sim = Simulation(seed=2)
    detector = OutlierDetector(sim, "web", HOSTS, consecutive_failures=1)
    sim.run(until=5)
    detector.observe("host-0", failed=True)
    sim.run(until=39)
    assert detector.ejected() == ["host-0"]  # 30 s are over at 35 s, the sweep is at 40 s
    sim.run(until=41)
    assert detector.ejected() == []
    returned = sim.recording.frame(OutlierDetector.Returned)
    assert returned.select("time", "host", "duration", "ejected").rows() == [
        (40.0, "host-0", 35.0, 0)
    ]


def test_a_host_that_goes_on_failing_while_it_is_out_is_ejected_once() -> None:
    sim = Simulation(seed=14)
    detector = OutlierDetector(sim, "web", HOSTS, consecutive_failures=2)
    for _ in range(9):
        detector.observe("host-0", failed=True)
    sim.run(until=31)
    assert detector.ejected() == []  # and the ninth failure is forgotten
    detector.observe("host-0", failed=True)
    assert detector.ejected() == []
    assert sim.recording.frame(OutlierDetector.Ejected).height == 1


def test_a_sweep_at_exactly_the_end_of_the_time_lets_the_host_back() -> None:
    sim = Simulation(seed=3)
    detector = OutlierDetector(sim, "web", HOSTS, consecutive_failures=1)
    sim.run(until=20)
    detector.observe("host-0", failed=True)
    sim.run(until=50.5)
    assert sim.recording.frame(OutlierDetector.Returned)["duration"].to_list() == [30.0]


def test_each_ejection_is_longer_than_the_last_up_to_five_minutes() -> None:
    sim = Simulation(seed=4)
    detector = OutlierDetector(sim, "web", HOSTS, consecutive_failures=1)
    while sim.now < 4000:
        if "host-0" in detector.in_rotation():
            detector.observe("host-0", failed=True)
        sim.run(until=sim.now + 1)
    durations = sim.recording.frame(OutlierDetector.Ejected)["duration"].to_list()
    assert durations[:12] == [30.0 * min(10, number) for number in range(1, 13)]


def test_each_quiet_interval_takes_one_ejection_off_again() -> None:
    sim = Simulation(seed=5)
    detector = OutlierDetector(sim, "web", HOSTS, consecutive_failures=1)
    sim.run(until=1)
    detector.observe("host-0", failed=True)
    sim.run(until=41)  # back at 40
    detector.observe("host-0", failed=True)  # 60 s: back at 110
    sim.run(until=121)  # one whole interval in rotation
    detector.observe("host-0", failed=True)
    durations = sim.recording.frame(OutlierDetector.Ejected)["duration"].to_list()
    assert durations == [30.0, 60.0, 60.0]


def test_a_host_at_the_longest_time_stays_there_for_two_quiet_intervals() -> None:
    """As Envoy counts: up to and with the first ejection whose time would be above the maximum."""
    sim = Simulation(seed=15)
    detector = OutlierDetector(
        sim, "web", HOSTS, consecutive_failures=1, base_ejection_time=10, max_ejection_time=20
    )
    for back in (11, 41, 71, 101):
        detector.observe("host-0", failed=True)  # 10, 20, 20 and 20 s
        sim.run(until=back)
        assert detector.ejected() == []
    sim.run(until=121)  # two intervals in rotation: 3 ejections are 1 again
    detector.observe("host-0", failed=True)
    durations = sim.recording.frame(OutlierDetector.Ejected)["duration"].to_list()
    assert durations == [10.0, 20.0, 20.0, 20.0, 20.0]


@pytest.mark.parametrize(
    ("hosts", "share", "most"), [(3, 0.1, 1), (10, 0.1, 1), (10, 0.3, 3), (4, 0, 1), (4, 1, 4)]
)
def test_no_more_than_a_share_of_the_hosts_is_out_but_one_may_always_be(
    hosts: int, share: float, most: int
) -> None:
    sim = Simulation(seed=6)
    detector = OutlierDetector(sim, "web", HOSTS[:hosts], consecutive_failures=1, max_ejected=share)
    for host in detector.hosts:
        detector.observe(host, failed=True)
    assert detector.ejected() == HOSTS[:most]
    assert sim.recording.frame(OutlierDetector.Spared).height == hosts - most
    sim.check_invariants()


def test_a_success_rate_far_below_that_of_the_others_takes_a_host_out_at_the_sweep() -> None:
    sim = Simulation(seed=7)
    detector = OutlierDetector(sim, "web", HOSTS[:5])
    spread(detector, "host-0", 50, 50)
    for host in HOSTS[1:5]:
        spread(detector, host, 0, 100)
    sim.run(until=9.5)
    assert detector.ejected() == []
    sim.run(until=10.5)
    assert detector.ejected() == ["host-0"]
    reasons = sim.recording.frame(OutlierDetector.Ejected)["reason"].to_list()
    assert reasons == ["success rate 0.5 below 0.52"]


@pytest.mark.parametrize(("hosts", "calls"), [(4, 100), (5, 99)])
def test_success_rates_of_few_hosts_or_few_calls_are_not_compared(hosts: int, calls: int) -> None:
    sim = Simulation(seed=8)
    detector = OutlierDetector(sim, "web", HOSTS[:hosts])
    spread(detector, "host-0", calls // 2, calls - calls // 2)
    for host in HOSTS[1:hosts]:
        spread(detector, host, 0, calls)
    sim.run(until=20.5)
    assert detector.ejected() == []


def test_every_interval_is_judged_by_its_own_calls() -> None:
    sim = Simulation(seed=9)
    detector = OutlierDetector(sim, "web", HOSTS[:5])
    for host in HOSTS[:5]:
        spread(detector, host, 0, 60)
    sim.run(until=10.5)
    spread(detector, "host-0", 30, 30)
    for host in HOSTS[1:5]:
        spread(detector, host, 0, 60)
    sim.run(until=20.5)
    assert detector.ejected() == []


def test_calls_are_counted_by_how_they_end_and_come_through_as_they_are() -> None:
    sim = Simulation(seed=10)
    detector = OutlierDetector(sim, "web", HOSTS, consecutive_failures=1)

    def caller() -> Generator[Any, Any, str]:
        result = yield from detector.call("host-1", succeed)
        with pytest.raises(BackendError):
            yield from detector.call("host-1", fail)
        return str(result)

    assert sim.run(sim.process(caller())) == "done"
    assert detector.ejected() == ["host-1"]
    interrupted = sim.process(detector.call("host-2", taking(sim, 5)))
    interrupted.defused = True
    sim.run(until=1)
    interrupted.interrupt()
    sim.run(until=2)
    assert detector.ejected() == ["host-1"]


@pytest.mark.parametrize("event", [OutlierDetector.Ejected, OutlierDetector.Returned])
@pytest.mark.parametrize("deed", ["remove", "replace", "restart", "add"])
def test_who_hears_of_a_host_may_change_the_hosts(event: type[Any], deed: str) -> None:
    sim = Simulation(seed=62)
    detector = OutlierDetector(
        sim, "web", HOSTS, consecutive_failures=2, max_ejected=1.0, request_volume=2
    )
    told = dict.fromkeys(HOSTS, True)
    detector.watch(lambda host, in_rotation: told.update({host: in_rotation}))

    def act(_record: Any) -> None:
        sim.telemetry.detach("act")
        if deed in {"remove", "replace"}:
            for host in ("host-0", "host-1"):
                detector.remove(host)
                if deed == "replace":
                    told[host] = True
                    detector.add(host)
        elif deed == "restart":
            detector.kill()
            detector.restart()
        else:
            detector.add("host-99")

    sim.telemetry.attach("act", event, act, on_error="raise")
    for host in HOSTS:
        spread(detector, host, 0, 9)
    for host in ("host-0", "host-1"):  # so seldom that only the sweep at 10 s finds it
        spread(detector, host, 9, 9)
    sim.run(until=11)
    detector.sweep()
    sim.run(until=100)
    sim.check_invariants()
    assert [host for host in detector.hosts if not told.get(host, True)] == detector.ejected() == []
    assert sim.recording.counts["foundation.outlier_detector.ejected"] >= 1


def test_a_restart_forgets_everything_and_a_detector_that_is_down_counts_nothing() -> None:
    sim = Simulation(seed=11)
    detector = OutlierDetector(sim, "web", HOSTS, consecutive_failures=1, max_ejected=1)
    detector.observe("host-0", failed=True)
    detector.kill()
    detector.observe("host-1", failed=True)
    sim.run(until=100)
    assert detector.ejected() == ["host-0"]
    assert detector.health() is Health.UNHEALTHY
    detector.restart()
    assert detector.ejected() == []
    assert detector.metrics() == {"hosts": 10, "ejected": 0}


def test_a_host_that_nobody_knows_is_an_error_with_the_nearest_one() -> None:
    detector = OutlierDetector(Simulation(seed=12), "web", HOSTS)
    with pytest.raises(UnknownName, match="unknown host 'hosst-1'; did you mean 'host-1'"):
        detector.observe("hosst-1", failed=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hosts": ["a", "a"]}, "give each of the names once"),
        ({"max_ejected": 1.5}, "max_ejected=1.5; give a share of hosts from 0 to 1"),
        ({"max_ejection_time": 20}, "max_ejection_time=20 is less than base_ejection_time=30"),
        ({"interval": 0}, "interval=0"),
        ({"consecutive_failures": 0}, "consecutive_failures=0"),
    ],
)
def test_a_wrong_argument_is_an_error_at_once(arguments: dict[str, Any], message: str) -> None:
    sim = Simulation(seed=13)
    with pytest.raises(ValueError, match=message):
        OutlierDetector(sim, "web", **({"hosts": HOSTS} | arguments))
    assert not sim.components


@given(
    counts=st.lists(st.tuples(st.integers(100, 300), st.integers(0, 100)), min_size=5, max_size=20)
)
def test_the_limit_is_the_mean_less_1_9_deviations_of_the_population(
    counts: list[tuple[int, int]],
) -> None:
    rates = [good / calls for calls, good in counts]
    hosts, limit = low_success_rates({str(n): pair for n, pair in enumerate(counts)})
    assert limit == pytest.approx(statistics.fmean(rates) - 1.9 * statistics.pstdev(rates))
    assert hosts == [str(number) for number, rate in enumerate(rates) if rate < limit]


@pytest.mark.parametrize(("longest", "last"), [(300, 300), (305, 310)])
def test_the_times_of_ejection_are_those_of_envoys_own_test(longest: float, last: float) -> None:
    """MaxEjectTime and MaxEjectTimeNotAlligned of outlier_detection_impl_test.cc.

    The base is 10 s, the interval, too; the host fails again whenever it is back.
    """
    sim = Simulation(seed=20)
    detector = OutlierDetector(sim, "web", ["a"], base_ejection_time=10, max_ejection_time=longest)

    def fails_again_and_again() -> Generator[Any, Any, None]:
        for _ in range(40):
            for _ in range(5):
                detector.observe("a", failed=True)
            while detector.ejected():
                yield 10.0

    sim.run(sim.process(fails_again_and_again()))
    out = sim.recording.frame(OutlierDetector.Returned)["duration"].to_list()
    assert out == [*range(10, 310, 10), *[last] * 10]


@pytest.mark.parametrize(
    ("hosts", "share", "most"), [(2, 0.6, 1), (100, 0.29, 29), (100, 0.57, 57), (3, 0.67, 2)]
)
def test_a_share_of_the_hosts_is_not_spoilt_by_rounding(
    hosts: int, share: float, most: int
) -> None:
    names = [f"host-{number}" for number in range(hosts)]
    detector = OutlierDetector(
        Simulation(seed=21), "web", names, consecutive_failures=1, max_ejected=share
    )
    for name in names:
        detector.observe(name, failed=True)
    assert detector.ejected() == names[:most]
