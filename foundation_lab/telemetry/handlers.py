"""Handlers: who is told of which events, in which order, and what happens when one raises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from foundation_lab.errors import UnknownName
from foundation_lab.telemetry.context import NO_CAUSE
from foundation_lab.telemetry.event import catalogue, fields_of
from foundation_lab.telemetry.events.telemetry import HandlerFailure
from foundation_lab.telemetry.pattern import EventName, dotted, matcher, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from foundation_lab.telemetry.record import Record

Policy = Literal["detach", "keep", "raise"] | int
"""What happens when a handler raises; a number detaches it after so many failures."""


class Attached(msgspec.Struct):
    """A handler in its place on the bus.

    `wanted` are the field values that it is attached for, where these are all that matters;
    `failures` counts how often it raised.
    """

    id: str
    pattern: str
    handler: Callable[[Record], object]
    where: Callable[[Record], bool] | None
    order: int
    on_error: Policy
    matches: Callable[[str], bool]
    wanted: Mapping[str, Any] | None = None
    failures: int = 0


class Handlers:
    """The handlers of a bus.

    Args:
        report: What is called with the failure of a handler, after its policy was carried out.
    """

    def __init__(self, report: Callable[[HandlerFailure], object]) -> None:
        self._report = report
        self._handling = NO_CAUSE
        self._attached: dict[str, Attached] = {}
        self._routes: dict[str, tuple[Attached, ...]] = {}

    def attach(
        self,
        handler_id: str,
        pattern: EventName,
        handler: Callable[[Record], object],
        *,
        where: Callable[[Record], bool] | Mapping[str, Any] | None = None,
        order: int = 0,
        on_error: Policy = "detach",
    ) -> str:
        """Call `handler` with every record whose event matches.

        Args:
            handler_id: A unique id.
            pattern: An event class, a name, a prefix, or a pattern with ``*`` and ``**``.
            handler: Called with a `Record`, synchronously, after the event is recorded.
            where: A filter: a predicate on the record, or the field values that are wanted. The
                latter are compared before an event is made of its fields, which costs next to
                nothing.
            order: Handlers with a lower order are called first; equals in order of attachment.
            on_error: What happens when the handler raises: ``detach`` it, ``keep`` it, detach it
                after that many failures (a number), or ``raise`` the exception to the emitter. In
                the first three cases ``foundation.telemetry.handler.failure`` is emitted, and the
                other handlers and the simulation go on as if nothing had happened.

        Returns:
            The id.

        Raises:
            ValueError: The id is taken, or the policy is none.
            TypeError: The handler cannot be called.
            UnknownName: The pattern can match no event, or the one event that it names has no such
                field as `where` asks for.
        """
        if handler_id in self._attached:
            message = f"a handler with id {handler_id!r} is attached already; detach it first"
            raise ValueError(message)
        if not callable(handler):
            message = f"handler {handler_id!r} is {handler!r}; give a function of one record"
            raise TypeError(message)
        if on_error not in ("detach", "keep", "raise") and not _is_positive(on_error):
            message = f"on_error={on_error!r}; use 'detach', 'keep', 'raise' or a number from 1"
            raise ValueError(message)
        self._attached[handler_id] = Attached(
            id=handler_id,
            pattern=dotted(pattern),
            handler=handler,
            where=_predicate(pattern, where),
            order=order,
            on_error=on_error,
            matches=matcher(pattern),
            wanted=None if where is None or callable(where) else dict(where),
        )
        self._routes = {}
        self._changed()
        return handler_id

    def attach_many(
        self,
        handler_id: str,
        patterns: Iterable[EventName],
        handler: Callable[[Record], object],
        *,
        where: Callable[[Record], bool] | Mapping[str, Any] | None = None,
        order: int = 0,
        on_error: Policy = "detach",
    ) -> str:
        """Attach one handler to several patterns; a record that matches two is given once.

        Arguments, return value and errors are those of `attach`.
        """
        wanted = list(patterns)
        if not wanted:
            message = f"handler {handler_id!r} is given no pattern to listen to"
            raise ValueError(message)
        tests = [matcher(pattern) for pattern in wanted]
        self.attach(handler_id, "**", handler, where=where, order=order, on_error=on_error)
        attached = self._attached[handler_id]
        attached.pattern = ", ".join(dotted(pattern) for pattern in wanted)
        attached.matches = lambda name: any(test(name) for test in tests)
        self._routes = {}
        self._changed()
        return handler_id

    def detach(self, handler_id: str) -> None:
        """Remove a handler.

        Raises:
            UnknownName: No handler has this id.
        """
        if handler_id not in self._attached:
            raise UnknownName.among("handler", handler_id, self._attached)
        del self._attached[handler_id]
        self._routes = {}
        self._changed()

    def detach_all(self, pattern: EventName | None = None) -> int:
        """Remove all handlers, or those attached with exactly this pattern; return how many."""
        wanted = None if pattern is None else dotted(pattern)
        gone = [h.id for h in self._attached.values() if wanted is None or h.pattern == wanted]
        for handler_id in gone:
            self.detach(handler_id)
        return len(gone)

    def handlers(self, name: EventName | None = None) -> list[Attached]:
        """Return the attached handlers in order of call; with `name`, those that it would reach."""
        ordered = sorted(self._attached.values(), key=lambda attached: attached.order)
        if name is None:
            return ordered
        full = resolve(name)
        return [attached for attached in ordered if attached.matches(full)]

    def deliver(self, record: Record) -> None:
        """Call the handlers that match with a record that is stamped already.

        The replay of a recording does this; `emit` does it with what it has stamped.
        """
        before = self.handle(record.sequence)
        try:
            for attached in self._route(record.name):
                self._call(attached, record)
        finally:
            self.handle(before)

    def handle(self, sequence: int) -> int:
        """Let an event, or none, be the cause of what is emitted from now on.

        Args:
            sequence: The event that is being handled; `NO_CAUSE`: what is emitted has the causes
                that emitters have.

        Returns:
            What was handled before; whoever calls this calls it again with that.
        """
        before = self._handling
        if before != sequence:
            self._handling = sequence
            self._handles()
        return before

    # -- private -------------------------------------------------------------------------------

    def _changed(self) -> None:
        """Take notice that a handler came or went."""

    def _handles(self) -> None:
        """Take notice that an event is being handled, or no longer."""

    def _route(self, name: str) -> tuple[Attached, ...]:
        route = self._routes.get(name)
        if route is None:
            route = self._routes[name] = tuple(self.handlers(name))
        return route

    def _call(self, attached: Attached, record: Record) -> None:
        try:
            if attached.where is None or attached.where(record):
                attached.handler(record)
        except Exception as error:  # isolation is the point; the policy decides
            if attached.on_error == "raise":
                raise
            self._failed(attached, record, error)

    def _failed(self, attached: Attached, record: Record, error: Exception) -> None:
        attached.failures += 1
        gone = attached.on_error == "detach" or (
            isinstance(attached.on_error, int) and attached.failures >= attached.on_error
        )
        if gone and self._attached.get(attached.id) is attached:
            self.detach(attached.id)
        if isinstance(record.event, HandlerFailure):
            return
        self._report(
            HandlerFailure(
                attached.id,
                record.name,
                f"{type(error).__name__}: {error}",
                attached.failures,
                gone,
            )
        )


def _predicate(
    pattern: EventName,
    where: Callable[[Record], bool] | Mapping[str, Any] | None,
) -> Callable[[Record], bool] | None:
    if where is None or callable(where):
        return where
    wanted = dict(where)
    missing = object()
    event = catalogue.get(dotted(pattern))
    if event is not None:
        known = [field.name for field in fields_of(event)]
        for name in wanted:
            if name not in known:
                raise UnknownName.among(f"field of {event.event_name}", name, known)

    def holds(record: Record) -> bool:
        fields = record.fields
        return all(fields.get(key, missing) == value for key, value in wanted.items())

    return holds


def _is_positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
