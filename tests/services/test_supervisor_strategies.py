"""Who is stopped and started, in which order, and what counts: OTP's semantics in virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation_lab.errors import ServiceDown, UnknownName
from foundation_lab.services import (
    Child,
    Health,
    Service,
    Supervisor,
    custom_backoff,
    exponential_backoff,
)
from foundation_lab.services.supervision.restarts import STRATEGIES
from foundation_lab.simulation.engine import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable

MARKS = {"foundation.service.stopped": "-", "foundation.service.restarted": "+"}


class Reluctant(Service):
    """Fails to start as often as it is told."""

    failures = 0

    def on_restart(self) -> None:
        if self.failures:
            self.failures -= 1
            raise ServiceDown(self.name)


def services(sim: Simulation, names: str = "abc") -> list[Service]:
    return [Service(sim, name) for name in names]


def life(sim: Simulation) -> list[tuple[float, str]]:
    """Return at each instant who went down (``-a``) and who came up (``+a``), in order."""
    frame = sim.recording.events.filter(pl.col("event").is_in(list(MARKS)))
    log: dict[float, list[str]] = {}
    for time, event, service in frame.select("time", "event", "service").rows():
        log.setdefault(time, []).append(MARKS[event] + service)
    return [(time, " ".join(words)) for time, words in log.items()]


def at(sim: Simulation, time: float, *calls: Callable[[], object]) -> None:
    for call in calls:
        sim.call_at(time, call)


def restarts(sim: Simulation) -> list[tuple[Any, ...]]:
    frame = sim.recording.frame(Supervisor.ChildRestarting)
    return frame.select("time", "child", "scope", "restarts").rows()


# -- strategies --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "crashed", "course"),
    [
        ("one_for_one", 0, "-a +a"),
        ("one_for_one", 1, "-b +b"),
        ("one_for_all", 0, "-a -c -b +a +b +c"),
        ("one_for_all", 1, "-b -c -a +a +b +c"),
        ("one_for_all", 2, "-c -b -a +a +b +c"),
        ("rest_for_one", 0, "-a -c -b +a +b +c"),
        ("rest_for_one", 1, "-b -c +b +c"),
        ("rest_for_one", 2, "-c +c"),
    ],
)
def test_who_is_restarted_and_in_which_order(strategy: str, crashed: int, course: str) -> None:
    sim = Simulation(seed=1)
    children = services(sim)
    Supervisor(sim, "root", children, strategy=strategy)
    at(sim, 1, children[crashed].kill)
    sim.run()
    assert life(sim) == [(1.0, course)]
    assert all(child.up for child in children)
    assert [number for *_, number in restarts(sim)] == [1]  # several children, one restart
    sim.check_invariants()


@pytest.mark.parametrize(
    ("strategy", "crashes", "counted"),
    [
        ("one_for_one", "ab", 2),
        ("one_for_all", "ab", 1),
        ("one_for_all", "ba", 1),
        ("rest_for_one", "ab", 1),
        ("rest_for_one", "ba", 2),
    ],
)
def test_children_that_crash_at_the_same_instant_count_once_when_one_restart_covers_both(
    strategy: str, crashes: str, counted: int
) -> None:
    sim = Simulation(seed=2)
    children = {child.name: child for child in services(sim)}
    Supervisor(sim, "root", children.values(), strategy=strategy)
    at(sim, 1, *(children[name].kill for name in crashes))
    sim.run()
    assert len(restarts(sim)) == counted
    assert all(child.up for child in children.values())


def test_a_child_that_crashes_while_another_is_stopping_is_flushed_with_the_restart() -> None:
    sim = Simulation(seed=3)
    children = services(sim)
    children[2].stop_time = 2
    Supervisor(sim, "root", children, strategy="one_for_all")
    at(sim, 1, children[0].kill)
    at(sim, 2, children[1].kill)
    sim.run()
    assert life(sim) == [(1.0, "-a"), (2.0, "-b"), (3.0, "-c +a +b +c")]
    assert len(restarts(sim)) == 1


def test_a_child_outside_of_the_restart_that_crashes_during_it_is_looked_after_next() -> None:
    sim = Simulation(seed=4)
    children = services(sim)
    children[2].stop_time = 2
    Supervisor(sim, "root", children, strategy="rest_for_one")
    at(sim, 1, children[1].kill)
    at(sim, 2, children[0].kill)
    sim.run()
    assert life(sim) == [(1.0, "-b"), (2.0, "-a"), (3.0, "-c +b +c"), (5.0, "-c -b +a +b +c")]
    assert [child for _, child, *_ in restarts(sim)] == ["b", "a"]


def test_a_child_that_crashes_while_it_is_being_stopped_is_just_down() -> None:
    sim = Simulation(seed=5)
    children = services(sim, "ab")
    children[1].stop_time = 2
    Supervisor(sim, "root", children, strategy="one_for_all")
    at(sim, 1, children[0].kill)
    at(sim, 2, children[1].kill)
    sim.run()
    assert life(sim) == [(1.0, "-a"), (2.0, "-b +a +b")]
    ended = sim.recording.frame(Supervisor.ChildTerminated)
    assert ended.select("child", "forced", "duration").rows() == [("b", False, 1.0)]


# -- shutdown ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shutdown", "time", "forced"),
    [
        (5.0, 3.0, False),
        (3.0, 3.0, False),
        (2.0, 2.0, True),
        (0, 0.0, True),
        ("brutal_kill", 0.0, True),
        (float("inf"), 3.0, False),
    ],
)
def test_a_child_has_its_time_to_stop_and_is_killed_after_it(
    shutdown: Any, time: float, *, forced: bool
) -> None:
    sim = Simulation(seed=6)
    child = Service(sim, "child")
    child.stop_time = 3
    root = Supervisor(sim, "root", [Child(child, shutdown=shutdown)])
    root.stop()
    assert root.stopping is (time > 0 or shutdown == 0)
    sim.run()
    ended = sim.recording.frame(Supervisor.ChildTerminated)
    assert ended.select("time", "forced", "duration").rows() == [(time, forced, time)]
    reasons = sim.recording.frame(Service.Stopped).select("service", "reason").rows()
    assert reasons == [("child", "killed" if forced else "shutdown"), ("root", "shutdown")]
    assert not root.up


def test_children_stop_one_after_the_other_the_last_one_first() -> None:
    sim = Simulation(seed=7)
    children = services(sim)
    for child, seconds in zip(children, (1, 2, 3), strict=True):
        child.stop_time = seconds
    root = Supervisor(sim, "root", children)
    root.stop()
    root.stop("again")
    sim.run()
    assert life(sim) == [(3.0, "-c"), (5.0, "-b"), (6.0, "-a -root")]


def test_a_supervisor_that_is_killed_takes_its_children_along_at_once() -> None:
    sim = Simulation(seed=8)
    children = services(sim)
    children[1].stop_time = 9
    root = Supervisor(sim, "root", children, restart_delay=5)
    at(sim, 1, children[0].kill)
    at(sim, 2, root.stop)
    at(sim, 3, lambda: root.kill("crashed"))
    sim.run()
    assert life(sim) == [(1.0, "-a"), (2.0, "-c"), (3.0, "-b -root")]
    assert sim.recording.frame(Service.Stopped)["reason"].to_list()[2:] == ["crashed", "crashed"]
    assert sim.now == 3


def test_an_orderly_stop_under_way_goes_on_to_the_end_when_the_supervisor_stops() -> None:
    sim = Simulation(seed=9)
    children = services(sim)
    children[2].stop_time = 2
    root = Supervisor(sim, "root", children, strategy="one_for_all")
    at(sim, 1, children[0].kill)
    at(sim, 2, root.stop)
    sim.run()
    assert life(sim) == [(1.0, "-a"), (3.0, "-c -b -root")]


def test_whoever_ends_the_supervisor_while_it_restarts_is_obeyed() -> None:
    for event in (Supervisor.ChildTerminated, Service.Restarted, Supervisor.ChildRestarting):
        for end in ("stop", "kill"):
            sim = Simulation(seed=10)
            children = services(sim)
            root = Supervisor(sim, "root", children, strategy="one_for_all")
            sim.telemetry.attach("end", event, lambda _, end=end, root=root: getattr(root, end)())  # type: ignore[misc]
            at(sim, 1, children[0].kill)
            sim.run()
            assert not root.up, (event, end)
            assert not any(child.up for child in children), (event, end)


@pytest.mark.parametrize(("seconds", "end"), [(1, 4.0), (0, 3.0)])
def test_a_stop_in_the_middle_of_a_restart_still_gives_each_child_its_time(
    seconds: float, end: float
) -> None:
    sim = Simulation(seed=38)
    a, b, c = services(sim)
    b.stop_time, c.stop_time = 2, seconds
    root = Supervisor(sim, "root", [a, b, c], strategy="one_for_all")
    sim.telemetry.attach("stop", Supervisor.ChildTerminated, lambda _: root.stop())
    at(sim, 1, a.kill)
    sim.run()
    assert life(sim)[-1] == (end, "-b -root")


# -- kinds of children -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("restart", "reason", "comes_back"),
    [
        ("permanent", "shutdown", True),
        ("permanent", "killed", True),
        ("transient", "normal", False),
        ("transient", "shutdown:done", False),
        ("transient", "killed", True),
        ("temporary", "killed", False),
    ],
)
def test_whether_a_child_comes_back_depends_on_its_kind_and_its_reason(
    restart: str, reason: str, *, comes_back: bool
) -> None:
    sim = Simulation(seed=11)
    child = Service(sim, "child")
    root = Supervisor(sim, "root", [Child(child, restart)])
    at(sim, 1, lambda: child.kill(reason))
    sim.run()
    assert child.up is comes_back
    assert len(root.which_children()) == (restart != "temporary")


def test_a_restart_of_all_forgets_temporary_children_and_wakes_transient_ones() -> None:
    sim = Simulation(seed=12)
    a, b, c = services(sim)
    specs = [Child(a), Child(b, "temporary"), Child(c, "transient")]
    root = Supervisor(sim, "root", specs, strategy="one_for_all")
    at(sim, 1, c.stop)
    at(sim, 2, a.kill)
    sim.run()
    assert life(sim) == [(1.0, "-c"), (2.0, "-a -b +a +c")]
    assert [info.name for info in root.which_children()] == ["a", "c"]


@pytest.mark.parametrize(
    ("auto_shutdown", "ends", "up"),
    [
        ("any_significant", "a", False),
        ("any_significant", "c", True),
        ("all_significant", "a", True),
        ("all_significant", "ab", False),
    ],
)
def test_the_orderly_end_of_significant_children_ends_the_supervisor(
    auto_shutdown: str, ends: str, *, up: bool
) -> None:
    sim = Simulation(seed=13)
    children = {child.name: child for child in services(sim)}
    specs = [Child(s, "transient", significant=n in "ab") for n, s in children.items()]
    root = Supervisor(sim, "root", specs, auto_shutdown=auto_shutdown)
    for time, name in enumerate(ends, 1):
        at(sim, time, children[name].stop)
    sim.run()
    assert root.up is up
    assert len(sim.recording.frame(Supervisor.AutoShutdown)) == (not up)


# -- intensity and escalation ------------------------------------------------------------------


def test_a_child_that_does_not_start_counts_again_until_it_does() -> None:
    sim = Simulation(seed=14)
    child = Reluctant(sim, "child")
    root = Supervisor(sim, "root", [child], intensity=3)
    child.failures = 2
    at(sim, 1, child.kill)
    sim.run()
    assert child.up
    assert root.up
    assert [number for *_, number in restarts(sim)] == [1, 2, 3]
    failed = sim.recording.frame(Supervisor.StartFailed).select("child", "error").rows()
    assert failed == [("child", "ServiceDown")] * 2


def test_a_child_that_never_starts_uses_up_the_intensity_at_once() -> None:
    sim = Simulation(seed=15)
    child, other = Reluctant(sim, "child"), Service(sim, "other")
    root = Supervisor(sim, "root", [other, child], intensity=3)
    child.failures = 99
    at(sim, 1, child.kill)
    sim.run()
    assert (root.up, other.up, child.failures) == (False, False, 96)
    assert sim.now == 1


def test_who_comes_after_a_child_that_does_not_start_waits_for_it() -> None:
    sim = Simulation(seed=16)
    a, b, c = Service(sim, "a"), Reluctant(sim, "b"), Service(sim, "c")
    Supervisor(sim, "root", [a, b, c], strategy="one_for_all", restart_delay=1)
    b.failures = 1
    at(sim, 1, a.kill)
    sim.run()
    assert life(sim) == [(1.0, "-a -c -b"), (2.0, "+a -a"), (3.0, "+a +b +c")]


def test_a_supervisor_that_gives_up_exits_with_shutdown_and_its_parent_restarts_it() -> None:
    sim = Simulation(seed=17)
    child, peer = Service(sim, "child"), Service(sim, "peer")
    inner = Supervisor(sim, "inner", [child], intensity=0)
    outer = Supervisor(sim, "outer", [inner, peer], strategy="one_for_all")
    at(sim, 1, child.kill)
    sim.run()
    assert life(sim) == [(1.0, "-child -inner -peer +child +inner +peer")]
    assert sim.recording.frame(Supervisor.ChildExited)["reason"].to_list() == ["killed", "shutdown"]
    assert (outer.up, inner.up, child.up) == (True, True, True)


def test_a_transient_supervisor_that_gives_up_stays_down() -> None:
    sim = Simulation(seed=18)
    child = Service(sim, "child")
    inner = Supervisor(sim, "inner", [child], intensity=0)
    Supervisor(sim, "outer", [Child(inner, "transient")])
    at(sim, 1, child.kill)
    sim.run()
    assert not inner.up


def test_crashes_climb_a_tree_until_its_root_gives_up() -> None:
    sim = Simulation(seed=19)
    leaf = Service(sim, "leaf")
    inner = Supervisor(sim, "inner", [leaf], intensity=1, period=100)
    outer = Supervisor(sim, "outer", [inner], intensity=1, period=100)
    for time in range(1, 6):
        at(sim, time, leaf.kill)
    sim.run()
    # two crashes end the inner one, two ends of it the outer one
    gave_up = sim.recording.frame(Supervisor.GaveUp).select("time", "service").rows()
    assert gave_up == [(2.0, "inner"), (4.0, "inner"), (4.0, "outer")]
    assert not any(service.up for service in (leaf, inner, outer))


def test_a_supervisor_does_not_start_when_a_child_of_it_does_not() -> None:
    sim = Simulation(seed=20)
    a, b = Service(sim, "a"), Reluctant(sim, "b")
    inner = Supervisor(sim, "inner", [a, b])
    outer = Supervisor(sim, "outer", [inner], intensity=5)
    b.failures = 1
    at(sim, 1, inner.kill)
    sim.run()
    assert life(sim) == [(1.0, "-b -a -inner +a -a +a +b +inner")]
    assert len(restarts(sim)) == 2
    assert outer.up


def test_incarnations_have_names_of_their_own_whatever_fails() -> None:
    sim = Simulation(seed=21)
    child = Reluctant(sim, "child")
    Supervisor(sim, "root", [child])
    pids = {child.pid}
    child.failures = 1
    for time in (1, 10):
        at(sim, time, child.kill)
        sim.run()
        pids.add(child.pid)
    assert len(pids) == 3


# -- delays ------------------------------------------------------------------------------------


def test_the_delay_grows_with_the_restarts_in_a_row_and_begins_anew_after_a_stable_time() -> None:
    sim = Simulation(seed=22)
    child = Service(sim, "child")
    backoff = exponential_backoff(1)
    Supervisor(sim, "root", [child], restart_delay=backoff, stable_time=10, intensity=9)
    for time in (1, 3, 6, 20):  # up again at 2, 5, 10: for exactly 10 seconds then
        at(sim, time, child.kill)
    sim.run()
    delays = sim.recording.frame(Supervisor.ChildRestarting)["delay"].to_list()
    assert delays == [1, 2, 4, 1]


def test_others_stop_at_once_and_all_start_after_the_delay() -> None:
    sim = Simulation(seed=23)
    children = services(sim)
    root = Supervisor(sim, "root", children, strategy="one_for_all", restart_delay=2)
    at(sim, 1, children[1].kill)
    sim.run(until=2)
    assert [info.state for info in root.which_children()] == ["down", "restarting", "down"]
    assert root.health() is Health.DEGRADED
    sim.run()
    assert life(sim) == [(1.0, "-b -c -a"), (3.0, "+a +b +c")]


def test_a_crash_of_an_earlier_child_during_the_delay_takes_the_restart_over() -> None:
    sim = Simulation(seed=24)
    children = services(sim)
    Supervisor(sim, "root", children, strategy="rest_for_one", restart_delay=2)
    at(sim, 1, children[1].kill)
    at(sim, 2, children[0].kill)
    sim.run()
    assert life(sim) == [(1.0, "-b -c"), (2.0, "-a"), (4.0, "+a +b +c")]


def test_each_child_has_a_delay_of_its_own_when_they_are_restarted_alone() -> None:
    sim = Simulation(seed=25)
    children = services(sim, "ab")
    Supervisor(sim, "root", children, restart_delay=2)
    at(sim, 1, children[0].kill)
    at(sim, 2, children[1].kill)
    sim.run()
    assert life(sim) == [(1.0, "-a"), (2.0, "-b"), (3.0, "+a"), (4.0, "+b")]


def test_a_child_that_is_brought_up_and_killed_during_the_delay_is_counted_again() -> None:
    sim = Simulation(seed=26)
    child = Service(sim, "child")
    Supervisor(sim, "root", [child], restart_delay=2)
    at(sim, 1, child.kill)
    at(sim, 2, child.restart, child.kill)
    sim.run()
    assert life(sim) == [(1.0, "-child"), (2.0, "+child -child"), (4.0, "+child")]
    assert len(restarts(sim)) == 2


def test_the_restart_is_caused_by_the_exit_although_it_comes_later() -> None:
    sim = Simulation(seed=27)
    child = Service(sim, "child")
    Supervisor(sim, "root", [child], restart_delay=2)
    at(sim, 1, child.kill)
    at(sim, 2, Service(sim, "other").kill)
    sim.run()
    events = sim.recording.events
    cause = dict(zip(events["sequence"], events["cause"], strict=True))
    name = dict(zip(events["sequence"], events["event"].str.split(".").list.last(), strict=True))
    chain, at_last = [], events["sequence"].max()
    while isinstance(at_last, int) and name[at_last] != "stopped":
        chain.append(name[at_last])
        at_last = cause[at_last]
    assert chain == ["child_started", "restarted", "child_restarting", "child_exited"]


# -- children on demand ------------------------------------------------------------------------


def test_children_come_and_go() -> None:
    sim = Simulation(seed=28)
    a, b = services(sim, "ab")
    root = Supervisor(sim, "root", [a])
    root.add_child(Child(b, "permanent"))
    with pytest.raises(ValueError, match="has a child called 'b' already"):
        root.add_child(b)
    at(sim, 1, b.kill)
    sim.run()
    assert b.up
    done = root.terminate_child("b")
    assert done.triggered
    assert not b.up
    assert root.count_children() == {"specs": 2, "active": 1, "supervisors": 0, "workers": 2}
    assert [(i.name, i.pid, i.state, i.kind) for i in root.which_children()] == [
        ("a", a.pid, "running", "worker"),
        ("b", None, "down", "worker"),
    ]
    root.restart_child("b")
    assert b.up
    for refused in (root.restart_child, root.delete_child):
        with pytest.raises(RuntimeError, match="child 'b' of supervisor 'root' is running"):
            refused("b")
    root.terminate_child("b")
    root.delete_child("b")
    with pytest.raises(UnknownName, match="unknown child 'b'"):
        root.terminate_child("b")
    assert root.children == [a]


def test_a_child_that_is_terminated_while_it_waits_for_its_restart_stays_down() -> None:
    sim = Simulation(seed=29)
    child = Service(sim, "child")
    root = Supervisor(sim, "root", [child], restart_delay=3)
    at(sim, 1, child.kill)
    sim.run(until=2)
    with pytest.raises(RuntimeError, match="is restarting"):
        root.restart_child("child")
    root.terminate_child("child")
    sim.run()
    assert life(sim) == [(1.0, "-child")]
    assert root.which_children()[0].state == "down"


def test_whoever_waits_for_a_child_to_be_terminated_goes_on_when_it_is_down() -> None:
    sim = Simulation(seed=30)
    a, b = services(sim, "ab")
    a.stop_time, b.stop_time = 2, 3
    root = Supervisor(sim, "root", [a, Child(b, "temporary")])

    def operator() -> Any:
        first, second = root.terminate_child("a"), root.terminate_child("b")
        yield second
        return first.triggered, sim.now

    waiting = sim.process(operator())
    sim.run()
    assert waiting.value == (True, 5)
    assert [info.name for info in root.which_children()] == ["a"]


def test_whoever_waits_for_a_child_is_told_when_the_supervisor_goes_down_before() -> None:
    sim = Simulation(seed=31)
    a, b = services(sim, "ab")
    a.stop_time = 5
    root = Supervisor(sim, "root", [a, b])
    root.terminate_child("a")
    done = root.terminate_child("b")
    at(sim, 1, root.kill)
    sim.run()
    assert done.triggered
    with pytest.raises(ServiceDown):
        root.add_child(Service(sim, "c"))


def test_children_that_were_added_are_forgotten_when_the_supervisor_begins_anew() -> None:
    sim = Simulation(seed=32)
    a, b = services(sim, "ab")
    root = Supervisor(sim, "root", [Child(a, "temporary")])
    root.add_child(b)
    root.kill()
    root.restart()
    assert root.children == [a]
    assert (a.up, b.up) == (True, False)
    b.restart()
    b.kill()
    sim.run()
    assert not b.up


def test_a_child_that_is_down_is_started_when_it_is_added_or_not_taken() -> None:
    sim = Simulation(seed=33)
    a, b = Service(sim, "a"), Reluctant(sim, "b")
    a.kill()
    b.kill()
    b.failures = 1
    root = Supervisor(sim, "root", [a])
    assert a.up
    with pytest.raises(ServiceDown):
        root.add_child(b)
    assert root.children == [a]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda s: {"children": [s], "strategy": "one_for_none"}, "strategy='one_for_none'"),
        (lambda s: {"children": [s], "auto_shutdown": "always"}, "auto_shutdown='always'"),
        (lambda s: {"children": [s], "stable_time": 0}, "stable_time=0"),
        (lambda s: {"children": [Child(s, "always")]}, "child 'a': restart='always'"),
        (lambda s: {"children": [Child(s, shutdown=-1)]}, "child 'a': shutdown=-1"),
        (lambda s: {"children": [Child(s, shutdown="kill")]}, "shutdown='kill'"),  # type: ignore[arg-type]
        (lambda s: {"children": [Child(s, "transient", significant=True)]}, "is significant"),
    ],
)
def test_a_specification_that_makes_no_sense_is_an_error_at_once(
    make: Callable[[Service], dict[str, Any]], message: str
) -> None:
    sim = Simulation(seed=34)
    with pytest.raises(ValueError, match=message):
        Supervisor(sim, "root", **make(Service(sim, "a")))


def test_it_does_the_same_with_telemetry_off() -> None:
    sim = Simulation(seed=35)
    sim.telemetry.disable()
    children = services(sim)
    children[2].stop_time = 2
    root = Supervisor(
        sim, "root", children, strategy="one_for_all", restart_delay=custom_backoff(float)
    )
    at(sim, 1, children[0].kill)
    sim.run()
    assert sim.now == 4
    assert root.up
    assert all(child.restart_count == 1 for child in children)


def test_a_supervisor_tells_how_it_is() -> None:
    sim = Simulation(seed=39)
    child = Service(sim, "child")
    root = Supervisor(sim, "root", [child], intensity=1)
    child.stop_time = 2
    assert root.health() is Health.HEALTHY
    assert root.metrics() == {"specs": 1, "active": 1, "supervisors": 0, "workers": 1}
    root.stop()
    with pytest.raises(ServiceDown, match="supervisor 'root' is stopping"):
        root.terminate_child("child")
    sim.run()
    assert root.health() is Health.UNHEALTHY


def test_a_start_that_children_survived_is_not_repeated() -> None:
    sim = Simulation(seed=40)
    a, b = Service(sim, "a"), Service(sim, "b")
    root = Supervisor(sim, "root", [a, b])
    root.kill()
    a.restart()
    root.restart()
    assert (a.restart_count, b.restart_count) == (1, 1)


# -- random crashes against a model ------------------------------------------------------------


def expected(
    strategy: str, names: str, crashes: list[tuple[int, str]], intensity: int, period: int
) -> list[tuple[float, str]]:
    """Return what `life` should be: a supervisor in a few lines, stops and starts in no time."""
    counted: list[int] = []
    log: list[tuple[float, str]] = []
    for time in sorted({time for time, _ in crashes}):
        mailbox = list(dict.fromkeys(name for when, name in crashes if when == time))
        down = [f"-{name}" for name in mailbox]
        up = set(names) - set(mailbox)
        while mailbox:
            crashed = mailbox.pop(0)
            counted.append(time)
            if sum(time - period <= earlier for earlier in counted) > intensity:
                down += [f"-{name}" for name in reversed(names) if name in up] + ["-root"]
                return [*log, (float(time), " ".join(down))]
            first = {"one_for_one": None, "one_for_all": 0}.get(strategy, names.index(crashed))
            scope = crashed if first is None else names[first:]
            down += [f"-{name}" for name in reversed(scope) if name in up]
            down += [f"+{name}" for name in scope]
            up |= set(scope)
            mailbox = [name for name in mailbox if name not in scope]
        log.append((float(time), " ".join(down)))
    return log


@settings(max_examples=150)
@given(
    st.sampled_from(STRATEGIES),
    st.integers(1, 4),
    st.lists(st.tuples(st.integers(1, 30), st.sampled_from("abcd")), max_size=12),
    st.integers(0, 3),
    st.integers(1, 8),
)
def test_random_crashes_take_the_course_of_the_model(
    strategy: str, size: int, crashes: list[tuple[int, str]], intensity: int, period: int
) -> None:
    names = "abcd"[:size]
    crashes = [(time, name) for time, name in crashes if name in names]
    sim = Simulation(seed=36)
    children = {child.name: child for child in services(sim, names)}
    Supervisor(
        sim, "root", children.values(), strategy=strategy, intensity=intensity, period=period
    )
    for time, name in crashes:
        at(sim, time, children[name].kill)
    sim.run()
    sim.check_invariants()
    assert life(sim) == expected(strategy, names, crashes, intensity, period)


@settings(max_examples=100)
@given(
    st.sampled_from(STRATEGIES),
    st.lists(st.tuples(st.integers(1, 20), st.sampled_from("abc")), max_size=10),
    st.lists(st.integers(0, 3), min_size=3, max_size=3),
    st.sampled_from([0, 1, 2]),
    st.sampled_from([1.0, 5.0]),
)
def test_with_slow_stops_and_delays_all_are_up_in_the_end_or_all_are_down(
    strategy: str,
    crashes: list[tuple[int, str]],
    stop_times: list[int],
    delay: int,
    shutdown: float,
) -> None:
    sim = Simulation(seed=37)
    children = {child.name: child for child in services(sim)}
    for child, seconds in zip(children.values(), stop_times, strict=True):
        child.stop_time = seconds
    specs = [Child(child, shutdown=shutdown) for child in children.values()]
    root = Supervisor(
        sim, "root", specs, strategy=strategy, restart_delay=delay, intensity=4, period=10
    )
    for time, name in crashes:
        at(sim, time, children[name].kill)
    sim.run_to_completion()
    sim.check_invariants()
    assert {child.up for child in children.values()} == {root.up}
    gave_up = len(sim.recording.frame(Supervisor.GaveUp))
    assert gave_up == (not root.up)
    # nobody starts beside an earlier child that is down, unless children are restarted alone
    if strategy == "one_for_all":
        up = set(children)
        for _, course in life(sim):
            for word in course.split():
                (up.discard if word[0] == "-" else up.add)(word[1:])
                if word[0] == "+" and word[1:] in children:
                    earlier = list(children)[: list(children).index(word[1:])]
                    assert up.issuperset(earlier)


@pytest.mark.parametrize(
    ("auto_shutdown", "kinds", "ends", "up"),
    [
        ("any_significant", "temporary permanent", "a!", False),
        ("any_significant", "temporary permanent", "a", False),
        ("any_significant", "transient permanent", "a!", True),
        ("any_significant", "transient permanent", "a", False),
        ("all_significant", "temporary transient", "a! b!", True),
        ("all_significant", "temporary transient", "a! b", False),
        ("all_significant", "temporary temporary", "a! b!", False),
    ],
)
def test_a_significant_child_ends_it_when_it_is_not_restarted(
    auto_shutdown: str, kinds: str, ends: str, *, up: bool
) -> None:
    """A temporary one after a crash (`!`), too: do_auto_shutdown in OTP's supervisor.erl."""
    sim = Simulation(seed=30)
    children = {name: Service(sim, name) for name in "ab"}
    specs = [
        Child(child, kind, significant=kind != "permanent")
        for child, kind in zip(children.values(), kinds.split(), strict=True)
    ]
    root = Supervisor(sim, "root", specs, auto_shutdown=auto_shutdown)
    for time, end in enumerate(ends.split(), 1):
        child = children[end[0]]
        at(sim, time, child.kill if "!" in end else child.stop)
    sim.run()
    assert root.up is up


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_a_significant_bystander_of_a_restart_ends_nothing(strategy: str) -> None:
    """OTP's supervisor_SUITE, significant_bystander: its end was the supervisor's own order."""
    sim = Simulation(seed=31)
    first, second, third = (Service(sim, name) for name in "abc")
    specs = [
        Child(first),
        Child(second, "temporary", significant=True),
        Child(third, "transient", significant=True),
    ]
    root = Supervisor(sim, "root", specs, strategy=strategy, auto_shutdown="any_significant")
    at(sim, 1, first.kill)
    sim.run()
    assert (root.up, first.up, second.up, third.up) == (True, True, False, True)
