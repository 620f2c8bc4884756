"""A coordination session: agents, a protocol, a timeout, and how it ended.

While a session runs, its agents are busy. It is over before any event tells of it: `timeout`, if
that is why; then its agents become free; then `completed` or `failed`, which finds them idle.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec
import simpy

from foundation_lab.agents.failure import SessionFailed, SessionTimedOut
from foundation_lab.agents.mailbox import trigger
from foundation_lab.agents.state import AgentState
from foundation_lab.services.arguments import positive
from foundation_lab.simulation.invocation import contain, error_name
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from foundation_lab.agents.agent import Agent
    from foundation_lab.agents.coordinator import Coordinator
    from foundation_lab.agents.message import Message
    from foundation_lab.agents.protocols.protocol import CoordinationProtocol
    from foundation_lab.simulation.process import Process
    from foundation_lab.simulation.waiting import Wait


class Departure(msgspec.Struct, frozen=True):
    """What a protocol is told when an agent takes no part any more.

    Attributes:
        agent_id: The agent.
        reason: Why.
        cause: The sequence of the event that says so.
    """

    agent_id: str
    reason: str
    cause: int


class SessionStatus(StrEnum):
    """How far a session is."""

    NEW = "new"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


class Session:
    """One session; made by `Coordinator.session`.

    Agents that are not idle when it starts take no part: they count as lost from the beginning.
    So does, from then on, an agent that fails or stops while the session runs.

    Args:
        coordinator: Who holds it.
        session_id: Its id.
        participants: The ids of its agents.
        protocol: Its rules.
        timeout: Seconds after which it fails. What happens later than the timer at that very
            instant is too late.

    Attributes:
        participants: The ids of its agents, those who were lost included.
        lost: Why agents take no part any more, by id.
        status: How far it is.
        result: What it came to, once it is completed.
        error: Why it failed, once it failed.
        duration: Seconds from start to end, once it ended.
        correlation_id: What all its events have in common.
    """

    Started = events.coordination.Started
    Completed = events.coordination.Completed
    Timeout = events.coordination.Timeout
    Failed = events.coordination.Failed

    def __init__(
        self,
        coordinator: Coordinator,
        session_id: str,
        participants: Iterable[str],
        protocol: CoordinationProtocol,
        *,
        timeout: float,
    ) -> None:
        self.coordinator = coordinator
        self.sim = coordinator.sim
        self.session_id = session_id
        self.participants = _distinct(participants)
        for agent_id in self.participants:
            coordinator.registry.find(agent_id)
        self.protocol = protocol
        self.timeout = positive("timeout", timeout)
        self.correlation_id = coordinator.sim.telemetry.new_id()
        self.lost: dict[str, str] = {}
        self.status = SessionStatus.NEW
        self.result: str | None = None
        self.error: str | None = None
        self.duration: float | None = None
        self.process: Process | None = None
        self._engaged: dict[str, Agent] = {}
        self._inbox: deque[Message | Departure] = deque()
        self._arrival: Wait | None = None
        self._started = 0.0

    # -- running -------------------------------------------------------------------------------

    def run(self) -> Generator[Any, Any, str]:
        """Hold the session in the running process (``yield from``).

        Returns:
            The result.

        Raises:
            SessionTimedOut: The timeout passed.
            CoordinationError: The agents came to no result.
            RuntimeError: It was held before.
            ValueError: A session of the same id runs.
        """
        if self.status is not SessionStatus.NEW:
            message = f"session {self.session_id!r} is {self.status.value}; make a new one"
            raise RuntimeError(message)
        self.coordinator.open(self)
        self.status = SessionStatus.RUNNING
        self._started = self.sim.now
        limit = SessionTimedOut(f"session {self.session_id!r} took {self.timeout:g} s")
        with self.sim.telemetry.context(correlation_id=self.correlation_id):
            try:
                with self.sim.deadline(self.timeout, limit):
                    self._begin()
                    result = yield from self.protocol.run(self)
            except BaseException as error:
                self._fail(error)
                raise
            self._complete(result)
            return result

    def start(self) -> Process:
        """Hold the session in a process of its own.

        Returns:
            The process. Waiting for it gives the result or raises as `run` does; nobody has to: the
            run goes on, unless a bug of the protocol ends it.
        """
        self.process = self.sim.process(self.run(), name=self.session_id)
        self.process.callbacks.append(contain)
        return self.process

    @property
    def running(self) -> bool:
        """Whether it has begun and not ended."""
        return self.status is SessionStatus.RUNNING

    # -- for protocols -------------------------------------------------------------------------

    @property
    def present(self) -> list[str]:
        """The ids of the agents that still take part, in order."""
        return [agent_id for agent_id in self.participants if agent_id not in self.lost]

    @property
    def engaged(self) -> list[Agent]:
        """The agents that it keeps busy now, in order; once it is over, those not yet free."""
        return list(self._engaged.values())

    def ask(self, agent_id: str, type: str, body: Any = None) -> Message:  # noqa: A002
        """Send a message from the coordinator to an agent."""
        return self.coordinator.network.send(
            self.coordinator.name, agent_id, type, body, session_id=self.session_id
        )

    def reply(self, agent: Agent, type: str, body: Any = None) -> Message | None:  # noqa: A002
        """Send a message from an agent to the coordinator.

        Returns:
            The message; ``None`` when the agent takes no part any more: then nothing is sent.
        """
        if agent.session is not self:
            return None
        return agent.send(self.coordinator.name, type, body, session_id=self.session_id)

    def next(self, until: float | None = None) -> Generator[Any, Any, Message | Departure | None]:
        """Wait for what comes next to the coordinator (``yield from``).

        Args:
            until: The virtual time at which to wait no longer.

        Returns:
            A message, the departure of an agent, or ``None`` when `until` came first.
        """
        if not self._inbox:
            arrival = self._arrival = self.sim.wait(f"an answer in session {self.session_id}")
            timer = None if until is None else self.sim.call_at(until, lambda: trigger(arrival))
            try:
                yield arrival
            finally:
                if timer is not None:
                    timer.cancel()
        if not self._inbox:
            return None
        item = self._inbox.popleft()
        self.sim.telemetry.running.cause = item.cause
        return item

    # -- for agents and the coordinator --------------------------------------------------------

    def handle(self, agent: Agent, message: Message) -> Any:
        """Let an agent do its part about a message of the session."""
        return self.protocol.answer(self, agent, message)

    def receive(self, message: Message) -> None:
        """Take a message to the coordinator."""
        self._inbox.append(message)
        trigger(self._arrival)

    def lose(self, agent: Agent, reason: str) -> None:
        """Take note that an agent takes no part any more; once it is over nothing is noted."""
        self._engaged.pop(agent.agent_id, None)
        if self.running:
            self.lost[agent.agent_id] = reason

    def depart(self, agent: Agent, reason: str, cause: int) -> None:
        """Tell the protocol that an agent was lost, and by which event."""
        if self.running:
            self._inbox.append(Departure(agent.agent_id, reason, cause))
            trigger(self._arrival)

    def __repr__(self) -> str:
        """Return one line: id, protocol, number of agents, status."""
        return (
            f"<Session {self.session_id!r} {self.protocol.name} of "
            f"{len(self.participants)} agents: {self.status.value}>"
        )

    # -- private -------------------------------------------------------------------------------

    def _begin(self) -> None:
        for agent_id in self.participants:
            agent = self.coordinator.registry.find(agent_id)
            if agent is None:
                self.lost[agent_id] = AgentState.UNREGISTERED.value
            elif agent.state is not AgentState.IDLE:
                self.lost[agent_id] = agent.state.value
            else:
                self._engaged[agent_id] = agent
                agent.engage(self)
        self.sim.telemetry.emit(
            events.coordination.Started(self.session_id, self.protocol.name, self.participants)
        )

    def _complete(self, result: str) -> None:
        self.result = result
        duration = self._close(SessionStatus.COMPLETED)
        self._release()
        self.sim.telemetry.emit(events.coordination.Completed(self.session_id, result, duration))

    def _fail(self, error: BaseException) -> None:
        self.error = _reason(error)
        duration = self._close(SessionStatus.FAILED)
        if isinstance(error, SessionTimedOut):
            self.sim.telemetry.emit(events.coordination.Timeout(self.session_id, self.timeout))
        self._release()
        self.sim.telemetry.emit(events.coordination.Failed(self.session_id, self.error, duration))

    def _close(self, status: SessionStatus) -> float:
        self.coordinator.close(self)
        self._inbox.clear()
        self.status = status
        self.duration = self.sim.now - self._started
        return self.duration

    def _release(self) -> None:
        for agent in self.engaged:
            self._engaged.pop(agent.agent_id, None)
            agent.release(self)


def _distinct(participants: Iterable[str]) -> tuple[str, ...]:
    ids = tuple(participants)
    if not ids:
        message = "a session needs at least one agent"
        raise ValueError(message)
    twice = sorted({agent_id for agent_id in ids if ids.count(agent_id) > 1})
    if twice:
        message = f"participants={ids!r}; {', '.join(twice)} cannot take part twice"
        raise ValueError(message)
    return ids


def _reason(error: BaseException) -> str:
    if isinstance(error, SessionFailed):
        return error.reason
    if isinstance(error, simpy.Interrupt | GeneratorExit):
        return "cancelled"
    return error_name(error)
