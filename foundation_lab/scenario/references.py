"""Names in a scenario that refer to something else in it, or must differ from others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation_lab.scenario import nodes
from foundation_lab.scenario.diagnostics import unknown
from foundation_lab.scenario.faults import targets
from foundation_lab.scenario.services import KINDS
from foundation_lab.scenario.services.consumer import ConsumerSpec
from foundation_lab.scenario.services.hedge import HedgeSpec
from foundation_lab.scenario.services.retry import RetrySpec
from foundation_lab.scenario.services.service import Stand
from foundation_lab.scenario.services.supervisor import SupervisorSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from foundation_lab.scenario.agent_specs import AgentsSpec
    from foundation_lab.scenario.model import Scenario
    from foundation_lab.scenario.services import ServiceSpec

Path = tuple[str | int, ...]
"""The keys and numbers that lead to a value in the scenario."""

Problem = tuple[Path, str]
"""Where a value stands in the scenario, and what is wrong with it."""

COORDINATOR = "coordinator"
"""The address of whoever holds the sessions; no agent may have it."""


def references(scenario: Scenario) -> list[Problem]:
    """Return every value in a scenario that does not fit what stands elsewhere in it.

    Such as the name of nothing, or of the wrong kind of thing, or one that is taken.
    """
    return [
        *_of_parts(scenario.services),
        *_of_budgets(scenario),
        *nodes.misplaced(scenario),
        *_of_calls(scenario),
        *_of_faults(scenario),
        *_of_agents(scenario.agents),
        *_of_objectives(scenario),
    ]


def _of_parts(services: Mapping[str, ServiceSpec]) -> Iterator[Problem]:
    made_of: dict[str, list[str]] = {}
    parents: dict[str, str] = {}
    for name, service in services.items():
        for inner, part in service.parts():
            path = ("services", name, *inner)
            if part not in services:
                yield path, unknown("service", part, services)
            elif isinstance(service, SupervisorSpec) and part in parents:
                yield path, f"{part!r} has a supervisor already, {parents[part]!r}; leave it out"
            elif name in _within(part, made_of):
                yield path, f"{part!r} needs {name!r} itself; leave it out"
            elif wrong := service.unfit(part, services[part]):
                yield path, wrong
            else:
                made_of.setdefault(name, []).append(part)
                if isinstance(service, SupervisorSpec):
                    parents[part] = name


def _within(name: str, made_of: Mapping[str, list[str]]) -> set[str]:
    """Return a service, what it is made of, what that is made of, ..."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        part = waiting.pop()
        if part not in found:
            found.add(part)
            waiting += made_of.get(part, ())
    return found


def _of_budgets(scenario: Scenario) -> Iterator[Problem]:
    for name, service in scenario.services.items():
        budget = service.budget if isinstance(service, RetrySpec | HedgeSpec) else None
        if isinstance(budget, str) and budget not in scenario.budgets:
            yield ("services", name, "budget"), unknown("budget", budget, scenario.budgets)


def _of_calls(scenario: Scenario) -> Iterator[Problem]:
    for client, workload in scenario.workloads.items():
        for place, call in workload.calls():
            for number, message in _of_call(call, scenario.services):
                yield ("workloads", client, *place, number), message
    for name, service in scenario.services.items():
        if isinstance(service, ConsumerSpec) and scenario.services.keys() >= set(service.call):
            for number, message in _of_call(service.call, scenario.services):
                yield ("services", name, "call", number), message


def _of_call(call: Sequence[str], services: Mapping[str, ServiceSpec]) -> Iterator[tuple[int, str]]:
    for number, name in enumerate(call):
        service = services.get(name)
        if service is None:
            yield number, unknown("service", name, services)
            continue
        last, stand = number + 1 == len(call), service.stand
        if last and stand is not Stand.END:
            ends = ", ".join(_kinds(Stand.END))
            yield number, f"a call ends at {ends} only, and {name!r} is a {service.kind}"
        elif not last and stand is not Stand.AROUND:
            kinds = ", ".join(_kinds(Stand.AROUND))
            yield number, f"a call goes through {kinds} only, and {name!r} is a {service.kind}"


def _kinds(stand: Stand) -> list[str]:
    """Return the kinds of service that stand there in a call."""
    return [kind for kind, spec in KINDS.items() if spec.stand is stand]


def _of_faults(scenario: Scenario) -> Iterator[Problem]:
    for number, fault in enumerate(scenario.faults):
        for place, message in targets.misplaced(fault, scenario):
            yield ("faults", number, *place), message


def _of_agents(agents: AgentsSpec | None) -> Iterator[Problem]:
    if agents is None:
        return
    for number, member in enumerate(agents.members):
        path: Path = ("agents", "members", number)
        if member in agents.members[:number]:
            yield path, f"member {member!r} is there twice; every agent has an id of its own"
        elif member == COORDINATOR:
            yield path, f"{member!r} is the one who holds the sessions; choose another id"
    protocol = agents.sessions.protocol
    if protocol.kind == "majority_vote" and protocol.quorum is not None:
        size = len(agents.members)
        least = size // 2 + 1
        if not least <= protocol.quorum <= size:
            message = f"a quorum of {protocol.quorum} among {size}; give {least} to {size} votes"
            yield ("agents", "sessions", "protocol", "quorum"), message


def _of_objectives(scenario: Scenario) -> Iterator[Problem]:
    for number, objective in enumerate(scenario.objectives):
        if objective.client not in scenario.workloads:
            path = ("objectives", number, "client")
            yield path, unknown("workload", objective.client, scenario.workloads)
