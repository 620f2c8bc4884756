"""The coordinator: the address from which sessions are held, once or again and again."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar

from foundation_lab.agents.protocols.assignment import Assignment
from foundation_lab.agents.session import Session
from foundation_lab.services.arguments import positive, whole

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from foundation_lab.agents.message import Message
    from foundation_lab.agents.protocols.protocol import CoordinationProtocol
    from foundation_lab.agents.registry import AgentRegistry
    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.process import Process


class Coordinator:
    """Holds coordination sessions, several at a time if their agents differ.

    Args:
        sim: The simulation.
        registry: The agents; they must be on a network.
        name: The coordinator's name, which is also its address on that network.
        node: The simulated node that it runs on.

    Raises:
        ValueError: The registry has no network.
    """

    kind: ClassVar[str] = "coordinator"

    def __init__(
        self,
        sim: Simulation,
        registry: AgentRegistry,
        name: str = "coordinator",
        *,
        node: str | None = None,
    ) -> None:
        if registry.network is None:
            message = f"registry {registry.name!r} has no network; make it with network=..."
            raise ValueError(message)
        self.sim = sim
        self.registry = registry
        self.network = registry.network
        self.name = name
        self.node = node
        self.sessions: dict[str, Session] = {}
        self._numbers = count(1)
        sim.add(self)
        self.network.connect(name, self)

    # -- sessions ------------------------------------------------------------------------------

    def session(
        self,
        participants: Iterable[str],
        protocol: CoordinationProtocol,
        *,
        timeout: float,
        session_id: str | None = None,
    ) -> Session:
        """Return a new session: ``yield from`` its `run`, or `start` it.

        Args:
            participants: The ids of its agents.
            protocol: Its rules.
            timeout: Seconds after which it fails.
            session_id: Its id; by default the names of coordinator and protocol, and a number.

        Raises:
            UnknownName: There never was such an agent.
            ValueError: No participants, one of them twice, or a timeout that is none.
        """
        if session_id is None:
            session_id = f"{self.name}-{protocol.name}-{next(self._numbers)}"
        return Session(self, session_id, participants, protocol, timeout=timeout)

    def coordinate(
        self,
        participants: Iterable[str],
        protocol: CoordinationProtocol,
        *,
        timeout: float,
        session_id: str | None = None,
    ) -> Session:
        """Start a session in a process of its own and return it; arguments as for `session`."""
        session = self.session(participants, protocol, timeout=timeout, session_id=session_id)
        session.start()
        return session

    def coordinate_agents(
        self, agents: Iterable[str], task: str, *, timeout: float = 5.0
    ) -> Session:
        """Start a session in which every agent does its part of a task; return the session.

        Its result is ``success``. Arguments and errors are those of `session`.
        """
        return self.coordinate(agents, Assignment(task), timeout=timeout)

    def repeat(
        self,
        participants: Sequence[str],
        protocol: CoordinationProtocol,
        *,
        interval: float,
        timeout: float,
        times: int | None = None,
    ) -> Process:
        """Hold a session every `interval` seconds, the first one now.

        A session that takes longer delays the next one, which then starts at once. Sessions that
        fail are part of the game.

        Args:
            participants: The ids of the agents of each session.
            protocol: The rules.
            interval: Seconds from start to start.
            timeout: Seconds after which a session fails.
            times: How many sessions; for ever without it.

        Returns:
            The process; its value is how many sessions were completed.
        """
        positive("interval", interval)
        if times is not None:
            whole("times", times)
        first = self.session(participants, protocol, timeout=timeout)
        return self.sim.process(
            self._repeat(first, interval, times), name=f"{self.name}.repeat", daemon=times is None
        )

    # -- for sessions --------------------------------------------------------------------------

    def open(self, session: Session) -> None:
        """Receive messages for a session from now on.

        Raises:
            ValueError: A session of this id runs already.
        """
        if session.session_id in self.sessions:
            message = f"a session {session.session_id!r} runs already; give it another id"
            raise ValueError(message)
        self.sessions[session.session_id] = session

    def close(self, session: Session) -> None:
        """Receive messages for a session no more."""
        if self.sessions.get(session.session_id) is session:
            del self.sessions[session.session_id]

    # -- endpoint ------------------------------------------------------------------------------

    def refusal(self, message: Message) -> str | None:
        """Return why a message cannot be received: its session is over."""
        return None if message.session_id in self.sessions else "session_over"

    def deliver(self, message: Message) -> None:
        """Hand a message to its session."""
        self.sessions[message.session_id].receive(message)

    # -- component -----------------------------------------------------------------------------

    @property
    def status(self) -> str:
        """How many sessions run."""
        return f"{len(self.sessions)} running"

    def violations(self) -> list[str]:
        """Return every law of sessions that does not hold, in words."""
        broken = []
        for session in self.sessions.values():
            if not session.running:
                broken.append(f"session {session.session_id} is open but {session.status.value}")
            broken += [
                f"{agent.agent_id} does not know of its session {session.session_id}"
                for agent in session.engaged
                if agent.session is not session
            ]
        return broken

    def __repr__(self) -> str:
        """Return one line: name and number of running sessions."""
        return f"<Coordinator {self.name!r} {self.status}>"

    # -- private -------------------------------------------------------------------------------

    def _repeat(
        self, first: Session, interval: float, times: int | None
    ) -> Generator[Any, Any, int]:
        completed = 0
        session = first
        due = self.sim.now
        for number in count(1):
            try:
                yield from session.run()
                completed += 1
            except self.sim.failures:
                pass
            if number == times:
                break
            due = max(due + interval, self.sim.now)
            yield self.sim.at(due)
            session = self.session(first.participants, first.protocol, timeout=first.timeout)
        return completed
