"""Tables: the events of one name, one typed column for each field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec.structs import astuple

from foundation_lab.recording.columns import (
    MISFITS,
    Codebook,
    Column,
    kind_of,
    kind_of_value,
)
from foundation_lab.telemetry.event import Event, field_values, fields_of, subject_of
from foundation_lab.telemetry.record import AdHoc

if TYPE_CHECKING:
    from collections.abc import Sequence

AT_ONCE: Final = 1024
"""How many rows are packed at once: enough to be worth while, few enough to be at hand still."""


class Misfit(NamedTuple):
    """A value that does not fit its column.

    Attributes:
        field: The field's public name.
        row: The row in the table.
        value: The value.
        why: What is wrong with it.
    """

    field: str
    row: int
    value: Any
    why: str


class Table:
    """The events of one name.

    Attributes:
        name: The event name.
        cls: The event class, if there is one.
        number: The table's number among those of its recorder: what the spine says of a row.
        width: How many values an event takes in `pending`.
        pending: Events that are not in the columns yet: their fields, one event after the other; an
            event without a class as it is.
        packed: How many events are in the columns.
        columns: The columns by public field name.
        units: The unit of each measurement by field name.
        subject: The field that fills the spine's ``service`` column, if any.
        mutable: The places of fields that may change after they were emitted: lists, mappings.

    Raises:
        TypeError: A field of the class is not marked, or of a type that no column holds.
        ValueError: A field of the class has a reserved name.
    """

    def __init__(self, name: str, cls: type[Event] | None, number: int, codebook: Codebook) -> None:
        self.name = name
        self.cls = cls
        self.number = number
        self.width = 1 if cls is None else max(1, len(fields_of(cls)))
        self.pending: list[Any] = []
        self.columns: dict[str, Column] = {}
        self.units: dict[str, str] = {}
        self.subject: str | None = None
        self.mutable: tuple[int, ...] = ()
        self.begin(codebook)
        if cls is None:
            return
        subject = subject_of(cls)
        for field in fields_of(cls):
            self.columns[field.name] = Column(
                kind_of(field.type), codebook, optional=field.optional
            )
            if field.unit is not None:
                self.units[field.name] = field.unit
            if field.attribute == subject:
                self.subject = field.name
        kinds = [column.kind for column in self.columns.values()]
        self.mutable = tuple(n for n, kind in enumerate(kinds) if kind in {"list", "json"})

    def begin(self, codebook: Codebook) -> None:
        """Drop the rows; the columns stay, with another codebook."""
        self.packed = 0
        self._codebook = codebook
        for name, column in self.columns.items():
            optional = column.optional or self.cls is None
            self.columns[name] = Column(column.kind, codebook, optional=optional)

    @property
    def rows(self) -> int:
        """How many events there are, pending ones included."""
        return self.packed + len(self.pending) // self.width

    @property
    def deterministic(self) -> bool:
        """Whether the events count for the digest; wall-clock data do not."""
        return self.cls is None or self.cls.deterministic

    @property
    def mappings(self) -> tuple[str, ...]:
        """The fields that hold mappings and the like, as JSON text."""
        return tuple(name for name, column in self.columns.items() if column.kind == "json")

    def add(self, event: Event | AdHoc) -> None:
        """Put an event aside that need not be one of the table's own class."""
        if self.cls is None:
            self.pending.append(_as_loose(event))
            return
        if event.__class__ is self.cls:
            values: list[Any] = list(astuple(event))
        else:  # the class was defined anew while this run goes on
            values = [getattr(event, f.attribute, None) for f in fields_of(self.cls)]
        columns = list(self.columns.values())
        for place in self.mutable:
            values[place] = columns[place].freeze(values[place])
        self.pending += values or (None,)

    def flush(self) -> list[Misfit]:
        """Pack what is pending into the columns.

        Returns:
            The values that do not fit their columns; each is a null there.
        """
        step, misfits = self.width * AT_ONCE, []
        for begin in range(0, len(self.pending), step):
            batch = self.pending[begin : begin + step]
            misfits += self._add_loose(batch) if self.cls is None else self._add_typed(batch)
            self.packed += len(batch) // self.width
        self.pending.clear()
        return misfits

    # -- private -------------------------------------------------------------------------------

    def _add_typed(self, batch: list[Any]) -> list[Misfit]:
        misfits = []
        for place, name in enumerate(self.columns):
            misfits += self._extend(name, batch[place :: self.width])
        return misfits

    def _add_loose(self, batch: list[AdHoc]) -> list[Misfit]:
        misfits = []
        for row, event in enumerate(batch, self.packed):
            for loose, is_number in ((event.measurements, True), (event.metadata, False)):
                for name, value in loose.items():
                    if value is not None:
                        self._open(name, value, is_number=is_number).pad(row)
                        misfits += self._extend(name, [value])
        for column in self.columns.values():
            column.pad(self.packed + len(batch))
        return misfits

    def _open(self, name: str, value: Any, *, is_number: bool) -> Column:
        column = self.columns.get(name)
        if column is None:
            kind = "float" if is_number else kind_of_value(value)
            column = self.columns[name] = Column(kind, self._codebook, optional=True)
            if is_number:
                self.units[name] = "1"
        return column

    def _extend(self, name: str, values: Sequence[Any]) -> list[Misfit]:
        column = self.columns[name]
        try:
            column.extend(values)
        except MISFITS as error:
            if len(values) > 1:
                return [misfit for value in values for misfit in self._extend(name, [value])]
            column.skip()
            return [Misfit(name, len(column) - 1, values[0], str(error))]
        return []


def _as_loose(event: Event | AdHoc) -> AdHoc:
    """Return an event as one without a class, its lists and mappings written down."""
    if isinstance(event, AdHoc):
        if all(isinstance(value, _SCALARS) for value in event.metadata.values()):
            return event
        labels = {name: _frozen(value) for name, value in event.metadata.items()}
        return AdHoc(event.event_name, event.measurements, labels)
    values = {name: _frozen(value) for name, value in field_values(event).items()}
    numbers = {f.name for f in fields_of(type(event)) if f.unit is not None}
    return AdHoc(
        event.event_name,
        {name: value for name, value in values.items() if name in numbers},
        {name: value for name, value in values.items() if name not in numbers},
    )


def _frozen(value: Any) -> Any:
    if isinstance(value, _SCALARS):
        return value
    return Column(kind_of_value(value), Codebook(), optional=True).freeze(value)


_SCALARS = (str, int, float, type(None))
