"""Disturbances: what is wrong with a network at the moment, recorded as its faults."""

from __future__ import annotations

import math
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar

from foundation_lab.errors import UnknownName
from foundation_lab.simulation.faults import Fault
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from foundation_lab.simulation.engine import Simulation


class Disturbance(Fault, frozen=True, kw_only=True):
    """A fault of a network, which lasts until it is ended or another takes its place.

    Attributes:
        fault_id: Its id, unique within its network.
    """

    fault_id: str


class Partition(Disturbance, frozen=True, kw_only=True):
    """Every link between addresses of different groups is cut."""

    kind: ClassVar[str] = "partition"

    groups: tuple[tuple[str, ...], ...]

    @property
    def parameters(self) -> dict[str, Any]:
        """Who is in which group, for the event."""
        return {"groups": self.groups}


class MessageLoss(Disturbance, frozen=True, kw_only=True):
    """Messages are lost with another probability than usual."""

    kind: ClassVar[str] = "message_loss"

    rate: float

    @property
    def parameters(self) -> dict[str, Any]:
        """The probability, for the event."""
        return {"rate": self.rate}


class Disturbances:
    """What is wrong with one network: at most one partition and one unusual loss at a time.

    Each emits ``fault.injected`` when it begins and ``fault.cleared`` when it ends.

    Args:
        sim: The simulation.
        network: The network's name.
        loss: The probability, 0 to 1, that a message is lost when nothing is wrong.
    """

    def __init__(self, sim: Simulation, network: str, loss: float) -> None:
        self._sim = sim
        self._network = network
        self._usual_loss = _probability(loss)
        self._unusual_loss: MessageLoss | None = None
        self._partition: Partition | None = None
        self._group_of: dict[str, int] = {}
        self._numbers = count(1)

    @property
    def loss(self) -> float:
        """The probability that a message is lost now."""
        return self._usual_loss if self._unusual_loss is None else self._unusual_loss.rate

    def lose(self, probability: float) -> None:
        """Let messages be lost with this probability from now on.

        Raises:
            ValueError: It is not from 0 to 1.
        """
        if _probability(probability) == self.loss:
            return
        before, self._unusual_loss = self._unusual_loss, None
        if probability != self._usual_loss:
            self._unusual_loss = MessageLoss(rate=probability, **self._identity("message_loss"))
        self._tell(before, self._unusual_loss)

    @property
    def partitioned(self) -> bool:
        """Whether there is a partition."""
        return self._partition is not None

    def cuts(self, sender: str, to: str) -> bool:
        """Return whether the link between two addresses is cut."""
        here, there = self._group_of.get(sender), self._group_of.get(to)
        return here is not None and there is not None and here != there

    def part(self, groups: Iterable[Iterable[str]], addresses: Collection[str]) -> None:
        """Cut every link between addresses of different groups, in place of an older partition.

        Args:
            groups: The addresses of each group.
            addresses: All addresses there are.

        Raises:
            UnknownName: There is no such address.
            ValueError: An address is in two groups, or there are fewer than two groups.
        """
        parts = tuple(tuple(dict.fromkeys(group)) for group in groups)
        self._group_of = _group_of(parts, addresses)
        before, self._partition = self._partition, None
        self._partition = Partition(groups=parts, **self._identity("partition"))
        self._tell(before, self._partition)

    def heal(self) -> None:
        """End the partition, if there is one."""
        self._group_of = {}
        before, self._partition = self._partition, None
        self._tell(before, None)

    def _identity(self, kind: str) -> dict[str, Any]:
        return {
            "service": self._network,
            "start": self._sim.now,
            "fault_id": f"{kind}:{self._network}:{next(self._numbers)}",
        }

    def _tell(self, before: Disturbance | None, after: Disturbance | None) -> None:
        emit = self._sim.telemetry.emit
        if before is not None:
            lasted = self._sim.now - before.start
            emit(events.fault.Cleared(before.service, before.fault_id, before.kind, lasted))
        if after is not None:
            emit(events.fault.Injected(after.service, after.fault_id, after.kind, after.parameters))


def _probability(loss: float) -> float:
    if not (math.isfinite(loss) and 0 <= loss <= 1):
        message = f"loss={loss!r}; give a probability from 0 to 1"
        raise ValueError(message)
    return loss


def _group_of(groups: tuple[tuple[str, ...], ...], addresses: Collection[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for number, group in enumerate(groups):
        for address in group:
            if address not in addresses:
                raise UnknownName.among("address", address, addresses)
            if address in found:
                message = f"the address {address!r} is in two groups of a partition"
                raise ValueError(message)
            found[address] = number
    if len(groups) < 2:
        message = f"a partition into {len(groups)} groups cuts nothing; give two or more groups"
        raise ValueError(message)
    return found
