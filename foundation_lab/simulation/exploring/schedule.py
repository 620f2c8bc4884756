"""Schedules: who goes first of those whose turn it is at one instant.

The engine's own order is first in, first out. It is one of many that a real system might show. A
schedule chooses another one, always the same for the same stream, so that a run can be repeated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

SCHEDULES = ("fifo", "shuffle", "pct")
"""The names of schedules."""

CHANGE_POINTS = 2
"""How many change points there are by default: enough for bugs of depth 3."""

HORIZON = 10_000
"""The last choice at which a change point may lie."""


class Schedule(Protocol):
    """Chooses who goes first."""

    def choose(self, actors: Sequence[object]) -> int:
        """Return the place of who goes first; there are two `actors` or more, in queue order."""


class Fifo:
    """First in, first out."""

    def choose(self, actors: Sequence[object]) -> int:  # noqa: ARG002  (Schedule's)
        """Return the first place."""
        return 0


class Shuffle:
    """Each is as likely as the others.

    Args:
        stream: Where chance comes from.
    """

    def __init__(self, stream: random.Random) -> None:
        self._stream = stream

    def choose(self, actors: Sequence[object]) -> int:
        """Return any place."""
        return self._stream.randrange(len(actors))


class Pct:
    """Probabilistic concurrency testing: random priorities that change at a few points.

    Who has the highest priority always goes first, so that one may run far ahead of another: a bug
    that needs d things in a certain order is found with a known probability. Source: Burckhardt et
    al., "A randomized scheduler with probabilistic guarantees of finding bugs", ASPLOS 2010. There
    the length of the run is known and change points lie anywhere in it. Here each order of
    magnitude of it is as likely, up to `HORIZON` choices.

    Args:
        stream: Where chance comes from.
        change_points: How often whoever is in front falls back behind all others.
    """

    def __init__(self, stream: random.Random, change_points: int = CHANGE_POINTS) -> None:
        self._stream = stream
        self._priorities: WeakKeyDictionary[object, float] = WeakKeyDictionary()
        self._choices = 0
        self._points = {
            round(HORIZON ** stream.random()): -1.0 - number for number in range(change_points)
        }

    def choose(self, actors: Sequence[object]) -> int:
        """Return the place of the highest priority."""
        self._choices += 1
        places = [self._priority(actor) for actor in actors]
        best = places.index(max(places))
        lower = self._points.get(self._choices)
        if lower is not None:
            places[best] = self._priorities[actors[best]] = lower
            best = places.index(max(places))
        return best

    def _priority(self, actor: object) -> float:
        priority = self._priorities.get(actor)
        if priority is None:
            priority = self._priorities[actor] = self._stream.random()
        return priority


class Chosen:
    """Choices that were made beforehand; after the last one first in, first out.

    Args:
        choices: For each choice in turn a place; 0 is the first in the queue. A place beyond the
            end is counted on from the beginning.
    """

    def __init__(self, choices: Sequence[int]) -> None:
        self.choices = tuple(choices)
        self._made = 0

    def choose(self, actors: Sequence[object]) -> int:
        """Return the next choice."""
        made, self._made = self._made, self._made + 1
        return self.choices[made] % len(actors) if made < len(self.choices) else 0

    def __repr__(self) -> str:
        """Return how it was made."""
        return f"Chosen({list(self.choices)})"


def schedule_named(name: str, stream: random.Random) -> Schedule:
    """Return the schedule of a name.

    Raises:
        ValueError: There is none.
    """
    match name:
        case "fifo":
            return Fifo()
        case "shuffle":
            return Shuffle(stream)
        case "pct":
            return Pct(stream)
    message = f"schedule={name!r}; there are {', '.join(SCHEDULES)}"
    raise ValueError(message)
