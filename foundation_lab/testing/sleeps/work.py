"""Work: sleeps that stand for work, in doubles, tasks, and functions that are handed on."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from foundation_lab.testing.sleeps import loops, rules
from foundation_lab.testing.sleeps.context import statement_of
from foundation_lab.testing.sleeps.purposes import Purpose
from foundation_lab.testing.sleeps.roles import Role
from foundation_lab.testing.sleeps.rules import Clue
from foundation_lab.testing.sleeps.scopes import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foundation_lab.testing.sleeps.context import Context


def work(context: Context) -> Iterator[Clue]:
    """Give what speaks for a sleep that nothing is waited for in."""
    if _takes_no_time(context):
        return  # what takes no time is no work
    yield from _handed_on(context)
    yield from _held(context)
    if _is_all_of_a_test(context):
        yield Clue(Purpose.SIMULATED_WORK, 4, "the test does nothing else")
    if _is_a_pause(context):
        words = f"{context.names[0]}() does nothing but wait"
        yield Clue(Purpose.ASYNC_TASK, 1.5, words)
        return
    yield from _function(context)
    yield from _name(context)
    yield from _class(context)


def lets_run(context: Context) -> bool:
    """Return whether it sleeps for no time at all, and says so."""
    return context.each.exact == 0 and not context.duration.isidentifier()


def _takes_no_time(context: Context) -> bool:
    """Return whether it is a single step that lets the others run, wherever it stands."""
    is_step = context.place.site.kind == "sleep" and context.place.wrapper is None
    return is_step and lets_run(context) and not (context.loop or context.argument_of)


def _held(context: Context) -> Iterator[Clue]:
    """Tell what is held, or timed, for as long as the sleep lasts: it is all that a block does."""
    statement = statement_of(context.place)
    block = context.place.module.tree.parents.get(statement)
    if isinstance(block, ast.With | ast.AsyncWith) and block.body[0] is statement:
        head = " ".join(ast.unparse(item.context_expr) for item in block.items)
        if len(block.body) <= _SHORT and rules.HELD.search(head):
            # What a timeout ends stands for work that takes too long, whatever is asserted after.
            weight = 8 if rules.ENDED.search(head) else 4.5
            yield Clue(Purpose.SIMULATED_WORK, weight, f"it is what happens within {head}")


def _handed_on(context: Context) -> Iterator[Clue]:
    """Tell sleeps that are handed on for somebody else to run."""
    is_passed = context.place.site.kind == "passed"
    handed = context.argument_of.rpartition(".")[2]
    if handed in _RUNNERS and not is_passed:
        yield Clue(Purpose.ASYNC_TASK, 4, f"{handed}() lets the loop run meanwhile")
    elif _is_kept(context):
        yield Clue(Purpose.SIMULATED_WORK, 6, "nobody awaits it here: it is work for others to run")
    elif handed in _STARTERS or (is_passed and context.duration):
        weight = 6 if context.place.wrapper is None else 3
        yield Clue(Purpose.SIMULATED_WORK, weight, f"it is what {handed}() runs")
    elif is_passed and rules.DOUBLES.search(handed):
        yield Clue(Purpose.SIMULATED_WORK, 5, f"{handed}() stands for something else")
    elif is_passed:
        yield Clue(Purpose.RETRY, 3, f"{handed}() is given it, to sleep between attempts")


def _is_kept(context: Context) -> bool:
    """Return whether a sleep that must be awaited is put aside: ``[asyncio.sleep(i) for …]``."""
    node = context.place.site.node
    above = context.place.module.tree.parents.get(node)
    is_call = isinstance(node, ast.Call) and ast.unparse(node.func) in _AWAITABLE
    return is_call and isinstance(above, ast.ListComp | ast.GeneratorExp | ast.List | ast.Tuple)


def _function(context: Context) -> Iterator[Clue]:
    """Tell by what the function is to the test."""
    name = context.names[0] if context.names else ""
    loop, is_step = context.loop, context.is_inner and rules.INNER_STEPS.match(name)
    if rules.TASKS.search(context.decorators) and not name.startswith("test"):
        yield Clue(Purpose.SIMULATED_WORK, 6, f"{name}() is a task that somebody else runs")
    if loop and loops.gives(loop) and not name.startswith("test"):
        yield Clue(Purpose.SIMULATED_WORK, 5, f"{name}() gives its values slowly")
    calls_a_wrapper = context.place.wrapper is not None
    if context.role is Role.ENDING:
        yield Clue(Purpose.CLEANUP, 6, f"{name}() is run at the end")
    elif context.role is Role.WORK and not (calls_a_wrapper or lets_run(context) or is_step):
        weight = 1 if loop is not None and loops.ending(loop) else 4
        yield Clue(Purpose.SIMULATED_WORK, weight, f"{name}() is handed on, for others to run")
    if context.is_inner and not is_step:
        words = f"it is in {name}(), which is defined inside the test"
        # One that calls a wrapper is more often a step of the test.
        yield Clue(Purpose.SIMULATED_WORK, 2 if calls_a_wrapper else 5, words)
    exact = context.each.exact
    if exact is not None and exact >= _AGES and (context.is_inner or context.argument_of):
        yield Clue(Purpose.SIMULATED_WORK, 2, "it would last longer than any test")


def _name(context: Context) -> Iterator[Clue]:
    """Tell by the function's name."""
    name = context.names[0] if context.names else ""
    calls_a_wrapper = context.place.wrapper is not None
    if not name or name.startswith("test"):
        return
    if rules.WAITING.search(name) and not context.loop:
        yield Clue(Purpose.ASYNC_TASK, 1.5, f"{name}() waits by its name")
    elif not rules.TEARDOWN.match(name):
        if rules.WORK_NAMES.search(name):
            yield Clue(Purpose.SIMULATED_WORK, 3.5, f"{name}() is work by its name")
        elif not (calls_a_wrapper or context.is_inner or context.loop or context.after_yield):
            yield Clue(Purpose.SIMULATED_WORK, 1.5, f"{name}() is no test")


def _class(context: Context) -> Iterator[Clue]:
    """Tell by the class around it."""
    if _stands_in(context):
        words = f"{context.owners[0]} is no class of tests"
        yield Clue(Purpose.SIMULATED_WORK, 2, words)
    is_test = bool(context.names) and context.names[0].startswith("test")
    double = next((owner for owner in context.owners if rules.DOUBLES.search(owner)), None)
    if double and not double.startswith("Test") and not is_test:
        yield Clue(Purpose.SIMULATED_WORK, 4, f"{double} stands for something else")


def _is_all_of_a_test(context: Context) -> bool:
    """Return whether a test does nothing but sleep: it stands for a test that takes long."""
    function = context.place.function
    if not isinstance(function, FUNCTIONS) or not function.name.startswith("test"):
        return False
    if context.place.wrapper is not None:
        return False  # what it calls may be the test itself
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
    steps = [
        each
        for each in function.body
        if not isinstance(each, ast.Expr) or not isinstance(each.value, ast.Constant)
    ]
    return steps == [statement_of(context.place)] and rules.PAUSES.search(function.name) is not None


def _stands_in(context: Context) -> bool:
    """Return whether it is in a method of a class that is neither tests nor a base of them."""
    if context.place.wrapper is not None or context.loop or not context.owners:
        return False
    if rules.TEST_CLASSES.search(context.owners[0]):
        return False
    owner = context.place.module.tree.class_around(context.place.site.node)
    if owner is None or any("TestCase" in ast.unparse(base) for base in owner.bases):
        return False
    methods = [each.name for each in owner.body if isinstance(each, FUNCTIONS)]
    return not any(name.startswith("test") for name in methods)


_STARTERS = {
    "create_task", "ensure_future", "gather", "wait_for", "submit", "run_in_executor", "to_thread",
    "Thread", "Process", "start_soon", "spawn", "Mock", "MagicMock", "AsyncMock", "partial", "map",
    "apply_async", "enqueue", "shield", "wait", "run_sync", "run_coroutine_threadsafe", "Task",
    "enqueue_in", "enqueue_at", "add_job", "create_job", "Timer", "run", "run_until_complete",
    "timeout",
}  # fmt: skip
_AWAITABLE = {"asyncio.sleep", "anyio.sleep", "trio.sleep"}
_RUNNERS = {"run_until_complete"}
"""Given a sleep itself, these run whatever else there is on the loop for so long."""
_SHORT = 2
"""Statements of a block that is about the time that passes in it."""
_AGES = 30.0
