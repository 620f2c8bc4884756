"""The mailbox of a supervisor: what it will do, one after the other."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from foundation_lab.services.supervision.child import Ward
    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.timer import Timer


class Post:
    """Calls that are made one after the other, while their receiver is not busy.

    They are made at the instant at which they come, but after all that happens just then: children
    that crash at the same instant lie here together before the first of them is looked at.

    Attributes:
        busy: Whether the receiver is at something that takes time.
    """

    def __init__(self, sim: Simulation) -> None:
        self.busy = False
        self._sim = sim
        self._calls: deque[tuple[Ward | None, Callable[[], object]]] = deque()
        self._timer: Timer | None = None

    def __bool__(self) -> bool:
        """Return whether something lies here."""
        return bool(self._calls)

    def put(self, call: Callable[[], object], ward: Ward | None = None) -> None:
        """Add a call; `ward` is the child that it is about and that `flush` looks for."""
        self._calls.append((ward, call))
        self.wake()

    def ask(self, call: Callable[[], object]) -> None:
        """Make a call now if it is the only one, or else after the others."""
        if self.busy or self._calls:
            self.put(call)
        else:
            call()

    def flush(self, wards: Sequence[Ward]) -> None:
        """Forget what is about some children."""
        self._calls = deque(entry for entry in self._calls if entry[0] not in wards)

    def clear(self) -> None:
        """Forget everything."""
        self._calls.clear()
        self.busy = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def wake(self) -> None:
        """See to it that the calls are made, if they may be."""
        if self._timer is None and self._calls and not self.busy:
            self._timer = self._sim.call_in(0, self._work)

    def _work(self) -> None:
        self._timer = None
        while self._calls and not self.busy:
            _, call = self._calls.popleft()
            call()
