"""When health checks call a host unhealthy, and when healthy again: so many results in a row."""

from __future__ import annotations

from foundation_lab.services.arguments import whole


class HealthStreak:
    """The verdict on one host. It is healthy at first, as in HAProxy.

    Args:
        unhealthy_threshold: How many failed checks in a row make it unhealthy; HAProxy's ``fall``.
        healthy_threshold: How many good ones in a row make it healthy again; HAProxy's ``rise``.

    Example:
        >>> streak = HealthStreak(unhealthy_threshold=2, healthy_threshold=1)
        >>> [streak.seen(good=good) for good in (False, True, False, False, True)]
        [True, True, True, False, True]
    """

    def __init__(self, unhealthy_threshold: int = 3, healthy_threshold: int = 2) -> None:
        self.unhealthy_threshold = whole("unhealthy_threshold", unhealthy_threshold)
        self.healthy_threshold = whole("healthy_threshold", healthy_threshold)
        self.healthy = True
        self._against = 0

    def seen(self, *, good: bool) -> bool:
        """Count a check, and return whether the host is healthy."""
        self._against = 0 if good == self.healthy else self._against + 1
        limit = self.unhealthy_threshold if self.healthy else self.healthy_threshold
        if self._against >= limit:
            self.healthy, self._against = not self.healthy, 0
        return self.healthy
