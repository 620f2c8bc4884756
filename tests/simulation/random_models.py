"""Random models of processes, as plain data; `trajectory` runs them.

A model is small and its times are few, so that much of it happens at the same instant. Whatever it
refers to by number, an event or a process, is counted modulo how many there are; -1 is the latest.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from hypothesis import strategies as st

Expression = tuple[Any, ...]
"""What makes or names an event, such as ``("or", ("event", 0), ("timeout", 1, "x"))``."""

Step = tuple[Any, ...]
"""What a process does next, such as ``("wait", expression)``."""


class Script(NamedTuple):
    """What a process does.

    Attributes:
        steps: One after the other.
        careful: Whether it goes on after an interrupt or a failure that reaches it.
    """

    steps: tuple[Step, ...]
    careful: bool = True


class Model(NamedTuple):
    """Processes that share a few events and resources, and how they are run.

    Attributes:
        scripts: One for each process that is there from the start.
        phases: What the main program does, before it runs what is left.
        capacity: Of every resource; stores hold twice as much.
        initial_time: Where the clock starts.
        mix: Which of the classes that will do is used next, over and over.
        focus: The only resource and the only store that everybody goes to; if None, to each.
    """

    scripts: tuple[Script, ...]
    phases: tuple[Step, ...] = ()
    capacity: int = 1
    initial_time: float = 0
    mix: tuple[int, ...] = (0, 1, 2)
    focus: tuple[str | None, str | None] = (None, None)


RESOURCES = ["resource", "priority", "preemptive"]
STORES = ["store", "priority_store", "filter_store", "container"]

# Sums of times are exact, or so far off that a delay has no effect: 1 + VANISHING == 1.
VANISHING = 2.0**-60
delays = st.sampled_from([0, 0, 0, 1, 1, 1, 2, 2, 0.5, 0.5, 3, VANISHING])
patience = st.sampled_from([None, None, 0, 1, 2])
tags = st.integers(0, 9)
numbers = st.integers(0, 4)
which = st.integers(-1, 2)
priorities = st.integers(0, 2)
existing = st.tuples(st.sampled_from(["event", "event", "process", "process", "held"]), which)

request = st.tuples(
    st.sampled_from(["request", "request", "quiet_request"]),
    st.sampled_from(RESOURCES),
    priorities,
    st.booleans(),
)
release = st.tuples(st.just("release"), which)
trade = st.tuples(st.sampled_from(["put", "get"]), st.sampled_from(STORES), numbers)
timeout = st.tuples(
    st.sampled_from(["timeout", "quiet_timeout"]), delays, st.one_of(st.none(), tags)
)
simple = st.one_of(timeout, timeout, existing, existing, request, trade)


def conditions(parts: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    """All of, any of, and the two operators."""
    several = st.lists(parts, max_size=3).map(tuple)
    return st.one_of(
        st.builds(lambda kind, each: (kind, *each), st.sampled_from(["all", "any"]), several),
        st.tuples(st.sampled_from(["and", "or"]), parts, parts),
    )


shallow = st.one_of(simple, conditions(simple))
expressions = st.one_of(simple, simple, conditions(simple), conditions(shallow))


def callbacks(depth: int) -> st.SearchStrategy[Step]:
    """What a callback that is appended by hand does."""
    choices: list[st.SearchStrategy[Step]] = [
        st.just(("look",)),
        st.just(("defuse",)),
        st.tuples(st.sampled_from(["signal", "break"]), which, tags),
        st.tuples(st.just("trigger"), which),
        st.tuples(st.just("interrupt"), which, tags),
        st.tuples(st.just("raise"), tags),
    ]
    if depth:
        choices.append(st.tuples(st.just("spawn"), scripts(depth - 1)))
    return st.one_of(choices)


def acts(depth: int) -> st.SearchStrategy[Step]:
    """What is done at once, by a process or by the main program."""
    choices = [
        st.tuples(st.just("signal"), which, tags),
        st.tuples(st.just("signal"), which, tags),
        st.tuples(st.just("break"), which, tags),
        st.tuples(st.just("interrupt"), which, tags),
        st.tuples(st.just("interrupt"), which, tags),
        st.tuples(st.just("name"), which, st.one_of(timeout, existing, conditions(simple))),
        st.tuples(st.just("callback"), existing, callbacks(depth)),
        st.tuples(st.just("make"), simple),
        st.tuples(st.just("inspect"), existing),
        st.tuples(st.just("delayed"), delays, which),
        st.tuples(st.just("schedule"), which, st.integers(0, 2), delays, tags),
    ]
    if depth:
        choices.append(st.tuples(st.just("spawn"), scripts(depth - 1)))
    return st.one_of(choices)


def steps(depth: int) -> st.SearchStrategy[Step]:
    """What a process does next."""
    choices = [
        st.tuples(st.just("wait"), expressions),
        st.tuples(st.just("wait"), timeout),
        st.tuples(st.just("wait"), existing),
        acts(depth),
        acts(depth),
        ask(request),
        ask(trade),
        ask(trade),
        st.tuples(st.sampled_from(["release", "cancel"]), which),
        st.tuples(st.just("wait"), release),
        st.tuples(st.just("subscribe"), existing),
        st.tuples(st.just("fail"), tags),
        st.just(("peek",)),
    ]
    if depth:
        using = st.tuples(st.just("use"), request, patience, scripts(depth - 1))
        choices += [using, using, using, st.tuples(st.just("join"), scripts(depth - 1))]
    return st.one_of(choices)


def crowding(depth: int) -> st.SearchStrategy[Step]:
    """What a process does next where slots and goods are scarce."""
    choices = [
        st.tuples(st.just("wait"), timeout),
        st.tuples(st.just("wait"), timeout),
        st.tuples(st.just("wait"), expressions),
        st.tuples(st.just("interrupt"), which, tags),
        st.tuples(st.just("make"), st.one_of(request, trade)),
        release,
        st.tuples(st.just("wait"), release),
        ask(request),
        ask(trade),
        ask(trade),
    ]
    if depth:
        using = st.tuples(st.just("use"), request, patience, scripts(depth - 1, crowding))
        choices += [using] * 4
    return st.one_of(choices)


def queueing() -> st.SearchStrategy[Script]:
    """What a customer does who comes, waits for a slot, uses it for a while, and goes."""
    in_step = st.tuples(st.just("timeout"), st.sampled_from([1, 1, 1, 2, 0.5]), st.none())
    pause = st.tuples(st.just("wait"), in_step)
    service = st.builds(Script, st.lists(pause, min_size=1, max_size=2).map(tuple))
    patient = st.sampled_from([None, None, None, None, 1, 2])
    visit = st.tuples(st.just("use"), request, patient, service)
    interrupt = st.tuples(st.just("interrupt"), which, tags)
    step = st.one_of(visit, visit, visit, pause, pause, ask(trade), interrupt)
    return st.builds(Script, st.lists(step, min_size=1, max_size=4).map(tuple))


def ask(wanted: st.SearchStrategy[Expression]) -> st.SearchStrategy[Step]:
    """To wait for something for a time, and what becomes of the request then."""
    ending = st.sampled_from(["with", "cancel", "leave"])
    return st.tuples(st.just("ask"), wanted, patience, ending)


def scripts(
    depth: int, next_step: Callable[[int], st.SearchStrategy[Step]] = steps
) -> st.SearchStrategy[Script]:
    """What a process, or a part of one, does."""
    return st.builds(
        Script,
        st.lists(next_step(depth), max_size=2 + 2 * depth).map(tuple),
        st.sampled_from([True, True, False] if next_step is steps else [True, True, True, False]),
    )


until = st.tuples(st.just("until"), st.sampled_from([0.5, 0.5, 0.5, 1, 1, 2, 0, -1]))
phases = st.one_of(
    until,
    until,
    st.tuples(st.just("until_event"), existing),
    st.tuples(st.just("until_event"), existing),
    st.tuples(st.just("steps"), st.sampled_from([0, 0.5, 1, 2])),
    st.tuples(st.just("act"), acts(1)),
)

models = st.builds(
    Model,
    st.one_of(
        st.lists(scripts(2), min_size=1, max_size=5).map(tuple),
        st.lists(scripts(1, crowding), min_size=2, max_size=6).map(tuple),
        st.lists(queueing(), min_size=3, max_size=8).map(tuple),
    ),
    st.lists(phases, max_size=6).map(tuple),
    st.integers(1, 2),
    st.sampled_from([0, 0, 5, -1.5]),
    st.lists(st.integers(0, 2), min_size=1, max_size=7).map(tuple),
    st.tuples(
        st.sampled_from([None, "resource", *RESOURCES]), st.sampled_from([None, None, *STORES])
    ),
)
