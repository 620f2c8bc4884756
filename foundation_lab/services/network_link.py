"""The link: the network between whoever calls and what is called.

A call goes over it as a request, and comes back as an answer; each is one message, which takes its
time and may be lost. A lost message is noticed by nobody: the caller waits until a limit of its
own, or until the link's `detect_after`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from foundation_lab.errors import ConnectionLost, DeadlinePassed
from foundation_lab.services.arguments import positive_or_none
from foundation_lab.services.service import Service
from foundation_lab.simulation.distributions import Distribution, as_distribution
from foundation_lab.simulation.faults import (
    Impairments,
    Latency,
    LostRequest,
    LostResponse,
    Partition,
    Reset,
    broken,
)
from foundation_lab.simulation.invocation import invoke
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.faults import Fault


class NetworkLink(Service):
    """Stands for the network around a call.

    Faults that it can have: `Latency` (once a call, on the way there), `LostRequest`,
    `LostResponse`, `Reset` and `Partition`. A `Reset` breaks the connection `after` seconds of the
    call, and calls off what goes on at the far end; without `after` it does so when the answer
    sets out.

    Args:
        sim: The simulation.
        name: The link's name, `service_id` in its events.
        latency: Seconds that a message takes one way, or what they are drawn from.
        loss: The chance that a message is lost, for each way.
        detect_after: Seconds after which the caller learns of a loss, by `ConnectionLost`; for ever
            silent without it.
    """

    kind: ClassVar[str] = "network_link"
    Delivered = events.network_link.Delivered
    Lost = events.network_link.Lost
    possible_faults: ClassVar[tuple[type[Fault], ...]] = (
        Latency,
        LostRequest,
        LostResponse,
        Reset,
        Partition,
    )

    def __init__(
        self,
        sim: Simulation,
        name: str,
        *,
        latency: float | Distribution = 0.0,
        loss: float = 0.0,
        detect_after: float | None = None,
    ) -> None:
        if not 0 <= loss <= 1:
            message = f"loss={loss!r}; give a share from 0 to 1"
            raise ValueError(message)
        self.latency = as_distribution(latency)
        self.loss = loss
        self.detect_after = positive_or_none("detect_after", detect_after)
        self.in_flight = 0
        self.impairments = Impairments(self.possible_faults)
        self._times = sim.stream(f"network_link.{name}.latency")
        self._losses = sim.stream(f"network_link.{name}.loss")
        super().__init__(sim, name)
        self._delivers = sim.telemetry.emitting(events.network_link.Delivered)

    def call(self, fn: Callable[[], Any]) -> Generator[Any, Any, Any]:
        """Call `fn` at the far end of the link (``yield from``).

        Returns:
            What `fn` came to; an error comes back over the link, too.

        Raises:
            ConnectionLost: A message was lost, and that was noticed.
            ConnectionReset: A fault broke the connection.
            ServiceDown: The link was stopped. Calls that are under way go on.
        """
        if not self.up:
            self.require_up()
        self.in_flight += 1
        try:
            if self.impairments.active:
                yield from self.impairments.arrive()
            yield from self._pass("request")
            result, error = None, None
            try:
                result = yield from self._at_the_far_end(fn)
            except self.sim.failures as raised:
                if isinstance(raised, DeadlinePassed | ConnectionLost):
                    raise  # the caller or the connection has gone: no answer comes back
                error = raised
            if self.impairments.active:
                yield from self.impairments.answer()
            yield from self._pass("answer")
            if error is not None:
                raise error
            return result
        finally:
            self.in_flight -= 1

    def fault_changed(self) -> None:
        """Change nothing: messages find out on their way."""

    def metrics(self) -> dict[str, float]:
        """Return the numbers that a health check reports."""
        return {"in_flight": self.in_flight}

    def violations(self) -> list[str]:
        """Return every law of links that does not hold, in words."""
        return [] if self.in_flight >= 0 else [f"{self.in_flight} calls in flight"]

    # -- private -------------------------------------------------------------------------------

    def _pass(self, direction: str) -> Generator[Any, Any, None]:
        """Let a message go one way."""
        seconds = self.latency.sample(self._times)
        if self.loss and self._losses.random() < self.loss:
            self._emit(events.network_link.Lost(self.name, direction))
            if self.detect_after is None:
                yield self.sim.wait(f"an answer over link {self.name!r}: the {direction} was lost")
            else:
                yield self.detect_after
            raise ConnectionLost(f"link {self.name!r} lost the {direction}")
        if seconds > 0:
            yield seconds
        self._delivers(self.name, direction, seconds)

    def _at_the_far_end(self, fn: Callable[[], Any]) -> Generator[Any, Any, Any]:
        """Do the work, whose connection a fault may break."""
        resets = self.impairments.resets(math.inf) if self.impairments.active else []
        if not resets:
            return (yield from invoke(fn))
        after, first = min((instant, number) for number, (instant, _) in enumerate(resets))
        called_off = ConnectionLost("called off")
        if math.isfinite(after):
            try:
                with self.sim.deadline(after, called_off):
                    return (yield from invoke(fn))
            except ConnectionLost as error:
                if error is not called_off:
                    raise
        else:
            yield from invoke(fn)
        raise broken(resets[first][1])
