"""The resource manager: limited tokens of any kind, such as licences or file handles.

A token whose owner's process ends without giving it back is taken back at that instant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from foundation_lab.errors import ResourceExhausted, ServiceDown, TimedOut, UnknownName
from foundation_lab.services.arguments import positive, whole
from foundation_lab.services.loan import Loan
from foundation_lab.services.service import Health, Service
from foundation_lab.simulation.ability import able
from foundation_lab.simulation.component import Held
from foundation_lab.simulation.invocation import invoke
from foundation_lab.simulation.slots import Slots
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from foundation_lab.simulation.engine import Simulation


class Token(Loan, eq=False):
    """A token that is out; a context manager that gives it back.

    Attributes:
        resource: Of which resource it is.
    """

    resource: str = ""

    @property
    def token_id(self) -> str:
        """The token's name, unique in its manager for all time."""
        return self.name


class ResourceManager(Service):
    """Lends limited tokens.

    Args:
        sim: The simulation.
        name: The manager's name.
        limits: How many tokens there are of each resource.

    Raises:
        ValueError: A limit is no whole number from 1.
        TypeError: `limits` is no mapping.
    """

    kind: ClassVar[str] = "resource_manager"
    Acquired = events.resource.Acquired
    Released = events.resource.Released
    Exhausted = events.resource.Exhausted

    def __init__(self, sim: Simulation, name: str, limits: Mapping[str, int]) -> None:
        able("limits", limits, "items", 'give how many there are of each: {"licence": 5}')
        self._limits = {
            resource: whole(f"resource manager {name!r}: limits[{resource!r}]", limit)
            for resource, limit in limits.items()
        }
        self._lent = 0
        self.sim = sim
        self._open()
        super().__init__(sim, name)

    def acquire(
        self, resource: str, *, wait: bool = True, timeout: float | None = None
    ) -> Generator[Any, Any, Token]:
        """Lend a token of a resource to the running process (``yield from``).

        Args:
            resource: Which one.
            wait: Whether to wait when none is left.
            timeout: How many seconds to wait at most; for ever without it.

        Returns:
            The token; give it back with ``token.release()`` or by ``with``.

        Raises:
            ResourceExhausted: None is left, and `wait` is false.
            TimedOut: None came free in time.
            ServiceDown: The manager is down, or went down meanwhile.
            UnknownName: There is no such resource.
            ValueError: `timeout` is no finite number from 0, or was given although `wait` is false.
        """
        token = yield from self._acquire(resource, wait=wait, timeout=timeout)
        token.watch_owner()
        return token

    def release(self, token: Token) -> None:
        """Take a token back; the first in line gets one.

        Raises:
            RuntimeError: It was given back before.
        """
        if token.released:
            message = f"token {token.token_id!r} was given back twice"
            raise RuntimeError(message)
        token.released = True
        self._out.pop(token, None)
        token.stop_watching()
        if token.slots is self._slots.get(token.resource):
            token.slots.release()
            duration = self.sim.now - token.since
            self._emit(
                events.resource.Released(token.resource, token.token_id, duration, self.name)
            )

    def reclaim(self, token: Token) -> None:
        """Take a token back whose owner ended without giving it back."""
        if not token.released:
            self.release(token)

    def call(
        self,
        resource: str,
        fn: Callable[[], Any],
        *,
        wait: bool = True,
        timeout: float | None = None,
    ) -> Generator[Any, Any, Any]:
        """Call `fn` while holding a token (``yield from``).

        Arguments and errors are those of `acquire`; the timeout is one of the wait alone.
        """
        token = yield from self._acquire(resource, wait=wait, timeout=timeout)
        try:
            return (yield from invoke(fn))
        finally:
            self.release(token)

    def used(self, resource: str) -> int:
        """Return how many tokens of a resource are out."""
        return self._of(resource).used

    def free(self, resource: str) -> int:
        """Return how many tokens of a resource are left."""
        return self._of(resource).free

    def health(self) -> Health:
        """Return unhealthy when down, degraded while somebody waits for a token."""
        if not self.up:
            return Health.UNHEALTHY
        short = any(slots.waiting for slots in self._slots.values())
        return Health.DEGRADED if short else Health.HEALTHY

    def metrics(self) -> dict[str, float]:
        """Return the numbers that a health check reports."""
        return {f"{name}.used": slots.used for name, slots in self._slots.items()}

    def held(self) -> list[Held]:
        """Return the tokens that are out."""
        return [Held(f"token {one.token_id!r} of {self.name!r}", one.owner) for one in self._out]

    def violations(self) -> list[str]:
        """Return every law of resources that does not hold, in words."""
        return [
            f"resource {name!r}: {violation}"
            for name, slots in self._slots.items()
            for violation in slots.violations()
        ]

    def on_exit(self, reason: str) -> None:
        """Send everybody in line away; tokens that are out are forgotten."""
        for slots in self._slots.values():
            slots.fail_all(lambda: ServiceDown(f"resource manager {self.name!r}: {reason}"))

    def on_restart(self) -> None:
        """Begin anew with all tokens."""
        self._open()

    def _acquire(
        self, resource: str, *, wait: bool = True, timeout: float | None = None
    ) -> Generator[Any, Any, Token]:
        if timeout is not None:
            positive("timeout", timeout, zero=True)
            if not wait:
                raise ValueError(f"timeout={timeout!r} with wait=False; leave one of them out")
        self.require_up()
        slots = self._of(resource)
        owner = self.sim.running_process(f"a token of resource {resource!r}")
        asked = self.sim.now
        if wait:
            yield from slots.acquire(
                timeout,
                lambda: TimedOut(f"no token of resource {resource!r} came free in {timeout:g} s"),
                lambda: self._exhausted(resource, slots),
            )
        elif not slots.try_acquire():
            self._exhausted(resource, slots)
            message = f"all {slots.capacity} tokens of resource {resource!r} are out"
            raise ResourceExhausted(message)
        self._lent += 1
        token = Token(
            self, owner, slots, self.sim.now, f"{resource}-{self._lent}", resource=resource
        )
        self._out[token] = None
        waited = self.sim.now - asked
        self._emit(events.resource.Acquired(resource, token.token_id, waited, self.name))
        return token

    def _exhausted(self, resource: str, slots: Slots) -> None:
        self._emit(events.resource.Exhausted(resource, slots.capacity, slots.waiting, self.name))

    def _open(self) -> None:
        self._out: dict[Token, None] = {}
        self._slots = {
            resource: Slots(self.sim, limit, f"a token of resource {resource!r}")
            for resource, limit in self._limits.items()
        }

    def _of(self, resource: str) -> Slots:
        if resource not in self._slots:
            raise UnknownName.among("resource", resource, self._slots)
        return self._slots[resource]
