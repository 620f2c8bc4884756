"""The telemetry bus: emitters state facts, the bus stamps them, handlers are told.

`emit` gives every event its sequence number, virtual time, node, process, correlation id and cause,
hands it to the sink (the recorder, which is no handler and cannot be detached), and then to the
handlers whose pattern matches. An event nobody listens to is only stamped and recorded.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from foundation_lab.errors import UnknownName
from foundation_lab.telemetry import events
from foundation_lab.telemetry.context import NO_CAUSE, Context, Main
from foundation_lab.telemetry.event import (
    Event,
    catalogue,
    check_field_name,
    field_values,
    fields_of,
)
from foundation_lab.telemetry.pattern import EventName, dotted, matcher, resolve
from foundation_lab.telemetry.span import Span

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from foundation_lab.telemetry.context import Clock, Emitter

DISABLED = -1
"""What `emit` returns when nothing was emitted: telemetry is disabled or sealed."""

Policy = Literal["detach", "keep", "raise"] | int


class AdHoc(msgspec.Struct, frozen=True, gc=False):
    """An event without a class: a user's own name with loose fields."""

    event_name: str
    measurements: dict[str, float]
    metadata: dict[str, Any]


class Record(msgspec.Struct, frozen=True):
    """One stamped event, as handlers receive it.

    Attributes:
        sequence: The event's place in the total order, from 0.
        time: Virtual seconds.
        name: The dotted event name.
        event: The event itself.
        node: The simulated node of the emitter.
        process: The name of the emitting process or task, ``main`` outside of any.
        correlation_id: The request or session the event belongs to, if any.
        cause: The sequence of the event that led to this one, if any.
    """

    sequence: int
    time: float
    name: str
    event: Event | AdHoc
    node: str
    process: str
    correlation_id: str | None
    cause: int | None

    @property
    def fields(self) -> dict[str, Any]:
        """The event's own fields by public name (``from``, not ``from_``)."""
        if isinstance(self.event, AdHoc):
            return {**self.event.measurements, **self.event.metadata}
        return field_values(self.event)

    def __getitem__(self, field: str) -> Any:
        """Return one of the event's own fields.

        Raises:
            UnknownName: The event has no such field; the message lists the nearest.
        """
        fields = self.fields
        if field not in fields:
            raise UnknownName.among(f"field of {self.name}", field, fields)
        return fields[field]

    def get(self, field: str, default: Any = None) -> Any:
        """Return one of the event's own fields, or `default` when it has no such field."""
        return self.fields.get(field, default)


class Attached(msgspec.Struct):
    """A handler in its place on the bus; `failures` counts how often it raised."""

    id: str
    pattern: str
    handler: Callable[[Record], object]
    where: Callable[[Record], bool] | None
    order: int
    on_error: Policy
    matches: Callable[[str], bool]
    failures: int = 0


class Sink(Protocol):
    """What receives every event, whether or not anybody listens: the recorder."""

    def append(
        self, event: Event | AdHoc, time: float, emitter: Emitter, context: Context, cause: int
    ) -> None:
        """Take one event; its place in the order of calls is its sequence number."""


class Telemetry:
    """The bus of one simulation.

    Args:
        clock: Where time and the running process come from.
        sink: What records every event; ``None`` keeps nothing.
        ids: The seeded stream that span and correlation ids are drawn from; a bus that only plays
            a recording needs none.
    """

    def __init__(self, clock: Clock, sink: Sink | None, ids: random.Random | None) -> None:
        self._clock = clock
        self._sink = sink
        self._ids = ids
        self.main = Main()
        self._sequence = 0
        self._enabled = True
        self._sealed = False
        self._handling = NO_CAUSE
        self._attached: dict[str, Attached] = {}
        self._routes: dict[str, tuple[Attached, ...]] = {}

    # -- emitting ------------------------------------------------------------------------------

    def emit(
        self,
        event: Event | EventName,
        measurements: Mapping[str, float] | None = None,
        metadata: Mapping[str, Any] | None = None,
        *,
        cause: int | None = None,
    ) -> int:
        """Stamp and record an event, and tell the handlers that match.

        Args:
            event: An event, or the name of one together with its fields. A name of the catalogue
                needs exactly the fields of its class; any other name outside of ``foundation.`` is
                an event of your own.
            measurements: Numbers, when `event` is a name.
            metadata: Labels, when `event` is a name.
            cause: The sequence of the event that led to this one; by default the last event of the
                running process, or the event that is being handled.

        Returns:
            The sequence number; -1 when telemetry is disabled.

        Raises:
            UnknownName: The name or one of its fields does not exist.
            TypeError: A field of the class is missing, or a measurement is no number.
            ValueError: A field is both a measurement and a label, or its name is reserved.
            Exception: Whatever a handler with the policy ``raise`` raised.
        """
        if not self._enabled:
            return DISABLED
        emitter = self._clock.emitter or self.main
        if not isinstance(event, Event):
            return self._stamp(emitter, self._named(event, measurements, metadata), cause)
        if measurements is not None or metadata is not None:
            message = f"{event!r} has its fields already; give measurements and metadata to a name"
            raise TypeError(message)
        return self._stamp(emitter, event, cause)

    def emit_as(
        self,
        emitter: Emitter,
        name: EventName,
        measurements: Mapping[str, float],
        metadata: Mapping[str, Any],
    ) -> int:
        """Emit a named event in the name of `emitter`, whoever is running; otherwise as `emit`."""
        if not self._enabled:
            return DISABLED
        return self._stamp(emitter, self._named(name, measurements, metadata), None)

    def span(self, name: str, /, **fields: Any) -> Span:
        """Return a context manager that emits ``name.start`` and ``name.stop`` or ``.exception``.

        The events share a `span_id`; the fields of the start are repeated at the end, together
        with the duration. An exception that passes through, an interrupt and the closing of a
        generator end the span with ``name.exception``.

        Args:
            name: The dotted prefix of the three event names.
            fields: Metadata of all three; numbers become measurements.

        Raises:
            ValueError: The span fills a field of this name itself.
        """
        return Span(self, name, fields)

    @contextmanager
    def context(
        self,
        *,
        correlation_id: str | None = None,
        node: str | None = None,
        span_id: str | None = None,
        cause: int | None = None,
    ) -> Iterator[Context]:
        """Change the context of the running process while the block lasts.

        Processes that are started in the block inherit it. What is left out stays as it is.
        """
        emitter = self.running
        before, before_cause = emitter.context, emitter.cause
        emitter.context = Context(
            before.node if node is None else node,
            before.correlation_id if correlation_id is None else correlation_id,
            before.span_id if span_id is None else span_id,
        )
        if cause is not None:
            emitter.cause = cause
        try:
            yield emitter.context
        finally:
            emitter.context = before
            if cause is not None:
                emitter.cause = before_cause

    def new_id(self) -> str:
        """Return a fresh 128-bit id in hex, drawn from the simulation's seed."""
        if self._ids is None:
            message = "this bus plays a recording; new ids belong to a simulation"
            raise RuntimeError(message)
        return f"{self._ids.getrandbits(128):032x}"

    # -- listening -----------------------------------------------------------------------------

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
            where: A filter: a predicate on the record, or the field values that are wanted.
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
            UnknownName: The pattern can match no event.
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
            where=_predicate(where),
            order=order,
            on_error=on_error,
            matches=matcher(pattern),
        )
        self._routes = {}
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
        before, self._handling = self._handling, record.sequence
        try:
            for attached in self._route(record.name):
                self._call(attached, record)
        finally:
            self._handling = before

    # -- switching -----------------------------------------------------------------------------

    @property
    def enabled(self) -> bool:
        """Whether events are recorded and handled."""
        return self._enabled

    def disable(self) -> None:
        """Emit nothing any more: no record, no handler. Services behave the same."""
        self._enabled = False

    def enable(self) -> None:
        """Emit again, unless the recording is sealed.

        Raises:
            RuntimeError: The run is over and its recording sealed.
        """
        if self._sealed:
            message = "the recording of this simulation is sealed; nothing can be added to it"
            raise RuntimeError(message)
        self._enabled = True

    def seal(self) -> None:
        """Close the recording for good: what happens later, such as clean-up, leaves no trace."""
        self._enabled = False
        self._sealed = True

    @property
    def sequence(self) -> int:
        """The sequence number that the next event will get: how many there are so far."""
        return self._sequence

    @property
    def now(self) -> float:
        """The virtual time in seconds."""
        return self._clock.now

    @property
    def running(self) -> Emitter:
        """The running process or task, or the main program outside of any."""
        return self._clock.emitter or self.main

    # -- private -------------------------------------------------------------------------------

    def _stamp(self, emitter: Emitter, event: Event | AdHoc, cause: int | None) -> int:
        sequence, handling = self._sequence, self._handling
        if cause is None:
            cause = emitter.cause if handling == NO_CAUSE else handling
        time = self._clock.now
        if self._sink is not None:
            self._sink.append(event, time, emitter, emitter.context, cause)
        self._sequence = sequence + 1
        if handling == NO_CAUSE:
            emitter.cause = sequence
        if self._attached:
            self._dispatch(event, sequence, time, emitter, cause)
        return sequence

    def _named(
        self,
        name: EventName,
        measurements: Mapping[str, float] | None,
        metadata: Mapping[str, Any] | None,
    ) -> Event | AdHoc:
        full = resolve(name)
        numbers, labels = dict(measurements or {}), dict(metadata or {})
        cls = catalogue.get(full)
        for key in numbers.keys() & labels.keys():
            message = f"field {key!r} of {full} is both a measurement and a label; give it once"
            raise ValueError(message)
        if cls is None:
            for key in (*numbers, *labels):
                check_field_name(full, key)
            for key, number in numbers.items():
                if number is not None and not hasattr(number, "__float__"):
                    message = f"measurement {key!r} of {full} is {number!r}; give a number"
                    raise TypeError(message)
            return AdHoc(full, numbers, labels)
        given = {**numbers, **labels}
        attributes = {field.name: field.attribute for field in fields_of(cls)}
        for key in given:
            if key not in attributes:
                raise UnknownName.among(f"field of {full}", key, attributes)
        try:
            return cls(**{attributes[key]: value for key, value in given.items()})
        except TypeError as error:  # a field is missing
            message = f"{full}: {error}; its fields are {', '.join(attributes)}"
            raise TypeError(message) from None

    def _dispatch(
        self,
        event: Event | AdHoc,
        sequence: int,
        time: float,
        emitter: Emitter,
        cause: int,
    ) -> None:
        name = event.event_name
        if not self._route(name):
            return
        self.deliver(
            Record(
                sequence,
                time,
                name,
                event,
                emitter.context.node,
                emitter.name,
                emitter.context.correlation_id,
                None if cause == NO_CAUSE else cause,
            )
        )

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
        if isinstance(record.event, events.telemetry.HandlerFailure):
            return
        self.emit(
            events.telemetry.HandlerFailure(
                attached.id,
                record.name,
                f"{type(error).__name__}: {error}",
                attached.failures,
                gone,
            )
        )


def _predicate(
    where: Callable[[Record], bool] | Mapping[str, Any] | None,
) -> Callable[[Record], bool] | None:
    if where is None or callable(where):
        return where
    wanted = dict(where)
    missing = object()

    def holds(record: Record) -> bool:
        fields = record.fields
        return all(fields.get(key, missing) == value for key, value in wanted.items())

    return holds


def _is_positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
