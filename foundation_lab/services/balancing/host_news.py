"""What a load balancer tells of its hosts: who came and went, and who may be picked."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from foundation_lab.services.balancing.host import Host
    from foundation_lab.services.balancing.rotation import Rotation
    from foundation_lab.services.outbox import Outbox
    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.telemetry.event import Event


class HostNews:
    """What was done with hosts: noted as it is done, told when all of it is.

    Args:
        sim: The simulation.
        balancer: The balancer's name.
        rotation: Its hosts.
        untold: Where it is noted.
    """

    def __init__(self, sim: Simulation, balancer: str, rotation: Rotation, untold: Outbox) -> None:
        self._sim = sim
        self._balancer = balancer
        self._rotation = rotation
        self._in_panic = False
        self._untold = untold

    def changed(self, host: str, change: str) -> None:
        """Note that a host was ``added`` or ``removed``, or got another weight (``weighed``)."""
        count = len(self._rotation.hosts)
        self._note(events.load_balancer.HostsChanged(self._balancer, host, change, count))
        self.see_panic()

    def moved(self, host: Host, reason: str) -> None:
        """Note that a host came into rotation or left it."""
        count = len(self._rotation.well)
        if host.out:
            self._note(events.load_balancer.Ejected(self._balancer, host.name, reason, count))
        else:
            away = self._sim.now - host.left_at
            readmitted = events.load_balancer.Readmitted
            self._note(readmitted(self._balancer, host.name, reason, away, count))
        self.see_panic()

    def see_panic(self) -> None:
        """Note when a panic began or ended."""
        rotation = self._rotation
        if rotation.panic == self._in_panic:
            return
        self._in_panic = rotation.panic
        hosts, well = len(rotation.hosts), len(rotation.well)
        self._note(events.load_balancer.PanicChanged(self._balancer, rotation.panic, well, hosts))

    def _note(self, event: Event) -> None:
        self._untold.append(partial(self._sim.telemetry.emit, event))
