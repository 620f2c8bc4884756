"""The signal bus: a signal reaches everybody who subscribed to it, each in a time of its own."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import simpy

from foundation_lab.agents.agent import Agent
from foundation_lab.errors import UnknownName
from foundation_lab.simulation.distributions import as_distribution
from foundation_lab.simulation.invocation import error_name, invoke
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.simulation.distributions import Distribution
    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.waiting import Wait


class Signal(msgspec.Struct):
    """One signal that was published.

    Attributes:
        signal: Its name.
        signal_id: Its id, unique within its bus.
        body: What it says.
        published_at: Virtual seconds.
        subscribers: Whom it goes to.
        pending: Those of them that have not handled it yet.
        failures: Why subscribers could not handle it, by subscriber.
        processed: Triggers when everybody has handled it; ``yield`` it to wait.
    """

    signal: str
    signal_id: str
    body: Any
    published_at: float
    subscribers: tuple[str, ...]
    pending: list[str]
    failures: dict[str, str]
    processed: Wait


class Subscription(msgspec.Struct, frozen=True):
    """Who wants to hear of what.

    Attributes:
        subscriber: An agent's id, or any other name.
        signal: The name of a signal, the words it begins with, or ``*`` for all.
        handler: Called with the signal.
        agent: The agent, if the subscriber is one.
    """

    subscriber: str
    signal: str
    handler: Callable[[Signal], Any]
    agent: Agent | None


class SignalBus:
    """Carries signals to their subscribers.

    Args:
        sim: The simulation.
        name: The bus's name; unique among signal buses.
        latency: Seconds from publication to each subscriber: a number or a distribution. Every
            subscriber has a random stream of its own.
    """

    kind: ClassVar[str] = "signal_bus"
    Processed = events.signal.Processed

    def __init__(
        self, sim: Simulation, name: str = "signals", *, latency: float | Distribution = 0.0
    ) -> None:
        self.sim = sim
        self.name = name
        self.latency = as_distribution(latency)
        self.in_flight: dict[str, Signal] = {}
        self._ids = count(1)
        self._subscriptions: dict[str, Subscription] = {}
        sim.add(self)

    def subscribe(
        self, subscriber: str | Agent, signal: str, handler: Callable[[Signal], Any]
    ) -> None:
        """Call `handler` with every signal of this name.

        A failure of the handler is noted in the signal's `failures`, and so is an interrupt,
        as ``cancelled``; any other exception is a bug and comes through.

        Args:
            subscriber: A name, or an agent; signals pass an agent over that does not run.
            signal: The name of the signal, the words it begins with, or ``*`` for all.
            handler: Returns a generator, a SimPy event, or a plain value.

        Raises:
            ValueError: The subscriber has a subscription already.
        """
        agent = subscriber if isinstance(subscriber, Agent) else None
        name = subscriber.agent_id if isinstance(subscriber, Agent) else subscriber
        if name in self._subscriptions:
            message = f"{name!r} has subscribed to signal bus {self.name!r}; unsubscribe it first"
            raise ValueError(message)
        self._subscriptions[name] = Subscription(name, signal, handler, agent)

    def unsubscribe(self, subscriber: str) -> None:
        """End a subscription; signals on their way still arrive.

        Raises:
            UnknownName: There is no such subscriber.
        """
        if subscriber not in self._subscriptions:
            raise UnknownName.among("subscriber", subscriber, self._subscriptions)
        del self._subscriptions[subscriber]

    def publish(self, signal: str, body: Any = None) -> Signal:
        """Send a signal to its subscribers and return it.

        Each subscriber handles it in a process of its own. ``signal.processed`` is emitted when
        all have; at once when nobody has subscribed.
        """
        receivers = [s for s in self._subscriptions.values() if covers(s.signal, signal)]
        names = [receiver.subscriber for receiver in receivers]
        signal_id = f"{self.name}-{next(self._ids)}"
        published = Signal(
            signal=signal,
            signal_id=signal_id,
            body=body,
            published_at=self.sim.now,
            subscribers=tuple(names),
            pending=names,
            failures={},
            processed=self.sim.wait(f"signal {signal_id} ({signal}) to be processed"),
        )
        self.in_flight[signal_id] = published
        for receiver in receivers:
            node = None if receiver.agent is None else receiver.agent.node
            with self.sim.telemetry.context(node=node):
                self.sim.process(self._carry(published, receiver), name=receiver.subscriber)
        if not receivers:
            self._finish(published)
        return published

    # -- component -----------------------------------------------------------------------------

    @property
    def status(self) -> str:
        """How many signals are on their way."""
        return f"{len(self.in_flight)} in flight"

    def violations(self) -> list[str]:
        """Return every law of the bus that does not hold, in words."""
        return [
            f"signal {signal.signal_id} is in flight to nobody"
            for signal in self.in_flight.values()
            if not signal.pending
        ]

    def __repr__(self) -> str:
        """Return one line: name, subscribers, signals on their way."""
        return f"<SignalBus {self.name!r}: {len(self._subscriptions)} subscribers, {self.status}>"

    # -- private -------------------------------------------------------------------------------

    def _carry(self, signal: Signal, receiver: Subscription) -> Generator[Any, Any, None]:
        stream = self.sim.stream(f"signals.{self.name}.latency.{receiver.subscriber}")
        try:
            yield self.sim.timeout(self.latency.sample(stream))
            if receiver.agent is not None and not receiver.agent.alive:
                signal.failures[receiver.subscriber] = f"receiver_{receiver.agent.state.value}"
            else:
                yield from invoke(lambda: receiver.handler(signal))
        except self.sim.failures as error:
            signal.failures[receiver.subscriber] = error_name(error)
        except simpy.Interrupt:
            signal.failures[receiver.subscriber] = "cancelled"
        signal.pending.remove(receiver.subscriber)
        if not signal.pending:
            self._finish(signal)

    def _finish(self, signal: Signal) -> None:
        del self.in_flight[signal.signal_id]
        signal.processed.succeed(signal)
        self.sim.telemetry.emit(
            events.signal.Processed(
                signal.signal,
                signal.signal_id,
                len(signal.subscribers),
                self.sim.now - signal.published_at,
            )
        )


def covers(wanted: str, signal: str) -> bool:
    """Return whether a subscription to `wanted` hears of `signal`.

    >>> covers("order", "order.placed"), covers("order", "orders.placed"), covers("*", "any")
    (True, False, True)
    """
    return wanted in ("*", signal) or signal.startswith(f"{wanted}.")
