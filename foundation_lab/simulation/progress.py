"""A progress bar over virtual time, for runs that take a while."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def bar(name: str, start: float, until: float) -> Iterator[Callable[[float], object]]:
    """Show a bar on stderr, if that is a terminal or a notebook, after the first second.

    Args:
        name: What stands before it.
        start: The virtual time at which the run begins.
        until: The virtual time at which it ends.

    Yields:
        A function to call with the virtual time now and then.
    """
    from tqdm import tqdm  # noqa: PLC0415  (only runs that are watched pay for it)

    form = "{desc}: {percentage:3.0f}% |{bar}| {n:.0f} of {total:.0f} virtual seconds [{elapsed}]"
    with tqdm(
        desc=name, total=until - start, bar_format=form, delay=1.0, disable=None, leave=False
    ) as shown:
        yield lambda now: shown.update(now - start - shown.n)
