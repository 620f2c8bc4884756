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
from foundation_lab.testing.unasked import keep

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
        self._raised = False
        self._told: list[Verdict] | None = None  # None: nobody has asked
        self._last: list[Verdict] | None = None  # None: it looks, or cannot see any more
        self._gathered = False

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
        keep(self._sim, self)
        return self

    def detach(self) -> None:
        """Look no more; the verdicts remain."""
        if self._is_attached:
            verdicts = self._verdicts()
            if self._sim.telemetry.enabled:
                self._last = verdicts
            untold = _untold(verdicts, self._told)
            self._gathered = gather(one for one in verdicts if one.holds or one in untold)
            self._sim.telemetry.detach(self._id)

    def verdicts(self) -> Judgement:
        """Return the verdicts as if the run ended now, or where the monitor was detached.

        Raises:
            AssertionError: Telemetry is disabled, so nothing can be seen.
        """
        __tracebackhide__ = True
        self._told = self._told or []
        if self._broken is not None:
            self._raised = True
            raise self._broken
        if self._last is None and not self._can_see:
            message = (
                f"the monitor can see nothing at t={self._sim.now:.9g}: it is not attached, or "
                "telemetry was disabled"
            )
            raise AssertionError(message)
        self._told = self._verdicts() if self._last is None else self._last
        return self._judgement(self._told)

    def check(self) -> None:
        """Make sure that every property holds so far.

        Raises:
            AssertionError: Some do not; the message shows a counterexample of each.
        """
        __tracebackhide__ = True
        self.verdicts().check()

    def conclude(self) -> None:
        """Look no more, and check what nobody has been told yet; for the end of a test.

        A violation that was told already, and has been expected therefore, is not told again.

        Raises:
            AssertionError: A property does not hold, or the monitor could see nothing.
        """
        __tracebackhide__ = True
        told = self._told
        blind = self._last is None and not self._can_see
        if told is not None and (blind or self._raised):
            self.detach()
            return
        try:
            verdicts = self.verdicts()
            self._judgement(_untold(verdicts, told)).check()
        except Exception as error:
            error.add_note(
                "found when the test was over: the monitor was not asked at its end; ask by "
                "'with monitor(...):' or check()"
            )
            raise
        finally:
            self.detach()

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
            else:
                self._told = self._verdicts()  # of a run cut short: nobody is to be told
        finally:
            self.detach()

    def __del__(self) -> None:
        """Warn of a monitor that nobody has asked: it has checked nothing."""
        nobody_asked = getattr(self, "_told", []) is None and not self._gathered
        if nobody_asked and not self._attempt.cut_short:
            what = "asked for its verdicts" if self._machines else "attached"
            warnings.warn(
                f"monitor({', '.join(map(str, self._properties))}) was never {what}, so it "
                "checked nothing; write 'with monitor(...):'",
                RuntimeWarning,
                stacklevel=2,
            )

    # -- private -------------------------------------------------------------------------------

    @property
    def _is_attached(self) -> bool:
        handlers = self._sim.telemetry.handlers()
        return any(one.id == self._id and one.handler == self._hear for one in handlers)

    @property
    def _can_see(self) -> bool:
        return self._is_attached and self._sim.telemetry.enabled

    def _verdicts(self) -> list[Verdict]:
        end = float(self._sim.now)
        return [machine.verdict(end) for machine in self._machines]

    def _judgement(self, verdicts: list[Verdict]) -> Judgement:
        return Judgement(verdicts, self._sim.seed, lambda: circumstances(self._sim))

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


def _untold(verdicts: list[Verdict], told: list[Verdict] | None) -> list[Verdict]:
    """Return the verdicts on what was not violated already when somebody asked."""
    if not told:
        return verdicts
    return [one for one, before in zip(verdicts, told, strict=True) if before.holds]


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
