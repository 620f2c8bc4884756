"""Who waits for what: the words for a deadlock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from simpy.events import Condition, Initialize, Process, Timeout
from simpy.resources.base import BaseResource, Get, Put
from simpy.resources.resource import Request, Resource

from foundation_lab.simulation.events import Event
from foundation_lab.telemetry.context import MAIN

if TYPE_CHECKING:
    from collections.abc import Iterable

    import simpy


class Wait(Event):
    """An event that says what it stands for, so that whoever waits for it can be explained."""

    def __init__(self, env: object, description: str) -> None:
        super().__init__(env)  # type: ignore[arg-type]
        self.description = description


class Blocked(msgspec.Struct, frozen=True):
    """A process that waits.

    Attributes:
        process: Its name.
        waiting_for: What it waits for, in words.
        where: The innermost line of its code, as ``file:line``.
    """

    process: str
    waiting_for: str
    where: str

    def __str__(self) -> str:
        """Return the three as one line."""
        return f"{self.process} waits for {self.waiting_for} ({self.where})"


def blocked(processes: Iterable[Any]) -> list[Blocked]:
    """Return what each living process waits for."""
    living = [process for process in processes if process.is_alive]
    ends = {rank: time for process in living[:1] for time, rank, _ in process.env._later}
    return [
        Blocked(process.name, _describe_wait(process, ends), innermost_line(process))
        for process in living
    ]


def _describe_wait(process: Any, ends: dict[int, float]) -> str:
    if type(process._target) is int:  # a number of seconds, of which there is no event
        end = ends.get(process._target)
        return "nothing: it runs" if end is None else f"a timeout of {end - process.env.now:g} s"
    return describe_event(process.target)


def describe_event(event: simpy.Event | None) -> str:
    """Return in words what an event stands for."""
    match event:
        case None:
            words = "nothing"
        case Initialize():
            words = "its start"
        case Wait():
            words = event.description
        case Timeout():
            words = f"a timeout of {event._delay:g} s"
        case Process():
            words = f"the process {event.name} to end"
        case Condition():
            words = _describe_condition(event)
        case Put() | Get():
            words = _describe_request(event, event.resource)
        case _:
            words = "an event that " + ("is due" if event.triggered else "nobody has triggered")
    return words


def innermost_line(process: Process) -> str:
    """Return the line at which a process waits, inside every ``yield from``, as ``file:line``."""
    generator: Any = process._generator
    while getattr(generator, "gi_yieldfrom", None) is not None and hasattr(
        generator.gi_yieldfrom, "gi_frame"
    ):
        if getattr(generator.gi_yieldfrom, "__qualname__", "").startswith("Call."):
            break  # the engine's own: where it is called is what one wants to know
        generator = generator.gi_yieldfrom
    frame = getattr(generator, "gi_frame", None)
    if frame is None:
        return "unknown line"
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _describe_condition(event: Condition) -> str:
    word = "a condition on"
    if event._evaluate is Condition.all_events:
        word = "all of"
    elif event._evaluate is Condition.any_events:
        word = "any of"
    return f"{word} [{', '.join(describe_event(part) for part in event._events)}]"


def _describe_request(event: Put[Any] | Get[Any], resource: BaseResource[Any, Any]) -> str:
    kind = type(resource).__name__
    if isinstance(event, Request) and isinstance(resource, Resource):
        holders = ", ".join(map(_holder, resource.users)) or "nobody"
        return (
            f"a slot of a {kind} (capacity {resource.capacity}, held by {holders}, "
            f"{len(resource.queue)} waiting)"
        )
    verb = "room in" if isinstance(event, Put) else "an item of"
    return f"{verb} a {kind} (capacity {resource.capacity:g})"


def _holder(request: Request) -> str:
    return MAIN if request.proc is None else request.proc.name
