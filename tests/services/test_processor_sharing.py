from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation_lab.errors import ServiceError
from foundation_lab.services import Backend, Health, ProcessorSharing, WarmUp
from foundation_lab.services.serving.shared_cores import SharedCores
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.faults import ErrorRate, Outage, SlowDown, inject

if TYPE_CHECKING:
    from collections.abc import Generator

    from foundation_lab.simulation.process import Process


def ask(sim: Simulation, backend: Backend, at: float = 0.0) -> Process:
    """Start a caller; its value is how it ended, and when."""

    def caller() -> Generator[Any, Any, tuple[str, float]]:
        try:
            yield at
            yield from backend.request()
        except (ServiceError, simpy.Interrupt) as error:
            return type(error).__name__, sim.now
        return "ok", sim.now

    return sim.process(caller())


def ends(callers: list[Process]) -> list[Any]:
    values: list[Any] = [caller.value for caller in callers]
    return [time for _, time in values]


def test_one_alone_takes_its_time_and_two_take_twice_as_long() -> None:
    sim = Simulation(seed=1)
    backend = ProcessorSharing(sim, "web", service_time=1)
    callers = [ask(sim, backend, at) for at in (0, 5, 5)]
    sim.run()
    assert ends(callers) == [1, 7, 7]
    served = sim.recording.frame(Backend.Served).select("wait", "service_time", "duration")
    assert served.rows() == [(0, 1, 1), (0, 2, 2), (0, 2, 2)]


def test_who_comes_later_slows_down_who_is_there() -> None:
    sim = Simulation(seed=2)
    backend = ProcessorSharing(sim, "web", service_time=2)
    callers = [ask(sim, backend, at) for at in (0, 1)]
    sim.run(until=1.5)
    assert (backend.serving, backend.pace) == (2, 0.5)
    sim.run()
    assert ends(callers) == [3, 4]  # one second alone, two shared; two shared, one alone
    assert backend.pace == 1


def test_a_request_has_one_core_at_most() -> None:
    sim = Simulation(seed=3)
    backend = ProcessorSharing(sim, "web", service_time=1, cores=2)
    callers = [ask(sim, backend, at) for at in (0, 0, 5, 5, 5)]
    sim.run()
    assert ends(callers) == [1, 1, 6.5, 6.5, 6.5]


def test_a_fraction_of_a_core_is_slow_for_one_alone() -> None:
    sim = Simulation(seed=4)
    backend = ProcessorSharing(sim, "web", service_time=1, cores=0.25)
    assert backend.cores == 0.25
    callers = [ask(sim, backend)]
    sim.run()
    assert ends(callers) == [4]


def test_who_leaves_makes_room_at_once() -> None:
    sim = Simulation(seed=5)
    backend = ProcessorSharing(sim, "web", service_time=2)
    stays, leaves = ask(sim, backend), ask(sim, backend)
    sim.call_at(2, leaves.interrupt)
    sim.run()
    assert stays.value == ("ok", 3)
    assert leaves.value == ("Interrupt", 2)
    assert sim.recording.frame(Backend.Abandoned).select("stage", "duration").rows() == [
        ("serving", 2)
    ]
    assert sim.now == 3


def test_more_than_the_concurrency_wait_in_line() -> None:
    sim = Simulation(seed=6)
    backend = ProcessorSharing(sim, "web", service_time=1, concurrency=2, queue_limit=1)
    callers = [ask(sim, backend) for _ in range(4)]
    sim.run(until=1)
    assert (backend.serving, backend.waiting, backend.health()) == (2, 1, Health.DEGRADED)
    sim.run()
    assert [caller.value for caller in callers] == [
        ("ok", 2),
        ("ok", 2),
        ("ok", 3),
        ("QueueFull", 0),
    ]


def test_a_slow_down_changes_the_pace_of_what_is_in_service() -> None:
    sim = Simulation(seed=7)
    backend = ProcessorSharing(sim, "web", service_time=2)
    inject(sim, backend, [SlowDown(service="web", start=1, duration=2, factor=4)])
    caller = ask(sim, backend)
    sim.run()
    assert caller.value == ("ok", 3.5)  # 1 second, then 2 at a quarter, then the last half


def test_an_outage_drops_everything_and_the_cores_are_free_afterwards() -> None:
    sim = Simulation(seed=8)
    backend = ProcessorSharing(sim, "web", service_time=2)
    inject(sim, backend, [Outage(service="web", start=1, duration=1)])
    callers = [ask(sim, backend, at) for at in (0, 0.5, 1.5, 2.5)]
    sim.run()
    assert [caller.value for caller in callers] == [
        ("ServiceDown", 1),
        ("ServiceDown", 1),
        ("ServiceDown", 1.5),
        ("ok", 4.5),
    ]
    sim.check_invariants()


def test_errors_and_warm_up_are_those_of_a_backend() -> None:
    sim = Simulation(seed=9)
    backend = ProcessorSharing(sim, "web", service_time=1, warm_up=WarmUp(10, 3), error_rate=1)
    inject(sim, backend, [ErrorRate(service="web", start=0, rate=1)])
    callers = [ask(sim, backend, at) for at in (0, 5, 20)]
    sim.run()
    assert [caller.value for caller in callers] == [
        ("BackendError", 3),
        ("BackendError", 7),
        ("BackendError", 21),
    ]


def test_a_killed_backend_shares_again_after_its_restart() -> None:
    sim = Simulation(seed=10)
    backend = ProcessorSharing(sim, "web", service_time=2)
    callers = [ask(sim, backend, at) for at in (0, 0, 1)]
    sim.call_at(1, backend.kill)
    sim.call_at(1, backend.restart)
    sim.run()
    assert [caller.value for caller in callers][:2] == [("ServiceDown", 1)] * 2
    sim.check_invariants()
    assert (backend.serving, backend.waiting) == (0, 0)


def test_work_of_no_length_is_done_at_once() -> None:
    sim = Simulation(seed=11)
    backend = ProcessorSharing(sim, "web", service_time=0)
    callers = [ask(sim, backend, at) for at in (0, 0, 3)]
    sim.run()
    assert ends(callers) == [0, 0, 3]


def test_a_job_too_many_breaks_a_law() -> None:
    sim = Simulation(seed=12)
    backend = ProcessorSharing(sim, "web", service_time=1)
    backend._shared.begin(0.0, 1.0, None)
    assert backend.violations() == ["1 jobs of 0 requests"]


@pytest.mark.parametrize("cores", [0, -1, float("inf")])
def test_a_wrong_number_of_cores_is_an_error_at_once(cores: float) -> None:
    sim = Simulation(seed=13)
    with pytest.raises(ValueError, match=f"cores={cores}"):
        ProcessorSharing(sim, "web", service_time=1, cores=cores)
    assert not sim.components


@settings(max_examples=200, deadline=None)
@given(
    jobs=st.lists(
        st.tuples(st.integers(0, 40), st.integers(0, 30), st.one_of(st.none(), st.integers(0, 40))),
        max_size=8,
    ),
    cores=st.sampled_from([0.5, 1, 2, 3]),
    slow=st.sampled_from([None, (7, 2.0), (13, 0.5)]),
)
def test_the_ends_are_those_of_sharing_in_small_steps(
    jobs: list[tuple[int, int, int | None]], cores: float, slow: tuple[int, float] | None
) -> None:
    """Sharing integrated between all instants at which anything changes, job by job."""
    shared = SharedCores(cores)
    ended: dict[int, float] = {}
    changes: list[tuple[float, int, int]] = []
    for number, (at, _, leave) in enumerate(jobs):
        changes.append((float(at), 1, number))
        if leave is not None and leave > at:
            changes.append((float(leave), 2, number))
    if slow is not None:
        changes.append((float(slow[0]), 3, -1))
    begun = {}

    def finish_until(time: float) -> None:
        now = clock[0]
        while (end := shared.next_end(now)) is not None and end <= time:
            now = clock[0] = end
            for job in shared.finish(end):
                ended[job.whose] = end  # type: ignore[index]
        clock[0] = time

    clock = [0.0]
    for time, what, number in sorted(changes):
        finish_until(time)
        if what == 1:
            begun[number] = shared.begin(time, float(jobs[number][1]), number)
        elif what == 2:
            shared.give_up(time, begun[number])
        else:
            assert slow is not None
            shared.slow_down(time, slow[1])
    finish_until(1e9)
    assert shared.jobs == 0
    assert ended == pytest.approx(by_steps(jobs, cores, slow))


def by_steps(
    jobs: list[tuple[int, int, int | None]], cores: float, slow: tuple[int, float] | None
) -> dict[int, float]:
    """Return when each job ends, from the work that is left of each."""
    left: dict[int, float] = {}
    ended: dict[int, float] = {}
    now, epsilon = 0.0, 1e-9
    marks = sorted(
        {float(at) for at, _, _ in jobs}
        | {float(leave) for _, _, leave in jobs if leave is not None}
        | ({float(slow[0])} if slow else set())
    )
    while marks or left:
        factor = slow[1] if slow and now >= slow[0] else 1.0
        pace = min(1.0, cores / max(len(left), 1)) / factor
        mark = marks[0] if marks else 1e12
        ahead = min([mark - now, *(work / pace for work in left.values())])
        now += ahead
        left = {number: work - ahead * pace for number, work in left.items()}
        for number in [number for number, work in left.items() if work <= epsilon]:
            ended[number] = now
            del left[number]
        if marks and now >= marks[0] - epsilon:
            now = marks.pop(0)
            for number, (_, _, leave) in enumerate(jobs):
                if leave == now and number in left:
                    del left[number]
            left |= {number: float(work) for number, (at, work, _) in enumerate(jobs) if at == now}
            for number in [number for number, work in left.items() if work <= epsilon]:
                ended[number] = now
                del left[number]
    return ended
