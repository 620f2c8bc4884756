"""The outbox of a service: what it has done and not told yet.

A service commits a step as a whole, puts an event for each part of it here, and tells them last: so
whoever hears of the first part finds all of them done, and the laws hold. He may use the service at
once; what that does is told after what was done before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class Outbox(deque[Callable[[], object]]):
    """What is to be told, in the order in which it was done: functions that emit."""

    __slots__ = ()

    def tell(self) -> None:
        """Tell everything; a handler that makes its service tell more goes on in this place.

        When a handler raises, the rest is told before its exception goes on: it was done.
        """
        while self:
            try:
                self.popleft()()
            except BaseException:
                self.tell()
                raise
