"""A host behind a load balancer: what it is called, where requests go, how many are there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LEAST_SHARE: Final = 0.1
"""The share of its weight that a host has at least while it starts slowly; Envoy's default."""


class Host:
    """A host and the requests that are inside.

    Attributes:
        name: What it is called.
        target: What was given: something with `request()`, or a function.
        request: What is called for each request.
        weight: Its weight when it has started.
        window: Seconds that a slow start takes; ``None`` when it gets its weight at once.
        warming_since: When its slow start began; ``None`` when it is over or there is none.
        active: How many requests are inside.
        out: Why it is out of rotation; empty when it is in.
        left_at: When it left the rotation last.
        on_empty: Called when the last request has left a host that was removed.
    """

    __slots__ = (
        "active",
        "left_at",
        "name",
        "on_empty",
        "out",
        "request",
        "target",
        "warming_since",
        "weight",
        "window",
    )

    def __init__(
        self, name: str, target: Any, weight: float = 1.0, window: float | None = None
    ) -> None:
        self.name = name
        self.target = target
        self.request = _call_of(name, target)
        self.weight = weight
        self.window = window
        self.warming_since: float | None = None
        self.active = 0
        self.out: dict[str, None] = {}
        self.left_at = 0.0
        self.on_empty: Callable[[], object] | None = None

    def weight_at(self, now: float) -> float:
        """Return the weight that the host has at this time, slow start and all."""
        since = self.warming_since
        if since is None or self.window is None:
            return self.weight
        share = slow_start_share(now - since, self.window)
        if share >= 1:
            self.warming_since = None
        return self.weight * share

    def load_at(self, now: float) -> float:
        """Return how loaded the host would be with one more request: (active + 1) / weight.

        It is the reciprocal of the dynamic weight of Envoy's least-request policy, and with equal
        weights the same order as that of the active requests alone. The request that is to come is
        counted so that weights tell hosts apart that have nothing to do.
        """
        if self.warming_since is None:
            return (self.active + 1) / self.weight
        return (self.active + 1) / self.weight_at(now)

    @property
    def available(self) -> bool:
        """What a health check finds: whether the host is up and no outage is on.

        A host that cannot tell, such as a plain function, is available.
        """
        service = getattr(self.target, "__self__", self.target)
        return bool(getattr(service, "available", getattr(service, "up", True)))

    def __repr__(self) -> str:
        """Return one line: name, weight, active requests."""
        return f"<Host {self.name!r} weight={self.weight:g} active={self.active}>"


def slow_start_share(age: float, window: float) -> float:
    """Return the share of its weight that a host has `age` seconds after its slow start began.

    It grows linearly over the window, and is a tenth at least: Envoy's slow start
    (https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/slow_start)
    with its default aggression of 1 and minimum of 10 %.

    Example:
        >>> [slow_start_share(age, 60) for age in (0, 3, 30, 60, 90)]
        [0.1, 0.1, 0.5, 1.0, 1.0]
    """
    return min(1.0, max(LEAST_SHARE, age / window))


def by_name(hosts: Mapping[str, Any] | Iterable[Any]) -> Iterable[tuple[str, Any]]:
    """Return targets with their names, which those that are not given by name have themselves.

    Raises:
        TypeError: One has no name.
    """
    if isinstance(hosts, Mapping):
        return hosts.items()
    named = []
    for host in hosts:
        name = getattr(host, "name", None)
        if not isinstance(name, str):
            message = f"host {host!r} has no name; give hosts by name: {{'a': ...}}"
            raise TypeError(message)
        named.append((name, host))
    return named


def _call_of(name: str, target: Any) -> Callable[[], Any]:
    call = getattr(target, "request", target)
    if not callable(call) or isinstance(target, type):
        message = f"host {name!r}: {target!r} serves nobody; give a backend, or a function"
        raise TypeError(message)
    return call  # type: ignore[no-any-return]
