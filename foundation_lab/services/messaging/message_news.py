"""What a queue tells of its messages: noted as it is done, told when the whole step is."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from foundation_lab.services.messaging.message import on_behalf_of
from foundation_lab.services.outbox import Outbox
from foundation_lab.telemetry import events
from foundation_lab.telemetry.context import NO_CAUSE

if TYPE_CHECKING:
    from foundation_lab.services.messaging.message import Delivery, Message
    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.telemetry.context import Context
    from foundation_lab.telemetry.event import Event


class MessageNews:
    """Notes events about messages; each one's cause is the last event about its message.

    Queues that pass dead letters on note in one outbox, so that the letter's events come after
    those of the message that it was.

    Args:
        sim: The simulation.
        home: The news of the queue for dead letters.
    """

    def __init__(self, sim: Simulation, home: MessageNews | None) -> None:
        self._telemetry = sim.telemetry
        self._emit = sim.telemetry.emit
        self._delivers = sim.telemetry.emitting(events.queue.Delivered)
        self._untold: Outbox = Outbox() if home is None else home._untold
        self.tell = self._untold.tell

    def by_caller(self, message: Message, event: Event) -> None:
        """Note what whoever runs does with a message."""
        self._untold.append(partial(self._tell, self._caller(), event, message))

    def in_passing(self, event: Event) -> None:
        """Note what whoever runs does, and what leads to nothing that is told of a message."""
        self._untold.append(partial(self._tell, self._caller(), event))

    def of_queue(self, message: Message, event: Event, heir: Message | None = None) -> None:
        """Note what the queue does with a message, on behalf of its publisher.

        Args:
            message: The message.
            event: What is done.
            heir: The message that it goes on as, if it does.
        """
        self._untold.append(partial(self._tell_for, message, event, heir))

    def delivered(self, delivery: Delivery, *fields: Any) -> None:
        """Note a delivery, with the fields of its event."""
        self._untold.append(partial(self._tell_delivery, delivery, fields))

    # -- private -------------------------------------------------------------------------------

    # The message knows of the event before it is told: whoever hears of it may have the next one
    # told in its middle.

    def _tell(self, caller: Context, event: Event, message: Message | None = None) -> None:
        if message is not None:
            message.cause = self._upcoming()
        emitter = self._telemetry.running
        if emitter.context is caller:
            self._emit(event)
            return
        there, emitter.context = emitter.context, caller  # an event of another message is handled
        try:
            self._emit(event)
        finally:
            emitter.context = there

    def _tell_for(self, message: Message, event: Event, heir: Message | None) -> None:
        with on_behalf_of(self._telemetry, message.correlation_id, message.cause):
            message.cause = self._upcoming()
            if heir is not None:
                heir.cause = message.cause
            self._emit(event)

    def _tell_delivery(self, delivery: Delivery, fields: tuple[Any, ...]) -> None:
        message = delivery.message
        with on_behalf_of(self._telemetry, message.correlation_id, message.cause):
            delivery.cause = message.cause = self._upcoming()
            self._delivers(*fields)

    def _caller(self) -> Context:
        return self._telemetry.running.context

    def _upcoming(self) -> int:
        telemetry = self._telemetry
        return telemetry.sequence if telemetry.enabled else NO_CAUSE
