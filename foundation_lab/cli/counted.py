"""Files of aggregates: what a run leaves that keeps no events."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def holds_aggregates(path: Path) -> bool:
    """Return whether a file holds the aggregates of a run."""
    from foundation_lab.errors import InvalidRecording
    from foundation_lab.recording.aggregates import Aggregates

    try:
        Aggregates.load(path)
    except InvalidRecording:
        return False
    return True


def refuse_aggregates(path: Path) -> None:
    """Refuse what holds aggregates where a recording is needed.

    Raises:
        EventsNotKept: It does.
    """
    from foundation_lab.errors import EventsNotKept

    if path.is_file() and holds_aggregates(path):
        message = (
            f"{path} holds the aggregates of a run, and this needs its events, which were not "
            "kept; run the scenario with --keep events, and give the folder of that recording"
        )
        raise EventsNotKept(message)
