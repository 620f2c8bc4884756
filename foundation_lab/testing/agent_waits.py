"""Waits for agents and their sessions; they work as `foundation_lab.testing.waits` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foundation_lab.telemetry import events
from foundation_lab.testing.history import past_records
from foundation_lab.testing.spelling import describe_record
from foundation_lab.testing.waiting import Told, Wait, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.telemetry.event import Event
    from foundation_lab.telemetry.record import Record
    from foundation_lab.testing.marks import Mark


def wait_for_agent_registration(
    sim: Simulation,
    agent_id: str,
    within: float = 5.0,
    *,
    since: Mark | int | None = None,
    block: Callable[[], object] | None = None,
) -> Any:
    """Wait until an agent is registered, by the events of the registry.

    Args:
        sim: The simulation.
        agent_id: The agent.
        within: For how many virtual seconds the simulation may go on.
        since: A mark: only events from there on count.
        block: What is to be done first.

    Returns:
        The record of the registration. It may be one of the past, unless the agent was unregistered
        after it.

    Raises:
        AssertionError: It was not registered in time.
    """
    __tracebackhide__ = True
    kinds = (events.agent.Registered, events.agent.Unregistered)
    told = Told(sim, kinds, since, agent_id=agent_id)

    def registered() -> Record | None:
        last = told.records[-1] if told.records else None
        return last if last and isinstance(last.event, events.agent.Registered) else None

    wait = Wait(
        predicate=registered,
        within=within,
        what=f"agent {agent_id!r} to be registered",
        seen=lambda: (
            [f"last: {describe_record(record)}" for record in told.records[-1:]]
            or _others(sim, events.agent.Registered, "agent_id")
        ),
        during=told,
    )
    return until(sim, "wait_for_agent_registration", wait, block=block)


def wait_for_coordination_completion(
    sim: Simulation,
    session_id: str,
    within: float = 5.0,
    *,
    since: Mark | int | None = None,
    block: Callable[[], object] | None = None,
) -> Any:
    """Wait until a coordination session has completed, by its events.

    Args:
        sim: The simulation.
        session_id: The session.
        within: For how many virtual seconds the simulation may go on.
        since: A mark: only events from there on count.
        block: What is to be done first.

    Returns:
        The record of ``coordination.completed``; its `event` carries the result.

    Raises:
        AssertionError: It failed, which is told at once, or did not complete in time.
    """
    __tracebackhide__ = True
    kinds = (events.coordination.Completed, events.coordination.Failed)
    told = Told(sim, kinds, since, session_id=session_id)
    what = f"session {session_id!r} to complete"

    def failed(record: Record) -> tuple[str, list[str]] | None:
        if isinstance(record.event, events.coordination.Failed):
            return f"waited for {what}, but it failed", [describe_record(record)]
        return None

    wait = Wait(
        predicate=lambda: told.records[0] if told.records else None,
        within=within,
        what=what,
        seen=lambda: _others(sim, events.coordination.Started, "session_id"),
        refuse=failed,
        during=told,
    )
    return until(sim, "wait_for_coordination_completion", wait, block=block)


def _others(sim: Simulation, kind: type[Event], field: str) -> list[str]:
    """Return of whom else there were events of a kind: the name may be misspelt."""
    past = past_records(sim.recording, kind.event_name.__eq__)
    names = list(dict.fromkeys(record[field] for record in past))
    shown = ", ".join(map(repr, names[:5])) + (", ..." if len(names) > 5 else "")
    return [f"{kind.event_name} was of {shown or 'nobody'}"]
