"""A fault: what can be wrong, as data. When it is wrong is said elsewhere (`when`)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from foundation_lab.simulation.distributions import Distribution
    from foundation_lab.simulation.faults.injection import Injection

Wrong = tuple[str, object, str]
"""A field that makes no sense: its name, its value, and what to give instead."""

SCHEDULE = ("service", "start", "duration")
"""The fields of every fault that say whom and when it hits, not how hard."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Something wrong with a service for some time.

    Attributes:
        service: The name of the service; by default that of whatever it is injected into.
        start: The virtual time at which it begins, in seconds.
        duration: How long it lasts, in seconds; for ever by default.
    """

    kind: ClassVar[str] = "fault"
    needs: ClassVar[tuple[str, ...]] = ()
    collective: ClassVar[bool] = False
    has_own_length: ClassVar[bool] = False

    service: str = ""
    start: float = 0.0
    duration: float = math.inf

    @property
    def parameters(self) -> dict[str, Any]:
        """How strong the fault is, for its event."""
        values = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return {
            name: _plain(value)
            for name, value in values
            if name not in SCHEDULE and value is not None
        }

    def wrong(self) -> Iterator[Wrong]:
        """Return what makes no sense about its strength."""
        return iter(())

    def wrong_on(self, target: Any) -> Iterator[Wrong]:  # noqa: ARG002  (most fit any target)
        """Return what makes no sense about it on a target that can have such a fault."""
        return iter(())

    def length(self, planned: float) -> float:
        """Return how many seconds it lasts, when `planned` are what its schedule says."""
        return planned

    def begin(self, injection: Injection) -> None:
        """Change what it changes, before it is told."""

    def take_effect(self, injection: Injection) -> None:
        """Do what follows from it, once it is told."""

    def end(self, injection: Injection) -> None:
        """Change back what it changed, before it is told."""

    def let_go(self, injection: Injection) -> None:
        """Do what follows from its end, once it is told."""


class Impairment(Fault, frozen=True, kw_only=True):
    """A fault that is on a service and weakens it as long as it lasts.

    The service keeps it in its `impairments`, and takes notice in `fault_changed`.
    """

    needs: ClassVar[tuple[str, ...]] = ("impairments", "fault_changed")

    def begin(self, injection: Injection) -> None:
        """Put it on the service."""
        injection.target.impairments.add(injection)

    def take_effect(self, injection: Injection) -> None:
        """Let the service take notice."""
        injection.target.fault_changed()

    def end(self, injection: Injection) -> None:
        """Take it off the service."""
        injection.target.impairments.remove(injection)

    def let_go(self, injection: Injection) -> None:
        """Let the service take notice."""
        injection.target.fault_changed()


def share_is_wrong(name: str, value: float) -> Iterator[Wrong]:
    """Return what is wrong with a probability or another share, if anything."""
    if not 0 <= value <= 1:
        yield name, value, "give a share from 0 to 1"


def seconds_are_wrong(
    name: str, value: float | Distribution | None, *, zero: bool = True
) -> Iterator[Wrong]:
    """Return what is wrong with a number of seconds, if anything; a distribution is right."""
    if not isinstance(value, int | float):
        return
    if not (math.isfinite(value) and (value > 0 or (zero and value == 0))):
        yield name, value, f"give seconds {'from 0' if zero else '> 0'}"


def drawn(seconds: float | Distribution, stream: random.Random) -> float:
    """Return a number of seconds: one that is drawn, where a distribution is given."""
    return float(seconds) if isinstance(seconds, int | float) else seconds.sample(stream)


def _plain(value: Any) -> Any:
    """Return a parameter as an event can keep it."""
    if isinstance(value, msgspec.Struct):
        return {"distribution": type(value).__name__, **msgspec.to_builtins(value)}
    return value
