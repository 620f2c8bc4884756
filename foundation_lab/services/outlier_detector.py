"""Outlier detection: takes hosts that behave unlike the others out of rotation for a while.

It is a circuit breaker for many hosts at once that never rejects: it tells which hosts to choose
from, and whoever balances the load chooses. Rules and defaults are those of Envoy
(https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/outlier). A host is
ejected at once for failures in a row, and at a sweep for a success rate far below that of the
others; it comes back at the first sweep after its time. The time is `base_ejection_time` multiplied
by the ejections of the host, up to `max_ejection_time`; each sweep at which a host has been in
rotation for a whole interval takes one ejection off again. As in Envoy's ``ejectHost``, ejections
are counted up to and with the first whose time would be above the maximum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from foundation_lab.errors import UnknownName
from foundation_lab.services.arguments import positive, whole
from foundation_lab.services.balancing.outliers import HostRecord, low_success_rates, most_ejected
from foundation_lab.services.classifier import Classifier, classifier
from foundation_lab.services.service import Health, Service
from foundation_lab.simulation.invocation import invoke
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from foundation_lab.simulation.engine import Simulation


class Watcher(Protocol):
    """What is told of every change of the rotation."""

    def __call__(self, host: str, *, in_rotation: bool) -> object:
        """Take notice that a host is in rotation from now on, or is not."""


class OutlierDetector(Service):
    """Tells which of several hosts are in rotation.

    Its sweeps go on for ever, so that a run needs an end.

    Args:
        sim: The simulation.
        name: The detector's name, `service_id` in its events.
        hosts: The names of the hosts; others come and go by `add` and `remove`. A `LoadBalancer`
            that is given the detector does that for its hosts.
        consecutive_failures: How many failures in a row eject a host.
        interval: Seconds between two sweeps.
        base_ejection_time: Seconds that the first ejection lasts at least.
        max_ejection_time: The most seconds that an ejection lasts, but for the wait for a sweep.
        max_ejected: The share of hosts that may be out of rotation; one always may.
        stdev_factor: How many standard deviations below the mean a success rate is too low.
        minimum_hosts: How many hosts with enough calls are needed to compare success rates.
        request_volume: How many calls in an interval are enough.
        failure_on: Which errors count: exception types, or a predicate on the exception; by
            default the failures of the simulated world, `Simulation.failures`. Other errors count
            as nothing.
    """

    kind: ClassVar[str] = "outlier_detector"
    Ejected = events.outlier_detector.Ejected
    Spared = events.outlier_detector.Spared
    Returned = events.outlier_detector.Returned

    def __init__(
        self,
        sim: Simulation,
        name: str,
        hosts: Iterable[str] = (),
        *,
        consecutive_failures: int = 5,
        interval: float = 10.0,
        base_ejection_time: float = 30.0,
        max_ejection_time: float = 300.0,
        max_ejected: float = 0.1,
        stdev_factor: float = 1.9,
        minimum_hosts: int = 5,
        request_volume: int = 100,
        failure_on: Classifier | None = None,
    ) -> None:
        names = tuple(hosts)
        if len(set(names)) < len(names):
            message = f"hosts={names!r}; give each of the names once"
            raise ValueError(message)
        if not 0 <= max_ejected <= 1:
            message = f"max_ejected={max_ejected!r}; give a share of hosts from 0 to 1"
            raise ValueError(message)
        self.consecutive_failures = whole("consecutive_failures", consecutive_failures)
        self.interval = positive("interval", interval)
        self.base_ejection_time = positive("base_ejection_time", base_ejection_time)
        self.max_ejection_time = positive("max_ejection_time", max_ejection_time)
        if max_ejection_time < base_ejection_time:
            message = (
                f"max_ejection_time={max_ejection_time!r} is less than "
                f"base_ejection_time={base_ejection_time!r}; give at least as much"
            )
            raise ValueError(message)
        self.max_ejected = max_ejected
        self._stdev_factor = positive("stdev_factor", stdev_factor)
        self._minimum_hosts = whole("minimum_hosts", minimum_hosts)
        self._request_volume = whole("request_volume", request_volume)
        self._is_failure = classifier("failure_on", failure_on, default=sim.failures)
        self._records = {host: HostRecord() for host in names}
        self._watchers: list[Watcher] = []
        self._allowed = 0
        super().__init__(sim, name)
        sim.process(self._sweeps(), name=f"{name}.sweeps", daemon=True)

    def call(self, host: str, fn: Callable[[], Any]) -> Generator[Any, Any, Any]:
        """Call `fn` on behalf of a host, and count how it ended (``yield from``).

        A host that is out of rotation is called as well: a balancer may have no other.

        Returns:
            What `fn` came to.

        Raises:
            UnknownName: There is no such host.
        """
        record = self._record_of(host)
        try:
            result = yield from invoke(fn)
        except BaseException as error:
            if self._is_failure(error) and self._knows(host, record):
                self.observe(host, failed=True)
            raise
        if self._knows(host, record):  # it may have been removed meanwhile
            self.observe(host, failed=False)
        return result

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names of the hosts, in the order in which they were given."""
        return tuple(self._records)

    @property
    def most_ejected(self) -> int:
        """How many hosts may be out of rotation at once."""
        return most_ejected(len(self._records), self.max_ejected)

    def add(self, host: str) -> None:
        """Judge one more host, of which nothing is known yet.

        Raises:
            ValueError: It is judged already.
        """
        if host in self._records:
            message = f"host={host!r} is judged already; give each of the names once"
            raise ValueError(message)
        self._records[host] = HostRecord()

    def remove(self, host: str) -> None:
        """Forget a host.

        Raises:
            UnknownName: There is no such host.
        """
        self._record_of(host)
        del self._records[host]

    def watch(self, call: Watcher) -> None:
        """Call a function whenever a host leaves the rotation or comes back into it."""
        self._watchers.append(call)

    def observe(self, host: str, *, failed: bool) -> None:
        """Count a call to a host that ended; eject the host when it failed too often in a row.

        Raises:
            UnknownName: There is no such host.
        """
        record = self._record_of(host)
        if not self.up:
            return
        record.count(failed=failed)
        if record.failures_in_a_row == self.consecutive_failures:
            record.failures_in_a_row = 0
            self._eject(host, f"{self.consecutive_failures} failures in a row")

    def in_rotation(self) -> list[str]:
        """Return the hosts to choose from, in the order in which they were given."""
        return [host for host, record in self._records.items() if record.ejected_at is None]

    def ejected(self) -> list[str]:
        """Return the hosts that are out of rotation, in the order in which they were given."""
        return [host for host, record in self._records.items() if record.ejected_at is not None]

    def sweep(self) -> None:
        """Let hosts back whose time is over, compare success rates, and begin an interval."""
        now = self.sim.now
        for host, record in list(self._records.items()):
            since = record.ejected_at
            over = since is not None and now >= since + self._time(record)
            if since is not None and over and self._knows(host, record):
                self._return(host, record, now - since)
        rotating = {host: self._records[host] for host in self.in_rotation()}
        counts = {host: (record.calls, record.successes) for host, record in rotating.items()}
        low, limit = low_success_rates(
            counts,
            factor=self._stdev_factor,
            minimum_hosts=self._minimum_hosts,
            request_volume=self._request_volume,
        )
        for record in self._records.values():
            record.forget_interval()
        for host in low:
            if not self._knows(host, rotating[host]):
                continue
            calls, successes = counts[host]
            self._eject(host, f"success rate {successes / calls:.3g} below {limit:.3g}")
        for record in self._records.values():
            since = record.returned_at
            if record.ejected_at is None and since is not None and now >= since + self.interval:
                record.multiplier = max(0, record.multiplier - 1)

    def health(self) -> Health:
        """Return degraded while a host is out of rotation, unhealthy when down."""
        if not self.up:
            return Health.UNHEALTHY
        return Health.DEGRADED if self.ejected() else Health.HEALTHY

    def metrics(self) -> dict[str, float]:
        """Return the numbers that a health check reports."""
        return {"hosts": len(self.hosts), "ejected": len(self.ejected())}

    def violations(self) -> list[str]:
        """Return every law of outlier detection that does not hold, in words."""
        out = len(self.ejected())
        allowed = max(self.most_ejected, self._allowed)  # hosts may have been removed since
        return [f"{out} hosts ejected, {allowed} may be"] * (out > allowed)

    def on_restart(self) -> None:
        """Begin anew: every host in rotation, nothing known of any."""
        returned = self.ejected()
        self._records = {host: HostRecord() for host in self._records}
        for host in returned:
            self._tell(host, in_rotation=True)

    # -- private -------------------------------------------------------------------------------

    def _record_of(self, host: str) -> HostRecord:
        record = self._records.get(host)
        if record is None:
            raise UnknownName.among("host", host, self.hosts)
        return record

    def _knows(self, host: str, record: HostRecord) -> bool:
        """Whether a host is judged by this record still: who hears of another may change them."""
        return self._records.get(host) is record

    def _time(self, record: HostRecord) -> float:
        return min(self.max_ejection_time, self.base_ejection_time * record.multiplier)

    def _eject(self, host: str, reason: str) -> None:
        record, out = self._records[host], len(self.ejected())
        if record.ejected_at is not None:
            return
        if out >= self.most_ejected:
            self._emit(events.outlier_detector.Spared(self.name, host, reason, out))
            return
        record.ejected_at = self.sim.now
        if record.multiplier * self.base_ejection_time < (
            self.max_ejection_time + self.base_ejection_time
        ):
            record.multiplier += 1
        time = self._time(record)
        self._allowed = self.most_ejected
        self._emit(events.outlier_detector.Ejected(self.name, host, reason, time, out + 1))
        if self._knows(host, record) and record.ejected_at is not None:
            self._tell(host, in_rotation=False)

    def _return(self, host: str, record: HostRecord, out_for: float) -> None:
        record.ejected_at, record.returned_at = None, self.sim.now
        record.failures_in_a_row = 0
        out = len(self.ejected())
        self._emit(events.outlier_detector.Returned(self.name, host, out_for, out))
        if host not in self.ejected():  # by another record perhaps, after a restart
            self._tell(host, in_rotation=True)

    def _tell(self, host: str, *, in_rotation: bool) -> None:
        for call in list(self._watchers):
            call(host, in_rotation=in_rotation)

    def _sweeps(self) -> Generator[Any, Any, None]:
        while True:
            yield self.sim.timeout(self.interval)
            if self.up:
                self.sweep()
