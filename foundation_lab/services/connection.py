"""A connection that is lent to a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation_lab.services.loan import Loan

if TYPE_CHECKING:
    from foundation_lab.simulation.slots import Slots
    from foundation_lab.services.loan import Lender
    from foundation_lab.simulation.process import Process


class Connection(Loan):
    """A connection that is out; a context manager that gives it back.

    Attributes:
        connection_id: The connection's name, unique in its pool for all time.
        lost: Whether the pool was closed or killed under it.
    """

    def __init__(self, pool: Lender, connection_id: str, owner: Process, slots: Slots) -> None:
        super().__init__(pool, owner, slots)
        self.connection_id = connection_id
        self.lost = False
