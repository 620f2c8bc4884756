"""The fleet of a replica set: starts replicas, makes them ready, drains them and stops them.

What is done to several replicas is done to all of them before any event tells of it: `tell` is the
last thing of a step. A backend itself is stopped only then, for that tells of itself.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from foundation_lab.services.scaling.replica import ReplicaState
from foundation_lab.services.supervision.restarts import SHUTDOWN
from foundation_lab.simulation.timer import Timer
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.services.backend import Backend
    from foundation_lab.services.event_loop import EventLoop
    from foundation_lab.services.load_balancer import LoadBalancer
    from foundation_lab.services.scaling.replica import Replica, Replicas
    from foundation_lab.simulation.distributions import Distribution
    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.telemetry.event import Event

PENDING, READY, DRAINING, STOPPED = ReplicaState


class Fleet:
    """Replicas behind a load balancer.

    Args:
        sim: The simulation.
        name: The set's name.
        replicas: Those that are not stopped; none at first.
        balancer: The balancer that has the ready ones as its hosts.
        make: Makes the backend of a replica.
        start_time: What the time from start to ready is drawn from.
        grace_period: Seconds that a replica has to finish what it was doing.
        revives: Whether a replica that crashed is to be started again.
        changed: Called when a replica is ready or was lost, to do what follows and to tell.

    Attributes:
        make: What makes the next backends.
    """

    def __init__(
        self,
        sim: Simulation,
        name: str,
        replicas: Replicas,
        balancer: LoadBalancer,
        make: Callable[[str], Backend | EventLoop],
        *,
        start_time: Distribution,
        grace_period: float,
        revives: Callable[[], bool],
        changed: Callable[[], object],
    ) -> None:
        self.make = make
        self._replicas = replicas
        self._sim = sim
        self._name = name
        self._balancer = balancer
        self._start_time = start_time
        self._start_times = sim.stream(f"replica_set.{name}.start_time")
        self._grace_period = grace_period
        self._revives = revives
        self._changed = changed
        self._untold = balancer.untold  # the events of both come in the order of what was done
        self.tell = self._untold.tell

    def note(self, event: Event) -> None:
        """Have an event told with the rest of the step."""
        self._untold.append(partial(self._sim.telemetry.emit, event))

    def begin(self, number: int, generation: int) -> None:
        """Start the first replicas, which are ready at once, and tell of them one by one."""
        for replica in [self._replicas.new(generation, self._sim.now) for _ in range(number)]:
            self._note_start(replica, "begin")
            self.tell()
            self._be_ready(replica)
            self.tell()

    def start(self, generation: int, reason: str) -> None:
        """Start a replica; it takes its time to get ready."""
        replica = self._replicas.new(generation, self._sim.now)
        self._note_start(replica, reason)
        self._be_ready_later(replica)

    def let_go(self, replica: Replica) -> None:
        """Stop a replica, after what it has to finish if it is ready."""
        if replica.state is PENDING:
            self.stop(replica, "never ready")
            return
        replica.state = DRAINING
        active = self._balancer.active(replica.name)
        empty = self._balancer.let_go(replica.name)
        draining = events.replica.Draining
        self.note(draining(self._name, replica.name, replica.generation, active))
        empty.callbacks.append(lambda _: self._drained(replica, "drained"))
        over = self._sim.now + self._grace_period
        # last: a request that ends at the very end of the grace period is in time
        replica.timer = Timer(
            self._sim, over, lambda: self._drained(replica, "grace period over"), last=True
        )

    def stop(self, replica: Replica, reason: str) -> None:
        """Stop a replica now, and what it was doing with it."""
        if replica.timer is not None:
            replica.timer.cancel()
            replica.timer = None
        if replica.state is READY:
            self._balancer.let_go(replica.name)
        replica.state = STOPPED
        self._replicas.forget(replica)
        if replica.backend is not None:
            self._untold.append(partial(replica.backend.stop, SHUTDOWN))
        stopped = events.replica.Stopped
        self.note(stopped(self._name, replica.name, replica.generation, reason))

    # -- private -------------------------------------------------------------------------------

    def _note_start(self, replica: Replica, reason: str) -> None:
        started = events.replica.Started
        self.note(started(self._name, replica.name, replica.generation, reason))

    def _be_ready_later(self, replica: Replica) -> None:
        delay = self._start_time.sample(self._start_times)
        replica.timer = self._sim.call_in(delay, partial(self._time_is_over, replica))

    def _time_is_over(self, replica: Replica) -> None:
        replica.timer = None
        self._be_ready(replica)
        self._changed()

    def _be_ready(self, replica: Replica) -> None:
        """Bring the backend up, and have the balancer send it requests.

        The backend tells that it is up; after that everything may be otherwise.
        """
        backend = replica.backend
        if replica.state is not PENDING:
            return
        if backend is None:
            backend = replica.backend = self._made(replica.name)
            backend.when_it_exits(partial(self._exited, replica))
        elif not backend.up:
            backend.restart()
        if replica.state is not PENDING:
            backend.stop(SHUTDOWN)
            return
        if not backend.up and self._revives():  # it crashed at its start
            self._be_ready_later(replica)
            return
        replica.state = READY
        self._balancer.take_in(replica.name, backend)
        took = self._sim.now - replica.started_at
        ready, count = events.replica.Ready, len(self._replicas.those(READY))
        self.note(ready(self._name, replica.name, replica.generation, took, count))

    def _made(self, name: str) -> Backend | EventLoop:
        backend = self.make(name)
        if backend.name != name:
            message = f"make({name!r}) returned {backend!r}; give it the name that it is asked for"
            raise ValueError(message)
        return backend

    def _exited(self, replica: Replica, reason: str) -> None:
        if replica.state is DRAINING:
            self.stop(replica, "crashed")
            self.tell()
        elif replica.state is READY and self._revives():
            replica.state, replica.started_at = PENDING, self._sim.now
            self._balancer.let_go(replica.name)
            self._note_start(replica, f"restart: {reason}")
            self._be_ready_later(replica)
            self._changed()

    def _drained(self, replica: Replica, reason: str) -> None:
        if replica.state is DRAINING:
            self.stop(replica, reason)
            self.tell()
