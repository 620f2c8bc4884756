"""Faults: what can be wrong, when it is, and a schedule that makes it so.

What is wrong is data (`Latency`, `Outage`, `Crash`, ...), and so is when (`Once`, `Periodic`,
`OnEvent`, ...); `inject` puts the one on a target when the other says so, with an event at the
beginning and at the end, and one for every request that is struck. Chance is drawn from the fault's
own stream, so that leaving a fault out reshuffles nothing else.
"""

from foundation_lab.simulation.faults.fault import Fault, Impairment
from foundation_lab.simulation.faults.impairments import BASIC, EVERY, Impairments, broken
from foundation_lab.simulation.faults.injection import Injection, Ledger
from foundation_lab.simulation.faults.life_faults import Crash, RollingDeploy
from foundation_lab.simulation.faults.request_faults import (
    ErrorRate,
    Hang,
    Latency,
    LostRequest,
    LostResponse,
    Partition,
    Reset,
)
from foundation_lab.simulation.faults.schedule import Node, crash, inject
from foundation_lab.simulation.faults.service_faults import (
    CapacityLoss,
    CpuStress,
    Outage,
    Pause,
    SlowDown,
    SlowNode,
)
from foundation_lab.simulation.faults.surrounding_faults import (
    CacheFlush,
    ClockSkew,
    LoadStep,
    QueueRedrive,
)
from foundation_lab.simulation.faults.when import Once, OnEvent, Periodic, Poisson, When, Window

__all__ = [
    "BASIC",
    "EVERY",
    "CacheFlush",
    "CapacityLoss",
    "ClockSkew",
    "CpuStress",
    "Crash",
    "ErrorRate",
    "Fault",
    "Hang",
    "Impairment",
    "Impairments",
    "Injection",
    "Latency",
    "Ledger",
    "LoadStep",
    "LostRequest",
    "LostResponse",
    "Node",
    "OnEvent",
    "Once",
    "Outage",
    "Partition",
    "Pause",
    "Periodic",
    "Poisson",
    "QueueRedrive",
    "Reset",
    "RollingDeploy",
    "SlowDown",
    "SlowNode",
    "When",
    "Window",
    "broken",
    "crash",
    "inject",
]
