"""The connection pool as a whole: what it holds, how it is, how it lives and ends.

`ConnectionManager` is the pool that lends them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from foundation_lab.errors import ConnectionLost, ServiceDown, TimedOut
from foundation_lab.services.arguments import whole
from foundation_lab.services.eviction import evict
from foundation_lab.services.pooling.lent import Lent
from foundation_lab.services.pooling.link_search import LinkSearch
from foundation_lab.services.pooling.link_stock import LinkStock
from foundation_lab.services.service import Health, Service
from foundation_lab.simulation.faults import CapacityLoss, ErrorRate, Impairments, Latency
from foundation_lab.simulation.invocation import error_name
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Generator

    from foundation_lab.services.pooling.pool_terms import PoolTerms
    from foundation_lab.simulation.component import Held
    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.faults import Fault
    from foundation_lab.simulation.waiting import Wait


class ConnectionPool(Service):
    """A pool of connections.

    Args:
        sim: The simulation.
        name: The pool's name.
        size: How many connections are kept.
        checkout_timeout: Seconds to wait for a connection; for ever when it is ``None``.
        terms: What else it keeps to.
        health_interval: Seconds between two health checks; none without it.
    """

    kind: ClassVar[str] = "connection_manager"
    PoolCreated = events.connection.PoolCreated
    ConnectionAcquired = events.connection.ConnectionAcquired
    ConnectionReleased = events.connection.ConnectionReleased
    ConnectionFailed = events.connection.ConnectionFailed
    Timeout = events.connection.Timeout
    Exhausted = events.connection.Exhausted
    PoolHealth = events.connection.PoolHealth
    Opened = events.connection.Opened
    ConnectFailed = events.connection.ConnectFailed
    Evicted = events.connection.Evicted
    LeakDetected = events.connection.LeakDetected
    Resized = events.connection.Resized
    Draining = events.connection.Draining
    possible_faults: ClassVar[tuple[type[Fault], ...]] = (CapacityLoss, ErrorRate, Latency)

    def __init__(
        self,
        sim: Simulation,
        name: str,
        *,
        size: int,
        checkout_timeout: float | None,
        terms: PoolTerms,
        health_interval: float | None,
    ) -> None:
        self.size = size
        self.max_overflow = terms.max_overflow
        self.checkout_timeout = checkout_timeout
        self.terms = terms
        self._opened = 0
        self.impairments = Impairments(self.possible_faults)
        self._out = Lent()
        self._emptied: Wait | None = None
        self.sim = sim
        self.name = name
        self._emit = sim.telemetry.emit
        self._begin()
        super().__init__(sim, name, health_interval=health_interval)
        self._created()

    # -- the pool as a whole -------------------------------------------------------------------

    def resize(self, size: int) -> None:
        """Keep another number of connections from now on, also after a restart.

        A smaller pool closes idle connections at once, and those that are out when they come back;
        in a larger one whoever waits is served at once, or as soon as connections are added.

        Raises:
            ValueError: `size` is no whole number from 1.
        """
        whole("size", size)
        if size == self.size:
            return
        self.size = size
        self.fault_changed()
        self._emit(events.connection.Resized(self.name, size, self.max_overflow))

    def fault_changed(self) -> None:
        """Lose connections for a time, and be allowed them again."""
        size = self.impairments.places(self.size)
        if self.up and size != self._stock.size:
            self._stock.resize(size)

    def drain(self, grace: float | None = None) -> Generator[Any, Any, None]:
        """Lend no more, wait until all connections are back, and stop (``yield from``).

        Whoever waits in line is sent away. A checkout that has its place already and opens or
        checks a connection goes on. The pool goes on draining when this is interrupted.

        Args:
            grace: Seconds to wait at most; what is out then is lost. For ever without it.

        Raises:
            ServiceDown: The pool is down.
        """
        self.require_up()
        stock = self._stock
        if not stock.draining:
            self._emptied = self.sim.wait(f"all connections of pool {self.name!r} to come back")
            stock.slots.fail_all(self._down)
            stock.drain()
            self._emit(events.connection.Draining(self.name, self.active))
            self._see_whether_empty()
        emptied = self._emptied
        over = TimedOut("the grace is over")
        try:
            if emptied is not None and grace is None:
                yield emptied
            elif emptied is not None and grace is not None:
                yield from self.sim.with_timeout(emptied, grace, over)
        except TimedOut as error:
            if error is not over:
                raise
        if self._stock is stock and self.up:
            self.stop()

    def close(self) -> None:
        """Stop the pool at once: what is out is lost, and whoever waits is sent away."""
        self.stop()

    def kill_connection(self, connection_id: str, *, silent: bool = False) -> None:
        """Have a connection die on its way to the server.

        Who has it is told at this instant; an idle one is found dead when it is checked or used.

        Args:
            connection_id: Which one.
            silent: Whether a dead connection does not answer, so that a check of it times out.

        Raises:
            ValueError: No connection of this name is open.
        """
        link = self._stock.links.get(connection_id)
        if link is None:
            raise ValueError(f"pool {self.name!r} has no open connection {connection_id!r}")
        if link.dead:
            return
        link.dead, link.silent = True, silent
        connection = self._out.over(link)
        if connection is not None:
            link.ending = "invalid"
            self._stock.invalidate_all()
            message = f"connection {connection_id!r} of pool {self.name!r} died"
            self._out.break_off(connection, message)
            self._failed(ConnectionLost(message))

    def break_idle(self, *, silent: bool = False) -> int:
        """Have all idle connections die, as when the server goes away; nobody is told.

        Args:
            silent: Whether they do not answer, so that a check of them times out.

        Returns:
            How many there were.
        """
        for link in self._stock.idle:
            link.dead, link.silent = True, silent
        return len(self._stock.idle)

    # -- how it is -----------------------------------------------------------------------------

    @property
    def min_idle(self) -> int:
        """How many idle connections it begins with or keeps."""
        return self._stock.min_idle

    @property
    def active(self) -> int:
        """How many connections are out."""
        return len(self._out)

    @property
    def idle(self) -> int:
        """How many connections lie in the pool."""
        return len(self._stock.idle)

    @property
    def connecting(self) -> int:
        """How many connections are being opened."""
        return self._stock.connecting

    @property
    def open(self) -> int:
        """How many connections are open: out, idle, or being checked."""
        return len(self._stock.links)

    @property
    def free(self) -> int:
        """How many checkouts would not have to wait for somebody else's connection."""
        return self._stock.slots.free

    @property
    def waiting(self) -> int:
        """How many wait for a connection."""
        return self._stock.slots.waiting

    @property
    def connection_ids(self) -> list[str]:
        """The ids of all connections that are open, the oldest first."""
        return list(self._stock.links)

    @property
    def status(self) -> str:
        """The state in a few words."""
        if not self.up:
            return "down"
        draining = "draining: " if self._stock.draining else ""
        return f"{draining}{self.active} active, {self.idle} idle"

    def health(self) -> Health:
        """Return how the pool is.

        Unhealthy when it is down, or has no connection and the last attempt to open one failed;
        degraded when somebody waits, when it drains, and when that attempt failed.
        """
        failing = self._search.failing or self._stock.failing
        if not self.up or (failing and not self.open):
            return Health.UNHEALTHY
        worse = self.waiting or self._stock.draining or failing
        return Health.DEGRADED if worse else Health.HEALTHY

    def check_health(self) -> Health:
        """Emit both health events and return how the pool is."""
        health = super().check_health()
        self._emit(events.connection.PoolHealth(self.name, self.active, self.idle, self.waiting))
        return health

    def metrics(self) -> dict[str, float]:
        """Return the numbers that a health check reports."""
        return {
            "active": self.active,
            "idle": self.idle,
            "waiting": self.waiting,
            "connecting": self.connecting,
            "open": self.open,
        }

    def held(self) -> list[Held]:
        """Return the connections that are out."""
        return self._out.held(self.name)

    def violations(self) -> list[str]:
        """Return every law of pools that does not hold, in words."""
        return self._stock.violations(self.active, len(self._search.busy))

    # -- life ----------------------------------------------------------------------------------

    def on_exit(self, reason: str) -> None:
        """Lose every connection, and send everybody in line away."""
        message = f"pool {self.name!r} went down ({reason})"
        lost, self._out = self._out, Lent()
        self._stock.shut()
        self._stock.slots.fail_all(lambda: ServiceDown(message))
        busy = self._search.busy
        for process in busy:
            evict(process, ServiceDown(message), partial(busy.__contains__, process))
        lost.lose_all(message)
        self._see_whether_empty()
        for _ in lost:
            self._failed(ConnectionLost(message))

    def on_restart(self) -> None:
        """Begin with a fresh set of connections."""
        self._begin()
        self._created()

    # -- private -------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Begin a life: with links of its own, and a search that knows no others."""
        self._stock = LinkStock(
            self.sim,
            self.name,
            self.impairments.places(self.size),
            self.terms,
            new_name=self._new_id,
            holders=self._out.owners,
        )
        self._search = LinkSearch(self, self._stock)

    def _created(self) -> None:
        self._emit(events.connection.PoolCreated(self.name, self.size, self.max_overflow))

    def _see_whether_empty(self) -> None:
        """Wake up whoever drains the pool, once nothing is out."""
        if self._emptied is None or (self.up and (self._out or self._search.busy)):
            return
        emptied, self._emptied = self._emptied, None
        emptied.succeed()

    def _down(self) -> ServiceDown:
        state = "is draining" if self.up and self._stock.draining else "is down"
        return ServiceDown(f"pool {self.name!r} {state}")

    def _failed(self, error: BaseException) -> None:
        self._emit(events.connection.ConnectionFailed(self.name, error_name(error)))

    def _new_id(self) -> str:
        self._opened += 1
        return f"{self.name}-{self._opened}"
