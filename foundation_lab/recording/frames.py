"""From the recorder's columns to polars frames, without a loop over rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from foundation_lab.recording.columns import NO_CODE, NO_INT
from foundation_lab.recording.schema import KINDS, SPINE

if TYPE_CHECKING:
    from array import array

    from foundation_lab.recording.columns import Column
    from foundation_lab.recording.recorder import Recorder, Table


def spine_frame(recorder: Recorder) -> pl.DataFrame:
    """Return the spine of the rows in memory; the columns are those of `schema.SPINE`."""
    rows = len(recorder.time)
    texts = pl.Series(recorder.codebook.texts, dtype=pl.String)
    event = np.full(rows, NO_CODE, dtype=np.int32)
    service = np.full(rows, NO_CODE, dtype=np.int32)
    duration = np.full(rows, np.nan)
    for table in recorder.tables.values():
        place = _numbers(table.sequence) - recorder.first
        event[place] = table.code
        if table.subject is not None:
            service[place] = _numbers(table.columns[table.subject].values)
        column = table.columns.get("duration")
        if column is not None and column.kind == "float":
            duration[place] = _numbers(column.values)
    columns = {
        "sequence": pl.Series(np.arange(recorder.first, recorder.first + rows, dtype=np.int64)),
        "time": pl.Series(_numbers(recorder.time)),
        "event": _decode(event, texts),
        "service": _decode(service, texts),
        "node": _decode(_numbers(recorder.node), texts),
        "process": _decode(_numbers(recorder.process), texts),
        "correlation_id": _decode(_numbers(recorder.correlation_id), texts),
        "cause": _integers(_numbers(recorder.cause), null=-1),
        "duration": pl.Series(duration).fill_nan(None),
    }
    return pl.DataFrame({name: columns[name].cast(dtype) for name, dtype in SPINE.items()})


def table_frame(table: Table, texts: list[str]) -> pl.DataFrame:
    """Return one event's table: ``sequence`` and a column for each field."""
    strings = pl.Series(texts, dtype=pl.String)
    series = [pl.Series("sequence", _numbers(table.sequence), dtype=pl.Int64)]
    series += [_series(column, strings).alias(name) for name, column in table.columns.items()]
    return pl.DataFrame(series)


def _series(column: Column, texts: pl.Series) -> pl.Series:
    values = _numbers(column.values)
    if column.kind == "float":
        series = pl.Series(values).fill_nan(None) if column.optional else pl.Series(values)
    elif column.kind == "int":
        series = _integers(values, null=NO_INT) if column.optional else pl.Series(values)
    elif column.kind == "bool":
        flags = pl.Series(values)
        known = flags != NO_CODE
        series = pl.select(pl.when(known).then(flags == 1)).to_series()
    elif column.kind == "list":
        series = _lists(values, texts)
    else:
        series = _decode(values, texts)
    return series.cast(KINDS[column.kind])


def _lists(codes: np.ndarray[Any, Any], texts: pl.Series) -> pl.Series:
    used = np.unique(codes[codes != NO_CODE])
    lists = pl.Series([json.loads(texts[int(code)]) for code in used], dtype=pl.List(pl.String))
    places = np.where(codes == NO_CODE, NO_CODE, np.searchsorted(used, codes))
    return lists.gather(_integers(places, null=NO_CODE))


def _decode(codes: np.ndarray[Any, Any], texts: pl.Series) -> pl.Series:
    if not len(codes):
        return pl.Series([], dtype=pl.String)
    return texts.gather(_integers(codes, null=NO_CODE))


def _integers(values: np.ndarray[Any, Any], null: int) -> pl.Series:
    series = pl.Series(values)
    if (values == null).any():
        return pl.select(pl.when(series != null).then(series)).to_series()
    return series


def _numbers(values: array[Any]) -> np.ndarray[Any, Any]:
    # A copy: the recorder goes on appending, and an exported buffer could not grow.
    return np.array(values, dtype=_DTYPES[values.typecode])


_DTYPES = {"d": np.float64, "q": np.int64, "i": np.int32, "b": np.int8}
