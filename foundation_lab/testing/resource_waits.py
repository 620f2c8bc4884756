"""Waits for tokens, connections and numbers; they work as `foundation_lab.testing.waits` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from foundation_lab.errors import nearest
from foundation_lab.services.connection_manager import ConnectionManager
from foundation_lab.services.resource_manager import ResourceManager
from foundation_lab.testing.components import metrics_of, of_class, what_is_there
from foundation_lab.testing.spelling import describe_wanted
from foundation_lab.testing.waiting import Wait, unchanged, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.testing.marks import Mark


def wait_for_resource_cleanup(
    sim: Simulation,
    resource: str,
    within: float = 5.0,
    *,
    since: Mark | int | None = None,
    block: Callable[[], object] | None = None,
) -> Any:
    """Wait until every token of a resource has come back to every resource manager that lends it.

    Args:
        sim: The simulation.
        resource: The resource.
        within: For how many virtual seconds the simulation may go on.
        since: A mark; the wait warns when nothing has happened since.
        block: What is to be done first; it should not wait until the tokens are back itself.

    Returns:
        ``True``.

    Raises:
        AssertionError: Tokens are still out, or no resource manager has such a resource.
    """
    __tracebackhide__ = True

    def out() -> dict[str, float]:
        return {
            manager.name: manager.metrics()[f"{resource}.used"]
            for manager in of_class(sim, ResourceManager)
            if f"{resource}.used" in manager.metrics()
        }

    def cleaned_up() -> bool:
        used = out()
        return bool(used) and not any(used.values())

    def seen() -> list[str]:
        lines = [f"{name} still has {used:g} tokens out" for name, used in out().items()]
        return lines or [f"no resource manager lends {resource!r}"]

    wait = Wait(
        predicate=cleaned_up,
        within=within,
        what=f"all tokens of {resource!r} to come back",
        seen=seen,
        held_before=unchanged(sim, cleaned_up, since),
    )
    return until(sim, "wait_for_resource_cleanup", wait, block=block)


def wait_for_connection_pool_ready(
    sim: Simulation,
    pool_id: str,
    within: float = 5.0,
    *,
    since: Mark | int | None = None,
    block: Callable[[], object] | None = None,
) -> Any:
    """Wait until a pool could lend a connection at once: it is up, one is left, and nobody waits.

    Args:
        sim: The simulation.
        pool_id: The pool's name.
        within: For how many virtual seconds the simulation may go on.
        since: A mark; the wait warns when nothing has happened since.
        block: What is to be done first.

    Returns:
        The pool.

    Raises:
        AssertionError: It was not ready in time, or there is no such pool.
    """
    __tracebackhide__ = True

    def ready() -> ConnectionManager | None:
        pool = sim.components.get((ConnectionManager.kind, pool_id))
        if not isinstance(pool, ConnectionManager) or not pool.up or pool.waiting:
            return None
        # Not pool.active: a connection that was granted at this instant is not out yet, but taken.
        return pool if pool.free > 0 else None

    wait = Wait(
        predicate=ready,
        within=within,
        what=f"pool {pool_id!r} to be ready",
        seen=what_is_there(sim, pool_id, ConnectionManager.kind),
        held_before=unchanged(sim, ready, since),
    )
    return until(sim, "wait_for_connection_pool_ready", wait, block=block)


def wait_for_metric_threshold(
    sim: Simulation,
    metric: str | Callable[[], float],
    threshold: float,
    within: float = 5.0,
    *,
    comparison: Literal[">=", "<="] = ">=",
    since: Mark | int | None = None,
    block: Callable[[], object] | None = None,
) -> Any:
    """Wait until a metric reaches a threshold.

    Args:
        sim: The simulation.
        metric: A metric of a service's health check as ``<service>.<metric>``, for instance
            ``db.waiting``; or a function that returns a number.
        threshold: The number that is waited for, itself included.
        within: For how many virtual seconds the simulation may go on.
        comparison: On which side of the threshold.
        since: A mark; the wait warns when nothing has happened since.
        block: What is to be done first.

    Returns:
        The metric's value.

    Raises:
        AssertionError: It was not reached in time, or no service has such a metric.
    """
    __tracebackhide__ = True
    if comparison not in (">=", "<="):
        message = f"comparison={comparison!r}; use '>=' or '<='"
        raise ValueError(message)

    def value() -> float | None:
        return metrics_of(sim).get(metric) if isinstance(metric, str) else metric()

    def reached() -> tuple[float] | None:
        now = value()
        if now is None or not (now >= threshold if comparison == ">=" else now <= threshold):
            return None
        return (now,)  # 0 is a value, too

    def seen() -> list[str]:
        now = value()
        if now is not None:
            return [f"it is {now:g}"]
        known = metrics_of(sim)
        hint = ", ".join(nearest(str(metric), known) or sorted(known)[:5]) or "none at all"
        return [f"no service has this metric, <service>.<metric>; there are {hint}"]

    name = metric if isinstance(metric, str) else describe_wanted(metric)
    wait = Wait(
        predicate=reached,
        within=within,
        what=f"{name} {comparison} {threshold:g}",
        seen=seen,
        give=lambda found: found[0],
        held_before=unchanged(sim, reached, since),
    )
    return until(sim, "wait_for_metric_threshold", wait, block=block)
