"""Models in which things coincide, each with what comes of it."""

from typing import Any

from tests.simulation.random_models import Model, Script, Step


def does(*steps: Step, careful: bool = True) -> Script:
    return Script(steps, careful)


def wait(delay: float) -> Step:
    return ("wait", ("timeout", delay, None))


def happen(event: int) -> Step:
    return ("wait", ("event", event))


def join(process: int) -> Step:
    return ("wait", ("process", process))


def use(patience: float | None, *steps: Step, kind: str = "resource", priority: int = 0) -> Step:
    return ("use", ("request", kind, priority, True), patience, does(*steps, careful=False))


def get(patience: float) -> Step:
    return ("ask", ("get", "store", 0), patience, "with")


COINCIDENCES: dict[str, tuple[Model, list[str]]] = {
    "patience that ends before the slot is given back": (
        Model(
            (
                does(use(None, wait(1))),
                does(use(1, wait(1))),
            )
        ),
        [
            "0 process 0: granted",
            "1 process 0: wait",
            "1 process 0: use",
            "1 process 1: gave up",
            "1 process 1: use",
            "1 main: run",
        ],
    ),
    "patience that ends before the slot is passed on": (
        Model(
            (
                does(wait(1), use(0, wait(1))),
                does(use(None, wait(1))),
                does(use(1, wait(1))),
            )
        ),
        [
            "0 process 1: granted",
            "1 process 0: wait",
            "1 process 1: wait",
            "1 process 1: use",
            "1 process 2: gave up",
            "1 process 2: use",
            "1 process 0: gave up too late",
            "2 process 0: wait",
            "2 process 0: use",
            "2 main: run",
        ],
    ),
    "patience that ends before the slot is passed on, and is noticed after": (
        Model(
            (
                does(use(None, wait(1))),
                does(wait(1), use(0, wait(1))),
            )
        ),
        [
            "0 process 0: granted",
            "1 process 1: wait",
            "1 process 0: wait",
            "1 process 0: use",
            "1 process 1: gave up too late",
            "2 process 1: wait",
            "2 process 1: use",
            "2 main: run",
        ],
    ),
    "patience of no time where a slot is free": (
        Model((does(use(0, wait(1))),)),
        [
            "0 process 0: granted",
            "1 process 0: wait",
            "1 process 0: use",
            "1 main: run",
        ],
    ),
    "a slot given back, the end of its holder and requests of others": (
        Model(
            (
                does(use(None, wait(1))),
                does(join(0), use(None, wait(1))),
                does(wait(1), use(None, wait(1))),
                does(use(1, wait(1))),
                does(join(0)),
            )
        ),
        [
            "0 process 0: granted",
            "1 process 2: wait",
            "1 process 0: wait",
            "1 process 0: use",
            "1 process 3: gave up",
            "1 process 3: use",
            "1 process 1: wait",
            "1 process 4: wait",
            "1 process 2: granted",
            "2 process 2: wait",
            "2 process 2: use",
            "2 process 1: granted",
            "3 process 1: wait",
            "3 process 1: use",
            "3 main: run",
        ],
    ),
    "a request after the slot is given back, and before it is passed on": (
        Model(
            (
                does(use(None, wait(1))),
                does(use(None, wait(1))),
                does(wait(0), wait(1), use(None, wait(1))),
            )
        ),
        [
            "0 process 0: granted",
            "0 process 2: wait",
            "1 process 0: wait",
            "1 process 0: use",
            "1 process 2: wait",
            "1 process 1: granted",
            "2 process 1: wait",
            "2 process 1: use",
            "2 process 2: granted",
            "3 process 2: wait",
            "3 process 2: use",
            "3 main: run",
        ],
    ),
    "two slots given back at once": (
        Model(
            (does(use(None, wait(1))),) * 5,
            capacity=2,
        ),
        [
            "0 process 0: granted",
            "0 process 1: granted",
            "1 process 0: wait",
            "1 process 0: use",
            "1 process 1: wait",
            "1 process 1: use",
            "1 process 2: granted",
            "1 process 3: granted",
            "2 process 2: wait",
            "2 process 2: use",
            "2 process 3: wait",
            "2 process 3: use",
            "2 process 4: granted",
            "3 process 4: wait",
            "3 process 4: use",
            "3 main: run",
        ],
    ),
    "a line that forms after the slot is given back, and before it is passed on": (
        Model(
            (
                does(
                    use(None, kind="priority"),
                    ("make", ("request", "priority", 0, True)),
                    ("make", ("request", "priority", 0, True)),
                    ("callback", ("held", 1), ("look",)),
                    ("callback", ("held", 2), ("look",)),
                    ("wait", ("release", 1)),
                ),
            )
        ),
        [
            "0 process 0: granted",
            "0 process 0: use",
            "0 process 0: make",
            "0 process 0: make",
            "0 process 0: callback",
            "0 process 0: callback",
            "0 None: request 1 happens",
            "0 process 0: wait",
            "0 None: request 2 happens",
            "0 main: run",
        ],
    ),
    "a process that starts when an event of low priority is due": (
        Model((does(("schedule", 0, 2, 0, 7), ("spawn", does(wait(0), wait(1))), happen(0)),)),
        [
            "0 process 0: schedule",
            "0 process 0: spawn",
            "0 process 1: wait",
            "0 process 0: wait",
            "1 process 1: wait",
            "1 main: run",
        ],
    ),
    "an interrupt before the slot is given back": (
        Model(
            (
                does(wait(1), ("interrupt", 2, 7)),
                does(use(None, wait(1))),
                does(use(None, wait(1)), wait(0)),
                does(use(None, wait(1))),
            )
        ),
        [
            "0 process 1: granted",
            "1 process 0: wait",
            "1 process 0: interrupt",
            "1 process 2: use: Interrupt",
            "1 process 1: wait",
            "1 process 1: use",
            "1 process 2: wait",
            "1 process 3: granted",
            "2 process 3: wait",
            "2 process 3: use",
            "2 main: run",
        ],
    ),
    "an interrupt after the slot is passed on, and before the holder knows": (
        Model(
            (
                does(use(None, wait(1))),
                does(wait(1), wait(0), ("interrupt", 2, 7)),
                does(use(None, wait(1)), wait(0)),
                does(use(None, wait(1))),
            )
        ),
        [
            "0 process 0: granted",
            "1 process 1: wait",
            "1 process 0: wait",
            "1 process 0: use",
            "1 process 1: wait",
            "1 process 1: interrupt",
            "1 process 2: use: Interrupt",
            "1 process 2: wait",
            "1 process 3: granted",
            "2 process 3: wait",
            "2 process 3: use",
            "2 main: run",
        ],
    ),
    "a holder who loses the slot when he would give it back": (
        Model(
            (
                does(wait(2), use(None, wait(1), kind="preemptive", priority=0)),
                does(use(None, wait(2), kind="preemptive", priority=1)),
                does(wait(2), use(None, wait(1), kind="preemptive", priority=0)),
            )
        ),
        [
            "0 process 1: granted",
            "2 process 0: wait",
            "2 process 1: wait: Interrupt",
            "2 process 1: use: Interrupt",
            "2 process 2: wait",
            "2 process 0: granted",
            "3 process 0: wait",
            "3 process 0: use",
            "3 process 2: granted",
            "4 process 2: wait",
            "4 process 2: use",
            "4 main: run",
        ],
    ),
    "an interrupt of a process that has not started": (
        Model((does(("spawn", does(wait(1), wait(1))), ("interrupt", -1, 7), join(-1)),)),
        [
            "0 process 0: spawn",
            "0 process 0: interrupt",
            "0 process 1: wait: Interrupt",
            "1 process 1: wait",
            "1 process 0: wait",
            "1 main: run",
        ],
    ),
    "a child that ends when its parents wait for it": (
        Model(
            (
                does(("spawn", does(wait(1))), wait(1), join(2), join(2)),
                does(wait(0), join(2)),
            )
        ),
        [
            "0 process 0: spawn",
            "0 process 1: wait",
            "1 process 0: wait",
            "1 process 2: wait",
            "1 process 1: wait",
            "1 process 0: wait",
            "1 process 0: wait",
            "1 main: run",
        ],
    ),
    "goods that come when patience ends": (
        Model(
            (
                does(wait(1), ("ask", ("put", "store", 4), None, "with")),
                does(get(1)),
                does(wait(0.5), get(0.5)),
                does(wait(1), get(0)),
            )
        ),
        [
            "0.5 process 2: wait",
            "1 process 0: wait",
            "1 process 3: wait",
            "1 process 0: ask",
            "1 process 1: ask",
            "1 process 2: ask",
            "1 process 3: ask",
            "1 main: run",
        ],
    ),
    "two failures at once that nobody handles": (
        Model(
            (
                does(wait(1), ("fail", 1)),
                does(wait(1), ("fail", 2)),
                does(wait(1), wait(0)),
            )
        ),
        [
            "1 process 0: wait",
            "1 process 1: wait",
            "1 process 2: wait",
            "1 main: run: Fatal",
            "1 main: run: Fatal",
            "1 process 2: wait",
            "1 main: run",
        ],
    ),
    "a run that ends when something is due": (
        Model(
            (does(wait(1), wait(0)), does(wait(0.5), wait(0.5))),
            (("until", 0.5), ("until", 0.5), ("act", ("signal", 0, 7)), ("steps", 0)),
        ),
        [
            "0.5 main: until",
            "0.5 process 1: wait",
            "1 main: until",
            "1 main: act",
            "1 process 0: wait",
            "1 process 1: wait",
            "1 process 0: wait",
            "1 main: steps",
            "1 main: run",
        ],
    ),
    "a run that ends at an event that others wait for": (
        Model(
            (does(happen(0)), does(happen(0)), does(wait(1), ("signal", 0, 7), wait(0))),
            (("until_event", ("event", 0)), ("act", ("spawn", does(happen(0)))), ("until", 1)),
        ),
        [
            "1 process 2: wait",
            "1 process 2: signal",
            "1 main: until_event",
            "1 main: act",
            "1 process 0: wait",
            "1 process 1: wait",
            "1 process 3: wait",
            "1 process 2: wait",
            "2 main: until",
            "2 main: run",
        ],
    ),
}
"""The models by name; then when who did what, as `gist` tells it, in the order of things."""


def gist(entry: tuple[Any, ...]) -> str | None:
    """The gist of an entry: when, who, what; whether a slot was granted, when patience ended."""
    now, who, what, *rest = entry
    match what, *rest:
        case "granted", granted, since, *_:
            known = granted is None or granted[0]
            done = "granted" if known else "gave up" if since is None else "gave up too late"
        case int(), done, [str(kind), *_], *_ if done != "spawn":
            done = f"{done}: {kind}"
        case int(), done, *_:
            pass
        case "callback of", str(event), *_:
            done = f"{event} happens"
        case "main", str(done), outcome, *_ if done != "end":
            who = "main"
            done = f"{done}: {outcome[0]}" if isinstance(outcome, tuple) else done
        case _:
            return None
    return f"{now:g} {who}: {done}"
