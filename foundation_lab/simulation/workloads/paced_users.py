"""Paced users: a fixed number of connections that send at intended times.

A load generator with few connections sends late while the other side is slow. What it then reports
depends on where it starts the clock: from the sending, the stall is seen by as many requests as
there are connections; from the intended time, by all that should have been sent meanwhile. Here it
is the intended time, as in wrk2. Source: Gil Tene, wrk2 (github.com/giltene/wrk2), README.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foundation_lab.simulation.lines.line import number
from foundation_lab.simulation.slots import Slots
from foundation_lab.simulation.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.traffic.arrivals import Arrivals


class PacedUsers(Workload):
    """Sends requests over a fixed number of connections, each at its intended time if it can.

    A request whose connection is busy waits at the client, first come, first served. Its latency
    counts from the intended time; ``request.delayed`` tells how long after that it was sent.

    Args:
        sim: The simulation.
        name: Who sends: `client` in the events.
        connections: How many requests can be under way at the same time.
        arrivals: The intended times: ``constant_rate(100)``, or any others.
        call: What each does; returns a generator, a SimPy event, or a plain value.
        pinned: Whether request k belongs to connection k modulo `connections`, as in wrk2, whose
            connections have a schedule each. Otherwise it takes the first one that is free.
        node: The simulated node that the requests run on.

    Raises:
        ValueError: There is a workload of this name, or `connections` is no whole number from 1.
    """

    def __init__(
        self,
        sim: Simulation,
        name: str,
        connections: int,
        arrivals: Arrivals,
        call: Callable[[], Any],
        *,
        pinned: bool = False,
        node: str | None = None,
    ) -> None:
        number("connections", connections, 1)
        super().__init__(sim, name, arrivals, call, node=node, max_in_flight=connections)
        if pinned:
            words = f"its connection of workload {name!r}"
            self._connections = [Slots(sim, 1, words) for _ in range(connections)]
