"""Tests in virtual time: expectations, waits, properties, and a pytest plugin.

Importing this package is cheap, because pytest does so in every run; names are looked up in their
modules when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foundation_lab.testing.agent_waits import (
        wait_for_agent_registration,
        wait_for_coordination_completion,
    )
    from foundation_lab.testing.capture import capture_events, capture_telemetry
    from foundation_lab.testing.conditions import VacuousWait
    from foundation_lab.testing.configuration import settings
    from foundation_lab.testing.expectations import (
        assert_any,
        assert_count,
        assert_event,
        assert_sequence,
        assert_telemetry_any,
        assert_telemetry_event,
        assert_telemetry_sequence,
        refute_event,
        refute_telemetry_event,
    )
    from foundation_lab.testing.hands import Clock
    from foundation_lab.testing.leaks import check_leaks
    from foundation_lab.testing.marks import mark
    from foundation_lab.testing.matchers import bind, mismatch
    from foundation_lab.testing.monitors import judge, monitor
    from foundation_lab.testing.properties import (
        always,
        eventually,
        leads_to,
        never,
        never_after,
        sometimes,
    )
    from foundation_lab.testing.resource_waits import (
        wait_for_connection_pool_ready,
        wait_for_metric_threshold,
        wait_for_resource_cleanup,
    )
    from foundation_lab.testing.service_waits import (
        wait_for_health_improvement,
        wait_for_process_restart,
        wait_for_service_health,
        wait_for_service_ready,
    )
    from foundation_lab.testing.steps import step
    from foundation_lab.testing.strategies import lab_schedules
    from foundation_lab.testing.sweep import Sweep
    from foundation_lab.testing.trial import Trial
    from foundation_lab.testing.virtual_clocks import virtual_time
    from foundation_lab.testing.waits import assert_condition, wait_for

__all__ = [
    "Clock",
    "Sweep",
    "Trial",
    "VacuousWait",
    "always",
    "assert_any",
    "assert_condition",
    "assert_count",
    "assert_event",
    "assert_sequence",
    "assert_telemetry_any",
    "assert_telemetry_event",
    "assert_telemetry_sequence",
    "bind",
    "capture_events",
    "capture_telemetry",
    "check_leaks",
    "eventually",
    "judge",
    "lab_schedules",
    "leads_to",
    "mark",
    "mismatch",
    "monitor",
    "never",
    "never_after",
    "refute_event",
    "refute_telemetry_event",
    "settings",
    "sometimes",
    "step",
    "virtual_time",
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

_HOMES = {
    "agent_waits": ("wait_for_agent_registration", "wait_for_coordination_completion"),
    "capture": ("capture_events", "capture_telemetry"),
    "conditions": ("VacuousWait",),
    "hands": ("Clock",),
    "leaks": ("check_leaks",),
    "marks": ("mark",),
    "matchers": ("bind", "mismatch"),
    "monitors": ("judge", "monitor"),
    "properties": ("always", "eventually", "leads_to", "never", "never_after", "sometimes"),
    "resource_waits": (
        "wait_for_connection_pool_ready",
        "wait_for_metric_threshold",
        "wait_for_resource_cleanup",
    ),
    "service_waits": (
        "wait_for_health_improvement",
        "wait_for_process_restart",
        "wait_for_service_health",
        "wait_for_service_ready",
    ),
    "configuration": ("settings",),
    "steps": ("step",),
    "strategies": ("lab_schedules",),
    "sweep": ("Sweep",),
    "trial": ("Trial",),
    "virtual_clocks": ("virtual_time",),
    "waits": ("assert_condition", "wait_for"),
}
"""Which module defines which name; the others are expectations."""

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
    for module, names in _HOMES.items():
        if name in names:
            return module
    return "expectations"
