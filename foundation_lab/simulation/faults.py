"""Faults: what can be wrong with a service, and a schedule that makes it so.

A fault is data (`Outage`, `SlowDown`, `ErrorRate`); `inject` puts it on a service at its start and
takes it off at its end, each with an event. Errors are drawn from the fault's own stream, so that
leaving a fault out reshuffles nothing else.
"""

from __future__ import annotations

import math
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import msgspec

from foundation_lab.telemetry import events

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

    from foundation_lab.simulation.engine import Simulation


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Something wrong with a service for some time.

    Attributes:
        service: The name of the service.
        start: The virtual time at which it begins, in seconds.
        duration: How long it lasts, in seconds; for ever by default.
    """

    kind: ClassVar[str] = "fault"

    service: str
    start: float
    duration: float = math.inf

    @property
    def parameters(self) -> dict[str, Any]:
        """How strong the fault is, for its event."""
        return {}


class Outage(Fault, frozen=True, kw_only=True):
    """The service refuses everything, and drops what it was working on."""

    kind: ClassVar[str] = "outage"


class SlowDown(Fault, frozen=True, kw_only=True):
    """The service takes `factor` times as long."""

    kind: ClassVar[str] = "slow_down"

    factor: float

    @property
    def parameters(self) -> dict[str, Any]:
        """How strong the fault is, for its event."""
        return {"factor": self.factor}


class ErrorRate(Fault, frozen=True, kw_only=True):
    """Each request fails with this chance, beside the errors that the service has anyway."""

    kind: ClassVar[str] = "error_rate"

    rate: float

    @property
    def parameters(self) -> dict[str, Any]:
        """How strong the fault is, for its event."""
        return {"rate": self.rate}


class Impairable(Protocol):
    """A service that faults can be put on."""

    name: str
    planned_faults: set[str]
    impairments: Impairments

    def fault_changed(self) -> None:
        """Take notice that a fault began or ended."""


class Killable(Protocol):
    """A service that can crash."""

    name: str
    planned_faults: set[str]

    def kill(self, reason: str) -> None:
        """End the service as a crash would."""


class Impairments:
    """The faults that are on one service now.

    Attributes:
        down: Whether an outage is on.
        slowdown: By which factor everything takes longer: the product of all slow-downs.
    """

    def __init__(self) -> None:
        self.down = False
        self.slowdown = 1.0
        self._active: dict[str, tuple[Fault, random.Random]] = {}
        self._error_rates: list[tuple[float, random.Random]] = []

    def add(self, fault_id: str, fault: Fault, stream: random.Random) -> None:
        """Put a fault on."""
        self._active[fault_id] = (fault, stream)
        self._sum_up()

    def remove(self, fault_id: str) -> None:
        """Take a fault off."""
        del self._active[fault_id]
        self._sum_up()

    def draws_error(self) -> bool:
        """Return whether one of the active error rates makes this request fail."""
        failed = False
        for rate, stream in self._error_rates:
            failed |= stream.random() < rate
        return failed

    def __bool__(self) -> bool:
        """Return whether any fault is on."""
        return bool(self._active)

    def _sum_up(self) -> None:
        active = self._active.values()
        self.down = any(isinstance(fault, Outage) for fault, _ in active)
        self.slowdown = math.prod(f.factor for f, _ in active if isinstance(f, SlowDown))
        self._error_rates = [(f.rate, stream) for f, stream in active if isinstance(f, ErrorRate)]


def inject(sim: Simulation, target: Impairable, faults: Iterable[Fault]) -> list[str]:
    """Schedule faults on a service.

    Each emits ``fault.injected`` when it begins and ``fault.cleared`` when it ends.

    Args:
        sim: The simulation.
        target: The service.
        faults: What is to happen to it; each names it as its service.

    Returns:
        The ids of the faults, as their events carry them.

    Raises:
        ValueError: A fault is one of another service, or its strength or duration makes no sense;
            none is scheduled then.
    """
    faults = list(faults)
    for fault in faults:
        _check(fault, target)
    return [_schedule(sim, target, fault) for fault in faults]


def _schedule(sim: Simulation, target: Impairable, fault: Fault) -> str:
    fault_id = _plan(target, fault.kind, fault.start)
    stream = sim.stream(f"fault.{fault_id}")

    def begin() -> None:
        target.impairments.add(fault_id, fault, stream)
        sequence = sim.telemetry.emit(
            events.fault.Injected(fault.service, fault_id, fault.kind, fault.parameters)
        )
        target.fault_changed()
        if math.isfinite(fault.duration):
            sim.call_in(fault.duration, lambda: end(sequence))

    def end(sequence: int) -> None:
        target.impairments.remove(fault_id)
        sim.telemetry.emit(
            events.fault.Cleared(fault.service, fault_id, fault.kind, fault.duration),
            cause=sequence,
        )
        target.fault_changed()

    sim.call_at(fault.start, begin)
    return fault_id


def _check(fault: Fault, target: Impairable) -> None:
    if fault.service != target.name:
        message = (
            f"{fault.kind} of {fault.service!r} on service {target.name!r}; "
            f"give service={target.name!r}"
        )
        raise ValueError(message)
    if not fault.duration > 0:
        message = (
            f"{fault.kind} of {fault.service!r}: duration={fault.duration!r}; give seconds > 0"
        )
        raise ValueError(message)
    if isinstance(fault, SlowDown) and not (math.isfinite(fault.factor) and fault.factor > 0):
        message = f"slow_down of {fault.service!r}: factor={fault.factor!r}; give a number > 0"
        raise ValueError(message)
    if isinstance(fault, ErrorRate) and not 0 <= fault.rate <= 1:
        message = f"error_rate of {fault.service!r}: rate={fault.rate!r}; give a share from 0 to 1"
        raise ValueError(message)


def crash(sim: Simulation, target: Killable, *, at: float) -> str:
    """Schedule the crash of a service; if it is to come back, a supervisor must restart it.

    Emits ``fault.injected`` and, once the service is down, ``fault.cleared``.

    Args:
        sim: The simulation.
        target: The service.
        at: When, in virtual seconds.

    Returns:
        The id of the fault, as its events carry it.
    """
    fault_id = _plan(target, "crash", at)

    def strike() -> None:
        sequence = sim.telemetry.emit(events.fault.Injected(target.name, fault_id, "crash", {}))
        target.kill("crashed")
        sim.telemetry.emit(
            events.fault.Cleared(target.name, fault_id, "crash", 0.0), cause=sequence
        )

    sim.call_at(at, strike)
    return fault_id


def _plan(target: Impairable | Killable, kind: str, start: float) -> str:
    """Return the id of a fault that is to come, unlike that of any other one of the service."""
    plain = f"{kind}:{target.name}:{start:.15g}"
    ids = (plain if number == 1 else f"{plain}#{number}" for number in count(1))
    fault_id = next(fault_id for fault_id in ids if fault_id not in target.planned_faults)
    target.planned_faults.add(fault_id)
    return fault_id
