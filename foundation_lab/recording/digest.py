"""The digest of a recording: equal for equal events, whatever the machine or the batch sizes.

Every column is hashed on its own, as little-endian numbers or as UTF-8 text with its lengths, so
that the digest does not depend on how strings were coded, when rows were spilled, or how Parquet
laid them out. Tables of events that are marked as not deterministic (wall-clock data) are left out.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_KINDS = {
    pl.Float64: b"float",
    pl.Int64: b"int",
    pl.Boolean: b"bool",
    pl.String: b"text",
    pl.List: b"list",
}
DERIVED = ("service", "duration")
"""Spine columns that repeat what the tables hold."""


def digest_of(spine: Iterable[pl.DataFrame], tables: Mapping[str, Iterable[pl.DataFrame]]) -> str:
    """Return the SHA-256 digest of a recording in hex.

    Args:
        spine: The spine, in one or more consecutive parts.
        tables: The table of every deterministic event by name, each in consecutive parts.
    """
    total = hashlib.sha256()
    total.update(_frame_digest("", spine, leave_out=DERIVED))
    for name in sorted(tables):
        total.update(_frame_digest(name, tables[name], leave_out=()))
    return total.hexdigest()


def _frame_digest(name: str, parts: Iterable[pl.DataFrame], leave_out: tuple[str, ...]) -> bytes:
    columns: dict[str, _ColumnHash] = {}
    rows = 0
    for part in parts:
        for column in part.columns:
            if column not in leave_out:
                kind = _KINDS[part.schema[column].base_type()]
                columns.setdefault(column, _ColumnHash(kind)).update(part[column], rows)
        rows += part.height
    total = hashlib.sha256(f"{name}\0{rows}".encode())
    for column in sorted(columns):
        total.update(f"\0{column}\0".encode())
        total.update(columns[column].digest())
    return total.digest()


class _ColumnHash:
    """A column's hash, fed part by part: validity, lengths and content each in a stream."""

    def __init__(self, kind: bytes) -> None:
        self._kind = kind
        self._valid = hashlib.sha256()
        self._items = hashlib.sha256()
        self._lengths = hashlib.sha256()
        self._content = hashlib.sha256()

    def update(self, series: pl.Series, first_row: int) -> None:
        present = series.is_not_null()
        rows = present.arg_true().cast(pl.Int64) + first_row
        self._valid.update(rows.to_numpy().astype("<i8").tobytes())
        series = series.drop_nulls()
        if isinstance(series.dtype, pl.List):
            self._items.update(series.list.len().to_numpy().astype("<i8").tobytes())
            series = series.explode(empty_as_null=False)
        if series.dtype == pl.String:
            self._lengths.update(series.str.len_bytes().to_numpy().astype("<i8").tobytes())
            self._content.update("".join(series.to_list()).encode())
        elif series.dtype == pl.Float64:
            self._content.update(_canonical(series.to_numpy()).astype("<f8").tobytes())
        else:
            self._content.update(series.cast(pl.Int64).to_numpy().astype("<i8").tobytes())

    def digest(self) -> bytes:
        parts = (self._valid, self._items, self._lengths, self._content)
        return self._kind + b"".join(part.digest() for part in parts)


def _canonical(numbers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return numbers with one zero, and one NaN: its sign differs between processors."""
    return np.where(np.isnan(numbers), np.nan, numbers + 0.0)
