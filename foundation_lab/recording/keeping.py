"""Keeping: what a simulation keeps of its events, and the recorder that does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from foundation_lab.errors import EventsNotKept
from foundation_lab.recording.recorder import Recorder

if TYPE_CHECKING:
    from pathlib import Path

    from foundation_lab.recording.aggregates import Aggregates
    from foundation_lab.recording.schema import Facts

Keep = Literal["events", "aggregates"]
"""``events``: all of them, for a recording. ``aggregates``: what is counted of them."""


def recorder_for(keep: Keep, row_limit: int | None, spill_folder: Path | None) -> Recorder:
    """Return the recorder of a new simulation; see `Simulation`.

    Raises:
        ValueError: `keep` is something else, or there is a row limit although no row is kept.
    """
    if keep not in get_args(Keep):
        message = f"keep={keep!r}; choose 'events' or 'aggregates'"
        raise ValueError(message)
    if keep == "events":
        return Recorder(row_limit, spill_folder)
    if row_limit is not None:
        message = (
            f"row_limit={row_limit} with keep='aggregates', which keeps no rows that could be too "
            "many; leave row_limit out, or choose keep='events'"
        )
        raise ValueError(message)
    from foundation_lab.recording.aggregator import Aggregator  # noqa: PLC0415  (numpy is heavy)

    return Aggregator()


def aggregates_of(recorder: Recorder, facts: Facts) -> Aggregates:
    """Return the aggregates of what a recorder has taken so far, whatever it keeps of it."""
    from foundation_lab.recording.aggregates import Aggregates  # noqa: PLC0415  (polars is heavy)
    from foundation_lab.recording.aggregator import Aggregator  # noqa: PLC0415
    from foundation_lab.recording.recording import Recording  # noqa: PLC0415

    if isinstance(recorder, Aggregator):
        recorder.flush()
        return Aggregates.counted(recorder.tally, facts)
    return Aggregates.of(Recording.of(recorder, facts))


def require_events(keep: Keep, name: str) -> None:
    """Refuse to make a recording of a simulation that keeps no events.

    Raises:
        EventsNotKept: It keeps aggregates only.
    """
    if keep != "events":
        message = (
            f"simulation {name!r} keeps aggregates only, no events to make a recording of; read "
            "sim.aggregates, or make the simulation with keep='events'"
        )
        raise EventsNotKept(message)
