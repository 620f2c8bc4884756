"""Wording: what comments, names, numbers and statements around a sleep tell of its purpose."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from foundation_lab.testing.sleeps import rules
from foundation_lab.testing.sleeps.purposes import Purpose
from foundation_lab.testing.sleeps.roles import Role
from foundation_lab.testing.sleeps.rules import Clue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foundation_lab.testing.sleeps.context import Context


def wording(context: Context) -> Iterator[Clue]:
    """Give what the words around a sleep speak for."""
    yield from _comments(context)
    yield from _limits(context)
    yield from _names(context)
    yield from _statements(context)


def _comments(context: Context) -> Iterator[Clue]:
    for rule in rules.COMMENTS:
        # What would happen otherwise is not what the sleep waits for.
        comment = context.comment
        if rules.ABOUT_THE_SLEEP.search(comment):
            comment = ""
        if rule.purpose is Purpose.NEGATIVE_WAIT:
            comment = re.split(r"\botherwise\b|\bor else\b", comment)[0]
        if comment and rule.pattern.search(comment):
            yield Clue(rule.purpose, rule.weight, f"the comment says {_quoted(context.comment)}")
        if context.comment_below and rule.pattern.search(context.comment_below):
            words = f"the comment below says {_quoted(context.comment_below)}"
            factor = 1.2 if rule.purpose is Purpose.NEGATIVE_WAIT else 0.2
            yield Clue(rule.purpose, rule.weight * factor, words)


def _limits(context: Context) -> Iterator[Clue]:
    """Compare the sleep with times that were set before: it waits out what is a bit shorter."""
    slept = context.each.exact
    if slept is None or slept == 0 or context.is_inner or context.role is Role.WORK:
        return
    earlier = slept + sum(_slept(each) for each in context.before)
    best: dict[Purpose, Clue] = {}
    for limit in context.limits:
        in_millis = re.search(r"ms$|milli", limit.name)
        for seconds in (
            (limit.seconds / 1000,) if in_millis else (limit.seconds, limit.seconds / 1000)
        ):
            if not seconds <= earlier or slept > 2.5 * seconds + 1.0 or seconds < slept / 120:
                continue
            for rule in rules.LIMITS:
                if not limit.is_named and rule.purpose not in _BY_POSITION:
                    continue
                if rule.pattern.search(limit.name):
                    near = 1.0 if slept <= 2 * seconds + 0.2 else 0.6
                    near = near if seconds >= slept / 12 else 0.5
                    milli = 1.0 if seconds == limit.seconds or in_millis else 0.6
                    named = 1.0 if limit.is_named else 0.7
                    clue = Clue(
                        rule.purpose,
                        rule.weight * near * milli * named,
                        f"{limit.text} was set before, and it sleeps just over that",
                    )
                    if rule.purpose not in best or best[rule.purpose].weight < clue.weight:
                        best[rule.purpose] = clue
                    break
    yield from best.values()


def _slept(statement: str) -> float:
    """Return how long a statement sleeps itself, as far as it says so."""
    found = re.match(r"(?:await )?[\w.]*sleep\((\d*\.?\d+)\)", statement)
    return float(found[1]) if found else 0.0


def _names(context: Context) -> Iterator[Clue]:
    weighted = [
        (context.test, 1.0),
        (context.file, 0.6),
        *((owner, 0.5) for owner in context.owners),
    ]
    if len(context.names) > 1:
        weighted.append((context.names[0], 0.8))
    for rule in rules.NAMES:
        for name, factor in weighted:
            if name and rule.pattern.search(name):
                yield Clue(rule.purpose, rule.weight * factor, f"{name} names it")


def _statements(context: Context) -> Iterator[Clue]:
    inner = 0.4 if context.is_inner or context.role is Role.WORK else 1.0
    for table, statements, where in (
        (rules.BEFORE, context.before, "before it stands"),
        (rules.AFTER, context.after, "after it comes"),
    ):
        for rule in table:
            for distance, statement in enumerate(statements):
                if rule.purpose is Purpose.NEGATIVE_WAIT and rules.CALLED.search(statement):
                    break  # what was called by then is what was waited for
                if table is rules.BEFORE and _FAILS.match(statement):
                    continue  # what fails starts nothing
                found = rule.pattern.search(statement)
                if found and not _is_over(rule.purpose, statement, context):
                    weight = rule.weight * inner * _NEARNESS[min(distance, len(_NEARNESS) - 1)]
                    line = _line_of(statement, found.start())
                    yield Clue(rule.purpose, weight, f"{where} {_quoted(line)}")
                    break


def _is_over(purpose: Purpose, statement: str, context: Context) -> bool:
    """Return whether a statement has nothing to do with the wait.

    One before it may wait itself for the work that it starts; one after it may send the next.
    """
    if purpose is Purpose.PUBLISH and statement in context.after:
        return rules.SENT.search(statement) is not None
    return (
        purpose is Purpose.ASYNC_TASK
        and statement in context.before
        and rules.FINISHED.search(statement) is not None
    )


def _line_of(text: str, position: int) -> str:
    return text[text.rfind("\n", 0, position) + 1 :].split("\n", 1)[0]


def _quoted(text: str) -> str:
    words = " ".join(text.split())
    return f"'{words if len(words) <= _MOST_LETTERS else words[: _MOST_LETTERS - 1] + '…'}'"


_FAILS = re.compile(r"(async )?with (pytest\.|self\.)?(raises|assertRaises)")
_BY_POSITION = {Purpose.EXPIRY, Purpose.BREAKER}
"""What the time that a function is given by position may be about: ``expire(key, 1)``."""
_NEARNESS = (1.0, 0.7, 0.5, 0.35, 0.25, 0.2)
"""How much a statement counts, by how many stand between it and the sleep."""
_MOST_LETTERS = 80
