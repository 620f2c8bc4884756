"""What all workloads in a scenario file share: where they run, and what their requests ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from foundation_lab.scenario.keys import AnyKeys
from foundation_lab.scenario.section import Name, Positive, Section
from foundation_lab.telemetry.context import DEFAULT_NODE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TypeAlias

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.traffic.sender import Sender

    Facts: TypeAlias = Mapping[str, Callable[[], Any]]
    """What requests tell services, by its name: a function that gives it for one more request."""

    Through: TypeAlias = Callable[[Sequence[str], Facts], Callable[[], Any]]
    """Makes a call out of the names of services and of the facts that it tells them."""

Place = tuple[str | int, ...]
"""The keys and numbers that lead to a value within a workload."""

Call = Annotated[list[Name], Field(min_length=1)]
"""The services that a request goes through, from the outside in; the last one answers."""

Many = Annotated[int, Field(ge=1, le=1_000_000)]
"""A number of things of which each takes memory."""


class WorkloadSection(Section):
    """The base of everything under `workloads`."""

    node: Name = DEFAULT_NODE
    """The simulated node that the requests run on."""
    keys: AnyKeys | None = None
    """What each request asks for; caches, limiters and balancers tell the keys apart."""
    priority: Annotated[int, Field(ge=-(10**9), le=10**9)] | None = None
    """How urgent a request is, for lines and load shedders that know it: smaller is more urgent."""
    deadline: Positive | None = None
    """Seconds from its start after which the answer is of no use, for lines that know deadlines."""

    def calls(self) -> Iterator[tuple[Place, Call]]:
        """Yield what its requests go through, each with its place."""
        raise NotImplementedError

    def facts(self, sim: Simulation, client: str) -> Facts:
        """Return what its requests tell services."""
        facts: dict[str, Callable[[], Any]] = {}
        priority, limit = self.priority, self.deadline
        if self.keys is not None:
            facts["key"] = self.keys.build(sim.stream(f"workload.{client}.keys"))
        if priority is not None:
            facts["priority"] = lambda: priority
        if limit is not None:
            facts["deadline"] = lambda: sim.now + limit
        return facts

    def build(self, sim: Simulation, client: str, through: Through) -> Sender:
        """Return the workload.

        Args:
            sim: The simulation.
            client: What it is called.
            through: Makes a call out of the names of services and of the facts that it tells them.
        """
        raise NotImplementedError


class CallingSection(WorkloadSection):
    """The base of workloads all of whose requests go the same way."""

    call: Call
    """The services that each request goes through, from the outside in; the last one answers."""

    def calls(self) -> Iterator[tuple[Place, Call]]:
        """Yield what its requests go through, each with its place."""
        yield ("call",), self.call
