"""The network around a call: latency, losses, resets, partitions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.errors import BackendError, ConnectionLost
from foundation_lab.services import Backend, NetworkLink, Timeout
from foundation_lab.simulation.distributions import exponential
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.faults import (
    Latency,
    LostRequest,
    LostResponse,
    Partition,
    Reset,
    Window,
    inject,
)
from tests.simulation.faults.faulty import ask, endings, struck

if TYPE_CHECKING:
    from collections.abc import Generator

SEED = 75


def world(**kwargs: Any) -> tuple[Simulation, NetworkLink, Backend]:
    sim = Simulation(seed=SEED)
    return sim, NetworkLink(sim, "net", **kwargs), Backend(sim, "db", service_time=1, concurrency=9)


def quiet(sim: Simulation, link: NetworkLink) -> None:
    assert link.metrics() == {"in_flight": 0}
    sim.check_invariants()


def test_a_call_goes_there_and_its_answer_comes_back() -> None:
    sim, link, db = world(latency=0.25)

    def ask_db() -> Generator[Any, Any, str]:
        yield from db.request()
        return f"done at {sim.now:g}"

    call = sim.process(link.call(ask_db))
    sim.run()
    assert (call.value, sim.now) == ("done at 1.25", 1.5)
    delivered = sim.recording.frame(NetworkLink.Delivered)
    assert delivered.select("time", "direction", "duration").rows() == [
        (0.25, "request", 0.25),
        (1.5, "answer", 0.25),
    ]


def test_an_error_comes_back_over_the_link_too() -> None:
    sim, link, _ = world(latency=0.25)

    def fail() -> None:
        raise BackendError

    caller = ask(sim, lambda: link.call(fail))
    sim.run()
    assert caller.value == ("BackendError", 0.5)
    quiet(sim, link)


def test_losses_are_as_frequent_as_they_should_be_on_each_way() -> None:
    sim, link, db = world(latency=exponential(0.1), loss=0.2, detect_after=3)
    callers = [ask(sim, lambda: link.call(db.request)) for _ in range(2000)]
    sim.run()
    outcomes = [outcome for outcome, _ in endings(callers)]
    assert outcomes.count("ConnectionLost") / 2000 == pytest.approx(1 - 0.8**2, abs=0.035)
    lost = sim.recording.frame(NetworkLink.Lost)
    assert lost.filter(direction="request").height / 2000 == pytest.approx(0.2, abs=0.03)
    assert lost.filter(direction="answer").height / 1600 == pytest.approx(0.2, abs=0.035)
    quiet(sim, link)


def test_who_waits_for_a_lost_message_says_so() -> None:
    sim, link, db = world(loss=1)
    ask(sim, lambda: link.call(db.request))
    sim.run()
    assert "an answer over link 'net': the request was lost" in str(sim.blocked()[0])


def test_faults_of_the_way_there_and_back() -> None:
    sim, link, db = world()
    faults = [Latency(delay=0.5), LostRequest(detect_after=2), LostResponse(detect_after=2)]
    for at, fault in zip((0, 10, 20), faults, strict=True):
        inject(sim, link, fault, when=Window(start=at, duration=5))
    callers = [ask(sim, lambda: link.call(db.request), at) for at in (0, 10, 20, 30)]
    sim.run()
    assert endings(callers) == [
        ("ok", 1.5),
        ("ConnectionLost", 12),
        ("ConnectionLost", 23),
        ("ok", 31),
    ]
    assert len(struck(sim)) == 3
    assert sim.recording.frame(Backend.Served).height == 3
    quiet(sim, link)


def test_a_partition_loses_what_goes_over_and_lets_through_what_comes_back_later() -> None:
    sim, link, db = world()
    patience = Timeout(sim, "api", 5)
    inject(sim, link, Partition(), when=Window(start=0.5, duration=1))
    callers = [
        ask(sim, lambda: patience.call(lambda: link.call(db.request)), at)
        for at in (0.25, 0.75, 1.5)
    ]
    late = ask(sim, lambda: patience.call(lambda: link.call(lambda: sim.sleep(2))), 0)
    sim.run()
    assert endings(callers) == [("TimedOut", 5.25), ("TimedOut", 5.75), ("ok", 2.5)]
    assert late.value == ("ok", 2)
    quiet(sim, link)


def test_a_reset_calls_off_the_work_at_the_far_end() -> None:
    sim, link, db = world()
    inject(sim, link, Reset(after=0.25), when=Window(start=0, duration=5))
    callers = [ask(sim, lambda: link.call(db.request), at) for at in (0, 6)]
    quick = ask(sim, lambda: link.call(lambda: sim.sleep(0.1)))
    sim.run()
    assert endings(callers) == [("ConnectionReset", 0.25), ("ok", 7)]
    assert quick.value == ("ok", 0.1)
    assert sim.recording.frame(Backend.Abandoned)["time"].to_list() == [0.25]
    assert struck(sim) == [(0.25, "request at 0", "connection_reset:net:0")]
    quiet(sim, link)


def test_a_reset_without_an_instant_takes_the_answer_of_work_that_was_done() -> None:
    sim, link, db = world()
    inject(sim, link, Reset())
    caller = ask(sim, lambda: link.call(db.request))
    sim.run()
    assert caller.value == ("ConnectionReset", 1)
    assert sim.recording.frame(Backend.Served)["outcome"].to_list() == ["ok"]


def test_a_loss_of_a_connection_at_the_far_end_comes_through_whatever_breaks_the_link() -> None:
    sim, link, _ = world()
    lost = ConnectionLost("at the far end")

    def fail() -> None:
        raise lost

    inject(sim, link, Reset(after=0.25))
    caller = ask(sim, lambda: link.call(fail))
    sim.run()
    assert caller.value == ("ConnectionLost", 0)
    assert struck(sim) == []


def test_a_link_that_is_down_takes_no_calls_and_lets_those_under_way_end() -> None:
    sim, link, db = world(latency=0.5)
    callers = [ask(sim, lambda: link.call(db.request), at) for at in (0, 2)]
    sim.call_at(1, link.kill)
    sim.run()
    assert endings(callers) == [("ok", 2), ("ServiceDown", 2)]
    quiet(sim, link)


def test_a_limit_outside_ends_a_call_wherever_it_is() -> None:
    for limit in (0.2, 1, 1.7):
        sim, link, db = world(latency=0.5)
        patience = Timeout(sim, "api", limit)
        caller = ask(sim, lambda: patience.call(lambda: link.call(db.request)))  # noqa: B023
        sim.run()
        assert caller.value == ("TimedOut", limit)
        quiet(sim, link)


def test_what_makes_no_sense_is_refused() -> None:
    sim = Simulation(seed=SEED)
    with pytest.raises(ValueError, match=r"loss=1\.5; give a share from 0 to 1"):
        NetworkLink(sim, "a", loss=1.5)
    with pytest.raises(ValueError, match="value=-1; it must be a finite number"):
        NetworkLink(sim, "b", latency=-1)
    with pytest.raises(ValueError, match="detect_after=0; give a finite number above 0"):
        NetworkLink(sim, "c", detect_after=0)
