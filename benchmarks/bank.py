"""A bank: the events of its customers, as a user of the package would declare them."""

from __future__ import annotations

from typing import Annotated, ClassVar

from foundation_lab.telemetry.event import Event, Label, Measurement, Metadata, Seconds

Number = Annotated[int, Metadata()]
Euros = Annotated[float, Measurement("EUR")]


class Arrived(Event, frozen=True):
    """A customer came in."""

    event_name: ClassVar[str] = "bank.customer.arrived"

    service_id: Label
    customer: Number


class Queued(Event, frozen=True):
    """A customer joined the line."""

    event_name: ClassVar[str] = "bank.queue.entered"

    service_id: Label
    customer: Number


class Began(Event, frozen=True):
    """A teller began to serve a customer."""

    event_name: ClassVar[str] = "bank.service.started"

    service_id: Label
    customer: Number
    waited: Seconds


class Served(Event, frozen=True):
    """A teller was done with a customer."""

    event_name: ClassVar[str] = "bank.service.finished"

    service_id: Label
    customer: Number
    served: Seconds


class Paid(Event, frozen=True):
    """A customer paid the fee."""

    event_name: ClassVar[str] = "bank.fee.paid"

    service_id: Label
    method: Label
    customer: Number
    amount: Euros


class Departed(Event, frozen=True):
    """A customer left; `duration` is the time since the arrival."""

    event_name: ClassVar[str] = "bank.customer.departed"

    service_id: Label
    outcome: Label
    customer: Number
    duration: Seconds
