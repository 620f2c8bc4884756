"""The connection manager: a pool of connections, lent to one owner each.

`size` connections are kept; up to `max_overflow` more are opened when all are out, and closed again
when they come back. Who finds none waits in line, first in first out, at most `checkout_timeout`.
A connection whose owner's process ends without giving it back is taken back at that instant.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from foundation_lab.errors import CheckoutTimeout, ConnectionLost, ServiceDown
from foundation_lab.services.arguments import positive, whole
from foundation_lab.services.connection import Connection
from foundation_lab.services.eviction import evict
from foundation_lab.services.service import Health, Service
from foundation_lab.simulation.faults import CapacityLoss, ErrorRate, Impairments, Latency
from foundation_lab.simulation.invocation import error_name, invoke
from foundation_lab.simulation.process import Process
from foundation_lab.simulation.slots import Slots, Waiter
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.simulation.engine import Simulation


class ConnectionManager(Service):
    """A pool of connections.

    Args:
        sim: The simulation.
        name: The pool's name, `pool_id` in its events.
        size: How many connections are kept.
        max_overflow: How many more may be opened for a time.
        checkout_timeout: Seconds to wait for a connection; for ever when it is ``None``.
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

    def __init__(
        self,
        sim: Simulation,
        name: str,
        *,
        size: int,
        max_overflow: int = 0,
        checkout_timeout: float | None = 30.0,
        health_interval: float | None = None,
    ) -> None:
        self.size = whole("size", size)
        self.max_overflow = whole("max_overflow", max_overflow, 0)
        self.checkout_timeout = (
            None
            if checkout_timeout is None
            else positive("checkout_timeout", checkout_timeout, zero=True)
        )
        self.impairments = Impairments((CapacityLoss, ErrorRate, Latency))
        self._opened = 0
        self._idle: deque[str] = deque()
        self._out: dict[Connection, None] = {}
        self.sim = sim
        self.name = name
        self._fill()
        super().__init__(sim, name, health_interval=health_interval)
        self._is_acquired = sim.telemetry.emitting(events.connection.ConnectionAcquired)
        self._is_released = sim.telemetry.emitting(events.connection.ConnectionReleased)
        self._created()

    def checkout(self) -> Generator[Any, Any, Connection]:
        """Wait for a connection and lend it to the running process (``yield from``).

        Returns:
            The connection; give it back with ``connection.release()`` or by ``with``.

        Raises:
            CheckoutTimeout: None came free in time.
            ConnectionLost: A fault made it fail.
            ServiceDown: The pool is down, or went down meanwhile.
        """
        connection = yield from self._checkout()
        connection.watch_owner()
        return connection

    def call(self, fn: Callable[[], Any]) -> Generator[Any, Any, Any]:
        """Call `fn` while holding a connection (``yield from``).

        Returns:
            What `fn` came to.

        Raises:
            CheckoutTimeout: No connection came free in time.
            ConnectionLost: The pool went down meanwhile, or a fault made the checkout fail.
            ServiceDown: The pool is down.
        """
        connection = yield from self._checkout()
        try:
            result = yield from invoke(fn)
            if connection.lost:
                raise ConnectionLost(f"pool {self.name!r} went down during the call")
            return result
        finally:
            self.release(connection)

    def release(self, connection: Connection) -> None:
        """Take a connection back; the first in line gets it.

        A connection of a pool that went down meanwhile is gone already; that is no error.

        Raises:
            RuntimeError: It was given back before.
        """
        if connection.lost:
            connection.released = True
            return
        if connection.released:
            message = f"connection {connection.connection_id!r} was given back twice"
            raise RuntimeError(message)
        connection.released = True
        if connection.watching:
            connection.stop_watching()
        del self._out[connection]
        if len(self._idle) < self.size:
            self._idle.append(connection.name)
        connection.slots.release()
        self._is_released(self.name, connection.name, self.sim.now - connection.since)

    def reclaim(self, connection: Connection) -> None:
        """Take a connection back whose owner ended without giving it back."""
        if not (connection.released or connection.lost):
            self._failed(ConnectionLost("its owner ended without giving it back"))
            self.release(connection)

    @property
    def active(self) -> int:
        """How many connections are out."""
        return len(self._out)

    @property
    def idle(self) -> int:
        """How many connections lie in the pool."""
        return len(self._idle)

    @property
    def free(self) -> int:
        """How many places nobody holds: idle connections, and those that may yet be opened."""
        return self._slots.free

    @property
    def waiting(self) -> int:
        """How many wait for a connection."""
        return self._slots.waiting

    @property
    def status(self) -> str:
        """The state in a few words."""
        return f"{self.active} active, {self.idle} idle" if self.up else "down"

    def health(self) -> Health:
        """Return unhealthy when down, degraded when somebody waits."""
        if not self.up:
            return Health.UNHEALTHY
        return Health.DEGRADED if self.waiting else Health.HEALTHY

    def check_health(self) -> Health:
        """Emit both health events and return how the pool is."""
        health = super().check_health()
        self._emit(events.connection.PoolHealth(self.name, self.active, self.idle, self.waiting))
        return health

    def metrics(self) -> dict[str, float]:
        """Return the numbers that a health check reports."""
        return {"active": self.active, "idle": self.idle, "waiting": self.waiting}

    def violations(self) -> list[str]:
        """Return every law of pools that does not hold, in words."""
        broken = self._slots.violations()
        limit = self.size + self.max_overflow
        if self.active + self.idle > limit:
            broken.append(f"{self.active} active + {self.idle} idle exceed {limit}")
        if self.active > self._slots.used:
            broken.append(f"{self.active} active in {self._slots.used} places")
        return broken

    def fault_changed(self) -> None:
        """Lose places, and get them again."""
        self._slots.resize(self.impairments.places(self.size + self.max_overflow))

    def on_exit(self, reason: str) -> None:
        """Lose every connection, and send everybody in line away."""
        message = f"pool {self.name!r} went down ({reason})"
        lost, self._out = self._out, {}
        self._idle.clear()
        self._slots.fail_all(lambda: ServiceDown(message))
        held: dict[Process, list[Connection]] = {}
        for connection in lost:
            connection.lost = True
            connection.stop_watching()
            held.setdefault(connection.owner, []).append(connection)
        for owner, connections in held.items():
            evict(owner, ConnectionLost(message), partial(_any_held, connections))
        for _ in lost:
            self._failed(ConnectionLost(message))

    def on_restart(self) -> None:
        """Open a fresh set of connections."""
        self._fill()
        self._created()

    # -- private -------------------------------------------------------------------------------

    def _fill(self) -> None:
        places = self.size + self.max_overflow
        self._slots = Slots(
            self.sim,
            places,
            f"a connection of pool {self.name!r}",
            holders=lambda: [connection.owner for connection in self._out],
        )
        self._slots.resize(self.impairments.places(places))
        self._idle = deque(self._new_id() for _ in range(self.size))

    def _created(self) -> None:
        self._emit(events.connection.PoolCreated(self.name, self.size, self.max_overflow))

    def _checkout(self) -> Generator[Any, Any, Connection]:
        if self.impairments.active:
            yield from self._connect()
        sim, slots = self.sim, self._slots
        owner = sim._active_proc
        if owner.__class__ is not Process:
            owner = sim.running_process(f"a checkout from pool {self.name!r}")
        if not self.up:
            down = ServiceDown(f"pool {self.name!r} is down")
            self._failed(down)
            raise down
        asked = sim.now
        turn = slots.claim()
        if turn is not None:
            yield from self._wait(slots, turn)
        connection_id = self._idle.popleft() if self._idle else self._new_id()
        now = sim.now
        connection = Connection(self, owner, slots, now, connection_id)
        self._out[connection] = None
        self._is_acquired(self.name, connection_id, now - asked)
        return connection

    def _connect(self) -> Generator[Any, Any, None]:
        """Be late, or fail to connect, as faults will."""
        yield from self.impairments.arrive()
        if self.up and self.impairments.draws_error():
            error = ConnectionLost(f"pool {self.name!r} could not connect")
            self._failed(error)
            raise error

    def _wait(self, slots: Slots, turn: Waiter) -> Generator[Any, Any, None]:
        asked = self.sim.now
        try:
            yield from slots.wait(turn, self.checkout_timeout, self._overdue, self._exhausted)
        except BaseException as error:  # its caller's deadline or interrupt, too
            if isinstance(error, CheckoutTimeout):
                waited = self.sim.now - asked
                self._emit(events.connection.Timeout(self.name, waited, self.waiting))
            self._failed(error)
            raise

    def _exhausted(self) -> None:
        self._emit(events.connection.Exhausted(self.name, self.active, self.waiting))

    def _overdue(self) -> CheckoutTimeout:
        return CheckoutTimeout(
            f"no connection of pool {self.name!r} came free within {self.checkout_timeout:g} s"
        )

    def _failed(self, error: BaseException) -> None:
        self._emit(events.connection.ConnectionFailed(self.name, error_name(error)))

    def _new_id(self) -> str:
        self._opened += 1
        return f"{self.name}-{self._opened}"


def _any_held(connections: list[Connection]) -> bool:
    return not all(connection.released for connection in connections)
