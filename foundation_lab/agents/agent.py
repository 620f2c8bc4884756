"""An agent: a state, a mailbox, and a process that handles one message after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foundation_lab.agents.life import Life
from foundation_lab.agents.mailbox import Mailbox, trigger
from foundation_lab.agents.state import WORKING, AgentState
from foundation_lab.errors import ServiceDown
from foundation_lab.services.service import Health
from foundation_lab.simulation.distributions import as_distribution
from foundation_lab.simulation.invocation import error_name, invoke

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.agents.message import Message
    from foundation_lab.agents.network import Network
    from foundation_lab.agents.session import Session
    from foundation_lab.simulation.distributions import Distribution
    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.process import Process
    from foundation_lab.simulation.timer import Timer
    from foundation_lab.simulation.waiting import Wait


class Agent(Life):
    """One agent; made by `AgentRegistry.register`.

    Messages of a session it is engaged in are handled as the session's protocol says, messages
    outside of any session by its `behaviour`; one at a time, in order of arrival. A failure that
    comes out of a handler fails the agent; any other exception is a bug and comes through.

    Args:
        sim: The simulation.
        agent_id: Its id, which is also its address on the network.
        capabilities: What it can do, in words.
        network: What it sends messages over.
        behaviour: Called with the agent and a message; returns a generator, a SimPy event, or a
            plain value.
        think_time: Seconds that `think` takes: a number or a distribution.
        startup_time: Seconds from `start` to idle.
        health_interval: Seconds between two health checks; none without it.
        probe: Called with the agent at every health check; returns how it is.
        node: The simulated node that it runs on.

    Attributes:
        session: The session it takes part in, if any.
        memory: What it remembers for as long as its session lasts.
        state, health, history: See `Life`.
    """

    def __init__(
        self,
        sim: Simulation,
        agent_id: str,
        *,
        capabilities: tuple[str, ...] = (),
        network: Network | None = None,
        behaviour: Callable[[Agent, Message], Any] | None = None,
        think_time: float | Distribution = 0.0,
        startup_time: float | Distribution = 0.0,
        health_interval: float | None = None,
        probe: Callable[[Agent], Health] | None = None,
        node: str | None = None,
    ) -> None:
        super().__init__(sim, agent_id, node=node, health_interval=health_interval, probe=probe)
        self.capabilities = capabilities
        self.network = network
        self.behaviour = behaviour
        self.think_time = as_distribution(think_time)
        self.startup_time = as_distribution(startup_time)
        self.session: Session | None = None
        self.memory: dict[str, Any] = {}
        self._mailbox = Mailbox(sim, f"a message for agent {agent_id}")
        self._handling: Message | None = None
        self._thought: Wait | None = None
        self._startup: Timer | None = None
        self._process: Process | None = None

    # -- life ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Start it, for the first time or after it stopped or failed; it is idle after a while.

        Raises:
            ValueError: It runs already, or is unregistered.
        """
        self._go(AgentState.STARTING, "started")
        if self.state is AgentState.STARTING:
            delay = self.startup_time.sample(self._stream("startup"))
            if delay == 0:
                self._ready()
            else:
                cause = self.sim.telemetry.running.cause
                self._startup = self.sim.call_in(delay, lambda: self._ready(cause))

    def pause(self, reason: str = "paused") -> None:
        """Let it rest: its mailbox fills until `resume`; what it thinks about is held back."""
        self._go(AgentState.PAUSED, reason)

    def suspend(self, reason: str = "suspended") -> None:
        """Take it out of service: until `resume`, messages to it are dropped."""
        self._go(AgentState.SUSPENDED, reason)

    def resume(self, reason: str = "resumed") -> None:
        """Let a paused or suspended agent go on.

        Raises:
            ValueError: It is neither.
        """
        if self.state not in (AgentState.PAUSED, AgentState.SUSPENDED):
            message = (
                f"agent {self.agent_id!r} is {self.state.value}; "
                "only a paused or suspended agent can resume"
            )
            raise ValueError(message)
        self._go(AgentState.IDLE if self.session is None else AgentState.BUSY, reason)
        self._mailbox.nudge()

    def stop(self, reason: str = "stopped") -> None:
        """End it in good order: it finishes its session and the message at hand, then it stops.

        Nothing happens when it does not run, or stops already.
        """
        if self.alive and self.state is not AgentState.STOPPING:
            self._go(AgentState.STOPPING, reason)
            self._mailbox.nudge()
            self._settle()

    def kill(self, reason: str = "killed") -> None:
        """End it as a crash would: its mailbox and its memory are lost, its session is told.

        Nothing happens when it does not run.
        """
        self._end(AgentState.FAILED, reason, Health.UNHEALTHY)

    def unregister(self, reason: str = "unregistered") -> None:
        """End it for good; `AgentRegistry.unregister` does this. Its session is told."""
        if self.alive and self.state is not AgentState.STOPPING:
            self._go(AgentState.STOPPING, reason)
        if self.state is AgentState.STOPPING:
            self._end(AgentState.STOPPED, reason, Health.UNKNOWN)
        self._go(AgentState.UNREGISTERED, reason)

    def metrics(self) -> dict[str, Any]:
        """Return what a health check reports."""
        return {**super().metrics(), "mailbox": self.mailbox_size}

    # -- sessions ------------------------------------------------------------------------------

    def engage(self, session: Session) -> None:
        """Make it busy with a session.

        Raises:
            ValueError: It is not idle.
        """
        if self.state is not AgentState.IDLE:
            message = f"agent {self.agent_id!r} is {self.state.value}; only an idle one is free"
            raise ValueError(message)
        self.session = session
        self._go(AgentState.BUSY, session.session_id)

    def release(self, session: Session) -> None:
        """Free it from a session; what it thinks about for the session is given up."""
        if self.session is not session:
            return
        self.session = None
        self.memory.clear()
        if self._handling is not None and self._handling.session_id == session.session_id:
            trigger(self._thought)
        if self.state is AgentState.BUSY:
            self._go(AgentState.IDLE, session.session_id)
        self._settle()

    # -- messages ------------------------------------------------------------------------------

    @property
    def mailbox_size(self) -> int:
        """How many messages wait to be handled."""
        return len(self._mailbox)

    def refusal(self, message: Message) -> str | None:  # noqa: ARG002  (the same for all)
        """Return why a message cannot be received now, ``None`` when it can."""
        reachable = self.alive and self.state is not AgentState.SUSPENDED
        return None if reachable else f"receiver_{self.state.value}"

    def deliver(self, message: Message) -> None:
        """Put a message into the mailbox."""
        self._mailbox.put(message)

    def send(
        self,
        to: str,
        type: str,  # noqa: A002
        body: Any = None,
        *,
        session_id: str = "",
    ) -> Message:
        """Send a message over the network and return it.

        Raises:
            ServiceDown: The agent does not run.
            ValueError: It has no network.
        """
        if not self.alive:
            message = f"agent {self.agent_id!r} is {self.state.value} and sends nothing"
            raise ServiceDown(message)
        if self.network is None:
            message = f"agent {self.agent_id!r} has no network; give its registry one"
            raise ValueError(message)
        return self.network.send(self.agent_id, to, type, body, session_id=session_id)

    def think(self) -> Generator[Any, Any, None]:
        """Spend the think time (``yield from``), and longer while it is paused.

        It ends early when the session that the agent thinks for is over.
        """
        seconds = self.think_time.sample(self._stream("think_time"))
        if seconds > 0:
            thought = self._thought = self.sim.wait(f"agent {self.agent_id} to think")
            timer = self.sim.call_in(seconds, lambda: trigger(thought))
            try:
                yield thought
            finally:
                self._thought = None
                timer.cancel()
        yield from self._mailbox.until(self._at_work)

    def __repr__(self) -> str:
        """Return one line: id, state, health."""
        return f"<Agent {self.agent_id!r} {self.state.value} {self.health.value}>"

    # -- private -------------------------------------------------------------------------------

    def _ready(self, cause: int | None = None) -> None:
        self.health = Health.HEALTHY
        with self.sim.telemetry.context(node=self.node, cause=cause):
            self._process = self.sim.process(self._work(), name=self.agent_id, daemon=True)
            self._go(AgentState.IDLE, "ready")

    def _settle(self) -> None:
        if self.state is AgentState.STOPPING and self.session is None and self._handling is None:
            self._end(AgentState.STOPPED, "finished", Health.UNKNOWN)

    def _end(self, state: AgentState, reason: str, health: Health) -> None:
        if not self.alive:
            return
        if self._startup is not None:
            self._startup.cancel()
        session, self.session = self.session, None
        self.health = health
        self._mailbox.clear()
        self.memory.clear()
        self._handling = None
        process, self._process = self._process, None
        if session is not None:
            session.lose(self, reason)
        cause = self._go(state, reason)
        if process is not None and process.is_alive and process is not self.sim.active_process:
            process.defused = True
            process.throw(_Ended())
        if session is not None:
            session.depart(self, reason, cause)

    def _work(self) -> Generator[Any, Any, None]:
        me = self.sim.active_process
        try:
            while self._process is me:
                message = self._handling = yield from self._mailbox.take(self._at_work)
                with self.sim.telemetry.context(
                    correlation_id=message.correlation_id, cause=message.cause
                ):
                    yield from self._handle(message)
                    if self._process is me:
                        self._handling = None
                        self._settle()
        except _Ended:
            return

    def _at_work(self) -> bool:
        return self.state in WORKING

    def _handle(self, message: Message) -> Generator[Any, Any, None]:
        try:
            if not message.session_id:
                if self.behaviour is not None:
                    behaviour = self.behaviour
                    yield from invoke(lambda: behaviour(self, message))
            elif self.session is not None and self.session.session_id == message.session_id:
                session = self.session
                yield from invoke(lambda: session.handle(self, message))
        except self.sim.failures as error:
            self._end(AgentState.FAILED, error_name(error), Health.UNHEALTHY)


class _Ended(BaseException):
    """Ends an agent's process; no handler may take it for a failure of its own."""
