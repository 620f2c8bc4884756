"""Nodes in a scenario: which services are on which simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation_lab.scenario.diagnostics import unknown
from foundation_lab.telemetry.context import DEFAULT_NODE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from foundation_lab.scenario.diagnostics import DataPath
    from foundation_lab.scenario.model import Scenario


def node_of(service: str, nodes: Mapping[str, Sequence[str]]) -> str | None:
    """Return the node that a service was put on; ``None`` when it was put on none."""
    return next((node for node, there in nodes.items() if service in there), None)


def nodes_of(scenario: Scenario) -> dict[str, list[str]]:
    """Return the names of the services on every node; those that were put on none are on one."""
    found = {DEFAULT_NODE: [], **{node: list(there) for node, there in scenario.nodes.items()}}
    rest = (name for name in scenario.services if node_of(name, scenario.nodes) is None)
    found[DEFAULT_NODE].extend(rest)
    return found


def misplaced(scenario: Scenario) -> Iterator[tuple[DataPath, str]]:
    """Yield what is wrong with the nodes of a scenario, each with its place."""
    seen: dict[str, str] = {}
    for node, there in scenario.nodes.items():
        if node in scenario.services:
            yield ("nodes", node), f"{node!r} is the name of a service; choose another one"
        for number, name in enumerate(there):
            path = ("nodes", node, number)
            if name not in scenario.services:
                yield path, unknown("service", name, scenario.services)
            elif name in seen:
                yield path, f"{name!r} is on the node {seen[name]!r} already; leave it out"
            seen.setdefault(name, node)
