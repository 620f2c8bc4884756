"""Run: which one was recorded or counted."""

from __future__ import annotations

import msgspec


class Run(msgspec.Struct, frozen=True):
    """The run that was recorded, or counted.

    Attributes:
        name: The scenario, or what the simulation was called.
        seed: The seed of every random stream.
        status: ``complete``, ``interrupted`` or ``failed``.
        error: What ended a failed run.
        start: The wall-clock instant that virtual 0 stands for (ISO 8601), if any.
        begin: Where it begins, in virtual seconds.
        end: Where it ends.
        events: How many events it has.
        digest: The digest of its recording, or of its aggregates.
    """

    name: str
    seed: int
    status: str
    error: str | None
    start: str | None
    begin: float
    end: float
    events: int
    digest: str
