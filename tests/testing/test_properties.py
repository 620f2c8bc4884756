"""Properties of a run: the same verdict live and on the recording, each with a counterexample."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation_lab.errors import UnknownName
from foundation_lab.simulation.engine import Simulation
from foundation_lab.testing import (
    Sweep,
    always,
    bind,
    eventually,
    judge,
    leads_to,
    monitor,
    never,
    never_after,
    settings,
    sometimes,
    step,
)
from tests.testing.world import Ping, says

if TYPE_CHECKING:
    from foundation_lab.testing.machines import Property, Verdict
    from foundation_lab.testing.monitors import Judgement


def run(*properties: Property, said: list[tuple[float, str]], until: float | None = None) -> Any:
    """Return the verdicts on a run in which each text is said after so many seconds more."""
    sim = Simulation(seed=16, name="properties")
    watching = monitor(sim, *properties).attach()
    sim.process(says(sim, *said))
    sim.run(until)
    live = watching.verdicts()
    recorded = judge(sim.recording, *properties)
    assert list(live) == list(recorded)
    return live


def verdict(prop: Property, *said: tuple[float, str], until: float | None = None) -> Verdict:
    found: list[Verdict] = run(prop, said=list(said), until=until)
    return found[0]


@pytest.mark.parametrize("within", [-1.0, math.nan, None])
def test_a_time_that_is_none_is_refused_where_the_property_is_made(within: Any) -> None:
    with pytest.raises(ValueError, match="give virtual seconds, 0 or more"):
        eventually(Ping, within=within)
    with pytest.raises(ValueError, match="give virtual seconds, 0 or more"):
        leads_to(Ping, Ping, within=within)


# -- always and never ----------------------------------------------------------------------------


def test_always_holds_of_every_event_of_its_name() -> None:
    fine = verdict(always(Ping, text=lambda text: text < "c"), (1.0, "a"), (1.0, "b"))
    assert (fine.holds, fine.hits) == (True, 2)
    bad = verdict(always(Ping, text=lambda text: text < "c"), (1.0, "a"), (1.0, "c"), (1.0, "d"))
    assert (bad.holds, bad.hits, bad.why) == (False, 2, "text is 'c'")
    assert [record.time for record in bad.counterexample] == [2.0]


def test_always_takes_a_predicate_of_all_records() -> None:
    assert verdict(always(lambda record: record.time < 3.0), (1.0, "a"), (1.0, "b")).holds
    bad = verdict(always(lambda record: record.time < 2.0), (1.0, "a"), (1.0, "b"))
    assert bad.why == "the predicate does not hold"


def test_always_must_want_something() -> None:
    with pytest.raises(ValueError, match="wants nothing of the event"):
        always(Ping)
    with pytest.raises(UnknownName):
        always(Ping, txet="a")


def test_never_shows_the_event_that_came() -> None:
    assert verdict(never(Ping, text="c"), (1.0, "a")).holds
    bad = verdict(never(Ping, text="c"), (1.0, "c"))
    assert (bad.holds, bad.why, bad.counterexample[0].time) == (False, "it happened", 1.0)


# -- eventually ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("within", "at", "holds"),
    [(2.0, 2.0, True), (2.0, math.nextafter(2.0, 3.0), False), (math.inf, 99.0, True)],
)
def test_eventually_is_in_time_at_its_very_end(within: float, at: float, *, holds: bool) -> None:
    assert verdict(eventually(Ping, text="b", within=within), (at, "b")).holds is holds


def test_eventually_is_violated_when_the_run_ends_without_it() -> None:
    bad = verdict(eventually(Ping, text="b", within=9.0), (1.0, "a"), until=3.0)
    assert (bad.holds, bad.why) == (False, "it had not happened when the run ended at t=3")


# -- never_after ---------------------------------------------------------------------------------


def test_never_after_allows_it_before() -> None:
    closed = never_after((Ping, {"text": "closed"}), (Ping, {"text": "call"}))
    assert verdict(closed, (1.0, "call"), (1.0, "closed")).holds
    bad = verdict(closed, (1.0, "call"), (1.0, "closed"), (1.0, "call"))
    assert [record.time for record in bad.counterexample] == [2.0, 3.0]
    assert bad.why == "it happened after it"


def test_an_event_is_not_after_itself() -> None:
    once = never_after(Ping, Ping)
    assert verdict(once, (1.0, "a")).holds
    assert not verdict(once, (1.0, "a"), (1.0, "b")).holds


def test_only_what_agrees_is_compared() -> None:
    again = never_after((Ping, {"text": bind("t")}), (Ping, {"text": bind("t")}))
    assert verdict(again, (1.0, "a"), (1.0, "b"), (1.0, "c")).holds
    assert not verdict(again, (1.0, "a"), (1.0, "b"), (1.0, "a")).holds


# -- leads_to ------------------------------------------------------------------------------------


def answered(within: float = math.inf) -> Property:
    return leads_to((Ping, {"text": "ask"}), (Ping, {"text": "answer"}), within=within)


def test_one_follower_is_enough_for_all_before_it() -> None:
    fine = verdict(answered(), (1.0, "ask"), (1.0, "ask"), (1.0, "answer"))
    assert (fine.holds, fine.hits, fine.left_open) == (True, 2, 0)


@pytest.mark.parametrize(("delay", "holds"), [(2.0, True), (math.nextafter(2.0, 3.0), False)])
def test_a_follower_at_the_very_end_of_its_time_is_in_time(delay: float, *, holds: bool) -> None:
    found = verdict(answered(2.0), (0.0, "ask"), (delay, "answer"))
    assert found.holds is holds
    if not holds:
        assert found.why == "nothing followed it by t=2"


def test_what_is_not_late_when_the_run_ends_is_left_open() -> None:
    fine = verdict(answered(2.0), (1.0, "ask"), (1.0, "else"), until=3.0)
    assert (fine.holds, fine.left_open) == (True, 1)
    bad = verdict(answered(2.0), (1.0, "ask"), (9.0, "else"), until=3.5)
    assert (bad.holds, bad.why) == (False, "nothing followed it by t=3")


def test_without_a_limit_what_has_not_followed_at_the_end_is_late() -> None:
    bad = verdict(answered(), (1.0, "ask"))
    assert (bad.holds, bad.why) == (False, "nothing followed it")


def test_a_length_of_time_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="give virtual seconds"):
        monitor(Simulation(), answered(-1.0)).attach()


def test_followers_are_matched_by_what_they_bind() -> None:
    replied = leads_to(
        step("shop.sent", id=bind("id")), step("shop.got", id=bind("id")), within=5.0
    )
    sim = Simulation(seed=17)
    with pytest.raises(AssertionError) as caught, monitor(sim, replied):  # noqa: PT012
        sim.telemetry.emit("shop.sent", metadata={"id": "a"})
        sim.telemetry.emit("shop.sent", metadata={"id": "b"})
        sim.telemetry.emit("shop.got", metadata={"id": "b"})
        sim.run(until=9.0)
    assert str(caught.value).startswith(
        "1 of 1 properties do not hold\n"
        "shop.sent(id=bind('id')) leads to shop.got(id=bind('id')) within 5 s: "
        "nothing followed it by t=5\n"
        "  #0 t=0 shop.sent(id='a') by main\n"
        "no process waits\n"
        "seed 17, 'simulation' at t=9\n"
    )


# -- live and recorded ---------------------------------------------------------------------------

ALL = (
    always(Ping, text=lambda text: text != "d"),
    never(Ping, text="e"),
    eventually(Ping, text="c", within=4.0),
    never_after((Ping, {"text": "a"}), (Ping, {"text": "b"})),
    never_after((Ping, {"text": bind("t")}), (Ping, {"text": bind("t")})),
    leads_to((Ping, {"text": "a"}), (Ping, {"text": "c"}), within=2.0),
    leads_to((Ping, {"text": "b"}), (Ping, {"text": "a"})),
    sometimes(Ping, text="d"),
)


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 1.0, 2.5]), st.sampled_from("abcde")), max_size=8),
    st.sampled_from([None, 3.0, 7.0]),
)
def test_live_and_recorded_runs_get_the_same_verdict(
    said: list[tuple[float, str]], until: float | None
) -> None:
    run(*ALL, said=said, until=until)


def test_a_judgement_on_a_recording_tells_which_run_it_was() -> None:
    sim = Simulation(seed=18, name="shop")
    sim.process(says(sim, (1.0, "e")))
    sim.run()
    judgement: Judgement = judge(sim.recording, never(Ping, text="e"), always(Ping, text="e"))
    assert [one.holds for one in judgement] == [False, True]
    with pytest.raises(AssertionError) as caught:
        judgement.check()
    assert str(caught.value) == (
        "1 of 2 properties do not hold\n"
        "never kit.ping(text='e'): it happened\n"
        "  #0 t=1 kit.ping(text='e', tags=()) by says\n"
        "seed 18, 'shop', recorded until t=1"
    )


# -- monitors ------------------------------------------------------------------------------------


def test_a_monitor_can_stop_the_run_at_the_first_violation() -> None:
    sim = Simulation(seed=19)
    watching = monitor(sim, never(Ping, text="b"), stop=True).attach()
    sim.process(says(sim, (1.0, "a"), (1.0, "b"), (1.0, "c")))
    sim.run()
    assert sim.now == 2.0
    watching.detach()
    assert sim.telemetry.handlers() == []
    assert [one.why for one in watching.verdicts()] == ["it happened"]  # they remain


def test_a_monitor_that_can_see_nothing_says_so() -> None:
    sim = Simulation(seed=19)
    with pytest.raises(AssertionError, match="can see nothing"), monitor(sim, never(Ping)):
        sim.telemetry.disable()
    sim.telemetry.enable()
    with pytest.raises(AssertionError, match="can see nothing"), monitor(sim, never(Ping)):
        sim.telemetry.detach_all()
    with pytest.raises(ValueError, match="no property is given"):
        monitor(sim)
    watching = monitor(sim, never(Ping)).attach()
    with pytest.raises(RuntimeError, match="attached before"):
        watching.attach()
    watching.check()


def test_an_error_in_a_property_hits_the_test_and_not_the_emitter() -> None:
    sim = Simulation(seed=19)
    with pytest.raises(ZeroDivisionError), monitor(sim, always(lambda _record: 1 / 0)):  # noqa: PT012  (the block is what raises)
        sim.process(says(sim, (1.0, "a")))
        sim.run()
    assert sim.now == 1.0


def test_an_exception_of_the_block_passes_through_a_monitor() -> None:
    sim = Simulation(seed=19)
    with pytest.raises(KeyError), monitor(sim, eventually(Ping)):
        raise KeyError
    assert sim.telemetry.handlers() == []


# -- sweeps --------------------------------------------------------------------------------------


def swept(*properties: Property, texts: str) -> Sweep:
    sweep = Sweep("test_shop")
    for seed, text in enumerate(texts):
        sweep.add(seed, run(*properties, said=[(1.0, text)]))
    return sweep


def test_sometimes_is_hit_when_one_run_of_the_sweep_hits_it() -> None:
    sweep = swept(sometimes(Ping, text="b"), texts="aab")
    sweep.check()
    assert sweep.seeds == [0, 1, 2]
    assert sweep.hits() == {"sometimes kit.ping(text='b')": {0: 0, 1: 0, 2: 1}}
    assert sweep.lines() == ["sometimes kit.ping(text='b'): put to the test in 1 of 3 runs"]


def test_a_sweep_in_which_it_never_happens_has_not_tested_it() -> None:
    sweep = swept(sometimes(Ping, text="b"), never(Ping, text="c"), texts="aaaac")
    with pytest.raises(AssertionError) as caught:
        sweep.check()
    assert str(caught.value) == (
        "test_shop: 1 properties violated, 1 never hit, in 5 runs\n"
        "never kit.ping(text='c'): it happened\n"
        "  #0 t=1 kit.ping(text='c', tags=()) by says\n"
        "  in 1 of 5 runs, seeds 4\n"
        "sometimes kit.ping(text='b'): not once in seeds 0, 1, 2, ... (5 in all)"
    )


def test_a_sweep_without_a_run_has_shown_nothing() -> None:
    with pytest.raises(AssertionError, match="no run was made"):
        Sweep().check()


def test_a_property_says_what_it_is() -> None:
    with settings(verbose=True):
        assert str(eventually(Ping, within=2.0)) == "eventually kit.ping() within 2 s"
