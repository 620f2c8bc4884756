"""Events of `foundation_lab.services.Queue`.

`age` is the time since a message was published, `wait` the time since it could first, or again, be
delivered.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from foundation_lab.telemetry.event import (
    Count,
    Event,
    Flag,
    Label,
    Measurement,
    OptionalLabel,
    Seconds,
)


class Published(Event, frozen=True):
    """A queue took a message, whose publisher was held up for `wait` seconds."""

    event_name: ClassVar[str] = "foundation.queue.published"

    service_id: Label
    message_id: Label
    key: OptionalLabel
    delay: Seconds
    wait: Seconds
    depth: Count


class Full(Event, frozen=True):
    """A queue was full when a message came: it was turned away, held up, or put in another's place.

    `overflow` says which: ``reject``, ``block`` or ``drop_oldest``.
    """

    event_name: ClassVar[str] = "foundation.queue.full"

    service_id: Label
    overflow: Label
    capacity: Count


class Delivered(Event, frozen=True):
    """A message went to a consumer, for the `delivery`-th time."""

    event_name: ClassVar[str] = "foundation.queue.delivered"

    service_id: Label
    message_id: Label
    consumer: Label
    delivery: Count
    wait: Seconds
    age: Seconds


class Acknowledged(Event, frozen=True):
    """A consumer was done with a message, `duration` after its delivery; the queue forgot it."""

    event_name: ClassVar[str] = "foundation.queue.acknowledged"

    service_id: Label
    message_id: Label
    consumer: Label
    duration: Seconds
    age: Seconds


class Rejected(Event, frozen=True):
    """A consumer gave a message back unprocessed: to be delivered again, or not (`requeue`)."""

    event_name: ClassVar[str] = "foundation.queue.rejected"

    service_id: Label
    message_id: Label
    consumer: Label
    reason: Label
    requeue: Flag
    duration: Seconds


class Redelivered(Event, frozen=True):
    """A message that was delivered before is back in the line, or will be after `delay`.

    `reason` is ``rejected``, ``visibility_timeout``, ``consumer_lost`` or ``queue_down``.
    """

    event_name: ClassVar[str] = "foundation.queue.redelivered"

    service_id: Label
    message_id: Label
    reason: Label
    deliveries: Count
    delay: Seconds


class Late(Event, frozen=True):
    """A consumer answered for a message that was no longer its own; the answer was ignored."""

    event_name: ClassVar[str] = "foundation.queue.late"

    service_id: Label
    message_id: Label
    consumer: Label
    duration: Seconds


class Expired(Event, frozen=True):
    """A message was not delivered within its time to live."""

    event_name: ClassVar[str] = "foundation.queue.expired"

    service_id: Label
    message_id: Label
    deliveries: Count
    age: Seconds


class DeadLettered(Event, frozen=True):
    """A message left its queue for the queue of dead letters (`to`).

    `reason` is ``rejected``, ``expired``, ``maxlen`` or ``delivery_limit``.
    """

    event_name: ClassVar[str] = "foundation.queue.dead_lettered"

    service_id: Label
    message_id: Label
    reason: Label
    to: Label
    deliveries: Count
    age: Seconds


class Dropped(Event, frozen=True):
    """A message is gone: ``lost`` in a crash, or a dead letter without a place to go."""

    event_name: ClassVar[str] = "foundation.queue.dropped"

    service_id: Label
    message_id: Label
    reason: Label
    deliveries: Count
    age: Seconds


class Paused(Event, frozen=True):
    """A queue delivers nothing until it is resumed; it takes messages still."""

    event_name: ClassVar[str] = "foundation.queue.paused"

    service_id: Label
    depth: Count


class Resumed(Event, frozen=True):
    """A queue that was paused delivers again."""

    event_name: ClassVar[str] = "foundation.queue.resumed"

    service_id: Label
    depth: Count


class RedriveStarted(Event, frozen=True):
    """Dead letters, `messages` of them, begin to go back to where they came from, or all `to` one.

    `rate` is how many go a second; all go at once without it.
    """

    event_name: ClassVar[str] = "foundation.queue.redrive_started"

    service_id: Label
    to: OptionalLabel
    rate: Annotated[float | None, Measurement("Hz")]
    messages: Count


class Redriven(Event, frozen=True):
    """A dead letter left its queue for the queue `to`, where it is a new message."""

    event_name: ClassVar[str] = "foundation.queue.redriven"

    service_id: Label
    message_id: Label
    to: Label
    age: Seconds


class RedriveEnded(Event, frozen=True):
    """A redrive is ``completed``, ``cancelled`` or ``failed``: letters were moved, others left.

    `reason` is ``no_source``, ``source_down``, ``destination_down`` or ``destination_full``.
    """

    event_name: ClassVar[str] = "foundation.queue.redrive_ended"

    service_id: Label
    status: Label
    reason: OptionalLabel
    moved: Count
    left: Count
