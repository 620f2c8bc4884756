"""The schedule: puts faults on targets when they are due."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from foundation_lab.errors import SchedulingError
from foundation_lab.simulation.faults.fault import Fault
from foundation_lab.simulation.faults.injection import Injection
from foundation_lab.simulation.faults.life_faults import Crash, RollingDeploy
from foundation_lab.simulation.faults.when import Once, When

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.faults.fault import Wrong


class Node(msgspec.Struct, frozen=True):
    """Every service on a node that can have a fault, as its target.

    A service is on the node in whose context it was made (its attribute `node`):
    ``with sim.telemetry.context(node="a"): Backend(...)``.
    """

    name: str


class Group(msgspec.Struct, frozen=True):
    """Several services that one fault hits as a whole."""

    name: str
    members: tuple[Any, ...]
    kind: str = "group"


def inject(
    sim: Simulation,
    target: Any,
    faults: Fault | Iterable[Fault],
    *,
    when: When | None = None,
) -> list[str]:
    """Schedule faults.

    Each time, ``fault.injected`` is emitted when it begins and ``fault.cleared`` when it ends, and
    ``fault.struck`` for every request that it strikes, in the name of the request's process.

    Args:
        sim: The simulation.
        target: What they hit: a service, a workload, a clock; several of them; or a `Node`.
        faults: A fault or several.
        when: When they are on; by default each from its `start` for its `duration`.

    Returns:
        The ids of the faults, as their events carry them: for each fault, that of each target. When
        a fault occurs more than once, each further occurrence has an id of its own (``...#2``), and
        all have the first one's as `plan`.

    Raises:
        ValueError: A fault is one of another service or of one that cannot have it, or its strength
            or its time makes no sense; none is scheduled then.
        TypeError: One of `faults` is no fault, a target is only a name, or `when` says no time.
        SchedulingError: It would begin in the past.
    """
    if when is not None and not isinstance(when, When):
        message = f"when={when!r}; give Once(at=...), Window(start=..., duration=...), ..."
        raise TypeError(message)
    asked = [
        (fault, each, when if when is not None else _own(fault, each))
        for fault in _faults(faults)
        for each in _targets(sim, target, fault)
    ]
    for fault, each, its_time in asked:
        _check(sim, fault, each, its_time, beside=when is not None)
    return [_schedule(sim, each, fault, its_time) for fault, each, its_time in asked]


def crash(sim: Simulation, target: Any, *, at: float) -> str:
    """Schedule the crash of a service; if it is to come back, a supervisor must restart it.

    Emits ``fault.injected`` and, once the service is down, ``fault.cleared``. `Crash` can do more.

    Args:
        sim: The simulation.
        target: The service.
        at: When, in virtual seconds.

    Returns:
        The id of the fault, as its events carry it.
    """
    return inject(sim, target, Crash(), when=Once(at=at))[0]


def _schedule(sim: Simulation, target: Any, fault: Fault, when: When) -> str:
    fault_id = sim.faults.plan_id(fault.kind, target.name, when.label)
    stream = sim.stream(f"fault.{fault_id}")

    def begin(seconds: float, cause: int | None = None) -> None:
        Injection(sim, target, fault, fault_id, stream=stream, planned=seconds).begin(cause)

    # When it strikes must not depend on how many requests it strikes: a stream apart.
    when.schedule(sim, sim.stream(f"fault.{fault_id}.when"), f"fault.{fault_id}", begin)
    return fault_id


def _faults(given: Any) -> Iterator[Fault]:
    for fault in given if isinstance(given, Iterable) else [given]:
        if not isinstance(fault, Fault):
            message = (
                f"{fault!r} is no fault; give Outage(), Latency(delay=...), ... or a list of them"
            )
            raise TypeError(message)
        yield fault


def _own(fault: Fault, target: Any) -> When:
    """Return when a fault is on by its own word."""
    if not fault.duration > 0:  # said of the fault, as nothing else was given
        raise _error(fault, target, ("duration", fault.duration, "give seconds > 0"))
    return Once(at=fault.start, duration=fault.duration)


def _targets(sim: Simulation, target: Any, fault: Fault) -> list[Any]:
    if isinstance(target, Node):
        there = [each for each in sim.components.values() if _is_on(each, target)]
        found = [each for each in there if _misfit(fault, each) is None]
        if not found:
            message = (
                f"{fault.kind} of node {target.name!r}: no service there can have it; make "
                f"services with sim.telemetry.context(node={target.name!r})"
            )
            raise ValueError(message)
        return found
    if not isinstance(target, list | tuple):
        return [_named(target)]
    if not target:
        message = f"{fault.kind}: target={target!r}; give at least one service"
        raise ValueError(message)
    members = [_named(each) for each in target]
    if fault.collective:
        name = fault.service or "+".join(each.name for each in members)
        return [Group(name, tuple(members))]
    return members


def _named(target: Any) -> Any:
    if not hasattr(target, "name"):
        message = f"target={target!r}; give the service itself, a workload, or a clock"
        raise TypeError(message)
    return target


def _is_on(component: Any, node: Node) -> bool:
    return getattr(component, "node", None) == node.name


def _check(sim: Simulation, fault: Fault, target: Any, when: When, *, beside: bool) -> None:
    if fault.service and fault.service != target.name:
        message = (
            f"{fault.kind} of {fault.service!r} on service {target.name!r}; "
            f"give service={target.name!r}"
        )
        raise ValueError(message)
    misfit = _misfit(fault, target)
    if misfit is not None:
        message = f"{fault.kind} of {target.name!r}: {misfit}"
        raise ValueError(message)
    for wrong in (
        *_contradictions(fault, target, when, beside=beside),
        *when.wrong(sim.now),
        *fault.wrong(),
        *fault.wrong_on(target),
    ):
        raise _error(fault, target, wrong)
    if not when.earliest >= sim.now:
        message = (
            f"{fault.kind} of {target.name!r} would begin at {when.earliest:g} s, but it is "
            f"{sim.now:g} s already; give a later time"
        )
        raise SchedulingError(message)


def _contradictions(fault: Fault, target: Any, when: When, *, beside: bool) -> Iterator[Wrong]:
    if beside and fault.start != 0:
        yield "start", fault.start, "leave it out beside when="
    if beside and fault.duration != math.inf:
        yield "duration", fault.duration, "leave it out beside when=, which has a duration"
    if isinstance(fault, RollingDeploy) and isinstance(target, Group) != (
        fault.down_for is not None
    ):
        yield "down_for", fault.down_for, "give it for several services, and for these only"
    if fault.has_own_length and when.duration != math.inf:
        yield "duration", when.duration, "leave it out; it lasts as long as it takes"


def _misfit(fault: Fault, target: Any) -> str | None:
    """Return why a target cannot have a fault, in words."""
    kind = getattr(target, "kind", type(target).__name__)
    missing = [name for name in fault.needs if not hasattr(target, name)]
    if isinstance(target, Group):
        missing = [] if all(hasattr(each, "restart") for each in target.members) else ["restart"]
    elif fault.collective and not hasattr(target, "rolling_deploy"):
        missing = ["rolling_deploy"]
    if "impairments" not in fault.needs:
        if not missing:
            return None
        return f"a {kind} has no {' and '.join(missing)}; give a target that can have this fault"
    takes = () if missing else target.impairments.takes
    if isinstance(fault, takes):
        return None
    possible = [each.kind for each in takes]
    if all(hasattr(target, name) for name in Crash.needs):
        possible.append(Crash.kind)
    if not possible:
        return f"a {kind} can have none of its kind; give a service"
    return f"a {kind} can have {', '.join(possible)}; give one of these"


def _error(fault: Fault, target: Any, wrong: Wrong) -> ValueError:
    name, value, remedy = wrong
    return ValueError(f"{fault.kind} of {target.name!r}: {name}={value!r}; {remedy}")
