"""Tests in virtual time: expectations, waits and matchers, and a pytest plugin.

Importing this package is cheap, because pytest does so in every run; names are looked up in their
modules when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foundation_lab.testing.expectations import (
        assert_any,
        assert_event,
        assert_sequence,
        assert_telemetry_any,
        assert_telemetry_event,
        assert_telemetry_sequence,
        capture_events,
        capture_telemetry,
        refute_event,
        refute_telemetry_event,
    )
    from foundation_lab.testing.matchers import mismatch
    from foundation_lab.testing.resource_waits import (
        wait_for_connection_pool_ready,
        wait_for_metric_threshold,
        wait_for_resource_cleanup,
    )
    from foundation_lab.testing.waits import (
        wait_for,
        wait_for_agent_registration,
        wait_for_coordination_completion,
        wait_for_health_improvement,
        wait_for_process_restart,
        wait_for_service_health,
        wait_for_service_ready,
    )

__all__ = [
    "assert_any",
    "assert_event",
    "assert_sequence",
    "assert_telemetry_any",
    "assert_telemetry_event",
    "assert_telemetry_sequence",
    "capture_events",
    "capture_telemetry",
    "mismatch",
    "refute_event",
    "refute_telemetry_event",
    "wait_for",
    "wait_for_agent_registration",
    "wait_for_connection_pool_ready",
    "wait_for_coordination_completion",
    "wait_for_health_improvement",
    "wait_for_metric_threshold",
    "wait_for_process_restart",
    "wait_for_resource_cleanup",
    "wait_for_service_health",
    "wait_for_service_ready",
]


if not TYPE_CHECKING:  # type checkers see the imports above, and refuse any other name

    def __getattr__(name: str) -> Any:
        """Return a public name from the module that defines it."""
        if name not in __all__:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        return getattr(import_module(f"{__name__}.{_home(name)}"), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return [*globals(), *__all__]


def _home(name: str) -> str:
    if name == "mismatch":
        return "matchers"
    if name in (
        "wait_for_connection_pool_ready",
        "wait_for_metric_threshold",
        "wait_for_resource_cleanup",
    ):
        return "resource_waits"
    return "waits" if name.startswith("wait_for") else "expectations"
