"""Classification: what a sleep waits for, by its structure first and the words around it second."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from foundation_lab.testing.sleeps import rules
from foundation_lab.testing.sleeps.purposes import Purpose
from foundation_lab.testing.sleeps.scopes import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foundation_lab.testing.sleeps.context import Context


class Verdict(NamedTuple):
    """A purpose, how sure it is, and what it was told by, the strongest first."""

    purpose: Purpose
    confidence: float
    evidence: tuple[str, ...]


class Clue(NamedTuple):
    """One thing that speaks for a purpose."""

    purpose: Purpose
    weight: float
    words: str


def classify(context: Context, inherited: Verdict | None = None) -> Verdict:
    """Return what a sleep waits for.

    Args:
        context: What stands around it.
        inherited: For the call of a wrapper, what the sleep in it waits for.
    """
    clues = list(_clues(context))
    if inherited is not None and inherited.purpose in _HANDED_DOWN and inherited.confidence >= 0.5:
        clues.append(Clue(inherited.purpose, 8 * inherited.confidence, "the wrapper waits for it"))
    weights: dict[Purpose, float] = defaultdict(float)
    for clue in clues:
        weights[clue.purpose] += clue.weight
    if not weights or max(weights.values()) < _LEAST:
        return Verdict(Purpose.UNKNOWN, 0.0, ("nothing around it tells",))
    ranked = sorted(weights, key=lambda purpose: (-weights[purpose], purpose))
    best = ranked[0]
    second = max(0.0, weights[ranked[1]]) if len(ranked) > 1 else 0.0
    share = weights[best] / (weights[best] + second)
    confidence = round(share * min(1.0, weights[best] / _FULL), 2)
    own = sorted((c for c in clues if c.purpose is best), key=lambda c: (-c.weight, c.words))
    return Verdict(best, confidence, tuple(dict.fromkeys(c.words for c in own))[:4])


def _clues(context: Context) -> Iterator[Clue]:
    yield from _structure(context)
    yield from _teardown(context)
    yield from _work(context)
    yield from _comments(context)
    yield from _limits(context)
    yield from _names(context)
    yield from _statements(context)


def _structure(context: Context) -> Iterator[Clue]:
    if context.place.site.kind == "busy_wait":
        yield Clue(Purpose.POLLING, 8, "it spins until its condition holds")
    if context.place.site.kind == "wait" and _is_refuted(context):
        yield Clue(Purpose.NEGATIVE_WAIT, 6, "the test fails when the wait succeeds")
    if context.each.exact == 0 and not context.duration.isidentifier():
        yield Clue(Purpose.YIELD, 6, "it sleeps for 0 s, which lets the others run once")
    elif 0 < context.each.high <= _MOMENT and not context.loop:
        yield Clue(Purpose.YIELD, 1.5, f"{context.duration} s only lets the others run")
    loop = context.loop
    if loop is not None:
        ending = _exit(loop)
        if ending:
            yield Clue(Purpose.POLLING, 7, f"it is in a loop that {ending}")
        elif context.branch == "except":
            yield Clue(Purpose.RETRY, 5, "it is in a loop, and follows an error")
        elif isinstance(loop, ast.For | ast.AsyncFor) or not isinstance(loop.test, ast.Constant):
            # Where each round checks something, it waits for that, and not for the next round.
            checks = any(re.search(r"\bassert", line) for line in context.after[: _rest(context)])
            words = "it stands between the rounds of a loop"
            yield Clue(Purpose.PACING, 1.5 if checks else 4.5, words)
        else:
            yield Clue(Purpose.PACING, 2, "it stands between the rounds of a loop")
    elif context.branch == "except":
        yield Clue(Purpose.RETRY, 3, "it follows an error")
    for rule in rules.DURATIONS:
        if context.duration and rule.pattern.search(context.duration):
            yield Clue(rule.purpose, rule.weight, f"it sleeps for {context.duration!r}")


def _is_refuted(context: Context) -> bool:
    """Return whether a wait must end without success, so that it always takes its whole time."""
    line = context.place.module.lines[context.place.site.node.lineno - 1]
    refuted = re.search(r"assert not |assertFalse|is False|== False", line)
    return refuted is not None or bool(context.before and "Empty" in context.before[0])


def _rest(context: Context) -> int:
    """Return how many statements of the loop follow in the same round."""
    loop, line = context.loop, context.place.site.node.lineno
    return sum(each.lineno > line for each in ast.walk(loop) if isinstance(each, ast.stmt)) if loop else 0


def _exit(loop: ast.For | ast.AsyncFor | ast.While) -> str:
    """Return how a loop ends when a condition holds; an empty text when it does not."""
    if isinstance(loop, ast.While) and not isinstance(loop.test, ast.Constant):
        condition = ast.unparse(loop.test)
        if not _asks_only_the_clock(loop.test):
            return f"goes on while {condition}"
    waiting: list[ast.AST] = list(loop.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Break | ast.Return):
            return "ends when a condition holds"
        if isinstance(node, (*FUNCTIONS, ast.Lambda, ast.For, ast.While, ast.ClassDef)):
            continue
        waiting += ast.iter_child_nodes(node)
    return ""


def _asks_only_the_clock(test: ast.expr) -> bool:
    """Return whether a condition is about the time alone: such a loop has a length, and no aim."""
    if not (isinstance(test, ast.Compare) and len(test.comparators) == 1):
        return False
    words = re.findall(r"[A-Za-z_]+", ast.unparse(test).lower())
    clock = {"time", "monotonic", "perf_counter", "now", "loop", "get_running_loop", "get_event_loop"}
    ends = re.compile(r"end|start|begin|deadline|timeout|until|limit|max|wait|dur|t\d?$|until|stop_at|seconds|self")
    return any(word in clock for word in words) and all(w in clock or ends.search(w) for w in words)


def _teardown(context: Context) -> Iterator[Clue]:
    if context.after_yield:
        yield Clue(Purpose.CLEANUP, 6, "it follows the yield of a fixture")
    elif context.branch == "finally":
        yield Clue(Purpose.CLEANUP, 5, "it is in a finally")
    elif context.names and rules.TEARDOWN.match(context.names[0]):
        yield Clue(Purpose.CLEANUP, 6, f"it is in {context.names[0]}()")
    elif context.is_last and context.test.startswith("test") and not context.is_inner and not context.loop:
        yield Clue(Purpose.CLEANUP, 1.5, "nothing of the test follows it")


def _work(context: Context) -> Iterator[Clue]:
    name = context.names[0] if context.names else ""
    starts = rules.STARTING.match(name) or ("fixture" in context.decorators and not context.after_yield)
    if starts and not name.startswith("test") and not context.is_inner and not context.loop:
        started = next((t for t in (name, *context.before[:2]) if rules.STARTED.search(t)), None)
        if started is not None:
            yield Clue(Purpose.PROCESS_RESTART, 3.5, f"{name}() starts something, and waits for it")
    if context.place.site.kind == "passed" or context.argument_of:
        handed = context.argument_of.rpartition(".")[2]
        if handed in _STARTERS or (context.place.site.kind == "passed" and context.each.exact is not None):
            yield Clue(Purpose.SIMULATED_WORK, 6, f"it is what {handed}() runs")
        elif context.place.site.kind == "passed":
            yield Clue(Purpose.RETRY, 3, f"it is handed to {handed}(), which sleeps between attempts")
    if rules.TASKS.search(context.decorators) and not name.startswith("test"):
        yield Clue(Purpose.SIMULATED_WORK, 6, f"{name}() is a task that somebody else runs")
    if context.is_inner and not rules.INNER_STEPS.match(name):
        yield Clue(Purpose.SIMULATED_WORK, 5, f"it is in {name}(), which is defined inside the test")
    is_step = name.startswith(("test", "wait")) or rules.TEARDOWN.match(name)
    if name and not is_step and rules.WORK_NAMES.search(name):
        yield Clue(Purpose.SIMULATED_WORK, 3.5, f"{name}() is work by its name")
    elif name and not is_step and not context.is_inner and not context.loop and not context.after_yield:
        yield Clue(Purpose.SIMULATED_WORK, 1.5, f"{name}() is no test")
    double = next((owner for owner in context.owners if rules.DOUBLES.search(owner)), None)
    if double and not double.startswith("Test") and not name.startswith("test"):
        yield Clue(Purpose.SIMULATED_WORK, 4, f"{double} stands for something else")
    if context.each.exact is not None and context.each.exact >= _AGES and (context.is_inner or context.argument_of):
        yield Clue(Purpose.SIMULATED_WORK, 2, "it would last longer than any test")


def _comments(context: Context) -> Iterator[Clue]:
    for rule in rules.COMMENTS:
        if context.comment and rule.pattern.search(context.comment):
            yield Clue(rule.purpose, rule.weight, f"the comment says {_quoted(context.comment)}")
        if context.comment_below and rule.pattern.search(context.comment_below):
            words = f"the comment below says {_quoted(context.comment_below)}"
            factor = 1.2 if rule.purpose is Purpose.NEGATIVE_WAIT else 0.35
            yield Clue(rule.purpose, rule.weight * factor, words)


def _limits(context: Context) -> Iterator[Clue]:
    """Compare the sleep with the times that were set before it; it waits out what is a bit shorter."""
    slept = context.each.exact
    if slept is None or context.is_inner or slept == 0:
        return
    best: dict[Purpose, Clue] = {}
    for limit in context.limits:
        for seconds in (limit.seconds, limit.seconds / 1000):
            if not seconds <= slept <= 2.5 * seconds + 1.0 or seconds < slept / 12:
                continue
            for rule in rules.LIMITS:
                if rule.pattern.search(limit.name):
                    near = 1.0 if slept <= 2 * seconds + 0.2 else 0.6
                    milli = 1.0 if seconds == limit.seconds else 0.6
                    clue = Clue(
                        rule.purpose,
                        rule.weight * near * milli,
                        f"{limit.text} was set before, and it sleeps just over that",
                    )
                    if rule.purpose not in best or best[rule.purpose].weight < clue.weight:
                        best[rule.purpose] = clue
                    break
    yield from best.values()


def _names(context: Context) -> Iterator[Clue]:
    weighted = [(context.test, 1.0), (context.file, 0.6), *((owner, 0.5) for owner in context.owners)]
    if len(context.names) > 1:
        weighted.append((context.names[0], 0.8))
    for rule in rules.NAMES:
        for name, factor in weighted:
            if name and rule.pattern.search(name):
                yield Clue(rule.purpose, rule.weight * factor, f"{name} names it")


def _statements(context: Context) -> Iterator[Clue]:
    inner = 0.4 if context.is_inner else 1.0
    for table, statements, where in (
        (rules.BEFORE, context.before, "before it stands"),
        (rules.AFTER, context.after, "after it comes"),
    ):
        for rule in table:
            for distance, statement in enumerate(statements):
                found = rule.pattern.search(statement)
                if found:
                    weight = rule.weight * inner * _NEARNESS[min(distance, len(_NEARNESS) - 1)]
                    line = _line_of(statement, found.start())
                    yield Clue(rule.purpose, weight, f"{where} {_quoted(line)}")
                    break


def _line_of(text: str, position: int) -> str:
    return text[text.rfind("\n", 0, position) + 1 :].split("\n", 1)[0]


def _quoted(text: str) -> str:
    words = " ".join(text.split())
    return f"'{words if len(words) <= _MOST_LETTERS else words[: _MOST_LETTERS - 1] + '…'}'"


_HANDED_DOWN = {
    Purpose.POLLING,
    Purpose.SIMULATED_WORK,
    Purpose.PROCESS_RESTART,
    Purpose.EXTERNAL_SYSTEM,
    Purpose.CLEANUP,
    Purpose.YIELD,
}
_STARTERS = {
    "create_task", "ensure_future", "gather", "wait_for", "submit", "run_in_executor", "to_thread",
    "Thread", "Process", "start_soon", "spawn", "Mock", "MagicMock", "AsyncMock", "partial", "map",
    "apply_async", "enqueue", "shield", "wait", "run_sync", "run_coroutine_threadsafe", "Task",
    "enqueue_in", "enqueue_at", "add_job", "create_job", "Timer", "run", "run_until_complete", "timeout",
}  # fmt: skip
_LEAST = 1.0
_FULL = 4.0
_MOMENT = 0.005
_AGES = 30.0
_NEARNESS = (1.0, 0.7, 0.5, 0.35, 0.25, 0.2)
_MOST_LETTERS = 80
