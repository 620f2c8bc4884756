"""Names in a scenario that refer to something else in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foundation_lab.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from foundation_lab.scenario.model import Scenario

Problem = tuple[tuple[str | int, ...], str]
"""Where a name stands in the scenario, and what is wrong with it."""

WRAPPERS = ("circuit_breaker", "retry", "connection_manager", "rate_limiter")
"""The kinds of service that a request can go through on its way to a backend."""


def references(scenario: Scenario) -> list[Problem]:
    """Return every name in a scenario that refers to nothing, or to the wrong kind of thing."""
    return [
        *_of_supervisors(scenario.services),
        *_of_calls(scenario),
        *_of_faults(scenario),
        *_of_objectives(scenario),
    ]


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Return what is wrong with a `name` that is not among the `known` ones."""
    names = list(known)
    near = nearest(name, names)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names) or 'none'}"
    return f"there is no {kind} {name!r}; {hint}"


def _of_supervisors(services: Mapping[str, Any]) -> Iterator[Problem]:
    for name, service in services.items():
        if service.kind == "supervisor":
            for number, child in enumerate(service.children):
                if child not in services:
                    path = ("services", name, "children", number)
                    yield path, unknown("service", child, services)


def _of_calls(scenario: Scenario) -> Iterator[Problem]:
    services = scenario.services
    for client, workload in scenario.workloads.items():
        last = len(workload.call) - 1
        for number, name in enumerate(workload.call):
            path = ("workloads", client, "call", number)
            if name not in services:
                yield path, unknown("service", name, services)
            elif number == last and services[name].kind != "backend":
                yield path, f"a call ends at a backend, and {name!r} is a {services[name].kind}"
            elif number != last and services[name].kind not in WRAPPERS:
                yield (
                    path,
                    f"a call goes through {', '.join(WRAPPERS)} only, and {name!r} is a "
                    f"{services[name].kind}",
                )


def _of_faults(scenario: Scenario) -> Iterator[Problem]:
    services = scenario.services
    for number, fault in enumerate(scenario.faults):
        path = ("faults", number, "service")
        if fault.service not in services:
            yield path, unknown("service", fault.service, services)
        elif fault.kind != "crash" and services[fault.service].kind != "backend":
            yield (
                path,
                f"{fault.kind} hits a backend, and {fault.service!r} is a "
                f"{services[fault.service].kind}; use a crash, or name a backend",
            )


def _of_objectives(scenario: Scenario) -> Iterator[Problem]:
    for number, objective in enumerate(scenario.objectives):
        if objective.client not in scenario.workloads:
            path = ("objectives", number, "client")
            yield path, unknown("workload", objective.client, scenario.workloads)
