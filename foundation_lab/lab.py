"""The whole story: run a scenario, run it again, play its events back.

```python
from foundation_lab import lab

recording = lab.run("scenarios/first_run.yaml")      # a run is a recording
lab.reproduce(recording).identical                   # the same scenario again, compared
lab.replay(recording, rules=[...]).alerts            # its events, to handlers and alert rules
lab.aggregate("scenarios/first_run.yaml")            # a run too long to keep: counted, and dropped
```
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
from pydantic import ValidationError

from foundation_lab.alerting import (
    AlertHistory,
    InMemoryNotifier,
    Notifier,
    PatternRule,
    Route,
    ThresholdRule,
    backtest,
    watch,
)
from foundation_lab.errors import EventsNotKept, InvalidRecording, SimulationFailed
from foundation_lab.recording.difference import Difference, first_difference
from foundation_lab.recording.keeping import require_events
from foundation_lab.recording.replay import Player
from foundation_lab.scenario.build import build
from foundation_lab.scenario.load import load_scenario
from foundation_lab.scenario.model import Scenario
from foundation_lab.simulation.completion import complete

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from foundation_lab.recording.aggregates import Aggregates
    from foundation_lab.recording.keeping import Keep
    from foundation_lab.recording.recording import Recording
    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.telemetry.pattern import EventName
    from foundation_lab.telemetry.record import Record


MEMORY = "memory"
"""The notifier that is told of a scenario's alerts when there is no other."""


class Replayed(msgspec.Struct, frozen=True):
    """What came of playing a recording.

    Attributes:
        delivered: How many records the handlers were given.
        alerts: What the rules made of it.
    """

    delivered: int
    alerts: AlertHistory


class Reproduction(msgspec.Struct, frozen=True):
    """What came of running a recorded scenario again.

    Attributes:
        recording: The new recording.
        difference: The first event that differs from the old one; ``None`` when none does. What
            would have come after the end of a run that was interrupted is no difference.
    """

    recording: Recording
    difference: Difference | None

    @property
    def identical(self) -> bool:
        """Whether the same happened again."""
        return self.difference is None


def run(
    scenario: str | Path | Scenario,
    *,
    variant: str | None = None,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    until: float | None = None,
    row_limit: int | None = None,
    notifiers: Sequence[Notifier] = (),
    progress: bool | Callable[[float], object] = False,
) -> Recording:
    """Run a scenario to its horizon and return what happened.

    The first Ctrl-C ends the run between two events; the recording up to there is returned, with
    the status ``interrupted``.

    Args:
        scenario: A scenario, or the YAML file of one.
        variant: One of the file's variants; as it is without it.
        overrides: Changes to the file, as ``services.db.concurrency=8``.
        seed: Another seed than the scenario's.
        until: Another horizon, in virtual seconds.
        row_limit: How many events stay in memory; more are spilled to disk while it runs.
        notifiers: Who is told of the scenario's alerts; kept in memory without any.
        progress: Whether to show a bar, or what to call with the virtual time now and then.

    Raises:
        InvalidFile: The scenario cannot be used; the message lists everything that is wrong.
        UnknownName: A rule escalates to a notifier that there is not.
        ValueError: There are overrides or a variant, but no file that they could change.
        EventsNotKept: The scenario keeps aggregates only: `aggregate` runs it.
        SimulationFailed: A model failed; the exception carries the recording up to there.
    """
    chosen = _chosen(scenario, variant, overrides, seed, until)
    if chosen.keep != "events":
        message = (
            f"scenario {chosen.name!r} keeps {chosen.keep} only, no events to make a recording of; "
            "call lab.aggregate for these, or let it keep events"
        )
        raise EventsNotKept(message)
    return _run(chosen, chosen.horizon, row_limit=row_limit, notifiers=notifiers, progress=progress)


def aggregate(
    scenario: str | Path | Scenario,
    *,
    variant: str | None = None,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    until: float | None = None,
    notifiers: Sequence[Notifier] = (),
    progress: bool | Callable[[float], object] = False,
) -> Aggregates:
    """Run a scenario to its horizon and return what was counted: its events are not kept.

    Memory is bounded however long the run. Whatever the scenario says it keeps, the same happens
    as in `run`, with the same aggregates. Arguments and errors are those of `run`, but that a
    `SimulationFailed` carries the `aggregates` up to there.
    """
    chosen = _chosen(scenario, variant, overrides, seed, until)
    sim = _simulated(
        chosen, chosen.horizon, keep="aggregates", notifiers=notifiers, progress=progress
    )
    return sim.aggregates


def _chosen(
    scenario: str | Path | Scenario,
    variant: str | None,
    overrides: Sequence[str],
    seed: int | None,
    until: float | None,
) -> Scenario:
    """Return the scenario that is meant, with what is to be different in it."""
    if isinstance(scenario, Scenario):
        if overrides or variant is not None:
            message = (
                f"overrides={list(overrides)!r} and variant={variant!r} change a file; change this "
                "scenario in Python"
            )
            raise ValueError(message)
        changes = {"seed": seed, "horizon": until}
        given = {key: value for key, value in changes.items() if value is not None}
        return Scenario.model_validate({**scenario.model_dump(), **given}) if given else scenario
    return load_scenario(scenario, variant=variant, overrides=overrides, seed=seed, until=until)


def finish(
    sim: Simulation,
    until: float,
    *,
    progress: bool | Callable[[float], object] = False,
    before_seal: Callable[[], object] | None = None,
) -> Recording:
    """Run a simulation until a time, seal it, and return its recording.

    Args:
        sim: A simulation with everything in it.
        until: The virtual time at which to end.
        progress: Whether to show a bar, or what to call with the virtual time now and then.
        before_seal: Called when the run is over, while events can still be emitted.

    Raises:
        SimulationFailed: A model failed, or emitted what cannot be recorded; the exception carries
            the recording up to there.
        EventsNotKept: The simulation keeps aggregates only: run it yourself, and read those.
    """
    require_events(sim.keep, sim.name)
    complete(sim, until, progress=progress, before_seal=before_seal)
    return sim.recording


def reproduce(recording: Recording) -> Reproduction:
    """Run the scenario of a recording again, and compare.

    Notifiers are stood in for by their names; that one refused a notification is not repeated.

    Raises:
        InvalidRecording: It holds no scenario: its model was written in Python; or one that this
            version cannot use.
    """
    facts = recording.facts
    if facts.scenario is None:
        message = (
            f"recording {facts.name!r} holds no scenario to run again: its model was written in "
            "Python; run that again and use first_difference"
        )
        raise InvalidRecording(message)
    try:
        scenario = Scenario.model_validate_json(msgspec.json.encode(facts.scenario))
    except ValidationError as error:
        message = f"recording {facts.name!r} holds a scenario that cannot be used: {error}"
        raise InvalidRecording(message) from error
    notifiers = [InMemoryNotifier(name) for name in facts.notifiers]
    if facts.status == "complete":
        fresh = _run(scenario, facts.until, notifiers=notifiers)
        return Reproduction(fresh, first_difference(recording, fresh))
    fresh = _run_through(scenario, facts.until, notifiers)
    difference = first_difference(recording, fresh)
    came_later = difference is not None and difference.left is None
    return Reproduction(fresh, None if came_later else difference)


def replay(
    recording: Recording,
    *,
    handlers: Mapping[str, tuple[EventName, Callable[[Record], object]]] | None = None,
    rules: Sequence[ThresholdRule | PatternRule] = (),
) -> Replayed:
    """Feed the events of a recording, at their virtual times, to handlers and alert rules.

    Args:
        recording: What is played.
        handlers: By id: the pattern to listen to, and the function to call with each record.
        rules: Alert rules, judged as they would have been while it ran.

    Raises:
        UnknownName: A pattern can match no event.
        ValueError: Two rules have the same name.
        Exception: What a handler raised.
    """
    player = Player(recording)
    for handler_id, (pattern, handler) in (handlers or {}).items():
        player.telemetry.attach(handler_id, pattern, handler, on_error="raise")
    return Replayed(player.play(), backtest(recording, rules))


def _run(
    scenario: Scenario,
    until: float,
    *,
    row_limit: int | None = None,
    notifiers: Sequence[Notifier] = (),
    progress: bool | Callable[[float], object] = False,
) -> Recording:
    sim = _simulated(scenario, until, row_limit=row_limit, notifiers=notifiers, progress=progress)
    return sim.recording


def _simulated(
    scenario: Scenario,
    until: float,
    *,
    keep: Keep = "events",
    row_limit: int | None = None,
    notifiers: Sequence[Notifier] = (),
    progress: bool | Callable[[float], object] = False,
) -> Simulation:
    """Return the simulation of a scenario, run until a time and sealed."""
    sim = build(scenario, keep=keep, row_limit=row_limit)
    sim.notifiers = tuple(notifier.name for notifier in notifiers)
    if not scenario.alerts:
        complete(sim, until, progress=progress)
        return sim
    rules = [spec.rule() for spec in scenario.alerts]
    routes = [] if notifiers else [Route(notifiers=[MEMORY])]
    notifiers = notifiers or _in_memory(rules)
    with watch(sim, rules, notifiers=notifiers, routes=routes) as alerts:
        complete(sim, until, progress=progress, before_seal=alerts.finish)
    return sim


def _in_memory(rules: Sequence[ThresholdRule | PatternRule]) -> list[Notifier]:
    """Return a notifier for every name that the rules escalate to, and one for all else."""
    names = {rule.escalate_to for rule in rules if rule.escalate_to is not None}
    return [InMemoryNotifier(name) for name in sorted({MEMORY, *names})]


def _run_through(scenario: Scenario, until: float, notifiers: Sequence[Notifier]) -> Recording:
    """Run a scenario up to a time and everything at that time, or until it fails."""
    try:
        return _run(scenario, math.nextafter(until, math.inf), notifiers=notifiers)
    except SimulationFailed as error:
        failed: Recording = error.recording
        return failed
