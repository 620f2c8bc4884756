"""The sink: what receives every event, whether or not anybody listens, and the short way there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from foundation_lab.telemetry.bus import Telemetry
    from foundation_lab.telemetry.context import Emitter
    from foundation_lab.telemetry.event import Event
    from foundation_lab.telemetry.record import AdHoc
    from foundation_lab.telemetry.sieve import Sieve


class Intake(Protocol):
    """Where the fields of the events of one name go: `width` values an event."""

    cls: type[Event] | None
    number: int
    width: int
    pending: list[Any]
    mutable: tuple[int, ...]

    @property
    def columns(self) -> Mapping[str, Any]:
        """The columns by field name; none for an event without fields."""

    def add(self, event: Event | AdHoc) -> None:
        """Put an event aside that need not be one of the table's own class."""


class Sink(Protocol):
    """What receives every event, whether or not anybody listens: the recorder.

    Its `stamps` are one flat list: the time of each event, the number of its emitter, how many
    events lie between it and its cause, and the number of its table.
    """

    due: int
    first_origin: int
    gate: float
    stamps: list[Any]

    def open_gate(self, is_open: bool) -> None:  # noqa: FBT001
        """Make `gate` the same as `first_origin`, or more than any number."""

    def table_of(self, event: Event | AdHoc | type[Event]) -> Intake:
        """Return where events of a name go."""

    @property
    def register(self) -> Callable[[Emitter], int]:
        """Returns a new number for an emitter; it is good as long as `first_origin` is smaller."""

    def pack(self) -> None:
        """Pack what is pending; called when the event with the number `due` was put aside."""


def is_flat(table: Intake) -> bool:
    """Whether the fields of an event can be put aside as they are, one after the other."""
    return bool(table.columns) and not table.mutable


class Taker(NamedTuple):
    """How events of a class are emitted by their fields.

    Attributes:
        take: The function that emits; the short way, as long as that is open.
        open: Opens the short way, or closes it because somebody listens; given a sieve, only for
            the events whose fields that lets through.
        is_short: Whether there is a short way at all.
    """

    take: Callable[..., int]
    open: Callable[[bool, Sieve | None], None]
    is_short: bool


def taker(bus: Telemetry, cls: Callable[..., Event]) -> Taker:
    """Return the function that emits events of a class: the short way, and what leads to it."""
    clock, sink, main = bus._clock, bus._sink, bus.main
    table = None if sink is None else sink.table_of(cls)
    if table is None or table.cls is not cls or not is_flat(table):
        return Taker(
            lambda *fields: bus._emit(cls(*fields), None, None, None), _no_way, is_short=False
        )
    stamps, pending, width, number = sink.stamps, table.pending, table.width, table.number

    sieve: Sieve | None = None

    def open_it(is_open: bool, fine: Sieve | None) -> None:  # noqa: FBT001  (open or not)
        nonlocal width, sieve
        width = table.width if is_open else CLOSED
        sieve = fine

    def take(*fields: Any) -> int:
        nonlocal stamps, pending
        emitter = clock._active_proc or main
        try:
            origin = emitter.origin
        except AttributeError:  # a process of SimPy's own
            return bus._emit(cls(*fields), None, None, None)
        if origin < sink.gate or len(fields) != width:
            if not bus._plain or (
                len(fields) != width
                and (sieve is None or len(fields) != table.width or sieve(fields))
            ):
                return bus._emit(cls(*fields), None, None, None)
            if origin < sink.first_origin:
                origin = emitter.origin = sink.register(emitter)
        sequence = bus._sequence
        stamps += (clock._now, origin, sequence - emitter.cause, number)
        pending += fields
        emitter.cause = sequence
        bus._sequence = sequence + 1
        if sequence >= sink.due:
            sink.pack()
        return sequence

    return Taker(take, open_it, is_short=True)


def _no_way(is_open: bool, fine: Sieve | None) -> None:  # noqa: FBT001  (as above)
    """There is nothing to open."""


CLOSED: Final = -1
"""A width that no event has: the short way asks for the width anyway, and this costs no more."""
