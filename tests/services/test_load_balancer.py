"""The load balancer: who may be picked, what is told, and that nothing is lost."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation_lab.errors import BackendError, NoHost, ServiceDown, ServiceError, UnknownName
from foundation_lab.services import (
    Backend,
    CircuitBreaker,
    Health,
    LoadBalancer,
    OutlierDetector,
    Retry,
    fixed_backoff,
    outcome_of,
    pipeline,
)
from foundation_lab.services.balancing.algorithms import ALGORITHMS
from foundation_lab.simulation.distributions import exponential
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.faults import Outage, inject

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from foundation_lab.simulation.process import Process


def backends(sim: Simulation, names: str = "abc", service_time: float = 1.0) -> list[Backend]:
    return [Backend(sim, name, service_time=service_time) for name in names]


def asking(sim: Simulation, call: Callable[[], Generator[Any, Any, Any]], at: float = 0) -> Process:
    """Start a request; the value is its outcome and when it ended."""

    def process() -> Generator[Any, Any, tuple[str, float]]:
        try:
            yield at - sim.now
            yield from call()
        except (ServiceError, simpy.Interrupt) as error:
            return outcome_of(error), sim.now
        return "ok", sim.now

    return sim.process(process())


def ends(calls: Iterable[Process]) -> list[Any]:
    return [call.value for call in calls]


def outcomes(calls: Iterable[Process]) -> Counter[str]:
    return Counter(outcome for outcome, _ in ends(calls))


def picked(sim: Simulation) -> str:
    return "".join(sim.recording.frame(LoadBalancer.Picked)["host"])


def test_requests_go_round_and_a_pick_tells_how_many_are_inside() -> None:
    sim = Simulation(seed=1)
    balancer = LoadBalancer(sim, "web", backends(sim))
    calls = [asking(sim, balancer.request) for _ in range(4)]
    sim.run(until=0.5)
    assert [balancer.active(host) for host in "abc"] == [2, 1, 1]
    assert balancer.metrics() == {"hosts": 3, "in_rotation": 3, "in_flight": 4}
    sim.run()
    assert ends(calls) == [("ok", 1), ("ok", 1), ("ok", 1), ("ok", 2)]
    frame = sim.recording.frame(LoadBalancer.Picked)
    assert frame.select("host", "active").rows() == [("a", 1), ("b", 1), ("c", 1), ("a", 2)]
    assert balancer.in_flight == 0
    assert balancer.health() is Health.HEALTHY
    sim.check_invariants()


def test_it_stands_at_the_end_of_a_chain_and_a_retry_goes_to_another_host() -> None:
    sim = Simulation(seed=2)
    one, other = backends(sim, "ab")
    one.kill()
    balancer = LoadBalancer(sim, "web", [one, other])
    policy = pipeline(Retry(sim, "r", backoff=fixed_backoff(1)), CircuitBreaker(sim, "b"))
    call = asking(sim, lambda: policy.call(balancer.request))
    sim.run()
    assert call.value == ("ok", 2)
    assert picked(sim) == "ab"


def test_hosts_may_be_functions_and_balancers_and_what_they_return_comes_through() -> None:
    sim = Simulation(seed=3)
    inner = LoadBalancer(sim, "zone", {"x": lambda: "from x"})
    outer = LoadBalancer(sim, "all", {"zone": inner, "f": lambda: sim.timeout(1, "from f")})
    assert sim.run(sim.process(outer.request())) == "from x"
    assert sim.run(sim.process(outer.request())) == "from f"
    assert inner.available
    inner.remove("x")
    assert not inner.available


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_serves_while_hosts_come_and_go(algorithm: str) -> None:
    sim = Simulation(seed=4)
    balancer = LoadBalancer(sim, "web", backends(sim), algorithm=algorithm)
    extra = Backend(sim, "d", service_time=1)
    sim.call_at(5, lambda: balancer.add("d", extra))
    sim.call_at(10, lambda: balancer.remove("a"))
    sim.call_at(15, lambda: balancer.remove("b"))
    calls = [asking(sim, lambda n=n: balancer.request(key=n), n / 2) for n in range(40)]  # type: ignore[misc]
    sim.run(until=12)
    sim.check_invariants()
    sim.run()
    assert set(outcomes(calls)) == {"ok"}
    assert set(picked(sim)) == set("abcd")
    assert set(picked(sim)[30:]) <= {"c", "d"}
    sim.check_invariants()


def test_without_a_host_a_request_is_turned_away_at_once() -> None:
    sim = Simulation(seed=5)
    balancer = LoadBalancer(sim, "web")
    with pytest.raises(NoHost, match="'web' has no host to pick: 0 of 0 are in rotation"):
        sim.run(sim.process(balancer.request()))
    assert balancer.health() is Health.UNHEALTHY
    balancer.add("a", lambda: None)
    balancer.kill()
    with pytest.raises(ServiceDown):
        sim.run(sim.process(balancer.request()))
    balancer.restart()
    sim.run(sim.process(balancer.request()))
    rejected = sim.recording.frame(LoadBalancer.Rejected)
    assert rejected["reason"].to_list() == ["no_host", "down"]
    assert NoHost.outcome == "rejected"


# -- hosts that are not well ---------------------------------------------------------------------


def test_health_checks_take_a_host_out_after_three_and_let_it_back_after_two() -> None:
    sim = Simulation(seed=6)
    hosts = backends(sim)
    balancer = LoadBalancer(sim, "web", hosts, health_check_interval=2)
    inject(sim, hosts[1], [Outage(service="b", start=3, duration=10)])
    sim.run(until=7.9)
    assert balancer.in_rotation() == ["a", "b", "c"]  # failed at 4 and 6
    sim.run(until=8.1)
    assert balancer.in_rotation() == ["a", "c"]
    assert balancer.health() is Health.DEGRADED
    sim.run(until=20)  # good again at 14 and 16
    ejected = sim.recording.frame(LoadBalancer.Ejected)
    assert ejected.select("time", "host", "reason", "in_rotation").rows() == [(8, "b", "health", 2)]
    back = sim.recording.frame(LoadBalancer.Readmitted)
    assert back.select("time", "host", "reason", "duration", "in_rotation").rows() == [
        (16, "b", "health", 8, 3)
    ]


def test_a_host_that_outlier_detection_ejects_is_not_picked_until_it_returns() -> None:
    sim = Simulation(seed=7)
    detector = OutlierDetector(sim, "web", consecutive_failures=2, max_ejected=0.4)
    hosts = [Backend(sim, name, service_time=0.1, error_rate=float(name == "b")) for name in "abc"]
    balancer = LoadBalancer(sim, "web", hosts, outliers=detector)
    assert list(detector.hosts) == ["a", "b", "c"]
    calls = [asking(sim, balancer.request, n) for n in range(60)]
    sim.run(until=60)
    # two failures, then out from 4.1 to the sweep at 40, then out again after two more
    assert outcomes(calls) == {"ok": 56, "error": 4}
    rows = sim.recording.frame(LoadBalancer.Readmitted).select("time", "host", "reason").rows()
    assert rows == [(40, "b", "outlier")]
    assert set(picked(sim)[5:40]) == {"a", "c"}
    balancer.remove("b")
    assert list(detector.hosts) == ["a", "c"]
    sim.check_invariants()


def test_below_the_panic_threshold_all_hosts_are_picked() -> None:
    sim = Simulation(seed=8)
    hosts = backends(sim, "abcd", service_time=0)
    balancer = LoadBalancer(sim, "web", hosts, health_check_interval=1, unhealthy_threshold=1)
    hosts[0].kill()
    hosts[1].kill()
    sim.run(until=1.5)
    assert balancer.in_rotation() == ["c", "d"]
    assert balancer.panic is False  # half is enough
    hosts[2].kill()
    sim.run(until=2.5)
    assert balancer.in_rotation() == ["d"]
    for _ in range(4):
        asking(sim, balancer.request, 2.5)
    sim.run(until=3.5)
    assert picked(sim) == "abcd"
    hosts[2].restart()
    sim.run(until=6)
    changes = sim.recording.frame(LoadBalancer.PanicChanged)
    assert changes.select("time", "panic", "in_rotation", "hosts").rows() == [
        (2, True, 1, 4),
        (5, False, 2, 4),
    ]


def test_without_panic_nobody_is_left_when_all_are_down() -> None:
    sim = Simulation(seed=9)
    hosts = backends(sim, "ab")
    balancer = LoadBalancer(
        sim, "web", hosts, health_check_interval=1, unhealthy_threshold=1, panic_threshold=0
    )
    for host in hosts:
        host.kill()
    call = asking(sim, balancer.request, 2)
    sim.run(until=3)
    assert call.value == ("rejected", 2)
    assert not balancer.available


def test_a_host_is_out_as_long_as_there_is_a_reason() -> None:
    sim = Simulation(seed=10)
    detector = OutlierDetector(sim, "web", consecutive_failures=1, max_ejected=1)
    hosts = backends(sim, "ab")
    balancer = LoadBalancer(
        sim, "web", hosts, outliers=detector, health_check_interval=1, unhealthy_threshold=1
    )
    sim.run(until=0.5)
    hosts[0].kill()
    detector.observe("a", failed=True)
    sim.run(until=45)  # outlier detection lets it back at 40
    assert detector.ejected() == []
    assert balancer.in_rotation() == ["b"]
    hosts[0].restart()
    sim.run(until=50)
    rows = sim.recording.frame(LoadBalancer.Readmitted).select("time", "reason", "duration").rows()
    assert rows == [(46, "health", 45.5)]


def test_a_restart_of_the_balancer_forgets_its_health_checks_and_of_the_detector_its_own() -> None:
    sim = Simulation(seed=11)
    detector = OutlierDetector(sim, "web", consecutive_failures=1, max_ejected=1)
    hosts = backends(sim, "ab")
    balancer = LoadBalancer(
        sim, "web", hosts, outliers=detector, health_check_interval=1, unhealthy_threshold=1
    )
    hosts[0].kill()
    sim.run(until=1.5)
    detector.observe("b", failed=True)
    assert balancer.in_rotation() == []
    balancer.kill()
    balancer.restart()
    assert balancer.in_rotation() == ["a"]
    detector.kill()
    detector.restart()
    assert balancer.in_rotation() == ["a", "b"]


def test_a_balancer_that_comes_later_knows_who_is_ejected_already() -> None:
    sim = Simulation(seed=12)
    detector = OutlierDetector(sim, "web", ["a", "b"], consecutive_failures=1)
    detector.observe("a", failed=True)
    balancer = LoadBalancer(sim, "web", backends(sim, "ab"), outliers=detector)
    assert balancer.in_rotation() == ["b"]


# -- weights -------------------------------------------------------------------------------------


def test_weights_may_change_while_it_runs() -> None:
    sim = Simulation(seed=13)
    balancer = LoadBalancer(
        sim, "web", backends(sim, service_time=0), algorithm="weighted", weights={"a": 5}
    )
    for _ in range(7):
        asking(sim, balancer.request)
    sim.run()
    assert picked(sim) == "aabacaa"
    balancer.set_weight("a", 1)
    for _ in range(3):
        asking(sim, balancer.request)
    sim.run()
    assert sorted(picked(sim)[7:]) == ["a", "b", "c"]
    changes = sim.recording.frame(LoadBalancer.HostsChanged)
    assert changes.select("host", "change", "hosts").rows() == [("a", "weighed", 3)]


def test_a_host_that_is_added_starts_slowly() -> None:
    sim = Simulation(seed=14)
    one, other = backends(sim, "ab", service_time=0)
    balancer = LoadBalancer(sim, "web", [one], algorithm="weighted", slow_start=100)
    balancer.add("b", other)
    calls = [asking(sim, balancer.request, n) for n in range(200)]
    shares = []
    for now in (0, 50, 100):
        sim.run(until=now + 0.5)
        shares.append(round(balancer.weight("b"), 2))
    assert shares == [0.1, 0.51, 1.0]
    sim.run()
    assert set(outcomes(calls)) == {"ok"}
    # of the first hundred a share of w / (1 + w), with w from 0 to 1: 1 - ln 2 on the average
    assert picked(sim)[:100].count("b") == pytest.approx(31, abs=3)
    assert picked(sim)[100:].count("b") == pytest.approx(50, abs=1)


def happen(balancer: LoadBalancer, host: Backend, what: str) -> None:
    if what == "kill":
        host.kill()
    elif what == "remove" and host.name in balancer.hosts:
        balancer.remove(host.name)
    elif what == "add" and host.name not in balancer.hosts:
        balancer.add(host.name, host)
    elif what == "balancer":
        balancer.kill()
        balancer.restart()


# -- nothing is lost -----------------------------------------------------------------------------


def test_a_host_that_is_removed_finishes_what_it_has() -> None:
    sim = Simulation(seed=15)
    balancer = LoadBalancer(sim, "web", backends(sim, "ab", service_time=5))
    calls = [asking(sim, balancer.request) for _ in range(2)]
    emptied: list[float] = []

    def remove() -> Generator[Any, Any, None]:
        yield 1
        for host in "ab":
            yield balancer.remove(host)
            emptied.append(sim.now)

    sim.process(remove())
    sim.run(until=2)
    assert (balancer.hosts, balancer.in_flight) == (("b",), 2)
    sim.check_invariants()
    with pytest.raises(UnknownName, match="unknown host 'a'"):
        balancer.active("a")
    again = Backend(sim, "another a", service_time=1)
    balancer.add("a", again)
    sim.check_invariants()
    sim.run()
    assert ends(calls) == [("ok", 5), ("ok", 5)]
    assert emptied == [5, 5]
    sim.check_invariants()


def test_requests_inside_a_host_that_crashes_fail_and_an_interrupt_gives_back() -> None:
    sim = Simulation(seed=16)
    hosts = backends(sim, "ab", service_time=5)
    balancer = LoadBalancer(sim, "web", hosts, algorithm="least_loaded")
    calls = [asking(sim, balancer.request) for _ in range(4)]
    sim.call_at(1, hosts[0].kill)
    for call in calls:
        sim.call_at(2, lambda call=call: call.is_alive and call.interrupt())  # type: ignore[misc]
    sim.run(until=3)
    assert Counter(ends(calls)) == {("error", 1): 2, ("cancelled", 2): 2}
    assert (balancer.in_flight, balancer.active("a"), balancer.active("b")) == (0, 0, 0)
    sim.check_invariants()


def test_it_works_the_same_with_telemetry_disabled() -> None:
    seen = []
    for enabled in (True, False):
        sim = Simulation(seed=17)
        if not enabled:
            sim.telemetry.disable()
        hosts = [Backend(sim, name, service_time=exponential(1)) for name in "abc"]
        balancer = LoadBalancer(sim, "web", hosts, algorithm="peak_ewma", health_check_interval=1)
        calls = [asking(sim, balancer.request, n / 3) for n in range(50)]
        sim.call_at(3, hosts[0].kill)
        sim.run(until=100)
        seen.append(ends(calls))
    assert seen[0] == seen[1]


def test_the_same_seed_makes_the_same_recording() -> None:
    digests = set()
    for _ in range(2):
        sim = Simulation(seed=18)
        hosts = [Backend(sim, name, service_time=exponential(1)) for name in "abcde"]
        balancer = LoadBalancer(sim, "web", hosts, algorithm="power_of_two")
        for n in range(100):
            asking(sim, balancer.request, n / 5)
        sim.run()
        digests.add(sim.recording.digest)
    assert len(digests) == 1


@settings(max_examples=150, deadline=None)
@given(
    algorithm=st.sampled_from(sorted(ALGORITHMS)),
    calls=st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.0, 0.5, 1.0, 2.0]),  # when
            st.sampled_from([None, None, 0.0, 0.5, 1.0]),  # when it is interrupted
        ),
        min_size=1,
        max_size=8,
    ),
    happenings=st.lists(
        st.tuples(
            st.sampled_from([0.5, 1.0, 1.5, 2.0]),
            st.sampled_from(["kill", "remove", "add", "outage", "balancer"]),
            st.sampled_from("abc"),
        ),
        max_size=6,
    ),
)
def test_nothing_is_lost_whatever_happens(
    algorithm: str,
    calls: list[tuple[float, float | None]],
    happenings: list[tuple[float, str, str]],
) -> None:
    sim = Simulation(seed=19)
    hosts = {name: Backend(sim, name, service_time=1, error_rate=0.3) for name in "abc"}
    detector = OutlierDetector(sim, "web", consecutive_failures=1, max_ejected=0.5)
    balancer = LoadBalancer(
        sim,
        "web",
        hosts,
        algorithm=algorithm,
        outliers=detector,
        health_check_interval=0.5,
        unhealthy_threshold=1,
    )

    for at, what, name in happenings:
        if what == "outage":
            inject(sim, hosts[name], [Outage(service=name, start=at, duration=1)])
        else:
            sim.call_at(at, lambda what=what, name=name: happen(balancer, hosts[name], what))  # type: ignore[misc]
    processes = []
    for number, (at, interrupt) in enumerate(calls):
        process = asking(sim, lambda n=number: balancer.request(key=n), at)  # type: ignore[misc]
        processes.append(process)
        if interrupt is not None:
            sim.call_at(at + interrupt, lambda p=process: p.is_alive and p.interrupt())  # type: ignore[misc]
    for now in (0.25, 0.5, 0.75, 1.25, 1.75, 2.25, 3.25, 30):
        sim.run(until=now)
        sim.check_invariants()
    assert balancer.in_flight == 0
    assert all(not process.is_alive for process in processes)
    assert set(outcomes(processes)) <= {"ok", "error", "rejected", "cancelled"}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"hosts": [lambda: 1]}, TypeError, "has no name; give hosts by name"),
        ({"hosts": {"a": 5}}, TypeError, "host 'a': 5 serves nobody"),
        ({"weights": {"b": 2}, "algorithm": "weighted"}, ValueError, "unknown host 'b'"),
        ({"weights": {"a": 2}}, ValueError, "weight=2 of 'a': round_robin knows none"),
        ({"weights": {"a": 0}, "algorithm": "random"}, ValueError, "weight=0"),
        ({"slow_start": 5, "algorithm": "maglev"}, ValueError, "slow_start=5: maglev"),
        ({"panic_threshold": 50}, ValueError, "panic_threshold=50; give a share"),
        ({"unhealthy_threshold": 0}, ValueError, "unhealthy_threshold=0"),
        ({"health_check_interval": 0}, ValueError, "health_check_interval=0"),
        ({"algorithm": "best"}, ValueError, "unknown algorithm 'best'"),
    ],
)
def test_a_wrong_argument_is_an_error_at_once(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    sim = Simulation(seed=20)
    with pytest.raises(error, match=message):
        LoadBalancer(sim, "web", **({"hosts": {"a": lambda: 1}} | arguments))
    assert not sim.components


def test_a_name_is_given_once() -> None:
    sim = Simulation(seed=21)
    balancer = LoadBalancer(sim, "web", {"a": lambda: 1})
    with pytest.raises(ValueError, match="there is a host 'a' already"):
        balancer.add("a", lambda: 1)


def test_a_bug_in_a_host_is_no_failure_of_the_host() -> None:
    sim = Simulation(seed=22)
    detector = OutlierDetector(sim, "web", consecutive_failures=1)

    def broken() -> None:
        raise ZeroDivisionError

    def failing() -> None:
        raise BackendError

    balancer = LoadBalancer(sim, "web", {"a": broken, "b": failing}, outliers=detector)
    with pytest.raises(ZeroDivisionError):
        sim.run(sim.process(balancer.request()))
    assert detector.ejected() == []
    with pytest.raises(BackendError):
        sim.run(sim.process(balancer.request()))
    assert detector.ejected() == ["b"]
    sim.check_invariants()


def test_what_a_request_is_told_beside_its_key_goes_to_the_host() -> None:
    sim = Simulation(seed=1)
    told: list[dict[str, Any]] = []
    hosts = {"a": lambda **facts: told.append(facts)}
    balancer = LoadBalancer(sim, "front", hosts, outliers=OutlierDetector(sim, "front"))
    plain = LoadBalancer(sim, "plain", hosts)
    asking(sim, lambda: balancer.request("key", priority=2, deadline=9.0))
    asking(sim, lambda: plain.request(priority=3))
    asking(sim, lambda: plain.request("key"))
    sim.run(until=1)
    assert told == [{"priority": 2, "deadline": 9.0}, {"priority": 3}, {}]


def test_who_hears_of_a_pick_may_remove_the_host() -> None:
    sim = Simulation(seed=64)
    outliers = OutlierDetector(sim, "web", interval=1)
    hosts = [Backend(sim, name, service_time=1) for name in "ab"]
    balancer = LoadBalancer(sim, "web", hosts, outliers=outliers)

    def act(record: Any) -> None:
        sim.telemetry.detach("act")
        balancer.remove(record.event.host)

    sim.telemetry.attach("act", LoadBalancer.Picked, act, on_error="raise")
    call = sim.process(balancer.request())
    sim.run(until=3)
    assert call.processed
    assert (balancer.hosts, balancer.in_flight) == (("b",), 0)
    sim.check_invariants()
