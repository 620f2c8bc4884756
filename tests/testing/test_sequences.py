"""Sequences: orders, gaps, causes, and values that must agree."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation_lab.simulation.engine import Simulation
from foundation_lab.telemetry.record import AdHoc, Record
from foundation_lab.testing import assert_event, assert_sequence, bind, step
from foundation_lab.testing.steps import Rules, Search, SequenceStep
from foundation_lab.testing.wanted import Wanted, wanted_event
from tests.testing.world import Ping, change, says

if TYPE_CHECKING:
    from collections.abc import Generator

    from foundation_lab.testing.steps import Order, Step


@pytest.fixture
def sim() -> Simulation:
    return Simulation(seed=12)


def tell(sim: Simulation, name: str, **labels: Any) -> int:
    return sim.telemetry.emit(f"shop.{name}", metadata=labels)


# -- bind ----------------------------------------------------------------------------------------


def test_a_value_that_one_step_binds_must_agree_in_the_next(sim: Simulation) -> None:
    with assert_sequence(
        sim, [("shop.sent", {"id": bind("order")}), ("shop.got", {"id": bind("order")})]
    ) as pair:
        tell(sim, "sent", id="a")
        tell(sim, "got", id="x")
        tell(sim, "got", id="a")
    assert pair.bound == {"order": "a"}
    assert [record.sequence for record in pair.records] == [0, 2]


@pytest.mark.parametrize("order", ["simple", "none"])
def test_another_candidate_is_tried_when_what_the_first_binds_leads_nowhere(
    sim: Simulation, order: Order
) -> None:
    steps = [("shop.sent", {"id": bind("order")}), ("shop.got", {"id": bind("order")})]
    with assert_sequence(sim, steps, order=order) as pair:
        tell(sim, "sent", id="lost")
        tell(sim, "sent", id="a")
        tell(sim, "got", id="a")
    assert pair.bound == {"order": "a"}
    assert [record["id"] for record in pair.records] == ["a", "a"]


def test_without_order_the_step_that_binds_may_come_last(sim: Simulation) -> None:
    steps = [("shop.sent", {"id": bind("order")}), ("shop.got", {"id": bind("order")})]
    with assert_sequence(sim, steps, order="none") as pair:
        tell(sim, "got", id="a")
        tell(sim, "got", id="b")
        tell(sim, "sent", id="b")
    assert [record.name for record in pair.records] == ["shop.sent", "shop.got"]
    assert (pair.record.sequence, pair.bound) == (2, {"order": "b"})


def test_a_name_may_be_bound_twice_in_one_event(sim: Simulation) -> None:
    with assert_event(sim, "shop.moved", source=bind("at"), target=bind("at")) as moved:
        tell(sim, "moved", source="a", target="b")
        tell(sim, "moved", source="c", target="c")
    assert (moved.bound, moved.record.sequence) == ({"at": "c"}, 1)


def test_bind_takes_a_matcher_and_nothing_that_is_not_there(sim: Simulation) -> None:
    with assert_event(sim, "shop.sent", id=bind("id", lambda text: text > "b")) as sent:
        tell(sim, "sent", id="a")
        tell(sim, "sent", number="d")
        tell(sim, "sent", id="c")
    assert sent.bound == {"id": "c"}
    with pytest.raises(TypeError, match="give the value a name"):
        bind(3)  # type: ignore[arg-type]


def test_a_disagreement_is_explained_by_the_value_that_was_bound(sim: Simulation) -> None:
    steps = [("shop.sent", {"id": bind("order")}), ("shop.got", {"id": bind("order")})]
    with pytest.raises(AssertionError) as caught, assert_sequence(sim, steps):  # noqa: PT012  (the block is what raises)
        tell(sim, "sent", id="a")
        tell(sim, "got", id="x")
    assert "step 2 of 2, shop.got(id=bind('order')), did not come" in str(caught.value)
    assert "      id: wanted 'a', which is bind('order'), got 'x'" in str(caught.value)


def test_values_that_cannot_be_hashed_can_be_bound(sim: Simulation) -> None:
    steps = [("shop.sent", {"items": bind("items")}), ("shop.got", {"items": bind("items")})]
    with assert_sequence(sim, steps) as pair:
        tell(sim, "sent", items=["tea"])
        tell(sim, "sent", items=["rye"])
        tell(sim, "got", items=["rye"])
    assert pair.bound == {"items": ["rye"]}


# -- times ---------------------------------------------------------------------------------------


def test_a_step_that_comes_too_late_after_one_candidate_may_be_in_time_after_another(
    sim: Simulation,
) -> None:
    steps: list[Step] = [(Ping, {"text": "a"}), step(Ping, text="b", within=2.0)]
    with assert_sequence(sim, steps, within=9.0) as heard:
        sim.process(says(sim, (1.0, "a"), (3.0, "a"), (2.0, "b")))
    assert [record.time for record in heard.records] == [4.0, 6.0]


@pytest.mark.parametrize(("gap", "fits"), [(2.0, True), (1.9, False)])
def test_a_gap_is_measured_to_its_very_end(sim: Simulation, gap: float, *, fits: bool) -> None:
    def run() -> None:
        with assert_sequence(sim, [(Ping, {"text": "a"}), (Ping, {"text": "b"})], gap=gap):
            sim.process(says(sim, (1.0, "a"), (2.0, "b")))

    if fits:
        run()
        return
    with pytest.raises(AssertionError, match=r"it came 2 s after the step before it, not within"):
        run()


def test_the_first_step_is_late_by_the_beginning_of_the_block(sim: Simulation) -> None:
    with (
        pytest.raises(AssertionError, match="it came 3 s after the block was entered, not within"),
        assert_sequence(sim, [step(Ping, within=2.0)]),
    ):
        sim.process(says(sim, (3.0, "a")))


def test_the_total_counts_from_the_first_step_that_is_taken(sim: Simulation) -> None:
    steps = [(Ping, {"text": text}) for text in "abc"]
    with assert_sequence(sim, steps, within=20.0, total=3.0) as heard:
        sim.process(says(sim, (1.0, "a"), (1.0, "b"), (3.0, "a"), (1.0, "b"), (2.0, "c")))
    assert [record.time for record in heard.records] == [5.0, 6.0, 8.0]
    with (
        pytest.raises(AssertionError, match="it came 3 s after the first, not within 2"),
        assert_sequence(sim, steps, within=20.0, total=2.0),
    ):
        sim.process(says(sim, (1.0, "a"), (1.0, "b"), (2.0, "c")))


# -- causes --------------------------------------------------------------------------------------


def worker(sim: Simulation, name: str, delay: float) -> Generator[Any, Any, None]:
    tell(sim, "began", worker=name)
    tell(sim, "noise")
    yield sim.timeout(delay)
    tell(sim, "ended", worker=name)


def test_a_causal_sequence_follows_the_chain_of_causes(sim: Simulation) -> None:
    steps: list[Step] = [("shop.began", {"worker": "slow"}), "shop.ended"]
    with assert_sequence(sim, steps, causal=True) as heard:
        sim.process(worker(sim, "slow", 3.0))
        sim.process(worker(sim, "fast", 1.0))
    assert heard.record["worker"] == "slow"
    assert heard.time == 3.0


def test_what_only_comes_after_was_not_caused(sim: Simulation) -> None:
    steps = [("shop.began", {"worker": "slow"}), ("shop.ended", {"worker": "fast"})]
    with assert_sequence(sim, steps):
        sim.process(worker(sim, "slow", 3.0))
        sim.process(worker(sim, "fast", 1.0))
    with (  # noqa: PT012  (the block is what raises)
        pytest.raises(AssertionError, match=r"it was not caused by #\d+: its causes are #\d+ ← #"),
        assert_sequence(sim, steps, causal=True),
    ):
        sim.process(worker(sim, "slow", 3.0))
        sim.process(worker(sim, "fast", 1.0))


# -- orders --------------------------------------------------------------------------------------


def test_without_order_each_event_is_one_step_only(sim: Simulation) -> None:
    with pytest.raises(AssertionError, match="step 2 of 2"):  # noqa: SIM117  (its block raises)
        with assert_sequence(sim, [Ping, Ping], order="none"):
            sim.telemetry.emit(Ping("a"))


def test_without_order_a_greedy_choice_is_given_up_for_a_better_one(sim: Simulation) -> None:
    with assert_sequence(sim, [Ping, (Ping, {"text": "a"})], order="none") as heard:
        sim.telemetry.emit(Ping("a"))
        sim.telemetry.emit(Ping("b"))
    assert heard.events == [Ping("b"), Ping("a")]


def test_the_first_events_of_an_instant_keep_their_order(sim: Simulation) -> None:
    steps = [(Ping, {"text": "a"}), (Ping, {"text": "b"})]
    with assert_sequence(sim, steps, order="strict"):
        sim.call_in(1.0, lambda: sim.telemetry.emit(Ping("a")))
        sim.call_in(1.0, lambda: sim.telemetry.emit(Ping("b")))
    with pytest.raises(AssertionError), assert_sequence(sim, steps):  # noqa: PT012
        sim.call_in(1.0, lambda: sim.telemetry.emit(Ping("b")))
        sim.call_in(1.0, lambda: sim.telemetry.emit(Ping("a")))


def test_a_strict_order_is_broken_by_a_step_that_is_too_late_as_well(sim: Simulation) -> None:
    steps: list[Step] = [(Ping, {"text": "a"}), step(Ping, text="b", within=1.0)]
    with (
        pytest.raises(AssertionError, match=r"order was broken at step 2[\s\S]*not within 1 s"),
        assert_sequence(sim, steps, order="strict"),
    ):
        sim.process(says(sim, (1.0, "a"), (2.0, "b")))


def test_a_sequence_may_begin_before_the_block_when_it_has_a_mark(sim: Simulation) -> None:
    sim.telemetry.emit(Ping("a"))
    mark = sim.telemetry.sequence - 1
    with assert_sequence(sim, [(Ping, {"text": "a"}), (Ping, {"text": "b"})], since=mark):
        sim.telemetry.emit(Ping("b"))


def test_rules_that_do_not_go_together_are_refused(sim: Simulation) -> None:
    with pytest.raises(ValueError, match="no step is before another"):
        assert_sequence(sim, [Ping, Ping], order="none", causal=True)
    with pytest.raises(ValueError, match="no step is before another"):
        assert_sequence(sim, [step(Ping, within=1.0), Ping], order="none")
    with pytest.raises(ValueError, match="give virtual seconds"):
        step(Ping, within=-1.0)
    assert str(step(Ping, within=1.0)) == "kit.ping() within 1 s"


def test_events_of_other_names_do_not_matter_to_a_strict_order(sim: Simulation) -> None:
    steps = [(Ping, {"text": bind("said")}), (Ping, {"text": bind("said")})]
    with assert_sequence(sim, steps, order="strict"):
        sim.telemetry.emit(Ping("a"))
        sim.telemetry.emit(change("open"))
        sim.telemetry.emit(Ping("a"))


# -- against all that could be chosen ------------------------------------------------------------

Told = tuple[str, str, float]
steps_of = st.lists(
    st.tuples(st.sampled_from(["x", "y"]), st.sampled_from(["a", "b", "=p", "=q"])),
    min_size=1,
    max_size=4,
)
told = st.lists(
    st.tuples(
        st.sampled_from(["x", "y"]), st.sampled_from(["a", "b"]), st.sampled_from([0.0, 1.0, 2.0])
    ),
    max_size=7,
)


def sought(steps: list[tuple[str, str]]) -> list[Wanted]:
    return [
        wanted_event(f"shop.{name}", {"id": bind(text[1:]) if text[0] == "=" else text})
        for name, text in steps
    ]


def happened(events: list[Told]) -> list[Record]:
    time, records = 0.0, []
    for number, (name, text, gap) in enumerate(events):
        time += gap
        event = AdHoc(f"shop.{name}", {}, {"id": text})
        records.append(Record(number, time, event.event_name, event, "lab", "main", None, None))
    return records


def exists(steps: list[Wanted], records: list[Record], rules: Rules) -> int | None:
    """Return the first record at which some choice is complete, by trying all of them."""
    choose: Any = itertools.permutations if rules.order == "none" else itertools.combinations
    ends = []
    for chosen in choose(records, len(steps)):
        bound: dict[str, Any] | None = {}
        for wanted, record in zip(steps, chosen, strict=True):
            bound = None if bound is None else wanted.match(record, bound)
        in_time = sorted(record.time for record in chosen)
        gaps = [b - a for a, b in itertools.pairwise([0.0, *in_time])]
        late = any(gap > rules.gap for gap in gaps) or in_time[-1] - in_time[0] > rules.total
        if bound is not None and not late:
            ends.append(max(record.sequence for record in chosen))
    return min(ends, default=None)


@given(
    steps_of,
    told,
    st.sampled_from(["simple", "none"]),
    st.sampled_from([math.inf, 1.0, 2.0]),
    st.sampled_from([math.inf, 2.0, 4.0]),
)
def test_a_sequence_is_found_exactly_when_some_choice_of_events_fits(
    steps: list[tuple[str, str]], events: list[Told], order: Order, gap: float, total: float
) -> None:
    wanted, records = sought(steps), happened(events)
    rules = Rules(order=order, gap=gap, total=total)
    search = Search([SequenceStep(one) for one in wanted], rules, 0.0)
    ended = None
    for record in records:
        search.take(record)
        if search.found is not None and ended is None:
            ended = record.sequence
    assert ended == exists(wanted, records, rules)


def test_many_candidates_are_not_as_many_beginnings() -> None:
    steps = [SequenceStep(wanted_event("shop.x", {"id": bind("p")})) for _ in range(6)]
    search = Search(steps, Rules(order="none"), 0.0)
    for record in happened([("x", f"{number}", 0.0) for number in range(200)]):
        search.take(record)
    assert len(search._beginnings) < 2000
