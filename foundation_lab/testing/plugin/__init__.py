"""The pytest plugin: a simulation as a fixture, and expectations bound to it.

It does nothing until a test asks for one of its fixtures:

```python
@pytest.mark.lab(seed=7)
def test_the_breaker_opens_after_three_failures(sim, assert_event):
    breaker = CircuitBreaker(sim, "payments", failure_threshold=3)
    with assert_event("circuit_breaker.state_change", to="open"):
        sim.process(three_failing_calls(breaker))
```

`sim` is a fresh `Simulation` named after the test. Its seed is the one of the nearest
``@pytest.mark.lab(seed=...)``, else the option ``--lab-seed``, else 0. With ``seeds=200`` or
``--lab-seeds 200`` the test is run with as many. After a test that passed, the conservation laws of
all components are checked, and nothing may be lost. A test that fails gets a report section
"virtual time": seed, virtual time, who waits, and the last events.

Everything that it needs is imported when a test first needs it.
"""

from __future__ import annotations

from foundation_lab.testing.plugin.bound import bound_fixtures
from foundation_lab.testing.plugin.fixtures import clock, events, lab, sim, virtual_time
from foundation_lab.testing.plugin.options import (
    pytest_addoption,
    pytest_configure,
    pytest_load_initial_conftests,
)
from foundation_lab.testing.plugin.running import (
    pytest_runtest_makereport,
    pytest_runtest_protocol,
    pytest_runtest_setup,
    pytest_terminal_summary,
)

__all__ = [
    "clock",
    "events",
    "lab",
    "pytest_addoption",
    "pytest_configure",
    "pytest_load_initial_conftests",
    "pytest_runtest_makereport",
    "pytest_runtest_protocol",
    "pytest_runtest_setup",
    "pytest_terminal_summary",
    "sim",
    "virtual_time",
]

globals().update(bound_fixtures())
