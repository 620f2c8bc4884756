"""The telemetry bus: emitters state facts, the bus stamps them, handlers are told.

`emit` gives every event its sequence number, virtual time, node, process, correlation id and cause,
hands it to the sink (the recorder, which is no handler and cannot be detached), and then to the
handlers whose pattern matches. An event nobody listens to is only stamped and recorded.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from inspect import signature
from typing import TYPE_CHECKING, Any, ParamSpec, cast

from msgspec.structs import astuple

from foundation_lab.telemetry.context import NO_CAUSE, UNRECORDED, Context, Main
from foundation_lab.telemetry.event import Event
from foundation_lab.telemetry.handlers import Handlers
from foundation_lab.telemetry.named import named_event
from foundation_lab.telemetry.record import AdHoc, Record
from foundation_lab.telemetry.sieve import sieve_of
from foundation_lab.telemetry.sink import Taker, is_flat, taker
from foundation_lab.telemetry.span import Span

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Mapping

    from foundation_lab.telemetry.context import Clock, Emitter
    from foundation_lab.telemetry.pattern import EventName
    from foundation_lab.telemetry.sink import Sink

Fields = ParamSpec("Fields")

DISABLED = -1
"""What `emit` returns when nothing was emitted: telemetry is disabled or sealed."""


class Telemetry(Handlers):
    """The bus of one simulation.

    Args:
        clock: Where time and the running process come from.
        sink: What records every event; ``None`` keeps nothing.
        ids: The seeded stream that span and correlation ids are drawn from; a bus that only plays
            a recording needs none.

    Attributes:
        pauses: How often it was disabled.
    """

    def __init__(self, clock: Clock, sink: Sink | None, ids: random.Random | None) -> None:
        super().__init__(report=self.emit)
        self._clock: Any = clock
        self._sink: Any = sink
        self._ids = ids
        self._known: dict[Any, Taker] = {}
        self._takers: dict[Any, Callable[..., int]] = {}
        self._plain = False
        self.main = Main()
        self.open_spans: dict[Span, None] = {}
        self._sequence = 0
        self._enabled = True
        self.pauses = 0
        self._sealed = False
        self._changed()

    # -- emitting ------------------------------------------------------------------------------

    def emit(
        self,
        event: Event | EventName,
        measurements: Mapping[str, float] | None = None,
        metadata: Mapping[str, Any] | None = None,
        cause: int | None = None,  # by position, too: a call by keyword costs a fifth more
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
            ValueError: A field is both a measurement and a label, its name is reserved, or the
                cause has not happened yet.
            Exception: Whatever a handler with the policy ``raise`` raised.
        """
        if self._plain and cause is None and measurements is None and metadata is None:
            take = self._takers.get(event.__class__)
            if take is not None:
                return take(*astuple(event))  # type: ignore[arg-type]  # an event, for it has one
        return self._emit(event, measurements, metadata, cause)

    def emitting(self, cls: Callable[Fields, Event]) -> Callable[Fields, int]:
        """Return a function that emits events of one class; it takes the fields, by position.

        It is the fastest way to emit: the event itself is made only when somebody listens.

        Args:
            cls: The event class.

        Returns:
            A function like `emit`, but for its arguments, which are those of `cls`.

        Raises:
            TypeError: The class takes its fields by keyword only; give events of it to `emit`.
        """
        if _by_keyword(cls):
            message = f"{cls.__qualname__} takes its fields by keyword; make it, and emit that"
            raise TypeError(message)
        return self._taker(cls).take

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
        return self._stamp(emitter, named_event(name, measurements, metadata), None)

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

        Raises:
            TypeError: An id or a node is no string.
        """
        for name, text in (
            ("correlation_id", correlation_id), ("node", node), ("span_id", span_id),
        ):  # fmt: skip
            if text is not None and not isinstance(text, str):
                message = f"{name}={text!r}; give a string"
                raise TypeError(message)
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
        return self._ids.getrandbits(128).to_bytes(16).hex()

    # -- switching -----------------------------------------------------------------------------

    @property
    def enabled(self) -> bool:
        """Whether events are recorded and handled."""
        return self._enabled

    def disable(self) -> None:
        """Emit nothing any more: no record, no handler. Services behave the same."""
        self._enabled = False
        self.pauses += 1
        self._changed()

    def enable(self) -> None:
        """Emit again, unless the recording is sealed.

        Raises:
            RuntimeError: The run is over and its recording sealed.
        """
        if self._sealed:
            message = "the recording of this simulation is sealed; nothing can be added to it"
            raise RuntimeError(message)
        self._enabled = True
        self._changed()

    def seal(self) -> None:
        """Close the recording for good: what happens later, such as clean-up, leaves no trace."""
        self._enabled = False
        self._sealed = True
        self._changed()

    @property
    def sequence(self) -> int:
        """The sequence number that the next event will get: how many there are so far."""
        return self._sequence

    @property
    def now(self) -> float:
        """The virtual time in seconds."""
        return float(self._clock.now)

    @property
    def running(self) -> Emitter:
        """The running process or task, or the main program outside of any."""
        return self._clock.emitter or self.main

    # -- private -------------------------------------------------------------------------------

    def _emit(
        self,
        event: Event | EventName,
        measurements: Mapping[str, float] | None,
        metadata: Mapping[str, Any] | None,
        cause: int | None,
    ) -> int:
        """Emit what is no usual case: a name, an event that is new or that somebody listens to."""
        if not self._enabled:
            return DISABLED
        if not isinstance(event, Event):
            return self._stamp(self.running, named_event(event, measurements, metadata), cause)
        if measurements is not None or metadata is not None:
            message = f"{event!r} has its fields already; give measurements and metadata to a name"
            raise TypeError(message)
        return self._stamp(self.running, event, cause)

    def _stamp(self, emitter: Emitter, event: Event | AdHoc, cause: int | None) -> int:
        sequence, handling, time = self._sequence, self._handling, self._clock.now
        if cause is None:
            cause = emitter.cause if handling == NO_CAUSE else handling
        elif cause >= sequence:
            message = f"cause={cause} of event {sequence}; a cause comes before what it leads to"
            raise ValueError(message)
        if self._sink is not None:
            self._record(time, emitter, sequence - cause, event)
        self._sequence = sequence + 1
        if handling == NO_CAUSE:
            emitter.cause = sequence
        if self._sink is not None and sequence >= self._sink.due:
            self._sink.pack()
        if self._attached:
            self._dispatch(event, sequence, time, emitter, cause)
        return sequence

    def _record(self, time: float, emitter: Emitter, distance: int, event: Event | AdHoc) -> None:
        table = self._sink.table_of(event)
        if table.cls is event.__class__ and table.cls not in self._known and _is_quick(table):
            self._taker(cast("type[Event]", table.cls))
        origin = getattr(emitter, "origin", UNRECORDED)
        if origin < self._sink.first_origin:
            origin = self._sink.register(emitter)
            if hasattr(emitter, "origin"):  # a process of SimPy's own has none
                emitter.origin = origin
        table.add(event)
        self._sink.stamps += (time, origin, distance, table.number)

    def _taker(self, cls: Callable[..., Event]) -> Taker:
        """Return the short way of a class: one for all who emit its events."""
        known = self._known.get(cls)
        if known is None:
            known = self._known[cls] = taker(self, cls)
            self._let_through(cls, known)
        return known

    def _changed(self) -> None:
        """Let the events that nobody listens to take the short way, and no others."""
        self._takers = {}
        for cls, known in self._known.items():
            self._let_through(cls, known)
        self._handles()

    def _let_through(self, cls: Any, known: Taker) -> None:
        route = self._route(cls.event_name) if self._attached else ()
        sieve = sieve_of(cls, route) if route else None
        known.open(not route, sieve)
        if known.is_short and (sieve or not route):
            self._takers[cls] = known.take

    def _handles(self) -> None:
        """Let no event take the short way while another one is being handled: it is its cause."""
        self._plain = self._enabled and self._sink is not None and self._handling == NO_CAUSE
        if self._sink is not None:
            self._sink.open_gate(self._plain)

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


def _is_quick(table: Any) -> bool:
    """Whether the events of a table may take the short way."""
    return is_flat(table) and not _by_keyword(table.cls)


@cache
def _by_keyword(cls: Any) -> bool:
    """Whether fields of a class can be given by keyword only."""
    return any(p.kind is p.KEYWORD_ONLY for p in signature(cls).parameters.values())
