"""State first, then the event: whoever hears of an event finds that no law is broken."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.errors import InvariantError
from foundation_lab.scenario.build import build
from foundation_lab.scenario.load import load_scenario
from foundation_lab.simulation.engine import Simulation
from tests.services.test_compositions import Course
from tests.test_event_coverage import SCENES, last_word

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from foundation_lab.telemetry.record import Record

GALLERY = sorted((Path(__file__).parents[1] / "scenarios").glob("*.yaml"))
FIRST_EVENTS = 600
"""How many events of a scenario are looked at, about; a handler makes them slow."""


class Witness:
    """Asks for broken laws at every event, from the first one on."""

    def __init__(self, sim: Simulation) -> None:
        self.broken: list[str] = []
        self._sim = sim
        sim.telemetry.attach("witness", "**", self._look, on_error="raise")

    def _look(self, record: Record) -> None:
        try:
            self._sim.check_invariants()
        except InvariantError as error:
            self.broken.append(f"{record.name}: {error}")


@pytest.mark.parametrize("family", SCENES, ids=last_word)
def test_no_law_is_broken_at_any_event_of_a_family(family: ModuleType) -> None:
    sim = Simulation(seed=1)
    witness = Witness(sim)
    SCENES[family](sim)
    sim.run(until=60)
    assert witness.broken == []


@pytest.mark.parametrize("path", GALLERY, ids=[path.stem for path in GALLERY])
def test_no_law_is_broken_at_the_first_events_of_a_scenario(path: Path) -> None:
    sim = build(load_scenario(path, until=20))
    witness = Witness(sim)
    while sim.now < 20 and sim.telemetry.sequence < FIRST_EVENTS:
        sim.run(until=sim.now + 0.1)
    assert witness.broken == []


@pytest.mark.parametrize("first", range(0, 120, 20))
def test_no_law_is_broken_at_any_event_of_random_worlds(first: int) -> None:
    for seed in range(first, first + 20):
        stream = Simulation(seed=seed).stream("picks")

        def pick(options: Sequence[Any], stream: Any = stream) -> Any:
            return options[stream.randrange(len(options))]

        witnesses: list[Witness] = []
        Course(pick, begin=lambda sim, found=witnesses: found.append(Witness(sim))).run()  # type: ignore[misc]
        assert witnesses[0].broken == [], f"world {seed}"
