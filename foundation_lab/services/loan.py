"""A loan: something lent to a process, and taken back when that ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Self

import msgspec

if TYPE_CHECKING:
    from types import TracebackType

    from foundation_lab.simulation.process import Process
    from foundation_lab.simulation.slots import Slots


class Lender(Protocol):
    """Where a loan comes from."""

    def release(self, loan: Any, /) -> None:
        """Take a loan back."""

    def reclaim(self, loan: Any, /) -> None:
        """Take a loan back whose owner ended without giving it back."""


class Loan(msgspec.Struct, eq=False):
    """Something that is out; a context manager that gives it back.

    Attributes:
        lender: Who takes it back.
        owner: The process that it is lent to.
        slots: The places of which it takes one.
        since: The virtual time at which it was lent, in seconds.
        name: What it is called, unique at its lender for all time.
        released: Whether it was given back.
        watching: Whether it is taken back when the owner ends.
    """

    lender: Lender
    owner: Process
    slots: Slots
    since: float
    name: str
    released: bool = False
    watching: bool = False

    def release(self) -> None:
        """Give it back.

        Raises:
            RuntimeError: It was given back before.
        """
        self.lender.release(self)

    def watch_owner(self) -> None:
        """Have it taken back when the owner's process ends."""
        self.watching = True
        self.owner.callbacks.append(self._owner_ended)

    def stop_watching(self) -> None:
        """Forget the owner."""
        if self.watching and self.owner.callbacks is not None:
            self.owner.callbacks.remove(self._owner_ended)
        self.watching = False

    def _owner_ended(self, _process: object) -> None:
        self.lender.reclaim(self)

    def __enter__(self) -> Self:
        """Return the loan."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give it back, unless the block did."""
        if not self.released:
            self.release()
