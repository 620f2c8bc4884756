"""Replacements: what to write instead of a sleep, with the names of the finding filled in."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from foundation_lab.testing.sleeps.finding import Replacement
from foundation_lab.testing.sleeps.purposes import Purpose

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.testing.sleeps.context import Context


def replacement(context: Context, purpose: Purpose) -> Replacement:
    """Return what to write instead of a sleep; the code is Python and uses the public names."""
    advice, code = _REPLACEMENTS[purpose]
    return Replacement(advice, code(context))


def _restart(context: Context) -> str:
    subject, within = _subject(context), _within(context)
    return (
        f'with assert_event("service.restarted", service="{subject}"{within}):\n'
        f"    {_action(context)}\n"
        f'# or, outside of a block: wait_for_process_restart(sim, "{subject}"{within})'
    )


def _completed(context: Context) -> str:
    return _expecting(context, f'"async.completed", operation="{_subject(context)}"')


def _state_change(context: Context) -> str:
    named = f'service_id="{_subject(context)}", to="{_state(context)}"'
    return _expecting(context, f'"circuit_breaker.state_change", {named}')


def _processed(context: Context) -> str:
    return _expecting(context, f'"signal.processed", signal="{_subject(context)}"')


def _expecting(context: Context, wanted: str) -> str:
    return f"with assert_event({wanted}{_within(context)}):\n    {_action(context)}"


def _pool_ready(context: Context) -> str:
    return f'wait_for_connection_pool_ready(sim, "{_subject(context)}"{_within(context)})'


def _cleaned_up(context: Context) -> str:
    return f'wait_for_resource_cleanup(sim, "{_subject(context)}"{_within(context)})'


def _attempts(context: Context) -> str:
    steps = '["retry.attempt_failure", "retry.backoff", "retry.attempt_start"]'
    return f"with assert_sequence({steps}{_within(context)}):\n    {_action(context)}"


def _now(context: Context) -> str:
    return "sim.run(until=sim.now)" if _has_sim(context) else "clock.advance(0)"


def _work(context: Context) -> str:
    step = f"yield sim.timeout({_duration(context)})"
    name = context.names[0] if context.names else "lambda"
    return step if name == "lambda" else f"def {name}(sim):\n    {step}"


def _refuted(context: Context) -> str:
    within = f"within={_duration(context)}"
    return f'with refute_event("{_negated(context)}", {within}):\n    {_action(context)}'


def _healthy(context: Context) -> str:
    subject = _subject(context)
    return (
        f'wait_for_service_health(sim, "{subject}", "healthy"{_within(context)})\n'
        f"# or keep the sleep: # lab: allow-sleep {subject} emits no events"
    )


def _has_sim(context: Context) -> bool:
    scope = context.place.module.tree.scope_of(context.place.site.node)
    return bool(scope.lookup("sim")[0])


def _advance(context: Context) -> str:
    seconds = _duration(context)
    return (
        f"sim.run(until=sim.now + {seconds})" if _has_sim(context) else f"clock.advance({seconds})"
    )


def _duration(context: Context) -> str:
    exact = context.each.exact
    if exact is not None and not context.duration:
        return f"{exact:g}"
    if context.duration and context.place.site.unit == 1.0:
        return context.duration
    return f"{exact:g}" if exact is not None else "seconds"


def _within(context: Context) -> str:
    """Return how long to wait: the default of 5 s, or more where the test sleeps longer."""
    exact = context.each.exact
    return f", within={exact * 2:g}" if exact is not None and exact * 2 > 5 else ""


def _action(context: Context) -> str:
    """Return the statement that stands before the sleep, when it is one line."""
    if context.before:
        line = context.before[0].strip()
        try:
            tree = ast.parse(line)
        except (SyntaxError, ValueError):
            return "..."
        if len(tree.body) == 1 and "\n" not in line and not isinstance(tree.body[0], ast.Assert):
            awaited = line.removeprefix("await ")
            return awaited if isinstance(tree.body[0], ast.Expr | ast.Assign) else "..."
    return "..."


def _subject(context: Context) -> str:
    """Return the name of what the statement before the sleep acts on, such as ``worker``."""
    for statement in (*context.before[:2], *context.after[:1]):
        text = re.sub(r"^\w[\w.]*\s*=\s*", "", statement).removeprefix("await ")
        found = re.match(r"(?:with |async with )?(?:self\.)?([a-z_]\w*)[.(\[]", text)
        if found and found[1] not in _NO_SUBJECT and not found[1].startswith(("assert", "pytest")):
            return found[1].strip("_")
    words = re.sub(r"^test_", "", context.test or context.file)
    return words or "service"


def _state(context: Context) -> str:
    words = " ".join((context.comment, context.test, *context.after[:3])).lower()
    for state, pattern in (
        ("half_open", r"half[-_ ]?open"),
        ("closed", r"clos"),
        ("open", r"open"),
    ):
        if re.search(pattern, words):
            return state
    return "half_open"


def _negated(context: Context) -> str:
    words = " ".join((context.test, *context.before[:2], *context.after[:2])).lower()
    for name, pattern in _EVENTS:
        if re.search(pattern, words):
            return name
    return "async.completed"


def _waiting(context: Context) -> str:
    """Return a wait for the condition that a loop asks for."""
    within = _within(context)
    loop = context.loop
    if context.place.wrapper is not None and context.place.site.kind == "wrapper":
        call = context.place.site.node
        if isinstance(call, ast.Call) and call.args and isinstance(call.args[0], ast.Lambda):
            return f"wait_for(sim, {ast.unparse(call.args[0])}{within})"
    node = context.place.site.node
    test = node.test if isinstance(node, ast.While) else getattr(loop, "test", None)
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return f"wait_for(sim, lambda: {ast.unparse(test.operand)}{within})"
    if isinstance(test, ast.expr) and not isinstance(test, ast.Constant):
        text = ast.unparse(test)
        if not re.search(r"time\(|monotonic|perf_counter|deadline|timeout|end_time|\bnow\b", text):
            return f"wait_for(sim, lambda: not ({text}){within})"
    for each in ast.walk(loop) if loop is not None else ():
        if isinstance(each, ast.If) and any(
            isinstance(inner, ast.Break | ast.Return) for inner in each.body
        ):
            return f"wait_for(sim, lambda: {ast.unparse(each.test)}{within})"
    return f"wait_for(sim, lambda: ...{within})"


_REPLACEMENTS: dict[Purpose, tuple[str, Callable[[Context], str]]] = {
    Purpose.PROCESS_RESTART: (
        "Wait for the restart itself: it is seen whether it comes early or late.",
        _restart,
    ),
    Purpose.ASYNC_TASK: ("Wait for the event that tells of the end of the work.", _completed),
    Purpose.BREAKER: (
        "Wait for the change of state, in the block that brings it about.",
        _state_change,
    ),
    Purpose.PUBLISH: ("Wait for the event that tells that the signal was handled.", _processed),
    Purpose.POOL: ("Wait until the pool could lend a connection.", _pool_ready),
    Purpose.CLEANUP: (
        "Wait until everything has been given back; after a test, the fixture sim checks that.",
        _cleaned_up,
    ),
    Purpose.RETRY: (
        "Let the delays pass in virtual time, and assert on the attempts instead.",
        _attempts,
    ),
    Purpose.TIMER: ("Move the clock to the instant at which the timer is due.", _advance),
    Purpose.EXPIRY: (
        "The time is the feature: move the clock to its exact border, where it happens.",
        _advance,
    ),
    Purpose.POLLING: (
        "Wait for the condition: it is asked after every step, at no cost in time.",
        _waiting,
    ),
    Purpose.YIELD: ("Run what is due at this instant.", _now),
    Purpose.SIMULATED_WORK: (
        "Keep it as work that takes virtual time: it costs nothing, and ends exactly then.",
        _work,
    ),
    Purpose.NEGATIVE_WAIT: (
        "Say what must not happen, and for how long: in virtual time it is looked at every step.",
        _refuted,
    ),
    Purpose.PACING: ("Put the steps apart on the virtual clock.", _advance),
    Purpose.EXTERNAL_SYSTEM: (
        "Put a Backend in its place, or keep it and say why in a comment.",
        _healthy,
    ),
    Purpose.UNKNOWN: (
        "Find the event that tells of what the test waits for; until then, use virtual time.",
        _advance,
    ),
}
_NO_SUBJECT = {
    "time",
    "asyncio",
    "self",
    "with",
    "for",
    "if",
    "patch",
    "mock",
    "print",
    "r",
    "return",
    "not",
}
_EVENTS = (
    ("circuit_breaker.state_change", r"breaker|circuit"),
    ("retry.attempt_start", r"retr"),
    ("service.restarted", r"restart"),
    ("signal.processed", r"publish|message|notif|signal|subscri|listener|event"),
    ("cache.evicted", r"cache|ttl|expir"),
    ("connection.connection_acquired", r"pool|connection"),
    ("rate_limiter.allowed", r"rate|limit"),
)
