"""Monitors: properties, put to a run while it goes on or to a recording."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Self

from foundation_lab.recording.replay import records
from foundation_lab.testing.attempts import attempt
from foundation_lab.testing.failure import circumstances, compose
from foundation_lab.testing.gathering import gather
from foundation_lab.testing.listening import free_id, from_the_test
from foundation_lab.testing.spelling import describe_record

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from foundation_lab.recording.recording import Recording
    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.telemetry.record import Record
    from foundation_lab.testing.machines import Machine, Property, Verdict


class Judgement(list["Verdict"]):
    """The verdicts on one run, in the order of the properties."""

    def __init__(
        self, verdicts: list[Verdict], seed: int, circumstances: Callable[[], list[str]]
    ) -> None:
        super().__init__(verdicts)
        self.seed = seed
        self._circumstances = circumstances

    @property
    def violated(self) -> list[Verdict]:
        """The verdicts on properties that do not hold."""
        return [verdict for verdict in self if not verdict.holds]

    def check(self) -> None:
        """Make sure that every property holds.

        Raises:
            AssertionError: Some do not; the message shows a counterexample of each.
        """
        __tracebackhide__ = True
        if self.violated:
            message = compose(
                f"{len(self.violated)} of {len(self)} properties do not hold",
                *(explained(verdict) for verdict in self.violated),
                self._circumstances(),
            )
            raise AssertionError(message)


class Monitor:
    """Puts properties to a run while it goes on; made by `monitor`."""

    def __init__(self, sim: Simulation, properties: tuple[Property, ...], *, stop: bool) -> None:
        self._sim = sim
        self._properties = properties
        self._stop = stop
        self._attempt = attempt()
        self._machines: list[Machine] = []
        self._id = ""
        self._broken: Exception | None = None

    def attach(self) -> Self:
        """Begin to look.

        Raises:
            RuntimeError: It looks already.
        """
        if self._machines:
            message = "this monitor has been attached before; make a new one for each run"
            raise RuntimeError(message)
        self._machines = [one.begin(float(self._sim.now)) for one in self._properties]
        telemetry = self._sim.telemetry
        self._id = free_id(telemetry, "monitor")
        names = [wanted.spelt for one in self._properties for wanted in one.wanted]
        telemetry.attach_many(self._id, names, self._hear)
        return self

    def detach(self) -> None:
        """Look no more; the verdicts remain."""
        if self._is_attached:
            self._gather()
            self._sim.telemetry.detach(self._id)

    def verdicts(self) -> Judgement:
        """Return the verdicts as if the run ended now.

        Raises:
            AssertionError: Telemetry is disabled, so nothing can be seen.
        """
        __tracebackhide__ = True
        if self._broken is not None:
            raise self._broken
        if not self._is_attached or not self._sim.telemetry.enabled:
            message = (
                f"the monitor can see nothing at t={self._sim.now:.9g}: it is not attached, or "
                "telemetry was disabled"
            )
            raise AssertionError(message)
        end = float(self._sim.now)
        found = [machine.verdict(end) for machine in self._machines]
        return Judgement(found, self._sim.seed, lambda: circumstances(self._sim))

    def check(self) -> None:
        """Make sure that every property holds so far.

        Raises:
            AssertionError: Some do not; the message shows a counterexample of each.
        """
        __tracebackhide__ = True
        self.verdicts().check()

    def __enter__(self) -> Self:
        """Begin to look."""
        return self.attach()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Check, and look no more; an exception of the block passes through."""
        __tracebackhide__ = True
        try:
            if error is None:
                self.check()
        finally:
            self.detach()

    def __del__(self) -> None:
        """Warn of a monitor that was made and never used: it has checked nothing."""
        if not getattr(self, "_machines", True) and not self._attempt.cut_short:
            warnings.warn(
                f"monitor({', '.join(map(str, self._properties))}) was never attached, so it "
                "checked nothing; write 'with monitor(...):'",
                RuntimeWarning,
                stacklevel=2,
            )

    # -- private -------------------------------------------------------------------------------

    @property
    def _is_attached(self) -> bool:
        handlers = self._sim.telemetry.handlers()
        return any(one.id == self._id and one.handler == self._hear for one in handlers)

    def _gather(self) -> None:
        """Tell a sweep, if there is one, how the run put the properties to the test."""
        end = float(self._sim.now)
        gather(machine.verdict(end) for machine in self._machines)

    def _hear(self, record: Record) -> None:
        if self._broken is not None:
            return
        for machine in self._machines:
            try:
                machine.take(record)
            except Exception as error:  # noqa: BLE001  (the emitter is not to blame)
                self._broken = from_the_test(error)
                return
            if self._stop and machine.why:
                self._sim.stop()


def monitor(sim: Simulation, *properties: Property, stop: bool = False) -> Monitor:
    """Return a context manager that puts properties to a run while it goes on.

    The run begins where the block begins; when it is left, every property must hold. Nothing is
    run: that is for the block to do.

    Args:
        sim: The simulation.
        properties: The properties.
        stop: Whether the run is stopped at the first violation.

    Raises:
        ValueError: No property is given.
    """
    _some(properties)
    return Monitor(sim, properties, stop=stop)


def judge(recording: Recording, *properties: Property, start: float = 0.0) -> Judgement:
    """Return the verdicts on a recorded run: those that a monitor would have given.

    Args:
        recording: What happened.
        properties: The properties.
        start: When the run began, in virtual seconds.

    Raises:
        ValueError: No property is given.
    """
    _some(properties)
    machines = [one.begin(start) for one in properties]
    tests = [wanted.matches_name for one in properties for wanted in one.wanted]
    names = [name for name in recording.counts if any(test(name) for test in tests)]
    for record in records(recording, names):
        for machine in machines:
            machine.take(record)
    facts = recording.facts
    about = [f"seed {facts.seed}, {facts.name!r}, recorded until t={facts.until:.9g}"]
    verdicts = [machine.verdict(facts.until) for machine in machines]
    gather(verdicts)
    return Judgement(verdicts, facts.seed, lambda: about)


def explained(verdict: Verdict) -> list[str]:
    """Return a violated property with its counterexample."""
    return [
        f"{verdict.name}: {verdict.why}",
        *(f"  {describe_record(record)}" for record in verdict.counterexample),
    ]


def _some(properties: tuple[Property, ...]) -> None:
    if not properties:
        message = "no property is given; name one at least, such as never('fault.injected')"
        raise ValueError(message)
