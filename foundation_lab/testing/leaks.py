"""Leaks: what is still out at the end of a test, and who has it.

Two questions can be asked. What is *lost* cannot come back any more: a slot, a connection, a token
or a span whose holder has ended. What is *held* is out as well, but its holder lives and may give
it back when the simulation goes on. Processes and tasks that have not ended and handlers that are
attached are held, too.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Any, Literal, get_args

import simpy

from foundation_lab.simulation.component import Held
from foundation_lab.simulation.process import Process
from foundation_lab.simulation.slots import Slots
from foundation_lab.simulation.waiting import innermost_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType

    from foundation_lab.simulation.engine import Simulation

Level = Literal["allow", "lost", "forbid"]
"""What is a leak: nothing; what is lost; whatever is held, too."""

LEVELS: tuple[Level, ...] = get_args(Level)


class LeakError(AssertionError):
    """Something was not given back; the message names each thing and who has it."""


def check_leaks(sim: Simulation, level: Level = "forbid") -> None:
    """Make sure that nothing has leaked.

    Args:
        sim: The simulation.
        level: ``lost``: nothing is out that cannot come back. ``forbid``: nothing is out, nobody
            lives who is no daemon, no handler is attached. ``allow``: all is well.

    Raises:
        LeakError: Something has.
        ValueError: There is no such level.
    """
    __tracebackhide__ = True
    if level not in LEVELS:
        message = f"leaks={level!r}; there are {', '.join(LEVELS)}"
        raise ValueError(message)
    if level == "allow":
        return
    found = lost(sim) if level == "lost" else held(sim)
    if found:
        what = "cannot be given back any more" if level == "lost" else "was not given back"
        lines = "\n".join(f"  {line}" for line in found)
        allow = '@pytest.mark.lab(leaks="allow")'
        message = f"at the end, t={sim.now:.9g}, this {what}:\n{lines}\nIf it is meant so: {allow}"
        raise LeakError(message)


def lost(sim: Simulation) -> list[str]:
    """Return what can never be given back, in words: its holder has ended.

    A slot of a resource is not, when its request was handed on to somebody else.
    """
    return [in_words(sim, thing) for thing in things(sim) if not can_come_back(thing)]


def held(sim: Simulation) -> list[str]:
    """Return all that is still out, in words: things, living processes and tasks, handlers."""
    return [
        *(in_words(sim, thing) for thing in things(sim)),
        *(f"the {kind} {entry}" for kind, entry in living(sim)),
        *(f"handler {one.id!r} is attached ({one.pattern})" for one in sim.telemetry.handlers()),
    ]


# -- what is out ---------------------------------------------------------------------------------


class Nobody(str):
    """Stands for a holder that cannot be found: nobody who lives has it."""

    __slots__ = ()


def things(sim: Simulation) -> Iterator[tuple[str, Any]]:
    """Yield what is out and who has it: a process, the main program, or `Nobody`."""
    inside = callers(sim)
    for component in sim.components.values():
        known = list(inside.get(id(component), ()))
        for what, holder in getattr(component, "held", list[Held])():
            found = holder or (known.pop(0) if known else Nobody("nobody who lives"))
            yield what, found
    for weak in list(sim.resources):
        resource = weak()
        if isinstance(resource, simpy.Resource):
            what = f"a slot of a {type(resource).__name__} (capacity {resource.capacity})"
            for request in resource.users:
                owner = request.proc or sim.telemetry.main
                yield what, (has_ended(owner) and heir(sim, request)) or owner
    for span in sim.telemetry.open_spans:
        yield f"span {span.name!r} is open", span.emitter


def callers(sim: Simulation) -> dict[int, list[Process]]:
    """Return for each component, by its id, the living processes that are in a call of it.

    They are found by the frames of their generators, those in more than one call last once more.
    Whoever stands in the line for a place does not count.
    """
    found: dict[int, list[Process]] = {}
    again: dict[int, list[Process]] = {}
    for process in sim.living():
        chain = list(owners(process))
        if chain and isinstance(chain[-1], Slots):
            del chain[-2:]
        for owner, times in Counter(map(id, chain)).items():
            found.setdefault(owner, []).append(process)
            again.setdefault(owner, []).extend([process] * (times - 1))
    return {owner: found[owner] + again[owner] for owner in found}


def owners(process: Process) -> Iterator[Any]:
    """Yield the objects whose methods a process is in, the outermost first."""
    for frame in frames(process):
        if "self" in frame.f_locals:
            yield frame.f_locals["self"]


def frames(process: Process) -> Iterator[FrameType]:
    """Yield where a process is in each of its generators, the outermost first."""
    generator: Any = process.generator
    while generator is not None:
        frame = getattr(generator, "gi_frame", None)
        if frame is not None:
            yield frame
        generator = getattr(generator, "gi_yieldfrom", None)


def living(sim: Simulation) -> Iterator[tuple[str, str]]:
    """Yield the processes and tasks that have not ended, daemons left out."""
    tasks = Counter(map(str, sim.blocked_tasks()))
    for entry in sim.blocked():
        kind = "task" if tasks[str(entry)] > 0 else "process"
        tasks[str(entry)] -= 1
        yield kind, str(entry)


def can_come_back(thing: tuple[str, Any]) -> bool:
    """Return whether the holder may give it back."""
    _, holder = thing
    if isinstance(holder, Nobody):
        return False
    return not has_ended(holder)


def has_ended(holder: object) -> bool:
    """Return whether a holder is a process that has ended."""
    return isinstance(holder, simpy.Process) and not holder.is_alive


def heir(sim: Simulation, request: Any) -> Process | None:
    """Return the living process that has got the request of one that has ended."""
    for process in sim.living():
        for value in (value for frame in frames(process) for value in frame.f_locals.values()):
            if value is request or any(part is request for part in parts(value)):
                return process
    return None


def parts(value: Any) -> Iterable[Any]:
    """Return what lies in a collection or a store, or the attributes of what is no event."""
    if isinstance(value, simpy.Store):
        return value.items
    if isinstance(value, dict):
        return value.values()
    if isinstance(value, list | tuple | set | deque):
        return value
    return () if isinstance(value, simpy.Event) else getattr(value, "__dict__", {}).values()


def in_words(sim: Simulation, thing: tuple[str, Any]) -> str:
    """Return what is out and who has it as one line."""
    what, holder = thing
    if isinstance(holder, Nobody):
        return f"{what}: {holder} has it"
    name = getattr(holder, "name", sim.telemetry.main.name)
    if not can_come_back(thing):
        return f"{what}: {name} has it, which has ended"
    where = f", at {innermost_line(holder)}" if isinstance(holder, Process) else ""
    return f"{what}: {name} has it{where}"
