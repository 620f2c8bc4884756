"""The replica set: so many equal backends behind a load balancer.

```
         start_time         scale down, deploy           empty, or grace_period over
pending ────────────► ready ──────────────────► draining ────────────────────────────► stopped
   ▲                    │
   └────── crash ───────┘
```

What it does follows Kubernetes: its ReplicaSet when the number changes, its Deployment when all
replicas are replaced (`rollout`). Everything happens by one rule that is looked at whenever
something changes: how many are wanted, how many are there, what to start or stop next. The `fleet`
does that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from foundation_lab.services.arguments import positive, whole
from foundation_lab.services.load_balancer import LoadBalancer
from foundation_lab.services.scaling.fleet import DRAINING, PENDING, READY, Fleet
from foundation_lab.services.scaling.replica import Replicas
from foundation_lab.services.scaling.rollout import next_step, share_of
from foundation_lab.services.service import Health, Service
from foundation_lab.services.supervision.restarts import SHUTDOWN
from foundation_lab.simulation.distributions import Distribution, as_distribution
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import simpy

    from foundation_lab.services.backend import Backend
    from foundation_lab.services.balancing.algorithm import Key
    from foundation_lab.services.event_loop import EventLoop
    from foundation_lab.services.scaling.replica import Replica
    from foundation_lab.simulation.engine import Simulation


class ReplicaSet(Service):
    """Keeps a number of replicas of a backend running.

    The replicas that it begins with are ready at once. They are called ``name-1``, ``name-2``, …;
    no name is used twice.

    Args:
        sim: The simulation.
        name: The set's name, `service_id` in its events.
        make: Makes a backend, or an event loop, of the name it is given.
        replicas: How many there are to be.
        balancer: The load balancer in front, without hosts; a round robin of the same name without
            it.
        start_time: What the time from start to ready is drawn from, or a number of seconds.
        grace_period: Seconds that a replica has to finish what it was doing; then it is stopped,
            and what is still inside fails with `ServiceDown`.
        restart: Whether a replica that crashes is started again in its place. It is out of the
            balancer meanwhile. Otherwise it stays in, for the balancer's checks to find.
    """

    kind: ClassVar[str] = "replica_set"
    Scaled = events.replica.Scaled
    ReplicaStarted = events.replica.Started
    ReplicaReady = events.replica.Ready
    ReplicaDraining = events.replica.Draining
    ReplicaStopped = events.replica.Stopped
    DeployStarted = events.replica.DeployStarted
    DeployFinished = events.replica.DeployFinished

    def __init__(
        self,
        sim: Simulation,
        name: str,
        make: Callable[[str], Backend | EventLoop],
        *,
        replicas: int = 1,
        balancer: LoadBalancer | None = None,
        start_time: float | Distribution = 0.0,
        grace_period: float = 30.0,
        restart: bool = True,
    ) -> None:
        self.desired = whole("replicas", replicas, 0)
        self.start_time = as_distribution(start_time)
        self.grace_period = positive("grace_period", grace_period, zero=True)
        self.restart_replicas = restart
        self.generation = 1
        self._replicas = Replicas(name)
        self._deploy: _Deploy | None = None
        self._surge, self._unavailable = 0, 0
        self._begun = False
        if balancer is not None and balancer.hosts:
            message = f"balancer={balancer!r} has hosts already; give one without"
            raise ValueError(message)
        super().__init__(sim, name)
        self.balancer = LoadBalancer(sim, name) if balancer is None else balancer
        self._fleet = Fleet(
            sim,
            name,
            self._replicas,
            self.balancer,
            make,
            start_time=self.start_time,
            grace_period=grace_period,
            revives=lambda: self.up and self.restart_replicas,
            changed=self._reconcile,
        )
        self._begun = True
        self._fleet.begin(replicas, self.generation)

    def request(self, key: Key | None = None, **facts: Any) -> Generator[Any, Any, Any]:
        """Have a replica serve one request (``yield from``); see `LoadBalancer.request`.

        Raises:
            NoHost: No replica is ready.
            ServiceDown: The balancer or the replica is down, or went down meanwhile.
        """
        return self.balancer.request(key, **facts)

    # -- how many ------------------------------------------------------------------------------

    def scale(self, replicas: int, reason: str = "scaled by hand") -> None:
        """Change how many replicas there are to be.

        When there are too many, those that are not ready go first, then those that came last.

        Raises:
            ValueError: `replicas` is no whole number from 0.
            ServiceDown: The set is down.
        """
        whole("replicas", replicas, 0)
        self.require_up()
        before, self.desired = self.desired, replicas
        if replicas != before:
            self._fleet.note(events.replica.Scaled(self.name, before, replicas, reason))
        self._reconcile()

    def rolling_deploy(
        self,
        make: Callable[[str], Backend | EventLoop] | None = None,
        *,
        max_unavailable: float = 1,
        max_surge: float = 1,
    ) -> simpy.Event:
        """Replace all replicas by those of a new generation, a few at a time.

        Args:
            make: Makes the new backends; by default what made the old ones.
            max_unavailable: How many of the desired replicas may be missing, as a whole number or,
                as a float, a share of them, rounded down; at least 1 when the surge comes to 0.
            max_surge: How many more than desired there may be, those that drain left out; a share
                is rounded up.

        Returns:
            An event that happens when no old replica is left and the new ones are ready: with the
            value true. It is false when another deploy or an exit of the set ended this one.

        Raises:
            ValueError: Both limits are 0, so that nothing could ever be replaced; or a limit is
                neither a whole number nor a share.
            ServiceDown: The set is down.
        """
        surge = share_of("max_surge", max_surge, self.desired, up=True)
        unavailable = share_of("max_unavailable", max_unavailable, self.desired, up=False)
        if not max_surge and not max_unavailable:
            message = "max_unavailable and max_surge are both 0; give one of them at least 1"
            raise ValueError(message)
        self.require_up()
        self._finish_deploy("superseded")
        self._surge = surge
        self._unavailable = unavailable if surge or unavailable else 1  # shares of few replicas
        if make is not None:
            self._fleet.make = make
        self.generation += 1
        done = self.sim.wait(f"generation {self.generation} of replica set {self.name!r}")
        self._deploy = _Deploy(done, self.sim.now)
        self._fleet.note(events.replica.DeployStarted(self.name, self.generation, self.desired))
        self._reconcile()
        return done

    # -- what there is -------------------------------------------------------------------------

    @property
    def replicas(self) -> list[Replica]:
        """All replicas that are not stopped, in the order in which they were started."""
        return self._replicas.all()

    @property
    def ready(self) -> int:
        """How many replicas take requests."""
        return len(self._replicas.those(READY))

    @property
    def pending(self) -> int:
        """How many replicas are started and not ready."""
        return len(self._replicas.those(PENDING))

    @property
    def draining(self) -> int:
        """How many replicas finish what they have."""
        return len(self._replicas.those(DRAINING))

    @property
    def deploying(self) -> bool:
        """Whether a rolling deploy is on."""
        return self._deploy is not None

    def backends(self) -> list[Backend | EventLoop]:
        """Return the backends of the replicas that are ready, in order."""
        return [r.backend for r in self._replicas.those(READY) if r.backend is not None]

    def utilisation(self) -> float:
        """Return the share of the places of ready replicas that are taken now; 0 without any."""
        places = sum(backend.concurrency for backend in self.backends())
        return sum(backend.serving for backend in self.backends()) / places if places else 0.0

    def queue_length(self) -> float:
        """Return how many requests wait at a ready replica now, on the average; 0 without any."""
        backends = self.backends()
        return sum(each.waiting for each in backends) / len(backends) if backends else 0.0

    # -- a service -----------------------------------------------------------------------------

    def health(self) -> Health:
        """Return unhealthy when nobody is ready, degraded when fewer are than desired."""
        if not self.up or (self.desired and not self.ready):
            return Health.UNHEALTHY
        return Health.HEALTHY if self.ready >= self.desired else Health.DEGRADED

    def metrics(self) -> dict[str, float]:
        """Return the numbers that a health check reports."""
        return {
            "desired": self.desired,
            "ready": self.ready,
            "pending": self.pending,
            "draining": self.draining,
        }

    def violations(self) -> list[str]:
        """Return every law of replica sets that does not hold, in words."""
        if not self._begun:  # it makes its parts when it has started itself
            return []
        broken, present = [], self.ready + self.pending
        most = self.desired + (self._surge if self.deploying else 0)
        if present > most:
            broken.append(f"{present} replicas, {most} may be")
        if self.up and not self.deploying and present < self.desired:
            broken.append(f"{present} replicas, {self.desired} should be")
        ready, hosts = {r.name for r in self._replicas.those(READY)}, set(self.balancer.hosts)
        if ready != hosts:
            broken.append(f"ready are {sorted(ready)}, the balancer has {sorted(hosts)}")
        return broken

    def on_exit(self, reason: str) -> None:  # noqa: ARG002  (the replicas end in good order)
        """Stop all replicas at once, and what they were doing with them."""
        self._finish_deploy("cancelled")
        for replica in self.replicas:
            self._fleet.stop(replica, SHUTDOWN)
        self._fleet.tell()

    def on_restart(self) -> None:
        """Start as many replicas as there are to be; they take their time to get ready."""
        self._reconcile()

    # -- private -------------------------------------------------------------------------------

    def _reconcile(self) -> None:
        """Start and stop what is to be started and stopped, and tell what was done."""
        fleet, replicas = self._fleet, self._replicas
        while self.up:
            old, new = replicas.counts(self.generation)
            step = next_step(
                self.desired,
                old,
                new,
                max_surge=self._surge,
                max_unavailable=self._unavailable,
            )
            for _ in range(step.start):
                fleet.start(self.generation, "deploy" if old.all else "scale")
            for replica in replicas.to_go(step.stop_old, self.generation, old=True):
                fleet.let_go(replica)
            for replica in replicas.to_go(step.stop_new, self.generation, old=False):
                fleet.let_go(replica)
            if not any(step):
                if not old.all and new.ready >= self.desired:
                    self._finish_deploy("complete")
                break
        fleet.tell()

    def _finish_deploy(self, reason: str) -> None:
        deploy, self._deploy = self._deploy, None
        if deploy is None:
            return
        took = self.sim.now - deploy.began
        finished = events.replica.DeployFinished
        self._fleet.note(finished(self.name, self.generation, reason, took))
        deploy.done.succeed(reason == "complete")


class _Deploy:
    """A deploy that is on."""

    def __init__(self, done: simpy.Event, began: float) -> None:
        self.done = done
        self.began = began
