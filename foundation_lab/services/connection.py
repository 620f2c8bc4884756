"""A connection that is lent to a process."""

from __future__ import annotations

from foundation_lab.services.loan import Loan


class Connection(Loan, eq=False):
    """A connection that is out; a context manager that gives it back.

    Attributes:
        lost: Whether the pool was closed or killed under it.
    """

    lost: bool = False

    @property
    def connection_id(self) -> str:
        """The connection's name, unique in its pool for all time."""
        return self.name
