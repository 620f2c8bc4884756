"""The shape of a recording: its format version, the spine's columns, the manifest."""

from __future__ import annotations

from typing import Any

import msgspec
import polars as pl

FORMAT_VERSION = 1
"""Raised whenever a recording of today could be misread by yesterday's code."""

SPINE: dict[str, pl.DataType] = {
    "sequence": pl.Int64(),
    "time": pl.Float64(),
    "event": pl.String(),
    "service": pl.String(),
    "node": pl.String(),
    "process": pl.String(),
    "correlation_id": pl.String(),
    "cause": pl.Int64(),
    "duration": pl.Float64(),
}
"""The columns of `Recording.events`: one row an event, whatever its name."""

STAMPS = ("sequence", "time", "node", "process", "correlation_id", "cause")
"""The columns that a typed frame takes from the spine, before the event's own fields."""

KINDS: dict[str, pl.DataType] = {
    "float": pl.Float64(),
    "int": pl.Int64(),
    "bool": pl.Boolean(),
    "str": pl.String(),
    "list": pl.List(pl.String()),
    "json": pl.String(),
}
"""The type of a frame's column for each kind of recorded column; mappings become JSON text."""


class Facts(msgspec.Struct, frozen=True):
    """What is known about a run beside its events; saved in the recording's manifest.

    Attributes:
        name: The scenario's name, or what the simulation was called.
        seed: The seed of every random stream.
        start: The wall-clock instant that virtual 0 stands for (ISO 8601), if any.
        until: The virtual time at which the recording ends, in seconds.
        status: ``complete``, ``interrupted`` or ``failed``.
        error: What ended a failed run.
        scenario: The validated scenario as plain data, so that it can be run again; ``None`` for a
            model written in Python.
        notifiers: The names of the notifiers that were told of its alerts, beside its scenario's.
    """

    name: str = "simulation"
    seed: int = 0
    start: str | None = None
    until: float = 0.0
    status: str = "complete"
    error: str | None = None
    scenario: dict[str, Any] | None = None
    notifiers: tuple[str, ...] = ()


class TableFacts(msgspec.Struct, frozen=True):
    """What the manifest says of one event's table.

    Attributes:
        rows: How often the event happened.
        units: The unit of each measurement by field name.
        deterministic: Whether it counts for the digest; wall-clock data do not.
        json: The fields that hold mappings and the like, as JSON text.
    """

    rows: int
    units: dict[str, str]
    deterministic: bool = True
    json: tuple[str, ...] = ()


class Manifest(msgspec.Struct, frozen=True):
    """The content of ``manifest.json``."""

    format_version: int
    digest: str
    events: int
    facts: Facts
    tables: dict[str, TableFacts]
    versions: dict[str, str]
