"""Sessions of users in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from foundation_lab.scenario.diagnostics import unknown
from foundation_lab.scenario.duration_specs import Duration, distribution, takes_time
from foundation_lab.scenario.problems import refuse
from foundation_lab.scenario.section import Name, Section, Share, Whole
from foundation_lab.scenario.workloads.arrivals import AnyArrivals
from foundation_lab.scenario.workloads.workload import Call, WorkloadSection
from foundation_lab.simulation.workloads.journey import PageGraph, Step
from foundation_lab.simulation.workloads.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foundation_lab.scenario.workloads.workload import Facts, Place, Through
    from foundation_lab.simulation.engine import Simulation


class PageSpec(Section):
    """What a user asks for on a page."""

    call: Call
    """The services that the request goes through, from the outside in; the last one answers."""
    think_time: Duration | None = None
    """Seconds before it: a number, or a distribution; those of the sessions without it."""

    def step(self, page: str, facts: Facts, through: Through) -> Step:
        """Return the step."""
        think_time = None if self.think_time is None else distribution(self.think_time)
        return Step(page, through(self.call, facts), think_time)


class StepSpec(PageSpec):
    """One step of every user."""

    page: Name
    """What it is called in the events."""


class UserSessionsSpec(WorkloadSection):
    """Users who come, take several steps with time to think in between, and go."""

    kind: Literal["sessions"]
    arrivals: AnyArrivals
    """When users come."""
    steps: Annotated[list[StepSpec], Field(min_length=1)] | None = None
    """The steps that every user takes, in order; or pages and links."""
    pages: Annotated[dict[Name, PageSpec], Field(min_length=1)] | None = None
    """The pages by name; a user goes from one to another by chance."""
    links: dict[Name, dict[Name, Share]] | None = None
    """For each page the chance of every next one; what is missing to 1 is the chance to leave. A
    page without any is a last one."""
    start: Name | None = None
    """The page that every user begins with; the first one without it."""
    think_time: Duration = 0.0
    """Seconds before each further step: a number, or a distribution."""
    max_failures: Whole | None = 3
    """With so many failed requests in all a user gives up; null for never."""

    @model_validator(mode="after")
    def _is_a_way(self) -> Self:
        if (self.steps is None) == (self.pages is None):
            message = "give steps, or pages and links; one of both"
            raise ValueError(message)
        if self.pages is None:
            alone = [key for key in ("links", "start") if getattr(self, key) is not None]
            if alone:
                message = f"{alone[0]} belongs to pages; give pages instead of steps"
                raise ValueError(message)
        else:
            refuse(_unknown_pages(self.pages, self.links or {}, self.start))
            pages = {page: Step(page, _nothing) for page in self.pages}
            PageGraph(pages, self.links or {}, start=self.start)  # raises when nobody ever leaves
        return self

    @model_validator(mode="after")
    def _moves_on(self) -> Self:
        if self.max_failures is None:
            for place, page in self._all_pages():
                own = page.think_time
                if not takes_time(self.think_time if own is None else own):
                    where = ("think_time",) if own is None else (*place, "think_time")
                    message = (
                        "a step that fails at once would be tried for ever; give think_time "
                        "above 0, or max_failures"
                    )
                    refuse([(where, message)])
        return self

    def calls(self) -> Iterator[tuple[Place, Call]]:
        """Yield what the requests go through, each with its place."""
        for place, page in self._all_pages():
            yield (*place, "call"), page.call

    def build(self, sim: Simulation, client: str, through: Through) -> Sessions:
        """Return the workload."""
        facts = self.facts(sim, client)
        if self.pages is None:
            steps = [step.step(step.page, facts, through) for step in self.steps or ()]
            way: list[Step] | PageGraph = steps
        else:
            pages = {name: page.step(name, facts, through) for name, page in self.pages.items()}
            way = PageGraph(pages, self.links or {}, start=self.start)
        return Sessions(
            sim,
            client,
            self.arrivals.build(),
            way,
            think_time=distribution(self.think_time),
            max_failures=self.max_failures,
            node=self.node,
        )

    def _all_pages(self) -> Iterator[tuple[Place, PageSpec]]:
        for number, step in enumerate(self.steps or ()):
            yield ("steps", number), step
        for name, page in (self.pages or {}).items():
            yield ("pages", name), page


def _unknown_pages(
    pages: dict[str, PageSpec], links: dict[str, dict[str, float]], start: str | None
) -> Iterator[tuple[Place, str]]:
    if start is not None and start not in pages:
        yield ("start",), unknown("page", start, pages)
    for page, row in links.items():
        if page not in pages:
            yield ("links", page), unknown("page", page, pages)
        for other in row:
            if other not in pages:
                yield ("links", page, other), unknown("page", other, pages)
        if sum(row.values()) > 1 + 1e-9:
            message = f"the chances sum up to {sum(row.values()):g}; give 1 in all at most"
            yield ("links", page), message


def _nothing() -> None:
    """Stand for a call, where only the way is looked at."""
