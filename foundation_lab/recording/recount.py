"""The recount: the tally of a run whose events were kept, from its frames.

It comes to the same numbers as if they had been counted and dropped while the run went on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from foundation_lab.recording.schema import STAMPS
from foundation_lab.recording.tally import FLAGS, Batch, Tally, Texts
from foundation_lab.telemetry.event import SUBJECT_FIELDS, catalogue, fields_of

if TYPE_CHECKING:
    from foundation_lab.recording.recording import Recording
    from foundation_lab.recording.schema import TableFacts

AT_ONCE: Final = 2**18
"""How many events are counted at once."""


def recount(recording: Recording) -> Tally:
    """Return the tally of a recording."""
    tally = Tally()
    spine = recording.lazy().select("event", "service").collect()
    for name, facts in recording.tables.items():
        frame = recording.frame(name)
        services = spine.filter(pl.col("event") == name)["service"]
        subject = _subject(name, frame) if services.count() else None
        for begin in range(0, frame.height, AT_ONCE):
            rows, their = frame.slice(begin, AT_ONCE), services.slice(begin, AT_ONCE)
            tally.add([_batch(name, facts, rows, their, subject)])
    return tally


def _batch(
    name: str, facts: TableFacts, frame: pl.DataFrame, services: pl.Series, subject: str | None
) -> Batch:
    """Return rows of an event's frame; fields that are neither numbers nor labels are left out."""
    numbers, labels = {}, {}
    for field in frame.columns[len(STAMPS) :]:
        values = frame[field]
        if field in facts.units:
            if values.dtype.is_numeric() or values.dtype == pl.Boolean:
                numbers[field] = values.cast(pl.Float64).fill_null(np.nan).to_numpy()
        elif values.dtype == pl.Boolean:
            labels[field] = Texts(_codes(values), FLAGS)
        elif values.dtype == pl.String and field != subject and field not in facts.json:
            labels[field] = _texts(values)
    times, units = frame["time"].to_numpy(), {field: facts.units[field] for field in numbers}
    return Batch(name, facts.deterministic, times, _texts(services), numbers, units, labels)


def _subject(name: str, frame: pl.DataFrame) -> str | None:
    """Return the field that fills the column ``service``."""
    cls = catalogue.get(name)
    fields = (
        dict(zip(frame.columns, frame.columns, strict=True))
        if cls is None
        else {each.attribute: each.name for each in fields_of(cls)}
    )
    return next((fields[attribute] for attribute in SUBJECT_FIELDS if attribute in fields), None)


def _texts(values: pl.Series) -> Texts:
    texts = values.drop_nulls().unique(maintain_order=True)
    return Texts(_codes(values.cast(pl.Enum(texts)).to_physical()), texts.to_list())


def _codes(values: pl.Series) -> Any:
    return values.cast(pl.Int64).fill_null(-1).to_numpy()
