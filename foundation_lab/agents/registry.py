"""The registry: which agents there are, what they can do, and how they are."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

from foundation_lab.agents.agent import Agent
from foundation_lab.agents.invariants import chain_violations, engagement_violations
from foundation_lab.errors import UnknownName
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from foundation_lab.agents.message import Message
    from foundation_lab.agents.network import Network
    from foundation_lab.agents.state import AgentState
    from foundation_lab.services.service import Health
    from foundation_lab.simulation.distributions import Distribution
    from foundation_lab.simulation.engine import Simulation


class AgentRegistry:
    """Knows the agents, in order of their registration.

    Args:
        sim: The simulation.
        name: The registry's name; unique among registries.
        network: What the agents are connected to.
    """

    kind: ClassVar[str] = "agent_registry"

    def __init__(
        self, sim: Simulation, name: str = "agents", *, network: Network | None = None
    ) -> None:
        self.sim = sim
        self.name = name
        self.network = network
        self._agents: dict[str, Agent] = {}
        self._former: set[str] = set()
        sim.add(self)

    def register(
        self,
        agent_id: str,
        capabilities: Iterable[str] = (),
        *,
        behaviour: Callable[[Agent, Message], Any] | None = None,
        think_time: float | Distribution = 0.0,
        startup_time: float | Distribution = 0.0,
        health_interval: float | None = None,
        probe: Callable[[Agent], Health] | None = None,
        node: str | None = None,
        start: bool = True,
    ) -> Agent:
        """Make a new agent and connect it to the network.

        Args:
            agent_id: Its id and address.
            capabilities: What it can do, in words.
            behaviour: How it handles messages outside of sessions; see `Agent`.
            think_time: Seconds it thinks about a message: a number or a distribution.
            startup_time: Seconds from its start to idle.
            health_interval: Seconds between two health checks; none without it.
            probe: Says at every health check how the agent is.
            node: The simulated node that it runs on.
            start: Whether to start it now.

        Returns:
            The agent.

        Raises:
            ValueError: The id is taken or empty.
        """
        if not agent_id:
            message = "an agent needs an id"
            raise ValueError(message)
        if agent_id in self._agents:
            message = f"an agent {agent_id!r} is registered already; unregister it first"
            raise ValueError(message)
        if isinstance(capabilities, str):
            message = f"capabilities={capabilities!r}; give a list of words, not one word"
            raise TypeError(message)
        agent = Agent(
            self.sim,
            agent_id,
            capabilities=tuple(capabilities),
            network=self.network,
            behaviour=behaviour,
            think_time=think_time,
            startup_time=startup_time,
            health_interval=health_interval,
            probe=probe,
            node=node,
        )
        if self.network is not None:
            self.network.connect(agent_id, agent)
        self._agents[agent_id] = agent
        self._former.discard(agent_id)
        with self.sim.telemetry.context(node=node):
            self.sim.telemetry.emit(events.agent.Registered(agent_id, agent.capabilities))
            if health_interval is not None:
                self.sim.process(agent.watch_health(), name=f"{agent_id}.health", daemon=True)
        if start:
            agent.start()
        return agent

    def unregister(self, agent_id: str, reason: str = "unregistered") -> None:
        """End an agent and forget it; messages to it are dropped from now on.

        Raises:
            UnknownName: There is no such agent.
        """
        agent = self.get(agent_id)
        del self._agents[agent_id]
        self._former.add(agent_id)
        if self.network is not None:
            self.network.disconnect(agent_id)
        agent.unregister(reason)
        with self.sim.telemetry.context(node=agent.node):
            self.sim.telemetry.emit(events.agent.Unregistered(agent_id, reason))

    def get(self, agent_id: str) -> Agent:
        """Return an agent.

        Raises:
            UnknownName: There is no such agent; the message lists the nearest ids.
        """
        agent = self._agents.get(agent_id)
        if agent is None:
            raise UnknownName.among("agent", agent_id, self._agents)
        return agent

    def find(self, agent_id: str) -> Agent | None:
        """Return an agent, or ``None`` when it was unregistered.

        Raises:
            UnknownName: There never was such an agent.
        """
        return None if agent_id in self._former else self.get(agent_id)

    def agent_status(self, agent_id: str) -> AgentState:
        """Return the state an agent is in.

        Raises:
            UnknownName: There is no such agent.
        """
        return self.get(agent_id).state

    def agent_health(self, agent_id: str) -> Health:
        """Return how an agent is.

        Raises:
            UnknownName: There is no such agent.
        """
        return self.get(agent_id).health

    def with_capability(self, *capabilities: str) -> list[Agent]:
        """Return the agents that can do all of this, in order of their registration."""
        return [agent for agent in self if set(capabilities) <= set(agent.capabilities)]

    def __iter__(self) -> Iterator[Agent]:
        """Return the agents in order of their registration."""
        return iter(list(self._agents.values()))

    def __len__(self) -> int:
        """Return how many agents there are."""
        return len(self._agents)

    def __contains__(self, agent_id: object) -> bool:
        """Return whether there is such an agent."""
        return agent_id in self._agents

    # -- component -----------------------------------------------------------------------------

    @property
    def status(self) -> str:
        """How many agents are in which state: ``2 busy, 1 idle``."""
        states = Counter(agent.state.value for agent in self)
        return ", ".join(f"{states[state]} {state}" for state in sorted(states)) or "empty"

    def violations(self) -> list[str]:
        """Return every law of agents that does not hold, in words."""
        broken = []
        for agent in self:
            broken += chain_violations(agent.agent_id, list(agent.history), agent.state)
            session = agent.session
            broken += engagement_violations(
                agent.agent_id,
                agent.state,
                engaged=session is not None,
                running=session is not None and agent in session.engaged,
            )
        return broken

    def __repr__(self) -> str:
        """Return one line: name and number of agents."""
        return f"<AgentRegistry {self.name!r} with {len(self)} agents>"
