"""What a user does in a session: the steps he takes, in a sequence or from page to page."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from foundation_lab.simulation.ability import a_function

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping

    from foundation_lab.simulation.distributions import Distribution


class Step(msgspec.Struct, frozen=True):
    """One thing that a user asks for.

    Attributes:
        page: What it is called in the events.
        call: Asks for it; returns a generator, a SimPy event, or a plain value.
        think_time: What the time before it is drawn from, or a number of seconds; by default that
            of the sessions.
    """

    page: str
    call: Callable[[], Any]
    think_time: float | Distribution | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be called."""
        a_function("call", self.call)


Steps = Sequence[Step | tuple[Any, ...]]
"""Steps, or tuples of what they are made of: (page, call) or (page, call, think_time)."""


class Journey(Protocol):
    """A way through pages."""

    def steps(self, stream: random.Random) -> Sequence[Step]:
        """Return the steps of one user, in order."""


class Route(msgspec.Struct, frozen=True):
    """The same steps for everybody, in order."""

    all_steps: tuple[Step, ...]

    def steps(self, stream: random.Random) -> Sequence[Step]:  # noqa: ARG002  (no chance in it)
        """Return the steps."""
        return self.all_steps


class PageGraph:
    """Pages, and with what chance a user goes from one to another: a Markov chain.

    From each page the chances sum up to 1 or less; what is missing to 1 is the chance to leave.

    Args:
        pages: What each page asks for, by its name; or the `Step` that it is.
        links: The chances, by the name of the page they are for, and of the next one. A page
            without any is a last one.
        start: The page that every user begins with; the first of `pages` by default.

    Raises:
        ValueError: A page or a chance does not exist, or from a page nobody ever leaves.
    """

    def __init__(
        self,
        pages: Mapping[str, Callable[[], Any] | Step],
        links: Mapping[str, Mapping[str, float]],
        *,
        start: str | None = None,
    ) -> None:
        self._steps = {
            page: call if isinstance(call, Step) else Step(page, call)
            for page, call in pages.items()
        }
        if not self._steps:
            message = "pages={}; give one page or more"
            raise ValueError(message)
        self.start = next(iter(self._steps)) if start is None else start
        for page in (self.start, *links, *(to for row in links.values() for to in row)):
            if page not in self._steps:
                message = f"there is no page {page!r}; there are: {', '.join(self._steps)}"
                raise ValueError(message)
        self._links = {page: dict(links.get(page, {})) for page in self._steps}
        for page, row in self._links.items():
            if any(not 0 <= chance <= 1 for chance in row.values()) or sum(row.values()) > 1 + 1e-9:
                message = (
                    f"links of {page!r} are {row!r}; chances are from 0 to 1, 1 in all at most"
                )
                raise ValueError(message)
        stuck = [page for page in self._steps if page not in self._with_a_way_out()]
        if stuck:
            message = f"nobody ever leaves from {stuck!r}; let their chances sum up to less than 1"
            raise ValueError(message)
        self._choices = {
            page: (list(row), list(accumulate(row.values()))) for page, row in self._links.items()
        }

    def steps(self, stream: random.Random) -> Sequence[Step]:
        """Return the steps of one user, in order: the first page, and those he goes on to."""
        page: str | None = self.start
        path = []
        while page is not None:
            path.append(self._steps[page])
            page = self._next(page, stream.random())
        return path

    # -- private -------------------------------------------------------------------------------

    def _next(self, page: str, chance: float) -> str | None:
        pages, bounds = self._choices[page]
        for to, bound in zip(pages, bounds, strict=True):
            if chance < bound:
                return to
        return None

    def _with_a_way_out(self) -> dict[str, None]:
        """Return the pages from which a user leaves sooner or later."""
        out = {page: None for page, row in self._links.items() if sum(row.values()) < 1 - 1e-9}
        while True:
            more = {
                page: None
                for page, row in self._links.items()
                if page not in out and any(chance > 0 and to in out for to, chance in row.items())
            }
            if not more:
                return out
            out |= more


def as_journey(steps: Steps | Journey) -> Journey:
    """Return a journey as it is, or that of a sequence of steps.

    Raises:
        ValueError: There is no step.
    """
    if callable(getattr(steps, "steps", None)):
        return steps  # type: ignore[return-value]
    route = tuple(s if isinstance(s, Step) else Step(*s) for s in steps)  # type: ignore[union-attr]
    if not route:
        message = "steps=[]; a session has one step or more"
        raise ValueError(message)
    return Route(route)
