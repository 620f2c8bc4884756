"""Plans: what the markers and options say about how a test is run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from foundation_lab.testing.trial import Trial

KEYS = ("seed", "seeds", "schedule", "jitter", "leaks", "failures")
"""What ``@pytest.mark.lab`` may say."""

LAB = ("sim", "virtual_time")
"""The fixtures that make a test one of the lab's."""


@dataclass(frozen=True)
class Plan:
    """How a test is run.

    Attributes:
        trials: One after the other; the first that fails ends them.
        leaks: What is a leak; see `foundation_lab.testing.leaks`.
        failures: What fails in the simulated world besides its own errors; see `Simulation`.
    """

    trials: list[Trial]
    leaks: Any
    failures: Any


def is_of_the_lab(item: pytest.Item) -> bool:
    """Return whether a test uses a simulation of the plugin's."""
    names = getattr(item, "fixturenames", ())
    return any(name in names for name in LAB)


def refuse_seeds(item: Any) -> None:
    """Refuse a marker for many seeds on a test that could not tell one of them from another.

    The marker of a class may be meant for some of its tests only.

    Raises:
        ValueError: There is one.
    """
    for marker in getattr(item, "own_markers", ()):
        many = marker.name == "seeds" or (marker.name == "lab" and "seeds" in marker.kwargs)
        _check(
            not many,
            f"{_spelt(marker)} does nothing, for the test does not take the fixture 'sim'; a "
            "simulation that the test makes itself has one seed",
        )


def plan_of(item: Any) -> Plan:
    """Return the plan of a test.

    Raises:
        ValueError: A marker or an option says what cannot be; the message says what can.
    """
    from foundation_lab.testing.trial import Trial  # noqa: PLC0415  (as everywhere in the plugin)

    config, said = item.config, dict(_said(item))
    leaks = said.get("leaks", config.getini("lab_leaks"))
    _check(leaks in {"allow", "lost", "forbid"}, f"leaks={leaks!r}; give allow, lost or forbid")
    failures = said.get("failures", ())
    replay = config.getoption("--lab-replay")
    if replay is not None:
        return Plan([Trial.parse(replay)], leaks, failures)
    first = said.get("seed", config.getoption("--lab-seed"))
    seeds = said.get("seeds", config.getoption("--lab-seeds"))
    plain = Trial(first, said.get("schedule", "fifo"), 0, said.get("jitter", 0.0)).checked()
    trials = [plain._replace(seed=seed) for seed in range(first, first + seeds)]
    return Plan(trials, leaks, failures)


def _said(item: Any) -> Iterator[tuple[str, Any]]:
    """Yield what the markers say, those of the outermost first."""
    for marker in reversed(list(item.iter_markers())):
        if marker.name == "seeds":
            few = len(marker.args) == 1 and not marker.kwargs
            _check(
                few and _is_count(marker.args[0]),
                f"{_spelt(marker)}: give a number of seeds, as @pytest.mark.seeds(200)",
            )
            yield "seeds", marker.args[0]
        elif marker.name == "lab":
            yield from _checked(marker)


def _checked(marker: pytest.Mark) -> Iterator[tuple[str, Any]]:
    said = marker.kwargs
    known = not marker.args and said and set(said) <= set(KEYS)
    _check(
        known,
        f"{_spelt(marker)}: give some of {', '.join(KEYS)}, as @pytest.mark.lab(seed=7, seeds=200)",
    )
    _check(
        _is_whole(said.get("seed", 0)),
        f"{_spelt(marker)}: give a whole number as @pytest.mark.lab(seed=7)",
    )
    _check(
        _is_count(said.get("seeds", 1)),
        f"{_spelt(marker)}: give a number of seeds as @pytest.mark.lab(seeds=200)",
    )
    _check(
        isinstance(said.get("jitter", 0.0), int | float),
        f"{_spelt(marker)}: give a fraction as @pytest.mark.lab(jitter=0.05)",
    )
    if "failures" in said:
        _check_failures(marker)
    yield from said.items()


def _check_failures(marker: pytest.Mark) -> None:
    from foundation_lab.simulation.outcomes import declared  # noqa: PLC0415  (as everywhere)

    try:
        declared(marker.kwargs["failures"])
    except (TypeError, ValueError) as error:
        message = f"@pytest.mark.lab: {error}"
        raise ValueError(message) from None


def _check(holds: object, message: str) -> None:
    if not holds:
        raise ValueError(message)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return _is_whole(value) and value >= 1


def _spelt(marker: pytest.Mark) -> str:
    given = [*map(repr, marker.args), *(f"{key}={value!r}" for key, value in marker.kwargs.items())]
    return f"@pytest.mark.{marker.name}({', '.join(given)})"
