"""The load balancer: spreads requests over hosts, and leaves out those that are not well.

`balancing` and the modules of the single algorithms decide who is picked, `rotation` who may be:
hosts that an `OutlierDetector` ejected or health checks found down are left out, until fewer than
`panic_threshold` of the hosts would be left. Then all are picked: the rest could not bear the load,
and the checks are more likely to be wrong than most hosts to be down.

A balancer is called where a backend is: at the end of a call, ``pipeline(...).call(lb.request)``.
"""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from foundation_lab.errors import NoHost
from foundation_lab.services.arguments import positive_or_none
from foundation_lab.services.balancing.algorithms import as_algorithm
from foundation_lab.services.balancing.health_streak import HealthStreak
from foundation_lab.services.balancing.host import Host, by_name
from foundation_lab.services.balancing.host_news import HostNews
from foundation_lab.services.balancing.rotation import Rotation
from foundation_lab.services.outbox import Outbox
from foundation_lab.services.service import Health, Service
from foundation_lab.simulation.invocation import invoke
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    import simpy

    from foundation_lab.services.balancing.algorithm import Algorithm, Key
    from foundation_lab.services.outlier_detector import OutlierDetector
    from foundation_lab.simulation.engine import Simulation


class LoadBalancer(Service):
    """Sends each request to one of several hosts.

    Args:
        sim: The simulation.
        name: The balancer's name, `service_id` in its events.
        hosts: Backends, or whatever else has a name and `request()`; or hosts by name, functions
            among them. Others come and go by `add` and `remove`.
        algorithm: ``round_robin``, ``random``, ``weighted``, ``least_loaded``, ``power_of_two``,
            ``peak_ewma``, ``consistent_hash`` or ``maglev``; or an object such as
            ``PeakEwma(decay_time=5)``.
        weights: The weights of hosts; 1 for those that are not named.
        slow_start: Seconds over which the weight of a host that is added or readmitted grows from
            a tenth to all of it.
        outliers: Watches how requests end and ejects hosts. Hosts are added to it and removed.
        panic_threshold: When a smaller share of the hosts than this is in rotation, all are picked;
            0 never does that.
        health_check_interval: Seconds between two checks of each host, which take no time and find
            whether it is up and in no outage; none without it. Checks go on for ever, so that a run
            needs an end.
        unhealthy_threshold: How many failed checks in a row eject a host.
        healthy_threshold: How many good ones in a row readmit it.
        health_interval: Seconds between two ``service.health_check`` events of the balancer itself.

    Attributes:
        untold: What was done with hosts, or by whoever keeps them, and is not told yet.
    """

    kind: ClassVar[str] = "load_balancer"
    Picked = events.load_balancer.Picked
    Rejected = events.load_balancer.Rejected
    Ejected = events.load_balancer.Ejected
    Readmitted = events.load_balancer.Readmitted
    PanicChanged = events.load_balancer.PanicChanged
    HostsChanged = events.load_balancer.HostsChanged

    def __init__(
        self,
        sim: Simulation,
        name: str,
        hosts: Mapping[str, Any] | Iterable[Any] = (),
        *,
        algorithm: str | Algorithm = "round_robin",
        weights: Mapping[str, float] | None = None,
        slow_start: float | None = None,
        outliers: OutlierDetector | None = None,
        panic_threshold: float = 0.5,
        health_check_interval: float | None = None,
        unhealthy_threshold: int = 3,
        healthy_threshold: int = 2,
        health_interval: float | None = None,
    ) -> None:
        self.algorithm = as_algorithm(algorithm)
        self.slow_start = positive_or_none("slow_start", slow_start)
        self.algorithm.check_slow_start(slow_start)
        self.health_check_interval = positive_or_none(
            "health_check_interval", health_check_interval
        )
        self.outliers = outliers
        self.in_flight = 0
        new_streak = partial(HealthStreak, unhealthy_threshold, healthy_threshold)
        new_streak()  # checks the thresholds
        self._streaks: dict[Host, HealthStreak] = defaultdict(new_streak)
        self._rotation = Rotation(panic_threshold)
        self.untold = Outbox()
        self._news = HostNews(sim, name, self._rotation, self.untold)
        self._stream = sim.stream(f"load_balancer.{name}.picks")
        weights = {} if weights is None else weights
        for host, target in by_name(hosts):
            self._enter(host, target, weights.get(host, 1.0))
        for host in weights:
            _ = self._rotation[host]  # an unknown name is an error
        super().__init__(sim, name, health_interval=health_interval)
        self._picks = sim.telemetry.emitting(events.load_balancer.Picked)
        if outliers is not None:
            outliers.watch(self._judged)
            for host in self.hosts:
                self._watch(host)
        self._news.see_panic()
        self.untold.tell()
        if health_check_interval is not None:
            sim.process(self._checks(health_check_interval), name=f"{name}.checks", daemon=True)

    def request(self, key: Key | None = None, **facts: Any) -> Generator[Any, Any, Any]:
        """Have a host serve one request (``yield from``).

        Args:
            key: What the request is about; algorithms that hash send the same key to the same host.
            facts: What the host's request is told, such as `priority` and `deadline`.

        Returns:
            What the host's request came to.

        Raises:
            NoHost: There is no host to pick.
            ServiceDown: The balancer is down; or the host is, or went down meanwhile.
        """
        choice = self._rotation.choice
        if not choice or not self.up:
            self._turn_away()
        sim, algorithm = self.sim, self.algorithm
        began = sim.now
        host = algorithm.pick(choice, began, key, self._stream)
        host.active += 1
        self.in_flight += 1
        try:
            self._picks(self.name, host.name, host.active)
            ask = partial(host.request, **facts) if facts else host.request
            if self.outliers is None or host in self._rotation.leaving:
                return (yield from invoke(ask))
            return (yield from self.outliers.call(host.name, ask))
        finally:
            host.active -= 1
            self.in_flight -= 1
            if host in self._rotation.leaving:
                self._rotation.left(host)
            else:
                algorithm.ended(host, sim.now - began, sim.now)

    # -- hosts ---------------------------------------------------------------------------------

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names of all hosts, in the order in which they came."""
        return tuple(self._rotation.hosts)

    def in_rotation(self) -> list[str]:
        """Return the hosts that are well, in order; in a panic the others are picked as well."""
        return [host.name for host in self._rotation.well]

    @property
    def panic(self) -> bool:
        """Whether so few hosts are in rotation that all are picked."""
        return self._rotation.panic

    def active(self, host: str) -> int:
        """Return how many requests are inside a host.

        Raises:
            UnknownName: There is no such host.
        """
        return self._rotation[host].active

    def weight(self, host: str) -> float:
        """Return the weight that a host has now, slow start and all.

        Raises:
            UnknownName: There is no such host.
        """
        return self._rotation[host].weight_at(self.sim.now)

    def add(self, name: str, target: Any, weight: float = 1.0) -> None:
        """Add a host; with `slow_start` its weight grows from now on.

        Raises:
            ValueError: There is one of this name, or the algorithm knows no weights.
            TypeError: The target has no `request` and is no function.
        """
        self.take_in(name, target, weight)
        self.untold.tell()

    def remove(self, name: str) -> simpy.Event:
        """Send no more requests to a host; those that are inside stay until they end.

        Returns:
            An event that happens when the last one has left, at once when there is none.

        Raises:
            UnknownName: There is no such host.
        """
        empty = self.let_go(name)
        self.untold.tell()
        return empty

    def set_weight(self, name: str, weight: float) -> None:
        """Give a host another weight.

        Raises:
            UnknownName: There is no such host.
            ValueError: The weight is not above 0, or the algorithm knows no weights.
        """
        host = self._rotation[name]
        host.weight = self.algorithm.checked_weight(name, weight)
        self._rotation.settle()
        self._news.changed(name, "weighed")
        self.untold.tell()

    def take_in(self, name: str, target: Any, weight: float = 1.0) -> None:
        """Add a host as `add` does, but leave it to the caller to tell the `untold`."""
        host = self._enter(name, target, weight)
        self._warm(host)
        if self.outliers is not None:
            self._watch(name)
        self._news.changed(name, "added")

    def let_go(self, name: str) -> simpy.Event:
        """Remove a host as `remove` does, but leave it to the caller to tell the `untold`."""
        host = self._rotation[name]
        empty = self.sim.wait(f"host {name!r} of load balancer {self.name!r} to be empty")
        self._rotation.leave(host, empty.succeed)
        self._streaks.pop(host, None)
        self.algorithm.forget(host)
        if self.outliers is not None and name in self.outliers.hosts:
            self.outliers.remove(name)
        self._news.changed(name, "removed")
        return empty

    # -- a service -----------------------------------------------------------------------------

    @property
    def available(self) -> bool:
        """Whether the balancer is up and has a host to pick."""
        return self.up and bool(self._rotation.choice)

    def health(self) -> Health:
        """Return unhealthy when nobody is in rotation, degraded when not all hosts are."""
        well = len(self._rotation.well)
        if not self.up or not well:
            return Health.UNHEALTHY
        return Health.HEALTHY if well == len(self.hosts) else Health.DEGRADED

    def metrics(self) -> dict[str, float]:
        """Return the numbers that a health check reports."""
        return {
            "hosts": len(self._rotation.hosts),
            "in_rotation": len(self._rotation.well),
            "in_flight": self.in_flight,
        }

    def violations(self) -> list[str]:
        """Return every law of load balancers that does not hold, in words."""
        return self._rotation.violations(self.in_flight)

    def on_restart(self) -> None:
        """Begin anew: nothing is known of any host but what outlier detection says."""
        self.algorithm.forget_all()
        self._streaks.clear()
        for host in self._rotation.hosts.values():
            self._mark(host, "health", well=True)
        self.untold.tell()

    # -- private: requests ---------------------------------------------------------------------

    def _turn_away(self) -> None:
        reason = "no_host" if self.up else "down"
        self._emit(events.load_balancer.Rejected(self.name, reason))
        self.require_up()
        raise NoHost(
            f"load balancer {self.name!r} has no host to pick: "
            f"0 of {len(self.hosts)} are in rotation"
        )

    # -- private: hosts ------------------------------------------------------------------------

    def _enter(self, name: str, target: Any, weight: float) -> Host:
        weight = self.algorithm.checked_weight(name, weight)
        host = Host(name, target, weight, self.slow_start)
        self._rotation.enter(host)
        return host

    def _watch(self, name: str) -> None:
        if self.outliers is not None and name not in self.outliers.hosts:
            self.outliers.add(name)
        elif self.outliers is not None and name in self.outliers.ejected():
            self._mark(self._rotation[name], "outlier", well=False)

    def _warm(self, host: Host) -> None:
        if self.slow_start is not None:
            host.warming_since = self.sim.now

    # -- private: who may be picked ------------------------------------------------------------

    def _checks(self, interval: float) -> Generator[Any, Any, None]:
        while True:
            yield self.sim.timeout(interval)
            if self.up:
                for host in self._rotation.hosts.values():
                    well = self._streaks[host].seen(good=host.available)
                    self._mark(host, "health", well=well)
                self.untold.tell()

    def _judged(self, host: str, *, in_rotation: bool) -> None:
        if host in self._rotation.hosts:
            self._mark(self._rotation[host], "outlier", well=in_rotation)
            self.untold.tell()

    def _mark(self, host: Host, reason: str, *, well: bool) -> None:
        if self._rotation.mark(host, reason, self.sim.now, well=well):
            if well:
                self._warm(host)
            self._news.moved(host, reason)
