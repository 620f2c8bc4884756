"""Classification: what a sleep waits for, by its structure first and the words around it second."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from foundation_lab.testing.sleeps import rules
from foundation_lab.testing.sleeps.purposes import Purpose
from foundation_lab.testing.sleeps.roles import asserts
from foundation_lab.testing.sleeps.rules import Clue
from foundation_lab.testing.sleeps.structure import is_awaited_in_a_test, structure
from foundation_lab.testing.sleeps.wording import wording

if TYPE_CHECKING:
    from foundation_lab.testing.sleeps.context import Context


class Verdict(NamedTuple):
    """A purpose, how sure it is, and what it was told by, the strongest first."""

    purpose: Purpose
    confidence: float
    evidence: tuple[str, ...]


def classify(context: Context, inherited: Verdict | None = None) -> Verdict:
    """Return what a sleep waits for.

    Args:
        context: What stands around it.
        inherited: For the call of a wrapper, what the sleep in it waits for.
    """
    clues = [*structure(context), *wording(context)]
    if inherited is not None:
        sure = inherited.purpose in _HANDED_DOWN and inherited.confidence >= 0.5
        weight = (8 if sure or _checks(context) else 4) * inherited.confidence
        if sure or inherited.purpose is Purpose.SIMULATED_WORK:
            # A loop around the call repeats what the wrapper waits for.
            rounds = _ROUNDS if context.loop else {Purpose.PACING}
            clues = [c._replace(weight=0.3 * c.weight) if c.purpose in rounds else c for c in clues]
        if inherited.purpose is Purpose.SIMULATED_WORK and inherited.confidence < _VAGUE:
            weight = 0.0  # who calls it knows better
        clues.append(Clue(inherited.purpose, weight, "the wrapper waits for it"))
    weights: dict[Purpose, float] = defaultdict(float)
    for clue in clues:
        weights[clue.purpose] += clue.weight
    if not weights or max(weights.values()) < _LEAST:
        if inherited is not None and inherited.purpose is not Purpose.UNKNOWN:
            words = "the wrapper waits for it, and nothing else tells"
            return Verdict(inherited.purpose, min(0.2, inherited.confidence), (words,))
        if rules.ABOUT_A_WAIT.search(context.comment):
            return Verdict(
                Purpose.ASYNC_TASK, 0.2, ("the comment says that it waits for something",)
            )
        if not context.names:
            return Verdict(Purpose.SIMULATED_WORK, 0.1, ("it is a program that others run",))
        if is_awaited_in_a_test(context):
            return Verdict(Purpose.ASYNC_TASK, 0.1, ("other tasks run while it is awaited",))
        return Verdict(Purpose.UNKNOWN, 0.0, ("nothing around it tells",))
    ranked = sorted(weights, key=lambda purpose: (-weights[purpose], purpose))
    best = ranked[0]
    second = max(0.0, weights[ranked[1]]) if len(ranked) > 1 else 0.0
    share = weights[best] / (weights[best] + second)
    confidence = round(share * min(1.0, weights[best] / _FULL), 2)
    own = sorted((c for c in clues if c.purpose is best), key=lambda c: (-c.weight, c.words))
    return Verdict(best, confidence, tuple(dict.fromkeys(c.words for c in own))[:4])


def _checks(context: Context) -> bool:
    """Return whether it calls a helper that is a test itself, since it asserts something."""
    wrapper = context.place.wrapper
    return wrapper is not None and asserts(wrapper.function)


_HANDED_DOWN = {
    Purpose.POLLING,
    Purpose.SIMULATED_WORK,
    Purpose.PROCESS_RESTART,
    Purpose.EXTERNAL_SYSTEM,
    Purpose.CLEANUP,
    Purpose.YIELD,
}
_VAGUE = 0.4
_ROUNDS = {Purpose.POLLING, Purpose.PACING}
_LEAST = 0.9
"""Less than this says nothing."""
_FULL = 4.0
"""From here on the confidence depends on what speaks against it alone."""
