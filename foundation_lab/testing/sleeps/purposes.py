"""Purposes: what a sleep in a test waits for."""

from __future__ import annotations

from enum import StrEnum


class Purpose(StrEnum):
    """What a sleep waits for; the values are part of the JSON schema and stay as they are."""

    PROCESS_RESTART = "process_restart"
    ASYNC_TASK = "async_task"
    BREAKER = "breaker"
    PUBLISH = "publish"
    POOL = "pool"
    CLEANUP = "cleanup"
    RETRY = "retry"
    TIMER = "timer"
    EXPIRY = "expiry"
    POLLING = "polling"
    YIELD = "yield"
    SIMULATED_WORK = "simulated_work"
    NEGATIVE_WAIT = "negative_wait"
    PACING = "pacing"
    EXTERNAL_SYSTEM = "external_system"
    UNKNOWN = "unknown"


MEANINGS: dict[Purpose, str] = {
    Purpose.PROCESS_RESTART: "a process or service to start, stop, reload or come back",
    Purpose.ASYNC_TASK: "work in the background to get so far, or to end",
    Purpose.BREAKER: "a circuit breaker to change its state",
    Purpose.PUBLISH: "a message to be delivered, or a signal to be handled",
    Purpose.POOL: "a pool to lend, take back or close its connections",
    Purpose.CLEANUP: "what was used to be released, after the test",
    Purpose.RETRY: "the delay before another attempt",
    Purpose.TIMER: "an interval, a schedule or a heartbeat to come round",
    Purpose.EXPIRY: "a lifetime, a timeout or a rate window to end: the time is the feature itself",
    Purpose.POLLING: "a condition, which is asked for again and again",
    Purpose.YIELD: "nothing: it lets the others run once",
    Purpose.SIMULATED_WORK: "nothing: it stands for work that takes this long",
    Purpose.NEGATIVE_WAIT: "time to pass in which nothing may happen",
    Purpose.PACING: "a distance in time between two steps of the test itself",
    Purpose.EXTERNAL_SYSTEM: "a system that emits no events of ours",
    Purpose.UNKNOWN: "something that cannot be told from the code",
}
"""What the sleep waits for, to be read after "waits for"."""
