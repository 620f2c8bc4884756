"""Alert rules put to a recording: what would have fired, and when."""

from __future__ import annotations

from heapq import merge
from typing import TYPE_CHECKING, Any

from foundation_lab.alerting.filters import tests_of
from foundation_lab.alerting.history import AlertHistory
from foundation_lab.alerting.observation import Observation, known
from foundation_lab.alerting.pager import Pager
from foundation_lab.alerting.rules import PatternRule, ThresholdRule, unique
from foundation_lab.alerting.scope import hearing, reaches
from foundation_lab.telemetry.event import catalogue, fields_of, subject_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import polars as pl

    from foundation_lab.alerting.pager import Step
    from foundation_lab.alerting.routing import Route
    from foundation_lab.recording.recording import Recording
    from foundation_lab.telemetry.pattern import EventName


def backtest(
    recording: Recording,
    rules: Sequence[ThresholdRule | PatternRule],
    *,
    routes: Sequence[Route] = (),
    notifiers: Sequence[str] = (),
    start: float = 0.0,
    first: int = 0,
) -> AlertHistory:
    """Judge rules by what a recording holds, until the time at which it ends.

    The evaluator and the router are those of a running simulation, so the history equals that of a
    `Watch` with the same rules on the same run, as long as nobody acknowledged an alert. Nobody is
    told anything. Only the tables and rows that the rules look at are read.

    Args:
        recording: What happened.
        rules: The rules; their names must differ.
        routes: Where alerts of rules without notifiers of their own go.
        notifiers: The names of all notifiers, for rules that name nobody and have no route.
        start: The virtual time at which the judging begins; `Watch.start` for a watch's history.
        first: The sequence number of the first event that is seen; `Watch.first`.

    Raises:
        ValueError: Two rules have the same name.
        UnknownName: A rule or route names a notifier that `notifiers` lacks, if there are any.
    """
    pager = Pager(rules, routes, notifiers, start)
    until = max(recording.facts.until, start)
    steps: list[Step] = []
    for observation in observations(recording, rules):
        if observation.sequence >= first and observation.time >= start:
            steps += pager.feed(observation)
            until = max(until, observation.time)
    steps += pager.advance(until)
    return AlertHistory(steps, unique(rules), until)


def observations(
    recording: Recording, rules: Sequence[ThresholdRule | PatternRule]
) -> Iterator[Observation]:
    """Return the events of a recording that rules look at, in order.

    Only the fields that the rules name are filled. A row that no rule's filter passes is left out.
    """
    wanted = [(name, [rule for rule in rules if hearing(rule)(name)]) for name in recording.counts]
    tables = [_rows(recording, name, concerned) for name, concerned in wanted if concerned]
    return merge(*tables)


def _rows(
    recording: Recording, name: str, rules: Sequence[ThresholdRule | PatternRule]
) -> Iterator[Observation]:
    frame = _table(recording, name, {field for rule in rules for field in _fields(rule)})
    fields = [column for column in frame.columns if column not in ("sequence", "time")]
    rows = _passing(frame, [where for rule in rules for where in _filters(rule, name)])
    for sequence, time, *values in rows.select("sequence", "time", *fields).iter_rows():
        row = dict(zip(fields, map(known, values), strict=True))
        row["event"] = name
        yield Observation(sequence, time, name, row)


def _table(recording: Recording, name: str, fields: set[str]) -> pl.DataFrame:
    import polars as pl  # noqa: PLC0415  (slow to import, and a running simulation has no need)

    table = recording.lazy_frame(name)
    columns = table.collect_schema().names()
    if "service" in fields and "service" not in columns:
        cls = catalogue.get(name)
        subject = None if cls is None else subject_of(cls)
        named = [] if cls is None else [f.name for f in fields_of(cls) if f.attribute == subject]
        service = pl.col(named[0]) if named and named[0] in columns else pl.lit(None, pl.String)
        table, columns = table.with_columns(service=service), [*columns, "service"]
    chosen = [column for column in columns if column in fields]
    return table.select("sequence", "time", *chosen).collect()


def _passing(frame: pl.DataFrame, filters: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Return the rows that pass one of the filters; each distinct value is tested once."""
    import polars as pl  # noqa: PLC0415  (slow to import, and a running simulation has no need)

    passed = pl.repeat(value=False, n=frame.height, eager=True)
    for where in filters:
        both = pl.repeat(value=True, n=frame.height, eager=True)
        for field, test in tests_of(where).items():
            if field in frame.columns and not isinstance(frame.schema[field], pl.List):
                values = frame[field]
                distinct = values.unique()
                good = [test(known(value)) for value in distinct]
                accepted = distinct.filter(pl.Series(good, dtype=pl.Boolean))
                both &= values.is_in(accepted.implode(), nulls_equal=True)
        passed |= both
    return frame.filter(passed)


def _fields(rule: ThresholdRule | PatternRule) -> list[str]:
    # An alert event is left out when its rule is one about alerts itself; hence "rule".
    named = [*rule.where, *rule.by, "rule"]
    if isinstance(rule, ThresholdRule):
        measured = [] if rule.measurement is None else [rule.measurement]
        return [*named, *rule.matching, *measured]
    return [*named, *rule.resolve_where]


def _filters(rule: ThresholdRule | PatternRule, name: str) -> list[Mapping[str, Any]]:
    named: list[tuple[EventName, Mapping[str, Any]]] = [(rule.event, rule.where)]
    if isinstance(rule, PatternRule) and rule.resolve_on is not None:
        named.append((rule.resolve_on, rule.resolve_where))
    return [where for pattern, where in named if reaches(pattern)(name)]
