"""Where in a user's data an error of pydantic lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic_core import ErrorDetails

    from foundation_lab.scenario.diagnostics import Data, DataPath


def data_path(error: ErrorDetails, data: Data) -> DataPath:
    """Find the path in the data that an error is about.

    The location that pydantic gives also holds names of union members, which are not in the data.
    A step can be both a tag and a key, so every reading is followed, and the one wins that ends
    at the value that pydantic was looking at.
    """
    location = error["loc"]
    if error["type"] == "missing":
        around = _walked(location[:-1], data, lambda here: here == error["input"])
        return (*around, location[-1])
    if location[-1:] == ("[key]",):
        key = str(location[-2])
        around = _walked(location[:-2], data, lambda here: isinstance(here, dict) and key in here)
        return (*around, key)
    return _walked(location, data, lambda here: here == error["input"])


def value_at(data: Data, path: DataPath) -> Data:
    """Return the value at a path, or None if there is nothing."""
    for step in path:
        if isinstance(data, dict) and isinstance(step, str):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            return None
    return data


def _walked(location: DataPath, data: Data, accepts: Callable[[Data], bool]) -> DataPath:
    readings: dict[DataPath, _Reading] = {(): _Reading(data)}
    for step in location:
        longer: dict[DataPath, _Reading] = {}
        for path, reading in readings.items():
            here, skipped = reading
            if isinstance(step, str):
                longer.setdefault(path, _Reading(here, (*skipped, (here, step))))
            if isinstance(here, dict) and str(step) in here:
                longer.setdefault((*path, str(step)), _Reading(here[str(step)], skipped))
            elif isinstance(here, list) and isinstance(step, int) and step < len(here):
                longer.setdefault((*path, step), _Reading(here[step], skipped))
        readings = longer or readings
    likely = {path: each for path, each in readings.items() if accepts(each.here)} or readings
    return min(likely, key=lambda path: likely[path].guesses())


class _Reading(NamedTuple):
    """Where one reading of a location has come to, and the steps it took for tags on the way."""

    here: Data
    skipped: tuple[tuple[Data, str], ...] = ()

    def guesses(self) -> int:
        """Count the skipped steps that can hardly be the tag of the mapping they stand at."""
        return sum(
            not isinstance(here, dict)
            or step not in here.values()
            or (here, step) in self.skipped[:earlier]
            for earlier, (here, step) in enumerate(self.skipped)
        )
