"""A connection that is lent to a process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foundation_lab.services.loan import Loan
from foundation_lab.services.pooling.link import Link  # noqa: TC001  (msgspec reads the types of its fields)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


class Connection(Loan, eq=False, kw_only=True):
    """A connection that is out; a context manager that gives it back.

    Attributes:
        link: What is open behind it.
        lost: Whether the pool was closed or killed under it.
    """

    link: Link
    lost: bool = False

    @property
    def connection_id(self) -> str:
        """The connection's name, unique in its pool for all time."""
        return self.name

    @property
    def dead(self) -> bool:
        """Whether it was lost on the way to the server, noticed or not."""
        return self.lost or self.link.dead

    def use(self, fn: Callable[[], Any]) -> Generator[Any, Any, Any]:
        """Call `fn`, which uses the connection (``yield from``).

        Returns:
            What `fn` came to.

        Raises:
            ConnectionLost: The connection is dead, or died meanwhile.
        """
        pool: Any = self.lender
        return (yield from pool.use(self, fn))
