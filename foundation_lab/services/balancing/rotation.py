"""The rotation: which hosts of a load balancer may be picked, and when that no longer matters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation_lab.errors import UnknownName

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.services.balancing.host import Host


class Rotation:
    """Hosts, and for each why it is out of rotation.

    Args:
        panic_threshold: When a smaller share of the hosts than this is in rotation, all may be
            picked, as in Envoy ("Panic threshold"); 0 never does that.

    Attributes:
        hosts: All hosts by name, in the order in which they came.
        well: Those in rotation.
        choice: Whom to pick from: those in rotation, or all hosts in a panic.
        leaving: Those that are no hosts any more, but have requests inside.
    """

    def __init__(self, panic_threshold: float) -> None:
        if not 0 <= panic_threshold <= 1:
            message = f"panic_threshold={panic_threshold!r}; give a share of hosts from 0 to 1"
            raise ValueError(message)
        self.panic_threshold = panic_threshold
        self.hosts: dict[str, Host] = {}
        self.well: tuple[Host, ...] = ()
        self.choice: tuple[Host, ...] = ()
        self.leaving: dict[Host, None] = {}

    @property
    def panic(self) -> bool:
        """Whether so few hosts are in rotation that all are picked."""
        return self.choice is not self.well

    def __getitem__(self, name: str) -> Host:
        """Return a host.

        Raises:
            UnknownName: There is none of that name.
        """
        host = self.hosts.get(name)
        if host is None:
            raise UnknownName.among("host", name, self.hosts)
        return host

    def enter(self, host: Host) -> None:
        """Take a host in.

        Raises:
            ValueError: There is one of its name.
        """
        if host.name in self.hosts:
            message = f"there is a host {host.name!r} already; give each a name of its own"
            raise ValueError(message)
        self.hosts[host.name] = host
        self.settle()

    def leave(self, host: Host, on_empty: Callable[[], object]) -> None:
        """Let a host go, and call a function when the last request has left it."""
        del self.hosts[host.name]
        self.settle()
        if host.active:
            self.leaving[host] = None
            host.on_empty = on_empty
        else:
            on_empty()

    def left(self, host: Host) -> None:
        """Take note that a request has left a host that leaves."""
        if not host.active:
            del self.leaving[host]
            if host.on_empty is not None:
                host.on_empty()

    def mark(self, host: Host, reason: str, now: float, *, well: bool) -> bool:
        """Say of a host that it is well, or is not, as far as one reason goes.

        Returns:
            Whether it came into rotation or left it: it is in while there is no reason against it.
        """
        was_in = not host.out
        if not well:
            host.out[reason] = None
        else:
            host.out.pop(reason, None)
        if was_in == (not host.out):
            return False
        if was_in:
            host.left_at = now
        self.settle()
        return True

    def settle(self) -> None:
        """Find anew whom to pick from; the tuples are new ones, so that algorithms notice."""
        every = tuple(self.hosts.values())
        self.well = tuple(host for host in every if not host.out)
        too_few = len(self.well) < self.panic_threshold * len(every)
        self.choice = every if too_few else self.well

    def violations(self, in_flight: int) -> list[str]:
        """Return every law that does not hold, in words; so many requests are in flight."""
        everywhere = (*self.hosts.values(), *self.leaving)
        broken = [
            f"{host.active} requests in {host.name!r}" for host in everywhere if host.active < 0
        ]
        total = sum(host.active for host in everywhere)
        if total != in_flight:
            broken.append(f"{total} requests in the hosts, {in_flight} in flight")
        broken += [
            f"{host.name!r} is empty and does not leave" for host in self.leaving if not host.active
        ]
        return broken
