"""Replica sets: scaling, draining, crashes and rolling deploys, by the rules of Kubernetes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation_lab.errors import ServiceDown, ServiceError
from foundation_lab.services import Backend, Health, LoadBalancer, ReplicaSet, outcome_of
from foundation_lab.services.scaling.rollout import Counts, next_step, share_of
from foundation_lab.simulation.engine import Simulation

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from foundation_lab.simulation.process import Process


def replica_set(sim: Simulation, service_time: float = 1.0, **options: Any) -> ReplicaSet:
    return ReplicaSet(
        sim,
        "web",
        lambda name: Backend(sim, name, service_time=service_time, concurrency=10),
        **({"replicas": 3, "start_time": 5} | options),
    )


def asking(sim: Simulation, replicas: ReplicaSet, at: float = 0) -> Process:
    """Start a request; the value is its outcome and when it ended."""

    def process() -> Generator[Any, Any, tuple[str, float]]:
        try:
            yield at - sim.now
            yield from replicas.request()
        except (ServiceError, simpy.Interrupt) as error:
            return outcome_of(error), sim.now
        return "ok", sim.now

    return sim.process(process())


def outcomes(calls: Iterable[Process]) -> set[str]:
    values: list[Any] = [call.value for call in calls]
    return {outcome for outcome, _ in values}


def counts(replicas: ReplicaSet) -> tuple[int, int, int]:
    return replicas.ready, replicas.pending, replicas.draining


def test_the_replicas_it_begins_with_are_ready_and_new_ones_take_their_time() -> None:
    sim = Simulation(seed=1)
    replicas = replica_set(sim)
    assert counts(replicas) == (3, 0, 0)
    replicas.scale(5)
    assert counts(replicas) == (3, 2, 0)
    assert replicas.health() is Health.DEGRADED
    assert replicas.balancer.hosts == ("web-1", "web-2", "web-3")
    sim.run()
    assert (sim.now, counts(replicas)) == (5, (5, 0, 0))
    assert replicas.health() is Health.HEALTHY
    ready = sim.recording.frame(ReplicaSet.ReplicaReady)
    assert ready.select("replica", "duration", "ready").rows()[3:] == [
        ("web-4", 5, 4),
        ("web-5", 5, 5),
    ]
    scaled = sim.recording.frame(ReplicaSet.Scaled)
    assert scaled.select("from", "to", "reason").rows() == [(3, 5, "scaled by hand")]


def test_fewer_replicas_those_not_ready_go_first_and_then_the_youngest() -> None:
    sim = Simulation(seed=2)
    replicas = replica_set(sim)
    replicas.scale(4)
    sim.run(until=1)
    replicas.scale(2)
    sim.run(until=2)
    assert [replica.name for replica in replicas.replicas] == ["web-1", "web-2"]
    stopped = sim.recording.frame(ReplicaSet.ReplicaStopped)
    assert stopped.select("replica", "reason").rows() == [
        ("web-4", "never ready"),
        ("web-3", "drained"),
    ]
    replicas.scale(0)
    sim.run()
    assert counts(replicas) == (0, 0, 0)
    assert replicas.health() is Health.HEALTHY
    sim.check_invariants()


def test_a_replica_that_drains_gets_no_requests_and_finishes_what_it_has() -> None:
    sim = Simulation(seed=3)
    replicas = replica_set(sim, service_time=4)
    before = [asking(sim, replicas) for _ in range(3)]
    sim.run(until=1)
    replicas.scale(1)
    after = [asking(sim, replicas, 1) for _ in range(4)]
    sim.run(until=2)
    assert counts(replicas) == (1, 0, 2)
    sim.check_invariants()
    sim.run()
    assert [call.value for call in before] == [("ok", 4)] * 3
    assert [call.value for call in after] == [("ok", 5)] * 4
    assert sim.recording.frame(ReplicaSet.ReplicaDraining)["active"].to_list() == [1, 1]
    served = sim.recording.frame(Backend.Served).filter(time=5)
    assert set(served["service_id"]) == {"web-1"}


@pytest.mark.parametrize(("grace", "end"), [(3.0, ("ok", 4)), (2.9, ("error", 3.9))])
def test_what_is_not_done_within_the_grace_period_fails(
    grace: float, end: tuple[str, float]
) -> None:
    sim = Simulation(seed=4)
    replicas = replica_set(sim, service_time=4, grace_period=grace, replicas=1)
    call = asking(sim, replicas)
    sim.run(until=1)
    replicas.scale(0)
    sim.run()
    assert call.value == end
    reason = "drained" if end[0] == "ok" else "grace period over"
    assert sim.recording.frame(ReplicaSet.ReplicaStopped)["reason"].to_list() == [reason]
    sim.check_invariants()


def test_a_replica_that_crashes_leaves_the_balancer_and_is_started_again() -> None:
    sim = Simulation(seed=5)
    replicas = replica_set(sim, service_time=4)
    call = asking(sim, replicas)
    sim.call_at(1, replicas.backends()[0].kill)
    sim.run(until=2)
    assert (call.value, counts(replicas)) == (("error", 1), (2, 1, 0))
    assert list(replicas.balancer.hosts) == ["web-2", "web-3"]
    sim.run()
    assert counts(replicas) == (3, 0, 0)
    assert list(replicas.balancer.hosts) == ["web-2", "web-3", "web-1"]
    started = sim.recording.frame(ReplicaSet.ReplicaStarted)
    assert started["reason"].to_list() == [*["begin"] * 3, "restart: killed"]
    sim.check_invariants()


def test_a_crash_may_be_left_for_the_balancer_to_find() -> None:
    sim = Simulation(seed=6)
    balancer = LoadBalancer(sim, "front", health_check_interval=1)
    replicas = replica_set(sim, balancer=balancer, restart=False)
    replicas.backends()[0].kill()
    assert counts(replicas) == (3, 0, 0)
    sim.run(until=3.5)
    assert balancer.in_rotation() == ["web-2", "web-3"]
    sim.check_invariants()


def test_a_replica_that_crashes_while_it_drains_is_gone() -> None:
    sim = Simulation(seed=7)
    replicas = replica_set(sim, service_time=4)
    calls = [asking(sim, replicas) for _ in range(3)]
    last = replicas.backends()[2]
    sim.call_at(1, lambda: replicas.scale(2))
    sim.call_at(2, last.kill)
    sim.run()
    assert [call.value for call in calls] == [("ok", 4), ("ok", 4), ("error", 2)]
    assert sim.recording.frame(ReplicaSet.ReplicaStopped)["reason"].to_list() == ["crashed"]
    assert sim.now == 4  # no timer of the grace period is left


def test_a_set_that_goes_down_takes_all_replicas_along_and_begins_anew() -> None:
    sim = Simulation(seed=8)
    replicas = replica_set(sim, service_time=4)
    calls = [asking(sim, replicas) for _ in range(2)]
    done: list[bool] = []
    sim.call_at(
        1, lambda: replicas.rolling_deploy().callbacks.append(lambda e: done.append(e.value))
    )
    sim.call_at(2, replicas.kill)
    sim.run(until=3)
    assert [call.value for call in calls] == [("error", 2)] * 2
    assert (counts(replicas), done, replicas.deploying) == ((0, 0, 0), [False], False)
    assert replicas.health() is Health.UNHEALTHY
    with pytest.raises(ServiceDown):
        replicas.scale(1)
    late = asking(sim, replicas, 3)
    sim.run(until=4)
    assert late.value == ("rejected", 3)
    replicas.restart()
    assert counts(replicas) == (0, 3, 0)
    sim.run()
    assert counts(replicas) == (3, 0, 0)
    sim.check_invariants()


# -- rolling deploys -----------------------------------------------------------------------------


def test_a_rolling_deploy_replaces_all_replicas_and_no_request_fails() -> None:
    sim = Simulation(seed=9)
    replicas = replica_set(sim, replicas=4)
    calls = [asking(sim, replicas, n / 10) for n in range(400)]
    seen: list[tuple[int, int]] = []

    def deploy() -> Generator[Any, Any, None]:
        yield 5
        complete = yield replicas.rolling_deploy()
        assert complete
        seen.append((replicas.ready, replicas.pending))

    def watch() -> Generator[Any, Any, None]:
        for _ in range(300):
            yield 0.1
            assert replicas.ready >= 4 - 1
            assert replicas.ready + replicas.pending <= 4 + 1
            sim.check_invariants()

    sim.process(deploy())
    sim.process(watch())
    sim.run()
    assert outcomes(calls) == {"ok"}
    assert seen == [(4, 0)]
    assert {replica.generation for replica in replicas.replicas} == {2}
    finished = sim.recording.frame(ReplicaSet.DeployFinished)
    # two at a time: one in place of another, and one of the surge
    assert finished.select("generation", "reason", "duration").rows() == [(2, "complete", 10.0)]


@pytest.mark.parametrize(
    ("limits", "duration"),
    [
        ({"max_unavailable": 0, "max_surge": 1}, 20),  # one at a time
        ({"max_unavailable": 1, "max_surge": 0}, 20),
        ({"max_unavailable": 0.25, "max_surge": 0.25}, 10),
        ({"max_unavailable": 4, "max_surge": 0}, 5),
        ({"max_unavailable": 0, "max_surge": 1.0}, 5),
        ({"max_unavailable": 0.1, "max_surge": 0}, 20),  # comes to 0 and is 1, as in Kubernetes
    ],
)
def test_the_limits_say_how_many_are_replaced_at_a_time(
    limits: dict[str, Any], duration: float
) -> None:
    sim = Simulation(seed=10)
    replicas = replica_set(sim, replicas=4)
    replicas.rolling_deploy(**limits)
    sim.run()
    assert sim.recording.frame(ReplicaSet.DeployFinished)["duration"].to_list() == [duration]


def test_a_new_deploy_supersedes_the_one_that_is_on() -> None:
    sim = Simulation(seed=11)
    replicas = replica_set(sim)
    slow = replicas.rolling_deploy(lambda name: Backend(sim, name, service_time=9))
    sim.run(until=2)
    quick = replicas.rolling_deploy(lambda name: Backend(sim, name, service_time=0.5))
    sim.run()
    assert (slow.value, quick.value) == (False, True)
    means = {b.service_time.mean for b in replicas.backends() if isinstance(b, Backend)}
    assert means == {0.5}
    reasons = sim.recording.frame(ReplicaSet.DeployFinished)["reason"].to_list()
    assert reasons == ["superseded", "complete"]


def test_a_set_may_be_scaled_while_it_is_deployed() -> None:
    sim = Simulation(seed=12)
    replicas = replica_set(sim, replicas=10)
    done = replicas.rolling_deploy(max_surge=5, max_unavailable=0)
    sim.run(until=2)
    replicas.scale(6)
    sim.check_invariants()
    sim.run(until=7)
    replicas.scale(8)
    sim.check_invariants()
    sim.run()
    assert (done.value, counts(replicas)) == (True, (8, 0, 0))


def test_a_deploy_of_nothing_is_complete_at_once() -> None:
    sim = Simulation(seed=13)
    replicas = replica_set(sim, replicas=0)
    done = replicas.rolling_deploy()
    sim.run()
    assert (sim.now, done.value) == (0, True)


@pytest.mark.parametrize(
    ("desired", "old", "new", "limits", "step"),
    [
        # kubernetes, rolling_test.go: TestDeploymentController_reconcileNewReplicaSet
        (10, Counts(10), Counts(), (0, 0), (0, 0)),
        (10, Counts(10), Counts(), (2, 0), (2, 0)),
        (10, Counts(5), Counts(), (0, 0), (5, 0)),
        (10, Counts(10), Counts(2), (0, 2), (0, 4)),
        # TestDeploymentController_reconcileOldReplicaSets
        (10, Counts(10), Counts(), (0, 2), (0, 2)),
        (10, Counts(8, 2), Counts(), (0, 0), (0, 0)),
        (10, Counts(8, 2), Counts(), (0, 2), (0, 2)),
    ],
)
def test_the_steps_of_a_deploy_are_those_of_kubernetes(
    desired: int, old: Counts, new: Counts, limits: tuple[int, int], step: tuple[int, int]
) -> None:
    surge, unavailable = limits
    found = next_step(desired, old, new, max_surge=surge, max_unavailable=unavailable)
    assert (found.start, found.stop_old) == step


@given(
    desired=st.integers(0, 12),
    counts=st.lists(st.integers(0, 12), min_size=4, max_size=4),
    surge=st.integers(0, 4),
    unavailable=st.integers(0, 4),
)
def test_a_step_never_goes_below_what_is_there_and_comes_to_an_end(
    desired: int, counts: list[int], surge: int, unavailable: int
) -> None:
    old, new = Counts(*counts[:2]), Counts(*counts[2:])
    for _ in range(60):
        step = next_step(desired, old, new, max_surge=surge, max_unavailable=unavailable)
        assert 0 <= step.stop_old <= old.all
        assert 0 <= step.stop_new <= new.all
        ready = old.ready + new.ready
        stopped = min(step.stop_old, old.pending)
        old = Counts(old.ready - (step.stop_old - stopped), old.pending - stopped)
        stopped = min(step.stop_new, new.pending)
        new = Counts(new.ready - (step.stop_new - stopped), new.pending - stopped)
        assert old.ready + new.ready >= min(ready, desired - unavailable)
        new = Counts(new.ready, new.pending + step.start)
        if step.start:
            assert old.all + new.all <= desired + surge
        if not any(step):
            if not new.pending:
                break
            new = Counts(new.all, 0)  # all get ready
    if surge or unavailable:
        assert (old.all, new.all) == (0, desired)


def test_a_share_is_rounded_up_or_down_and_must_be_one() -> None:
    assert [share_of("x", 0.3, 10, up=up) for up in (True, False)] == [3, 3]
    for wrong in (-1, 1.5, True, "1"):
        with pytest.raises(ValueError, match="give a whole number from 0, or a share"):
            share_of("x", wrong, 10, up=True)  # type: ignore[arg-type]


def test_a_wrong_argument_is_an_error_at_once() -> None:
    sim = Simulation(seed=14)
    with pytest.raises(ValueError, match="replicas=-1"):
        replica_set(sim, replicas=-1)
    with pytest.raises(ValueError, match="has hosts already"):
        replica_set(sim, balancer=LoadBalancer(sim, "full", {"a": lambda: 1}))
    with pytest.raises(ValueError, match=r"make\('odd-1'\) returned <Backend 'b' up>"):
        ReplicaSet(sim, "odd", lambda name: Backend(sim, "b", service_time=1))
    replicas = replica_set(sim)
    with pytest.raises(ValueError, match="both 0; give one of them at least 1"):
        replicas.rolling_deploy(max_surge=0, max_unavailable=0)
    with pytest.raises(ValueError, match=r"replicas=2\.5"):
        replicas.scale(2.5)  # type: ignore[arg-type]


@settings(max_examples=100, deadline=None)
@given(
    happenings=st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 2.5]),
            st.sampled_from(["scale", "deploy", "crash", "set", "surge"]),
            st.integers(0, 5),
        ),
        max_size=8,
    ),
    grace=st.sampled_from([0.0, 0.5, 9.0]),
)
def test_nothing_is_lost_whatever_happens(
    happenings: list[tuple[float, str, int]], grace: float
) -> None:
    sim = Simulation(seed=15)
    replicas = replica_set(sim, start_time=0.5, grace_period=grace)

    def happen(what: str, number: int) -> None:
        if what == "scale":
            replicas.scale(number)
        elif what == "deploy":
            replicas.rolling_deploy()
        elif what == "surge":
            replicas.rolling_deploy(max_surge=number, max_unavailable=1)
        elif what == "set":
            replicas.kill()
            replicas.restart()
        else:
            backends = [r.backend for r in replicas.replicas if r.backend is not None]
            if backends:
                backends[number % len(backends)].kill()

    for at, what, number in happenings:
        sim.call_at(at, lambda what=what, number=number: happen(what, number))  # type: ignore[misc]
    calls = [asking(sim, replicas, n / 4) for n in range(12)]
    for now in (0.25, 0.5, 0.75, 1.25, 1.5, 1.75, 2.25, 2.5, 3.25):
        sim.run(until=now)
        sim.check_invariants()
    sim.run()
    sim.check_invariants()
    assert counts(replicas) == (replicas.desired, 0, 0)
    assert not replicas.deploying
    assert replicas.balancer.in_flight == 0
    assert all(not call.is_alive for call in calls)


# -- who hears of it acts ----------------------------------------------------------------------


DEEDS: dict[str, Any] = {
    "scale to none": lambda replicas: replicas.scale(0),
    "scale up": lambda replicas: replicas.scale(4),
    "deploy": lambda replicas: replicas.rolling_deploy(),
    "crash of a replica": lambda replicas: [each.kill() for each in replicas.backends()[:1]],
    "crash of every backend": lambda replicas: [
        replica.backend.kill() for replica in replicas.replicas if replica.backend is not None
    ],
    "crash of the set": lambda replicas: replicas.kill(),
}


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize(
    "event",
    [
        "load_balancer.hosts_changed",
        "replica.started",
        "replica.ready",
        "replica.draining",
        "replica.stopped",
        "replica.scaled",
        "service.stopped",
        "service.restarted",
        "service.started",
    ],
)
def test_whoever_hears_of_a_change_may_make_another_one(event: str, deed: str) -> None:
    for count in (1, 2, 3, 5):
        sim = Simulation(seed=61)
        replicas = replica_set(sim, start_time=1, grace_period=2)
        left = iter(range(count - 1))

        def act(_record: Any, left: Any = left, replicas: ReplicaSet = replicas) -> None:
            if next(left, None) is None:
                replicas.sim.telemetry.detach("act")
                if replicas.up:
                    DEEDS[deed](replicas)

        for time in range(8):
            asking(sim, replicas, time)
        sim.telemetry.attach("act", event, act, on_error="raise")
        sim.call_at(1.5, lambda r=replicas: r.up and r.backends() and r.backends()[0].kill())  # type: ignore[misc]
        sim.call_at(3.5, lambda r=replicas: r.up and r.scale(1))  # type: ignore[misc]
        sim.call_at(5.5, lambda r=replicas: r.up and r.scale(3))  # type: ignore[misc]
        sim.call_at(8.5, lambda r=replicas: r.up and r.rolling_deploy())  # type: ignore[misc]
        sim.run()
        sim.check_invariants()
        assert (replicas.pending, replicas.draining, replicas.balancer.in_flight) == (0, 0, 0)
        assert replicas.ready == (replicas.desired if replicas.up else 0)
        assert all(backend.up for backend in replicas.backends())
