"""What a rule looks at: the events that its patterns reach, and the fields that these have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation_lab.alerting.filters import STAMP_FIELDS
from foundation_lab.errors import UnknownName
from foundation_lab.telemetry.event import NAMESPACE, catalogue, fields_of
from foundation_lab.telemetry.pattern import dotted, matcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from foundation_lab.alerting.rule import Rule
    from foundation_lab.telemetry.pattern import EventName

ALERT_EVENTS = f"{NAMESPACE}.alert."
"""How the names of the events begin that alerts themselves emit."""


def hearing(rule: Rule) -> Callable[[str], bool]:
    """Return a function that says whether a rule looks at events of a name at all."""
    reached = [reaches(pattern) for pattern in rule.patterns]
    return lambda name: any(reach(name) for reach in reached)


def reaches(pattern: EventName) -> Callable[[str], bool]:
    """Return a function that says whether a rule's pattern reaches events of a name.

    Events of alerts are reached only by a pattern that asks for them.
    """
    matches = matcher(pattern)
    if _asks_for_alerts(pattern):
        return matches
    return lambda name: matches(name) and not name.startswith(ALERT_EVENTS)


def is_about_alerts(rule: Rule) -> bool:
    """Return whether a rule asks for the events of alerts."""
    return any(map(_asks_for_alerts, rule.patterns))


def check_fields(event: EventName, names: Iterable[str], *, numeric: bool = False) -> None:
    """Refuse fields that no event of a pattern has, as far as the catalogue can tell.

    A pattern that may also match a user's own events without a class is not checked.

    Raises:
        UnknownName: There is no such field; the message lists the nearest.
        ValueError: A number is wanted, and the field holds none.
    """
    text = dotted(event)
    matches = matcher(event)
    found = [cls for cls in catalogue.classes() if matches(cls.event_name)]
    closed = all(cls.event_name.startswith(f"{NAMESPACE}.") for cls in found)
    if not found or text.startswith("*") or not (closed or text in catalogue):
        return
    declared = {each.name: each for cls in found for each in fields_of(cls)}
    for name in names:
        if name not in declared and (numeric or name not in STAMP_FIELDS):
            raise UnknownName.among(f"field of {text}", name, [*declared, *STAMP_FIELDS])
        if numeric and declared[name].type not in (int, float):
            message = f"{name!r} of {text} is {declared[name].type_name}, not a number"
            raise ValueError(message)


def _asks_for_alerts(pattern: EventName) -> bool:
    words = dotted(pattern).removeprefix(f"{NAMESPACE}.").split(".")
    return words[0] == "alert"
