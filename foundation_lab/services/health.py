"""When something counts as healthy: the rules of probes, and how parts make up a whole.

Thresholds and defaults are those of Kubernetes' probes (``period`` 10 s, ``timeout`` 1 s, three
failures in a row, one success); source: the reference of ``core/v1 Probe``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from foundation_lab.services.arguments import positive, whole
from foundation_lab.services.service import Health

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

GOOD: Final = (Health.HEALTHY, Health.DEGRADED)
"""What counts as a success: whoever is degraded still serves."""

BADNESS: Final = {
    Health.HEALTHY: 0,
    Health.DEGRADED: 1,
    Health.UNKNOWN: 2,
    Health.UNHEALTHY: 3,
}
"""From the best to the worst."""


class HealthCheck(msgspec.Struct, frozen=True, eq=False):
    """How a target is checked.

    Attributes:
        check: Called without arguments; returns a `Health`, its name, or whether all is well; or a
            generator or an event that comes to it and may take virtual time. A failure is
            unhealthy, and so is what takes longer than the timeout.
        interval: Seconds from the beginning of one check to that of the next; a check that takes
            longer delays the next one, for they do not overlap.
        timeout: How many seconds a check may take; exactly as many are in time.
        initial_delay: Seconds before the first check.
        failure_threshold: How many failures in a row make the target unhealthy.
        success_threshold: How many successes in a row make it healthy again.
    """

    check: Callable[[], Any]
    interval: float = 10.0
    timeout: float = 1.0
    initial_delay: float = 0.0
    failure_threshold: int = 3
    success_threshold: int = 1

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ValueError: A number makes no sense.
            TypeError: `check` cannot be called.
        """
        if not callable(self.check):
            message = f"check={self.check!r}; give a function without arguments"
            raise TypeError(message)
        positive("interval", self.interval)
        positive("timeout", self.timeout)
        positive("initial_delay", self.initial_delay, zero=True)
        whole("failure_threshold", self.failure_threshold)
        whole("success_threshold", self.success_threshold)


class Standing(msgspec.Struct):
    """What is held of a target, as results come in.

    Attributes:
        failure_threshold: How many failures in a row make it unhealthy.
        success_threshold: How many successes in a row make it healthy.
        status: What is held of it; unknown until the first threshold is reached.
        successes: Results in a row that were healthy or degraded.
        failures: Results in a row that were not.
    """

    failure_threshold: int
    success_threshold: int
    status: Health = Health.UNKNOWN
    successes: int = 0
    failures: int = 0

    def observe(self, result: Health) -> Health:
        """Take a result in, and return what is held of the target now.

        Only the way to unhealthy and the way back take several results in a row; a target that is
        held to be healthy or degraded is at once what a success says.

        >>> standing = Standing(failure_threshold=2, success_threshold=2)
        >>> results = ["healthy", "healthy", "unhealthy", "degraded", "unhealthy", "unhealthy"]
        >>> [str(standing.observe(Health(result))) for result in results]
        ['unknown', 'healthy', 'healthy', 'degraded', 'degraded', 'unhealthy']
        """
        if result in GOOD:
            self.successes, self.failures = self.successes + 1, 0
            if self.status in GOOD or self.successes >= self.success_threshold:
                self.status = result
        else:
            self.successes, self.failures = 0, self.failures + 1
            if self.failures >= self.failure_threshold:
                self.status = Health.UNHEALTHY
        return self.status

    @property
    def in_a_row(self) -> int:
        """How many results in a row were as good or as bad as the last one."""
        return self.successes or self.failures

    def fail(self) -> None:
        """Hold the target to be unhealthy, whatever the thresholds: it is known to be down."""
        self.status, self.successes, self.failures = Health.UNHEALTHY, 0, self.failure_threshold


def as_health(result: object) -> Health:
    """Return what the result of a check says.

    Raises:
        TypeError: It says nothing: neither a `Health`, nor the name of one, nor true or false.
        ValueError: There is no `Health` of this name.
    """
    if isinstance(result, bool):
        return Health.HEALTHY if result else Health.UNHEALTHY
    if isinstance(result, str):
        return Health(result)
    message = f"a health check came to {result!r}; return a Health, its name, True or False"
    raise TypeError(message)


def overall(critical: Iterable[Health], others: Iterable[Health] = ()) -> Health:
    """Return how a whole is: the worst of its critical parts, degraded when others are not well.

    From the best to the worst: healthy, degraded, unknown, unhealthy. A whole without parts is
    healthy.

    >>> str(overall([Health.HEALTHY], [Health.UNHEALTHY]))
    'degraded'
    """
    parts = list(critical)
    parts += [Health.DEGRADED for part in others if part is not Health.HEALTHY]
    return max(parts, key=BADNESS.__getitem__, default=Health.HEALTHY)
