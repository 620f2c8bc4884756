"""Names in a scenario that refer to something else in it, or must differ from others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foundation_lab.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from foundation_lab.scenario.agent_specs import AgentsSpec
    from foundation_lab.scenario.model import Scenario

Path = tuple[str | int, ...]
"""The keys and numbers that lead to a value in the scenario."""

Problem = tuple[Path, str]
"""Where a value stands in the scenario, and what is wrong with it."""

COORDINATOR = "coordinator"
"""The address of whoever holds the sessions; no agent may have it."""

WRAPPERS = ("circuit_breaker", "retry", "hedge", "connection_manager", "rate_limiter")
"""The kinds of service that a request can go through on its way to a backend."""


def references(scenario: Scenario) -> list[Problem]:
    """Return every value in a scenario that does not fit what stands elsewhere in it.

    Such as the name of nothing, or of the wrong kind of thing, or one that is taken.
    """
    return [
        *_of_supervisors(scenario.services),
        *_of_calls(scenario),
        *_of_faults(scenario),
        *_of_agents(scenario.agents),
        *_of_objectives(scenario),
    ]


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Return what is wrong with a `name` that is not among the `known` ones."""
    names = list(known)
    near = nearest(name, names)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names) or 'none'}"
    return f"there is no {kind} {name!r}; {hint}"


def _of_supervisors(services: Mapping[str, Any]) -> Iterator[Problem]:
    parents: dict[str, str] = {}
    for name, service in services.items():
        if service.kind != "supervisor":
            continue
        for number, child in enumerate(service.children):
            path = ("services", name, "children", number)
            if child not in services:
                yield path, unknown("service", child, services)
            elif child in parents:
                yield path, f"{child!r} has a supervisor already, {parents[child]!r}; leave it out"
            elif child in _above(name, parents):
                yield path, f"{child!r} is above {name!r} itself; leave it out"
            else:
                parents[child] = name


def _above(name: str, parents: Mapping[str, str]) -> list[str]:
    """Return a service, the supervisor of it, the supervisor of that, ..."""
    found = [name]
    while found[-1] in parents:
        found.append(parents[found[-1]])
    return found


def _of_calls(scenario: Scenario) -> Iterator[Problem]:
    services = scenario.services
    for client, workload in scenario.workloads.items():
        last = len(workload.call) - 1
        for number, name in enumerate(workload.call):
            path = ("workloads", client, "call", number)
            kind = services[name].kind if name in services else None
            if kind is None:
                yield path, unknown("service", name, services)
            elif number == last and kind != "backend":
                yield path, f"a call ends at a backend, and {name!r} is a {kind}"
            elif number != last and kind not in WRAPPERS:
                kinds = ", ".join(WRAPPERS)
                yield path, f"a call goes through {kinds} only, and {name!r} is a {kind}"


def _of_faults(scenario: Scenario) -> Iterator[Problem]:
    services = scenario.services
    for number, fault in enumerate(scenario.faults):
        path = ("faults", number, "service")
        name, hit = fault.service, services.get(fault.service)
        if hit is None:
            yield path, unknown("service", name, services)
        elif fault.kind != "crash" and hit.kind != "backend":
            message = f"{fault.kind} hits a backend, and {name!r} is a {hit.kind}"
            yield path, f"{message}; use a crash, or name a backend"


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
