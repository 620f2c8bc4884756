"""The words of a failed expectation: what came near, who waits, what happened last.

They are short by default, and tell everything with ``pytest -vv``.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

from foundation_lab.errors import nearest
from foundation_lab.testing.configuration import current
from foundation_lab.testing.history import latest_records, past_records
from foundation_lab.testing.matchers import ABSENT
from foundation_lab.testing.spelling import (
    describe_got,
    describe_record,
    describe_wanted,
    place,
    seconds,
)
from foundation_lab.testing.trial import command, trial_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.telemetry.record import Record
    from foundation_lab.testing.clock import Ending
    from foundation_lab.testing.wanted import Wanted

EXCERPT, EXCERPT_IN_FULL = 10, 100
"""How many of the last events a failure message shows, short and in full."""

NEAREST, NEAREST_IN_FULL = 3, 20
"""How many near misses a failure message shows, short and in full."""

LOOKED_AT = 1000
"""How many of the latest events of each name are searched for near misses."""


def compose(headline: str, *sections: list[str]) -> str:
    """Return a failure message: one line, and below it the sections that are not empty."""
    return "\n".join([headline, *(line for section in sections for line in section)])


def why_it_ended(sim: Simulation, ending: Ending) -> list[str]:
    """Return why there was no more waiting."""
    now = seconds(sim.now)
    if not sim.telemetry.enabled:
        return [f"telemetry is disabled at t={now}: no event can be seen"]
    words = {
        "done": f"it was settled at t={now}",
        "deadline": f"the time was over at t={now}, and the simulation is alive",
        "quiet": f"nothing is left to run at t={now}, so it cannot happen any more",
        "stopped": f"the simulation was stopped at t={now}",
        "livelock": (
            f"the clock does not move: at t={now} more than {current().same_instant:,} steps were "
            "taken, and there is no end of them"
        ),
        "wall": f"real time was over at t={now}; virtual time was not",
    }
    return [words[ending.kind], *ending.details]


NOTHING_KEPT = "this simulation keeps aggregates only, so what happened cannot be shown"


def near_misses(
    sim: Simulation,
    wanted: Wanted,
    since: int,
    *,
    bound: Mapping[str, Any] | None = None,
    but: Sequence[Record] = (),
    when: str = "in this time",
    objection: Callable[[Record], str] = lambda _record: "",
) -> list[str]:
    """Return the events since a mark that came nearest to what was wanted, each with its diff.

    Nothing, when all events of the name were taken already.

    Args:
        sim: The simulation.
        wanted: What was wanted.
        since: The mark.
        bound: What names stand for.
        but: Events that were taken already.
        when: What time it is that the mark begins, in words.
        objection: Says what else is wrong with an event.
    """
    if sim.keep != "events":
        return [NOTHING_KEPT]
    taken = {record.sequence for record in but}
    candidates = [
        record
        for record in past_records(
            sim.recording, wanted.matches_name, since=since, most=LOOKED_AT + len(taken)
        )
        if record.sequence not in taken
    ]
    if not candidates:
        if any(record.sequence >= since and wanted.matches_name(record.name) for record in but):
            return []
        return _other_names(sim, wanted, since, taken, when)
    differences = [(wanted.difference(record, bound), record) for record in candidates]
    differences.sort(key=lambda pair: (len(pair[0]), -pair[1].sequence))
    lines = [f"nearest of {len(candidates)} with this name:"]
    for difference, record in differences[: NEAREST_IN_FULL if current().verbose else NEAREST]:
        lines.append(f"  {place(record)} {record.name}")
        if difference:
            lines += [f"      {line}" for line in _differing(difference, record)]
        else:
            why = objection(record)
            lines.append(
                f"      {why or 'all fields as wanted, but its predicate did not hold then'}"
            )
    return lines


def earlier(sim: Simulation, wanted: Wanted, since: int, mark: str) -> list[str]:
    """Return when the wanted event happened last before a mark, if it did, as one line.

    A predicate on the whole record is left aside: it may look at a state that is gone.
    """
    if sim.keep != "events":
        return []
    before = past_records(sim.recording, wanted.matches_name, before=since, most=LOOKED_AT)
    fitting = [record for record in before if not wanted.difference(record)]
    if not fitting:
        return []
    times = "once" if len(fitting) == 1 else f"{len(fitting)} times"
    return [f"it happened before {mark}, {times}, last: {describe_record(fitting[-1])}"]


def circumstances(sim: Simulation) -> list[str]:
    """Return who waits, the seed, and the last events."""
    return [
        *who_waits(sim),
        f"seed {sim.seed}, {sim.name!r} at t={seconds(sim.now)}",
        *again(sim),
        *excerpt(sim),
    ]


def again(sim: Simulation) -> list[str]:
    """Return the command that runs the test again, as one line, when a test runs.

    The fixture `sim` is named after its test and takes its seed from the option; any other
    simulation has the seed that the test gives it.
    """
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
    if not test:
        return []
    return [f"again: {command(test, trial_of(sim) if sim.name == test else None)}"]


def who_waits(sim: Simulation, most: int | None = None) -> list[str]:
    """Return the processes that wait, daemons left out, and what for."""
    waiting = sim.blocked()
    if most is None:
        most = EXCERPT_IN_FULL if current().verbose else EXCERPT
    if not waiting:
        return ["no process waits"]
    lines = ["these wait:", *(f"  {entry}" for entry in waiting[:most])]
    return [*lines, f"  ... and {len(waiting) - most} more"] if len(waiting) > most else lines


def excerpt(sim: Simulation, most: int | None = None) -> list[str]:
    """Return the last events, one a line."""
    if most is None:
        most = EXCERPT_IN_FULL if current().verbose else EXCERPT
    total = sim.telemetry.sequence
    if not total:
        return ["no event happened at all"]
    if sim.keep != "events":
        return [f"{total} events so far; {NOTHING_KEPT}"]
    return [
        f"last {min(most, total)} of {total} events:",
        *_lines(latest_records(sim.recording, most)),
    ]


def _lines(records: Iterable[Record]) -> list[str]:
    return [f"  {describe_record(record)}" for record in records]


def _differing(difference: dict[str, tuple[Any, Any]], record: Record) -> list[str]:
    lines = []
    for name, (want, got) in difference.items():
        if got is ABSENT:
            alike = nearest(name, record.fields)
            hint = f"; did you mean {' or '.join(map(repr, alike))}?" if alike else ""
            lines.append(f"{name}: wanted {describe_wanted(want)}, there is no such field{hint}")
        else:
            lines.append(f"{name}: wanted {describe_wanted(want)}, got {describe_got(got)}")
    return lines


def _other_names(
    sim: Simulation, wanted: Wanted, since: int, taken: set[int], when: str
) -> list[str]:
    events = sim.recording.events
    sequence = events["sequence"]
    names = Counter(events["event"].filter((sequence >= since) & ~sequence.is_in(list(taken))))
    if not names:
        other = "other " if any(number >= since for number in taken) else ""
        return [f"no {other}event happened {when}"]
    alike = nearest(wanted.pattern, names)
    common = [name for name, _ in names.most_common() if name not in alike]
    shown = [*alike, *common][:5]
    listed = ", ".join(f"{name} ×{names[name]}" for name in shown)
    more = f" and {len(names) - len(shown)} other names" if len(names) > len(shown) else ""
    hint = f"; did you mean {' or '.join(alike)}?" if alike else ""
    return [f"no event of this name {when}; there were {listed}{more}{hint}"]
