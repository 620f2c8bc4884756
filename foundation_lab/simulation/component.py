"""Components: the parts of a simulation that have a name and laws to keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from foundation_lab.simulation.process import Process


class Held(NamedTuple):
    """Something that a component has given out, and that is to come back.

    Attributes:
        what: What it is, in words.
        holder: Who has it; ``None`` when the component does not know.
    """

    what: str
    holder: Process | None


class Component(Protocol):
    """What can be part of a simulation: it has a name, a kind, a state, and laws that it keeps."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def kind(self) -> str:
        """What it is: ``backend``, ``circuit_breaker``, ..."""

    @property
    def status(self) -> str:
        """The state it is in, in a word or two."""

    def violations(self) -> list[str]:
        """Return every conservation law that does not hold now, in words."""
