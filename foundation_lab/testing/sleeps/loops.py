"""Loops: whether the loop around a sleep asks for something, works, or only counts its rounds."""

from __future__ import annotations

import ast
import re

from foundation_lab.testing.sleeps import rules
from foundation_lab.testing.sleeps.scopes import FUNCTIONS, last_name

BREAKS = "ends when a condition holds"
"""What is said of a loop that is left from within."""


def ending(loop: ast.For | ast.AsyncFor | ast.While) -> str:
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
            return BREAKS
        if isinstance(node, (*FUNCTIONS, ast.Lambda, ast.ClassDef)):
            continue
        if isinstance(node, ast.For | ast.AsyncFor | ast.While):
            # What breaks out of an inner loop does not leave this one; what returns does.
            if any(isinstance(each, ast.Return) for each in ast.walk(node)):
                return BREAKS
            continue
        waiting += ast.iter_child_nodes(node)
    return ""


def asks_in_between(loop: ast.AST, above: list[ast.AST]) -> bool:
    """Return whether what is slept for is asked for again: ``if not done: sleep(1); done = …``.

    Args:
        loop: The loop around the sleep.
        above: What is around the sleep, the innermost first.
    """
    for each in above:
        if each is loop:
            return False
        if isinstance(each, ast.If):
            asked = {name.id for name in ast.walk(each.test) if isinstance(name, ast.Name)}
            return any(
                isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store) and name.id in asked
                for step in each.body
                for name in ast.walk(step)
            )
    return False


def _works_until_stopped(loop: ast.While, condition: str) -> bool:
    """Return whether a loop has work of its own, until somebody tells it to stop."""
    if not rules.STOPPED.search(condition) or re.search("deadline|time", condition):
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


def is_within(loop: ast.For | ast.AsyncFor | ast.While, statement: ast.stmt) -> bool:
    """Return whether a statement is a step amid the round of a loop, and no pause at its border."""
    blocks = [loop.body, *(each.body for each in loop.body if isinstance(each, ast.Try | ast.With))]
    return any(statement in block[1:-1] for block in blocks)


def checks_after(loop: ast.AST, line: int) -> bool:
    """Return whether something is asserted after a line in the same round of a loop."""
    return any(
        (isinstance(each, ast.Assert) and not _asks_only_the_clock(each.test))
        or (isinstance(each, ast.Attribute) and each.attr.startswith("assert"))
        for each in ast.walk(loop)
        if getattr(each, "lineno", 0) > line
    )


def gives(loop: ast.AST) -> bool:
    """Return whether a loop is that of a generator."""
    return any(isinstance(each, ast.Yield) for each in ast.walk(loop))


_TAKING = {"receive", "recv", "accept", "readline", "recv_json", "recv_multipart"}
"""Functions that wait for what comes in."""
