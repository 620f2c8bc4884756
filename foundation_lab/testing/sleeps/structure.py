"""Structure: what the place of a sleep in the code tells of its purpose."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from foundation_lab.testing.sleeps import loops, rules
from foundation_lab.testing.sleeps.assertions import Compared
from foundation_lab.testing.sleeps.context import statement_of
from foundation_lab.testing.sleeps.purposes import Purpose
from foundation_lab.testing.sleeps.roles import Role
from foundation_lab.testing.sleeps.rules import Clue
from foundation_lab.testing.sleeps.scopes import last_name
from foundation_lab.testing.sleeps.work import lets_run, work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foundation_lab.testing.sleeps.context import Context


def structure(context: Context) -> Iterator[Clue]:
    """Give what the place of a sleep in the code speaks for."""
    yield from _kind(context)
    yield from _loop(context)
    yield from _rounds(context)
    yield from _teardown(context)
    yield from _start(context)
    yield from _lifecycle(context)
    yield from _repeats(context)
    yield from _compared(context)
    yield from work(context)


def _kind(context: Context) -> Iterator[Clue]:
    site = context.place.site
    if site.kind == "busy_wait":
        yield Clue(Purpose.POLLING, 8, "it spins until its condition holds")
    elif site.kind == "process":
        yield Clue(Purpose.SIMULATED_WORK, 5, "a command that sleeps stands for one that works")
    elif site.kind == "wait" and _is_refuted(context):
        yield Clue(Purpose.NEGATIVE_WAIT, 10, "the test fails when the wait succeeds")
    elif _puts_off(site.node):
        yield Clue(Purpose.PACING, 3, "it puts off a step of the test")
    yield from _duration(context)


def _puts_off(node: ast.AST) -> bool:
    """Return whether a call runs a step of the test later: ``deferLater(reactor, 1, step)``."""
    if not isinstance(node, ast.Call) or last_name(node.func) != "deferLater":
        return False
    return bool(node.args[2:])


def _duration(context: Context) -> Iterator[Clue]:
    node, duration = context.place.site.node, context.place.site.duration
    if lets_run(context):
        yield Clue(Purpose.YIELD, 6, "it sleeps for 0 s, which lets the others run once")
    elif 0 < context.each.high <= _MOMENT and not context.loop:
        if isinstance(context.place.module.tree.parents.get(node), ast.Await):
            yield Clue(Purpose.YIELD, 1.5, f"{context.duration} s only lets the others run")
        else:
            words = f"{context.duration} s is enough for another time, and for nothing else"
            yield Clue(Purpose.PACING, 1.5, words)
    if _is_just_over(duration) and not context.is_inner and not context.loop:
        words = f"{context.duration} is just over a time that has a name"
        yield Clue(Purpose.EXPIRY, 2, words)
    if context.loop is not None and loops.ending(context.loop):
        return  # how often it asks says nothing about what it asks for
    for rule in rules.DURATIONS:
        if context.duration and rule.pattern.search(context.duration):
            yield Clue(rule.purpose, rule.weight, f"it sleeps for {context.duration!r}")


def _is_just_over(duration: ast.expr | float | None) -> bool:
    """Return whether a duration is a named one and a little more: ``period + 1``, ``2 * ttl``."""
    if not isinstance(duration, ast.BinOp):
        return False
    sides = (duration.left, duration.right)
    numbers = [side.value for side in sides if isinstance(side, ast.Constant)]
    named = any(isinstance(side, ast.Name | ast.Attribute) for side in sides)
    if not named or not numbers or not isinstance(numbers[0], int | float):
        return False
    least = {ast.Add: 0, ast.Mult: 1}.get(type(duration.op))
    return least is not None and numbers[0] > least


def _loop(context: Context) -> Iterator[Clue]:
    loop = context.loop
    if loop is not None:
        ending = loops.ending(loop)
        # Where each round checks something, it waits for that, and not for the next round.
        checks = not _asks_again(context) and loops.checks_after(
            loop, context.place.site.node.lineno
        )
        if ending == loops.BREAKS and checks:
            ending = ""
        above = context.place.module.tree.above(context.place.site.node)
        if not ending and loops.asks_in_between(loop, list(above)):
            ending = "asks again in each round"
        if context.branch == "except" and rules.RETRYING.search(_name(context)):
            yield Clue(Purpose.RETRY, 8, f"{_name(context)}() tries again after an error")
        elif ending:
            yield Clue(Purpose.POLLING, 7, f"it is in a loop that {ending}")
        elif context.branch == "except":
            yield Clue(Purpose.RETRY, 5, "it is in a loop, and follows an error")
        elif isinstance(loop, ast.For | ast.AsyncFor) or not isinstance(loop.test, ast.Constant):
            words = "it stands between the rounds of a loop"
            is_step = checks or loops.is_within(loop, statement_of(context.place))
            weight = 1.5 if is_step or context.role is Role.WORK else 4.5
            yield Clue(Purpose.PACING, weight, words)
        else:
            yield Clue(Purpose.PACING, 2, "it stands between the rounds of a loop")
    elif context.branch == "except":
        yield Clue(Purpose.RETRY, 3, "it follows an error")


def _rounds(context: Context) -> Iterator[Clue]:
    """Tell a helper that sleeps between the rounds of a loop that it is the head of."""
    call = context.place.site.node
    above = context.place.module.tree.parents.get(call)
    if isinstance(above, ast.For | ast.AsyncFor) and above.iter is call and loops.ending(above):
        yield Clue(Purpose.POLLING, 7, "it gives the rounds of a loop that ends on a condition")


def _is_refuted(context: Context) -> bool:
    """Return whether a wait must end without success, so that it always takes its whole time."""
    line = context.place.module.lines[context.place.site.node.lineno - 1]
    refuted = re.search(r"assert not |assertFalse|is False|== False", line)
    return refuted is not None or bool(context.before and "Empty" in context.before[0])


def _repeats(context: Context) -> Iterator[Clue]:
    """Tell the same call before and after: the sleep keeps the two apart."""
    if context.before and context.after and not lets_run(context):
        called = [_CALL.match(each[0]) for each in (context.before, context.after)]
        if called[0] and called[1] and called[0][1] == called[1][1]:
            words = f"{called[0][1]}() is called before and after it"
            yield Clue(Purpose.PACING, 2.5 if context.role is Role.WORK else 5, words)


def is_awaited_in_a_test(context: Context) -> bool:
    """Return whether it is a step of a test, and hands the loop over to other tasks meanwhile."""
    above = context.place.module.tree.parents.get(context.place.site.node)
    is_step = not (context.is_inner or context.loop) and context.test.startswith("test")
    return (
        context.place.site.kind == "sleep" and isinstance(above, ast.Await | ast.Yield) and is_step
    )


def _asks_again(context: Context) -> bool:
    """Return whether the next round follows at once: ``sleep(1); continue``."""
    return bool(context.after) and context.after[0].startswith("continue")


def _teardown(context: Context) -> Iterator[Clue]:
    if context.after_yield:
        yield Clue(Purpose.CLEANUP, 6, "it follows the yield of a fixture")
    elif context.branch == "finally":
        yield Clue(Purpose.CLEANUP, 5, "it is in a finally")
    elif context.names and rules.TEARDOWN.match(context.names[0]):
        yield Clue(Purpose.CLEANUP, 6, f"it is in {context.names[0]}()")
    elif (
        context.is_last
        and context.test.startswith("test")
        and not context.is_inner
        and not context.loop
        and _is_in_a_block(context)
    ):
        yield Clue(Purpose.ASYNC_TASK, 1, "the block that it is in ends after it")


def _is_in_a_block(context: Context) -> bool:
    above = context.place.module.tree.parents.get(statement_of(context.place))
    return isinstance(above, ast.With | ast.AsyncWith)


def _start(context: Context) -> Iterator[Clue]:
    """Tell functions that start a process and give it a little time."""
    name = _name(context)
    is_setup = "fixture" in context.decorators and not context.after_yield
    if name.startswith("test") or context.is_inner or context.loop:
        return
    if rules.STARTING.match(name) or is_setup:
        started = next((t for t in (name, *context.before[:2]) if rules.STARTED.search(t)), None)
        if started is not None:
            yield Clue(Purpose.PROCESS_RESTART, 3.5, f"{name}() starts something, and waits for it")


def _lifecycle(context: Context) -> Iterator[Clue]:
    """Tell what is started or stopped right before, by its name or by what it was made of."""
    steps = 0
    for statement in context.before:
        found = rules.LIFECYCLE.search(statement)
        if found is None:
            # What is asserted between does not part a step from the sleep.
            steps += not re.search(r"\bassert", statement)
            if steps > _MOST_STEPS:
                return
            continue
        named = f"{found[0]} {_made(context, found[1].rpartition('.')[2])}"
        if rules.STARTED.search(named):
            weight = 3.5 / (1 + steps)
            yield Clue(Purpose.PROCESS_RESTART, weight, f"{found[0]}) is right before it")
        elif found[2] in _STOPS:
            purpose = Purpose.CLEANUP if context.is_last else Purpose.PROCESS_RESTART
            yield Clue(purpose, 1.8 / (1 + steps), f"{found[0]}) is right before it")
        return


def _made(context: Context, name: str) -> str:
    """Return the name of the class or function that made what a name stands for."""
    tree = context.place.module.tree
    bindings, _ = tree.scope_of(context.place.site.node).lookup(name)
    made = [getattr(binding, "value", None) for binding in bindings]
    return " ".join(last_name(each.func) for each in made if isinstance(each, ast.Call))


def _compared(context: Context) -> Iterator[Clue]:
    if context.compared is Compared.SAME:
        yield Clue(Purpose.NEGATIVE_WAIT, 3, "the same is asserted before and after it")
    elif context.compared is Compared.CHANGED:
        yield Clue(Purpose.NEGATIVE_WAIT, -3, "what was asserted before it has changed after it")
        yield Clue(Purpose.ASYNC_TASK, 0.9, "what was asserted before it has changed after it")


def _name(context: Context) -> str:
    return context.names[0] if context.names else ""


_CALL = re.compile(
    r"(?:await )?(?!assert|self\.assert|pytest\b|print\b|eq_|is_|ok_|check|expect|verify|log)"
    r"([\w.]+)\("
)
_MOST_STEPS = 2
"""So many steps back is looked for what was started."""
_STOPS = {"shutdown", "stop", "restart", "kill", "terminate", "reload"}
_MOMENT = 0.005
"""Shorter sleeps wait for no work."""
