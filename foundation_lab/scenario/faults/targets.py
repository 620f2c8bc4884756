"""Whom the faults of a scenario hit: whether it is there, and can have such a fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation_lab import services as made
from foundation_lab.scenario.diagnostics import unknown
from foundation_lab.scenario.faults import KINDS
from foundation_lab.scenario.faults.fault import OnServices
from foundation_lab.scenario.faults.on_services import QueueRedriveSpec
from foundation_lab.scenario.faults.on_surroundings import ClockSkewSpec, LoadStepSpec
from foundation_lab.scenario.nodes import node_of, nodes_of
from foundation_lab.scenario.services.service import ServiceSection
from foundation_lab.simulation import faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foundation_lab.scenario.faults.fault import FaultSection, Place
    from foundation_lab.scenario.model import Scenario


def misplaced(fault: FaultSection, scenario: Scenario) -> Iterator[tuple[Place, str]]:
    """Yield what is wrong with the targets of a fault, each with its place in it."""
    services = scenario.services
    if isinstance(fault, LoadStepSpec) and fault.workload not in scenario.workloads:
        yield ("workload",), unknown("workload", fault.workload, scenario.workloads)
    for place, name in fault.targets():
        if name not in services:
            yield place, unknown("service", name, services)
        elif wrong := _unfit(fault, name, services[name]):
            yield place, wrong
        elif isinstance(fault, ClockSkewSpec) and (node := node_of(name, scenario.nodes)):
            yield place, f"{name!r} reads the clock of the node {node!r}; give node: {node}"
    if isinstance(fault, QueueRedriveSpec):
        yield from _misdirected(fault, scenario)
    if isinstance(fault, OnServices) and fault.node is not None:
        there = nodes_of(scenario)
        if fault.node not in there:
            yield ("node",), unknown("node", fault.node, there)
        elif not any(
            can_have(each, fault.fault)
            for name in there[fault.node]
            if name in services
            for each in _all_in(services[name])
        ):
            names = ", ".join(there[fault.node]) or "none"
            message = f"no service on {fault.node!r} can have {fault.tag()}; there are: {names}"
            yield ("node",), message


def _misdirected(fault: QueueRedriveSpec, scenario: Scenario) -> Iterator[tuple[Place, str]]:
    """Yield why dead letters cannot go where a redrive moves them, if so."""
    services, to = scenario.services, fault.to
    if to is None:
        return
    hit = {name for _, name in fault.targets()}
    hit.update(nodes_of(scenario).get(fault.node or "", ()))
    if to not in services:
        yield ("to",), unknown("service", to, services)
    elif services[to].tag() != "queue":
        yield ("to",), f"letters go to a queue, and {to!r} is a {services[to].tag()}"
    elif to in hit:
        yield ("to",), f"{to!r} is the queue that they leave; give another, or leave it out"


def can_have(section: ServiceSection, fault: type[faults.Fault]) -> bool:
    """Return whether a service that a file describes can have a fault."""
    service = service_class(section)
    if fault is faults.ClockSkew:
        return hasattr(service, "clock")
    if fault is faults.RollingDeploy:
        return hasattr(service, "rolling_deploy")
    if issubclass(fault, faults.Impairment):
        return issubclass(fault, getattr(service, "possible_faults", ()))
    return all(hasattr(service, need) for need in fault.needs)


def service_class(section: ServiceSection) -> type:
    """Return the class of the service that a section describes: its `kind`, spelt as a class."""
    name = "".join(word.title() for word in section.tag().split("_"))
    found: type = getattr(made, name)
    return found


def _unfit(fault: FaultSection, name: str, section: ServiceSection) -> str | None:
    several = isinstance(fault, OnServices) and fault.services is not None
    if fault.fault is faults.RollingDeploy and several:
        return None  # any service can be restarted
    if can_have(section, fault.fault):
        return None
    kind = section.tag()
    if fault.fault is faults.RollingDeploy:
        return f"a deploy of one service is that of a replica_set, and {name!r} is a {kind}"
    known = [each for each, spec in KINDS.items() if can_have(section, spec.fault)]
    one = f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
    return f"{fault.tag()} does not hit {one}, and {name!r} is one; it can have {_or(known)}"


def _all_in(section: ServiceSection) -> Iterator[ServiceSection]:
    """Yield a service, and those that it makes itself, such as the backends of a replica set."""
    yield section
    for _, value in section:
        if isinstance(value, ServiceSection):
            yield value


def _or(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]
