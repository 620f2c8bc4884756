"""Trials: one way to run a test, with its seed, schedule and jitter, and the words to repeat it."""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from foundation_lab.testing.configuration import current

if TYPE_CHECKING:
    from foundation_lab.simulation.engine import Simulation

_SPELT = re.compile(
    r"(?P<seed>-?\d+)(:(?P<schedule>[a-z]+)(:(?P<variant>\d+))?)?(~(?P<jitter>.+))?"
)

HOW = "write SEED[:SCHEDULE[:VARIANT]][~JITTER], such as 17, 17:pct or 17:shuffle:3~0.05"


class Trial(NamedTuple):
    """One way to run a test.

    Attributes:
        seed: The seed of every random stream.
        schedule: ``fifo``, ``shuffle`` or ``pct``: who goes first at one instant.
        variant: Other numbers give other schedules of the same seed.
        jitter: By how much at most each delay is made longer or shorter, as a fraction.
    """

    seed: int = 0
    schedule: str = "fifo"
    variant: int = 0
    jitter: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Trial:
        """Return the trial that a text such as ``17:pct`` stands for.

        Raises:
            ValueError: It is not spelt so; the message says how.
        """
        spelt = _SPELT.fullmatch(text.strip())
        if spelt is None:
            message = f"{text!r} names no trial; {HOW}"
            raise ValueError(message)
        try:
            trial = cls(
                int(spelt["seed"]),
                spelt["schedule"] or "fifo",
                int(spelt["variant"] or 0),
                float(spelt["jitter"] or 0),
            )
        except ValueError:
            message = f"{text!r} names no trial: its jitter is no number; {HOW}"
            raise ValueError(message) from None
        return trial.checked()

    def checked(self) -> Trial:
        """Return the trial itself, if it can be run.

        Raises:
            ValueError: There is no such schedule, or the jitter is not from 0 to 1 (exclusive).
        """
        from foundation_lab.simulation.exploring.schedule import SCHEDULES  # noqa: PLC0415  (as the others)

        if self.schedule not in SCHEDULES:
            message = f"schedule={self.schedule!r}; there are {', '.join(SCHEDULES)}"
            raise ValueError(message)
        if not 0 <= self.jitter < 1:
            message = f"jitter={self.jitter!r}; give a fraction from 0 to 1, such as 0.05 for 5 %"
            raise ValueError(message)
        return self

    @property
    def explores(self) -> bool:
        """Whether it differs from a plain run in more than the seed."""
        return self.schedule != "fifo" or self.jitter > 0

    def __str__(self) -> str:
        """Return it as `parse` reads it."""
        text = str(self.seed)
        if self.schedule != "fifo" or self.variant:
            text += f":{self.schedule}"
        if self.variant:
            text += f":{self.variant}"
        return f"{text}~{self.jitter!r}" if self.jitter else text

    def simulation(self, **options: Any) -> Simulation:
        """Return a simulation that is run in this way.

        Args:
            options: Those of `Simulation`, but the seed.
        """
        from foundation_lab.simulation.engine import Simulation  # noqa: PLC0415  (heavy)

        if not self.explores:
            sim = Simulation(self.seed, **options)
        else:
            from foundation_lab.simulation.exploring.exploration import Exploration  # noqa: PLC0415  (heavy)

            sim = Exploration(
                self.seed,
                schedule=self.schedule,
                variant=self.variant,
                jitter=self.jitter,
                **options,
            )
        _TRIALS[sim] = self
        return sim


def command(test: str, trial: Trial | None = None) -> str:
    """Return the command that runs a test again.

    Args:
        test: The test, as pytest names it: from the root of the project.
        trial: How it is to be run, if the plugin has a say in that.
    """
    folders = current().folders
    path, *names = test.split("::", 1)
    if folders is not None:
        root, here = folders
        path = os.path.relpath(root / path, here)
    how = "" if trial is None else f" --lab-replay={trial}"
    return f"pytest {shlex.quote('::'.join([path, *names]))}{how}"


def trial_of(sim: Simulation) -> Trial:
    """Return the trial that made a simulation; a plain one with its seed when none did."""
    return _TRIALS.get(sim) or Trial(sim.seed)


_TRIALS: WeakKeyDictionary[Simulation, Trial] = WeakKeyDictionary()
