"""Settings of the test kit: when a wait is given up for good, and how much a failure tells.

The pytest plugin sets them from its options; a test sets them for a block:

```python
with settings(same_instant=10_000, wall=5.0):
    wait_for(sim, lambda: breaker.state is State.OPEN)
```
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """What holds for every wait.

    Attributes:
        same_instant: After how many steps at one instant a wait ends: the clock does not move. They
            are counted by the thousand.
        wall: After how many seconds of real time a wait ends; ``None`` for never.
        verbose: Whether failures tell everything (``-vv``).
        folders: From which folder tests are named, and in which pytest was called; ``None`` where
            these are the same. (A test may change the folder it is in.)
    """

    same_instant: int = 1_000_000
    wall: float | None = None
    verbose: bool = False
    folders: tuple[Path, Path] | None = None

    def __post_init__(self) -> None:
        """Refuse limits that are none.

        Raises:
            ValueError: A limit is not above 0.
        """
        if not self.same_instant > 0:
            message = f"same_instant={self.same_instant!r}; give a number of steps, 1 or more"
            raise ValueError(message)
        if self.wall is not None and not self.wall > 0:
            message = f"wall={self.wall!r}; give seconds of real time above 0, or None"
            raise ValueError(message)


def current() -> Settings:
    """Return the settings that hold here."""
    return _CURRENT.get()


def configure(**changes: Any) -> Settings:
    """Change settings for good; return what they were."""
    before = _CURRENT.get()
    _CURRENT.set(replace(before, **changes))
    return before


@contextmanager
def settings(**changes: Any) -> Iterator[Settings]:
    """Change settings while the block lasts.

    Args:
        changes: Attributes of `Settings`.

    Raises:
        ValueError: A limit is not above 0.
        TypeError: There is no such setting.
    """
    token = _CURRENT.set(replace(_CURRENT.get(), **changes))
    try:
        yield _CURRENT.get()
    finally:
        _CURRENT.reset(token)


_CURRENT: ContextVar[Settings] = ContextVar("foundation_lab_testing_settings", default=Settings())  # noqa: B039  (it is frozen)
