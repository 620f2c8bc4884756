"""Structure: what the place of a sleep in the code tells of its purpose."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from foundation_lab.testing.sleeps import rules
from foundation_lab.testing.sleeps.assertions import Compared
from foundation_lab.testing.sleeps.context import statement_of
from foundation_lab.testing.sleeps.purposes import Purpose
from foundation_lab.testing.sleeps.roles import Role
from foundation_lab.testing.sleeps.rules import Clue
from foundation_lab.testing.sleeps.scopes import FUNCTIONS, last_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foundation_lab.testing.sleeps.context import Context


def structure(context: Context) -> Iterator[Clue]:
    """Give what the place of a sleep in the code speaks for."""
    yield from _kind(context)
    yield from _loop(context)
    yield from _teardown(context)
    yield from _start(context)
    yield from _lifecycle(context)
    yield from _repeats(context)
    yield from _compared(context)
    yield from _held(context)
    yield from _handed_on(context)
    yield from _work(context)


def _kind(context: Context) -> Iterator[Clue]:
    if context.place.site.kind == "busy_wait":
        yield Clue(Purpose.POLLING, 8, "it spins until its condition holds")
    node = context.place.site.node
    if isinstance(node, ast.Call) and last_name(node.func) == "deferLater" and len(node.args) > 2:  # noqa: PLR2004
        yield Clue(Purpose.PACING, 3, "it puts off a step of the test")
    if context.place.site.kind == "process":
        yield Clue(Purpose.SIMULATED_WORK, 5, "a command that sleeps stands for one that works")
    if context.place.site.kind == "wait" and _is_refuted(context):
        yield Clue(Purpose.NEGATIVE_WAIT, 10, "the test fails when the wait succeeds")
    if _lets_run(context):
        yield Clue(Purpose.YIELD, 6, "it sleeps for 0 s, which lets the others run once")
    elif 0 < context.each.high <= _MOMENT and not context.loop:
        awaited = isinstance(context.place.module.tree.parents.get(node), ast.Await)
        if awaited:
            yield Clue(Purpose.YIELD, 1.5, f"{context.duration} s only lets the others run")
        else:
            words = f"{context.duration} s is enough for another time, and for nothing else"
            yield Clue(Purpose.PACING, 1.5, words)
    if _is_just_over(context.place.site.duration) and not context.is_inner and not context.loop:
        words = f"{context.duration} is just over a time that has a name"
        yield Clue(Purpose.EXPIRY, 2, words)
    for rule in rules.DURATIONS:
        if context.duration and rule.pattern.search(context.duration):
            yield Clue(rule.purpose, rule.weight, f"it sleeps for {context.duration!r}")


def _is_just_over(duration: ast.expr | None) -> bool:
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
        ending = _exit(loop)
        # Where each round checks something, it waits for that, and not for the next round.
        checks = not _asks_again(context) and _checks_after(
            loop, context.place.site.node.lineno
        )
        if ending == _BREAKS and checks:
            ending = ""
        if ending:
            yield Clue(Purpose.POLLING, 7, f"it is in a loop that {ending}")
        elif context.branch == "except":
            yield Clue(Purpose.RETRY, 5, "it is in a loop, and follows an error")
        elif isinstance(loop, ast.For | ast.AsyncFor) or not isinstance(loop.test, ast.Constant):
            words = "it stands between the rounds of a loop"
            yield Clue(Purpose.PACING, 1.5 if checks else 4.5, words)
        else:
            yield Clue(Purpose.PACING, 2, "it stands between the rounds of a loop")
    elif context.branch == "except":
        yield Clue(Purpose.RETRY, 3, "it follows an error")


def _is_refuted(context: Context) -> bool:
    """Return whether a wait must end without success, so that it always takes its whole time."""
    line = context.place.module.lines[context.place.site.node.lineno - 1]
    refuted = re.search(r"assert not |assertFalse|is False|== False", line)
    return refuted is not None or bool(context.before and "Empty" in context.before[0])


def _repeats(context: Context) -> Iterator[Clue]:
    """Tell the same call before and after: the sleep keeps the two apart."""
    if context.before and context.after:
        called = [_CALL.match(each[0]) for each in (context.before, context.after)]
        if called[0] and called[1] and called[0][1] == called[1][1]:
            words = f"{called[0][1]}() is called before and after it"
            yield Clue(Purpose.PACING, 4, words)


def is_awaited_in_a_test(context: Context) -> bool:
    """Return whether it is a step of a test, and hands the loop over to other tasks meanwhile."""
    above = context.place.module.tree.parents.get(context.place.site.node)
    is_step = not (context.is_inner or context.loop) and context.test.startswith("test")
    return context.place.site.kind == "sleep" and isinstance(above, ast.Await) and is_step


def _asks_again(context: Context) -> bool:
    """Return whether the next round follows at once: ``sleep(1); continue``."""
    return bool(context.after) and context.after[0].startswith("continue")


def _checks_after(loop: ast.AST, line: int) -> bool:
    """Return whether something is asserted after a line in the same round of a loop."""
    return any(
        isinstance(each, ast.Assert)
        or (isinstance(each, ast.Attribute) and each.attr.startswith("assert"))
        for each in ast.walk(loop)
        if getattr(each, "lineno", 0) > line
    )


def _exit(loop: ast.For | ast.AsyncFor | ast.While) -> str:
    """Return how a loop ends when a condition holds; an empty text when it does not."""
    if isinstance(loop, ast.While) and not isinstance(loop.test, ast.Constant):
        condition = ast.unparse(loop.test)
        if _works_until_stopped(loop, condition):
            return ""
        if not _asks_only_the_clock(loop.test) and not _counts(loop):
            return f"goes on while {condition}"
    if _takes(loop):
        return ""
    waiting: list[ast.AST] = list(loop.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Break | ast.Return):
            return _BREAKS
        if isinstance(node, (*FUNCTIONS, ast.Lambda, ast.ClassDef)):
            continue
        if isinstance(node, ast.For | ast.AsyncFor | ast.While):
            # What breaks out of an inner loop does not leave this one; what returns does.
            if any(isinstance(each, ast.Return) for each in ast.walk(node)):
                return _BREAKS
            continue
        waiting += ast.iter_child_nodes(node)
    return ""


def _works_until_stopped(loop: ast.While, condition: str) -> bool:
    """Return whether a loop has work of its own, until somebody tells it to stop."""
    if not rules.STOPPED.search(condition):
        return False
    steps = [each for each in loop.body if isinstance(each, ast.Expr | ast.If | ast.Try | ast.With)]
    return len(steps) > 1


def _takes(loop: ast.For | ast.AsyncFor | ast.While) -> bool:
    """Return whether each round begins by waiting for what comes in: ``message = await receive()``.

    Such a loop serves somebody, and does not ask.
    """
    first = loop.body[0]
    value = getattr(first, "value", None)
    call = value.value if isinstance(value, ast.Await) else value
    return isinstance(call, ast.Call) and last_name(call.func) in _TAKING


def _counts(loop: ast.While) -> bool:
    """Return whether a loop counts its rounds: ``while i < 5: …; i += 1``."""
    test = loop.test
    if not isinstance(test, ast.Compare) or not isinstance(test.left, ast.Name):
        return False
    return any(
        isinstance(each, ast.AugAssign)
        and isinstance(each.target, ast.Name)
        and each.target.id == test.left.id
        and isinstance(each.value, ast.Constant)
        for each in loop.body
    )


def _asks_only_the_clock(test: ast.expr) -> bool:
    """Return whether a condition is about the time alone: such a loop has a length, and no aim."""
    if not (isinstance(test, ast.Compare) and len(test.comparators) == 1):
        return False
    words = re.findall(r"[A-Za-z_]+", ast.unparse(test).lower())
    clock = {
        "math",
        "ceil",
        "floor",
        "int",
        "time",
        "monotonic",
        "perf_counter",
        "now",
        "loop",
        "get_running_loop",
        "get_event_loop",
    }
    ends = re.compile(
        r"end|start|begin|deadline|timeout|until|limit|max|wait|dur|t\d?$|until|stop_at|seconds|self"
    )
    return any(word in clock for word in words) and all(w in clock or ends.search(w) for w in words)


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
    ):
        if _is_in_a_block(context):
            yield Clue(Purpose.ASYNC_TASK, 1, "the block that it is in ends after it")
        else:
            yield Clue(Purpose.CLEANUP, 1.5, "nothing of the test follows it")


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


def _held(context: Context) -> Iterator[Clue]:
    """Tell what is held, or timed, for as long as the sleep lasts: it is all that a block does."""
    statement = statement_of(context.place)
    block = context.place.module.tree.parents.get(statement)
    if isinstance(block, ast.With | ast.AsyncWith) and block.body[0] is statement:
        head = " ".join(ast.unparse(item.context_expr) for item in block.items)
        if len(block.body) <= _SHORT and rules.HELD.search(head):
            yield Clue(Purpose.SIMULATED_WORK, 4.5, f"it is what happens within {head}")


def _handed_on(context: Context) -> Iterator[Clue]:
    """Tell sleeps that are handed on for somebody else to run."""
    is_passed = context.place.site.kind == "passed"
    handed = context.argument_of.rpartition(".")[2]
    if handed in _RUNNERS and not is_passed:
        yield Clue(Purpose.ASYNC_TASK, 4, f"{handed}() lets the loop run meanwhile")
    elif handed in _STARTERS or (is_passed and context.duration):
        weight = 6 if context.place.wrapper is None else 3
        yield Clue(Purpose.SIMULATED_WORK, weight, f"it is what {handed}() runs")
    elif is_passed and rules.DOUBLES.search(handed):
        yield Clue(Purpose.SIMULATED_WORK, 5, f"{handed}() stands for something else")
    elif is_passed:
        yield Clue(Purpose.RETRY, 3, f"{handed}() is given it, to sleep between attempts")


def _work(context: Context) -> Iterator[Clue]:
    """Tell sleeps that stand for work: in doubles, tasks, and functions inside of a test."""
    name = _name(context)
    if rules.TASKS.search(context.decorators) and not name.startswith("test"):
        yield Clue(Purpose.SIMULATED_WORK, 6, f"{name}() is a task that somebody else runs")
    if _is_all_of_a_test(context):
        yield Clue(Purpose.SIMULATED_WORK, 4, "the test does nothing else")
    if _is_a_pause(context):
        yield Clue(Purpose.ASYNC_TASK, 1.5, f"{name}() does nothing but wait")
        return
    if context.loop and _gives(context.loop) and not name.startswith("test"):
        yield Clue(Purpose.SIMULATED_WORK, 5, f"{name}() gives its values slowly")
    if context.role is Role.ENDING:
        yield Clue(Purpose.CLEANUP, 6, f"{name}() is run at the end")
    elif (
        context.role is Role.WORK
        and context.place.wrapper is None
        and not _lets_run(context)
        and not (context.is_inner and rules.INNER_STEPS.match(name))
    ):
        weight = 1 if context.loop else 4
        yield Clue(Purpose.SIMULATED_WORK, weight, f"{name}() is handed on, for others to run")
    if context.is_inner and not rules.INNER_STEPS.match(name):
        words = f"it is in {name}(), which is defined inside the test"
        # One that calls a wrapper is more often a step of the test.
        weight = 5 if context.place.wrapper is None else 2
        yield Clue(Purpose.SIMULATED_WORK, weight, words)
    if rules.WAITING.search(name) and not name.startswith("test"):
        yield Clue(Purpose.ASYNC_TASK, 1.5, f"{name}() waits by its name")
    elif name and not name.startswith("test") and not rules.TEARDOWN.match(name):
        if rules.WORK_NAMES.search(name):
            yield Clue(Purpose.SIMULATED_WORK, 3.5, f"{name}() is work by its name")
        elif not (context.is_inner or context.loop or context.after_yield):
            yield Clue(Purpose.SIMULATED_WORK, 1.5, f"{name}() is no test")
    if _stands_in(context):
        words = f"{context.owners[0]} is no class of tests"
        yield Clue(Purpose.SIMULATED_WORK, 2, words)
    double = next((owner for owner in context.owners if rules.DOUBLES.search(owner)), None)
    if double and not double.startswith("Test") and not name.startswith("test"):
        yield Clue(Purpose.SIMULATED_WORK, 4, f"{double} stands for something else")
    exact = context.each.exact
    if exact is not None and exact >= _AGES and (context.is_inner or context.argument_of):
        yield Clue(Purpose.SIMULATED_WORK, 2, "it would last longer than any test")


def _is_all_of_a_test(context: Context) -> bool:
    """Return whether a test does nothing but sleep: it stands for a test that takes long."""
    function = context.place.function
    if not isinstance(function, FUNCTIONS) or not function.name.startswith("test"):
        return False
    statement = statement_of(context.place)
    return all(
        each is statement
        or isinstance(each, ast.Pass)
        or (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
        or (isinstance(each, ast.Assert) and isinstance(each.test, ast.Constant))
        for each in function.body
    )


def _is_a_pause(context: Context) -> bool:
    """Return whether a helper of tests does nothing but sleep: its callers know what for."""
    function = context.place.function
    if not isinstance(function, FUNCTIONS) or context.is_inner or context.role is Role.WORK:
        return False
    if function.name.startswith("test") or function.decorator_list or context.owners:
        return False
    steps = [each for each in function.body if not isinstance(each, ast.Expr) or not isinstance(each.value, ast.Constant)]
    return steps == [statement_of(context.place)] and rules.PAUSES.search(function.name) is not None


def _gives(loop: ast.AST) -> bool:
    """Return whether a loop is that of a generator."""
    return any(isinstance(each, ast.Yield) for each in ast.walk(loop))


def _stands_in(context: Context) -> bool:
    """Return whether it is in a method of a class that is neither tests nor a base of them."""
    if context.loop or not context.owners or rules.TEST_CLASSES.search(context.owners[0]):
        return False
    owner = context.place.module.tree.class_around(context.place.site.node)
    if owner is None or any("TestCase" in ast.unparse(base) for base in owner.bases):
        return False
    methods = [each.name for each in owner.body if isinstance(each, FUNCTIONS)]
    return not any(name.startswith("test") for name in methods)


def _lets_run(context: Context) -> bool:
    """Return whether it sleeps for no time at all, and says so."""
    return context.each.exact == 0 and not context.duration.isidentifier()


def _name(context: Context) -> str:
    return context.names[0] if context.names else ""


_STARTERS = {
    "create_task", "ensure_future", "gather", "wait_for", "submit", "run_in_executor", "to_thread",
    "Thread", "Process", "start_soon", "spawn", "Mock", "MagicMock", "AsyncMock", "partial", "map",
    "apply_async", "enqueue", "shield", "wait", "run_sync", "run_coroutine_threadsafe", "Task",
    "enqueue_in", "enqueue_at", "add_job", "create_job", "Timer", "run", "run_until_complete",
    "timeout",
}  # fmt: skip
_RUNNERS = {"run_until_complete"}
"""Given a sleep itself, these run whatever else there is on the loop for so long."""
_CALL = re.compile(
    r"(?:await )?(?!assert|self\.assert|pytest\b|print\b|eq_|is_|ok_|check|expect|verify|log)([\w.]+)\("
)
_BREAKS = "ends when a condition holds"
_TAKING = {"receive", "recv", "accept", "readline", "recv_json", "recv_multipart"}
_SHORT = 2
_MOST_STEPS = 2
"""So many steps back is looked for what was started."""
_STOPS = {"shutdown", "stop", "restart", "kill", "terminate", "reload"}
_MOMENT = 0.005
"""Shorter sleeps wait for no work."""
_AGES = 30.0
