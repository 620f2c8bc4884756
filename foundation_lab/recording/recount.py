"""The recount: the tally of a run whose events were kept, from its frames.

It comes to the same numbers as if they had been counted and dropped while the run went on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from foundation_lab.recording.schema import STAMPS
from foundation_lab.recording.tally import FLAGS, Batch, Tally, Texts
from foundation_lab.telemetry.event import SUBJECT_FIELDS, catalogue, fields_of

if TYPE_CHECKING:
    from foundation_lab.recording.recording import Recording


def recount(recording: Recording) -> Tally:
    """Return the tally of a recording."""
    tally = Tally()
    spine = recording.lazy().select("event", "service").collect()
    for name, facts in recording.tables.items():
        frame = recording.frame(name)
        services = spine.filter(pl.col("event") == name)["service"]
        subject = _subject(name, frame) if services.count() else None
        fields = {field: frame[field] for field in frame.columns[len(STAMPS) :]}
        numbers, labels = {}, {}
        for field, values in fields.items():
            if field in facts.units:
                if values.dtype.is_numeric() or values.dtype == pl.Boolean:
                    numbers[field] = _floats(values)
            elif values.dtype == pl.Boolean:
                labels[field] = Texts(_codes(values), FLAGS)
            elif values.dtype == pl.String and field != subject and field not in facts.json:
                labels[field] = _texts(values)
        times = frame["time"].to_numpy()
        units = {field: facts.units[field] for field in numbers}
        found = (times, _texts(services), numbers, units, labels)
        tally.add([Batch(name, facts.deterministic, *found)])
    return tally


def _subject(name: str, frame: pl.DataFrame) -> str | None:
    """Return the field that fills the column ``service``."""
    cls = catalogue.get(name)
    fields = (
        {each.attribute: each.name for each in fields_of(cls)}
        if cls is not None
        else dict(zip(frame.columns, frame.columns, strict=True))
    )
    return next((fields[attribute] for attribute in SUBJECT_FIELDS if attribute in fields), None)


def _floats(values: pl.Series) -> Any:
    return values.cast(pl.Float64).fill_null(np.nan).to_numpy()


def _texts(values: pl.Series) -> Texts:
    texts = values.drop_nulls().unique(maintain_order=True)
    return Texts(_codes(values.cast(pl.Enum(texts)).to_physical()), texts.to_list())


def _codes(values: pl.Series) -> Any:
    return values.cast(pl.Int64).fill_null(-1).to_numpy()
