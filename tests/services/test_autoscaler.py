"""The autoscaler: the arithmetic, the rules and the rhythm of the Kubernetes HPA."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.services import Autoscaler, Backend, ReplicaSet, ScalingPolicy, ScalingRules
from foundation_lab.services.scaling.desired_replicas import desired_replicas
from foundation_lab.services.scaling.scaling_rules import SCALE_UP, ScalingHistory, Verdict
from foundation_lab.simulation.engine import Simulation

if TYPE_CHECKING:
    from collections.abc import Generator

# -- the arithmetic ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ready", "unready", "metric", "target", "desired"),
    [
        # "Algorithm details" of the documentation: 200 m for 100 m doubles, 50 m halves
        pytest.param(1, 0, 200, 100, 2, id="doubled"),
        pytest.param(4, 0, 50, 100, 2, id="halved"),
        pytest.param(10, 0, 110, 100, 10, id="within the tolerance"),
        pytest.param(10, 0, 111, 100, 12, id="outside of the tolerance"),
        pytest.param(10, 0, 90, 100, 10, id="within the tolerance below"),
        # kubernetes, replica_calculator_test.go
        pytest.param(3, 0, 50, 30, 5, id="TestReplicaCalcScaleUp"),
        pytest.param(2, 1, 60, 30, 4, id="TestReplicaCalcScaleUpUnreadyLessScale"),
        pytest.param(1, 2, 40, 30, 3, id="TestReplicaCalcScaleUpUnreadyNoScale"),
        pytest.param(3, 0, 20_000, 15_000, 4, id="TestReplicaCalcScaleUpCM"),
        pytest.param(5, 0, 28, 50, 3, id="TestReplicaCalcScaleDown"),
        pytest.param(5, 0, 12_000, 20_000, 3, id="TestReplicaCalcScaleDownCM"),
        pytest.param(3, 2, 30, 50, 2, id="TestReplicaCalcScaleDownExcludeUnreadyPods"),
        pytest.param(3, 0, 102, 100, 3, id="TestReplicaCalcTolerance"),
        pytest.param(0, 3, 0, 1, 3, id="nothing to go by"),
        pytest.param(2, 1, 1.55, 1, 3, id="damped into the tolerance"),
        pytest.param(2, 8, 0, 1, 0, id="nothing to do"),
    ],
)
def test_the_number_of_replicas_is_that_of_kubernetes(
    ready: int, unready: int, metric: float, target: float, desired: int
) -> None:
    assert desired_replicas(ready, metric, target, unready=unready) == desired


# -- the rules -----------------------------------------------------------------------------------


def judged(history: ScalingHistory, now: float, present: int, recommended: int) -> Verdict:
    """Return the verdict, and act on it."""
    verdict = history.judge(now, present, recommended)
    if verdict.replicas != present:
        history.changed(now, present, verdict.replicas)
    return verdict


def test_by_default_it_is_four_more_or_twice_as_many_every_15_seconds() -> None:
    history, present, seen = ScalingHistory(1, 100), 1, []
    for tick in range(5):
        present = judged(history, 15.0 * tick, present, 60).replicas
        seen.append(present)
    assert seen == [5, 10, 20, 40, 60]


def test_what_was_added_within_the_period_is_taken_off_what_may_be() -> None:
    history = ScalingHistory(1, 100)
    assert judged(history, 0, 10, 15) == (15, "")
    assert judged(history, 14, 15, 50) == (20, "policy")
    assert judged(history, 14.5, 20, 50) == (20, "policy")
    assert judged(history, 15, 20, 50) == (30, "policy")  # 5 of the 10 are 15 s old: 15 doubled


def test_it_goes_down_to_the_highest_recommendation_of_five_minutes() -> None:
    history, present, seen = ScalingHistory(1, 100), 10, []
    for tick, recommended in enumerate([10, 4, 6, *[2] * 25]):
        verdict = judged(history, 15.0 * tick, present, recommended)
        present = verdict.replicas
        seen.append(present)
    # 10 is forgotten when it is 300 s old, then 4 and 6 are what is left, and in the end 2
    assert seen == [10] * 20 + [6, 6] + [2] * 6
    assert history.judge(420, 2, 1) == (2, "stabilisation")


def test_nothing_is_scaled_down_before_a_whole_window_was_seen() -> None:
    history = ScalingHistory(1, 100)
    verdicts = [judged(history, 15.0 * tick, 10, 5) for tick in range(20)]
    assert set(verdicts) == {(10, "stabilisation")}
    assert judged(history, 300, 10, 5) == (5, "")


def test_the_limits_are_kept_and_named() -> None:
    none = ScalingRules(())
    quick = ScalingRules((ScalingPolicy(10, "percent", 60), ScalingPolicy(1, "replicas", 60)))
    assert ScalingHistory(1, 6).judge(0, 3, 9) == (6, "maximum")
    assert ScalingHistory(1, 9, up=none).judge(0, 3, 9) == (3, "policy")
    assert ScalingHistory(1, 99, down=quick).judge(0, 50, 10) == (45, "policy")
    assert ScalingHistory(2, 99, down=quick).judge(0, 3, 0) == (2, "minimum")
    assert ScalingHistory(1, 99, down=none).judge(0, 3, 1) == (3, "policy")
    slow = ScalingRules(SCALE_UP.policies, stabilisation=60)
    history = ScalingHistory(1, 99, up=slow)
    assert [judged(history, t, 3, 6).replicas for t in (0, 15, 30, 45, 60)] == [3, 3, 3, 3, 6]


# -- the service ---------------------------------------------------------------------------------


def scaled(sim: Simulation) -> list[tuple[Any, ...]]:
    frame = sim.recording.frame(Autoscaler.Scaled)
    return frame.select("time", "from", "to", "reason").rows()


def replica_set(sim: Simulation, replicas: int = 2, start_time: float = 0) -> ReplicaSet:
    def make(name: str) -> Backend:
        return Backend(sim, name, service_time=1, concurrency=4)

    return ReplicaSet(sim, "web", make, replicas=replicas, start_time=start_time)


def test_it_follows_the_load_up_at_once_and_down_after_five_minutes() -> None:
    sim = Simulation(seed=1)
    replicas = replica_set(sim)
    Autoscaler(sim, "web", replicas, target=0.5, maximum=8)

    def customers() -> Generator[Any, Any, None]:
        for rate, until in ((4, 300), (16, 900), (4, 1800)):
            while sim.now < until:
                sim.process(replicas.request())
                yield 1 / rate

    sim.process(customers())
    sim.run(until=1800)
    # all places are taken until there are enough: twice as many, and again
    assert scaled(sim) == [
        (315, 2, 4, "metric above target"),
        (330, 4, 8, "metric above target"),
        (1200, 8, 2, "metric below target"),
    ]
    assert replicas.ready == 2
    sim.check_invariants()


def test_it_decides_every_15_seconds_from_the_mean_of_its_samples() -> None:
    sim = Simulation(seed=2)
    values = iter(range(1, 31))
    scaler = Autoscaler(
        sim, "web", replica_set(sim), metric=lambda _: float(next(values)), target=8, maximum=20
    )
    sim.run(until=30.5)
    rows = sim.recording.frame(Autoscaler.Evaluated)
    assert rows.select("time", "metric", "recommended", "desired").rows() == [
        (15, 8.0, 2, 2),
        (30, 23.0, 6, 6),
    ]
    assert scaler.metrics() == {"desired": 6, "ready": 6}


def test_replicas_that_are_not_ready_damp_the_next_step() -> None:
    sim = Simulation(seed=3)
    replicas = replica_set(sim, start_time=100)
    Autoscaler(sim, "web", replicas, metric=lambda _: 2.0, target=1, maximum=20)
    sim.run(until=100)
    # 2 to 4 at once; then two of four ready at twice the target are four at the target
    assert [row[:3] for row in scaled(sim)] == [(15, 2, 4)]
    sim.run(until=121)
    assert [row[:3] for row in scaled(sim)] == [(15, 2, 4), (120, 4, 8)]


def test_it_stays_within_its_limits_and_a_set_that_is_scaled_to_0_is_left_alone() -> None:
    sim = Simulation(seed=4)
    replicas = replica_set(sim, replicas=9)
    scaler = Autoscaler(sim, "web", replicas, metric=lambda _: 9.0, target=1, minimum=3, maximum=5)
    sim.run(until=16)
    assert scaled(sim) == [(15, 9, 5, "outside of 3 to 5")]
    replicas.scale(1)
    sim.run(until=31)
    assert scaled(sim)[1] == (30, 1, 3, "outside of 3 to 5")
    sim.run(until=46)
    assert scaled(sim)[2] == (45, 3, 5, "metric above target, limited by maximum")
    replicas.scale(0)
    sim.run(until=100)
    assert (len(scaled(sim)), scaler.evaluate()) == (3, 0)


def test_without_a_ready_replica_or_a_set_that_is_up_nothing_happens() -> None:
    sim = Simulation(seed=5)
    replicas = replica_set(sim, start_time=40)
    scaler = Autoscaler(sim, "web", replicas, metric="queue_length", target=1)
    for backend in replicas.backends():
        backend.kill()
    sim.run(until=31)
    assert sim.recording.frame(Autoscaler.Evaluated).height == 0
    replicas.kill()
    assert scaler.evaluate() == 2
    scaler.kill()
    replicas.restart()
    sim.run(until=91)
    assert sim.recording.frame(Autoscaler.Evaluated).height == 0
    scaler.restart()
    sim.run(until=106)
    assert sim.recording.frame(Autoscaler.Evaluated)["metric"].to_list() == [0.0]


def test_the_length_of_the_line_is_a_metric() -> None:
    sim = Simulation(seed=6)
    replicas = replica_set(sim)
    Autoscaler(sim, "web", replicas, metric="queue_length", target=2, maximum=50)
    for _ in range(200):
        sim.process(replicas.request())
    sim.run(until=16)
    # 8 are served a second: 192, 184, …, 80 wait at two replicas, 68 on the average
    assert [row[:3] for row in scaled(sim)] == [(15, 2, 6)]
    metric = sim.recording.frame(Autoscaler.Scaled)["metric"][0]
    assert metric == pytest.approx(sum(200 - 8 * n for n in range(1, 16)) / 15 / 2, abs=5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": 0}, "target=0"),
        ({"metric": "cpu"}, "metric='cpu'; give one of utilisation, queue_length"),
        ({"minimum": 0}, "minimum=0"),
        ({"minimum": 5, "maximum": 4}, "maximum=4; give a whole number from 5"),
        ({"sync_period": 0}, "sync_period=0"),
        ({"samples": 0}, "samples=0"),
        ({"tolerance": -1}, "tolerance=-1"),
    ],
)
def test_a_wrong_argument_is_an_error_at_once(arguments: dict[str, Any], message: str) -> None:
    sim = Simulation(seed=7)
    replicas = replica_set(sim)
    with pytest.raises(ValueError, match=message):
        Autoscaler(sim, "web", replicas, **({"target": 1} | arguments))
    assert ("autoscaler", "web") not in sim.components


def test_a_policy_that_makes_no_sense_is_an_error() -> None:
    with pytest.raises(ValueError, match="unit='pods'; give 'replicas' or 'percent'"):
        ScalingPolicy(1, "pods")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="give a value and a period above 0"):
        ScalingPolicy(0, "replicas")
