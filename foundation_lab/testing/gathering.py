"""Gathering: the verdicts of all monitors and judges that are at work while a block lasts."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from foundation_lab.testing.machines import Verdict

_INTO: ContextVar[list[Verdict] | None] = ContextVar("foundation_lab_verdicts", default=None)


@contextmanager
def gathering(verdicts: list[Verdict]) -> Iterator[None]:
    """Add to a list what monitors find when they end, and judges."""
    token = _INTO.set(verdicts)
    try:
        yield
    finally:
        _INTO.reset(token)


def gather(verdicts: Iterable[Verdict]) -> bool:
    """Take verdicts, if somebody gathers them; return whether somebody does."""
    into = _INTO.get()
    if into is None:
        return False
    into.extend(verdicts)
    return True
