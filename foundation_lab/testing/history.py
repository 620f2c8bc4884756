"""What a recording holds, as the records that handlers were given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation_lab.recording.replay import records

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.recording.recording import Recording
    from foundation_lab.telemetry.record import Record


def past_records(
    recording: Recording,
    matches_name: Callable[[str], bool],
    *,
    since: int = 0,
    before: int | None = None,
    most: int | None = None,
) -> list[Record]:
    """Return the recorded events whose names match; the rest is as `records` has it."""
    names = filter(matches_name, recording.counts)
    return list(records(recording, names, since=since, before=before, most=most))


def latest_records(recording: Recording, most: int) -> list[Record]:
    """Return the last `most` events of a recording, whatever their names."""
    spine = recording.lazy().tail(most).collect()
    if spine.is_empty():
        return []
    return list(records(recording, set(spine["event"]), since=spine["sequence"][0]))
