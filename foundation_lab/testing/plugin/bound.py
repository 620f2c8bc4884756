"""Expectations, waits and monitors, bound to the fixture `sim`."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from foundation_lab.simulation.engine import Simulation

BOUND = (
    "assert_any",
    "assert_condition",
    "assert_count",
    "assert_event",
    "assert_sequence",
    "assert_telemetry_any",
    "assert_telemetry_event",
    "assert_telemetry_sequence",
    "capture_events",
    "capture_telemetry",
    "monitor",
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
)
"""The functions of `foundation_lab.testing` that are fixtures, too."""


def bound_fixtures() -> dict[str, Any]:
    """Return a fixture for each name: the function, given the simulation already."""
    return {name: _bound(name) for name in BOUND}


def _bound(name: str) -> Any:
    def bound(sim: Simulation) -> Any:
        from foundation_lab import testing  # noqa: PLC0415  (heavy)
        from foundation_lab.simulation.engine import Simulation  # noqa: PLC0415  (heavy)

        function = getattr(testing, name)

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            if args and isinstance(args[0], Simulation):
                message = (
                    f"the fixture {name} has the simulation of the test already: write {name}(...) "
                    f"without it, or import foundation_lab.testing.{name} for another simulation"
                )
                raise TypeError(message)
            return function(sim, *args, **kwargs)

        return call

    bound.__doc__ = f"`foundation_lab.testing.{name}` for the fixture `sim`."
    return pytest.fixture(name=name)(bound)
