"""The steps of a request to an event loop: computations, and waits for something else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import msgspec

from foundation_lab.simulation.distributions import Distribution, as_distribution


class Step(msgspec.Struct, frozen=True):
    """A part of a request.

    Attributes:
        time: How long it takes: a number of seconds, or what it is drawn from.
    """

    stage: ClassVar[str] = ""

    time: float | Distribution


class Cpu(Step, frozen=True):
    """A computation, which holds the loop from its beginning to its end."""

    stage: ClassVar[str] = "cpu"


class Io(Step, frozen=True):
    """A wait for something else, during which the loop is free."""

    stage: ClassVar[str] = "io"


def steps_of(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Return the steps of a request as a tuple.

    Raises:
        ValueError: There is none.
        TypeError: They are no list, or one of them is neither `Cpu` nor `Io`.
    """
    if not isinstance(steps, Iterable):
        message = f"steps={steps!r}; give Cpu(seconds) and Io(seconds) in a list"
        raise TypeError(message)
    parts = tuple(steps)
    if not parts:
        message = "a request to an event loop needs at least one step, Cpu or Io"
        raise ValueError(message)
    for part in parts:
        if not isinstance(part, Cpu | Io):
            message = f"{part!r} is no step of a request; give Cpu(seconds) or Io(seconds)"
            raise TypeError(message)
        as_distribution(part.time)
    return parts
