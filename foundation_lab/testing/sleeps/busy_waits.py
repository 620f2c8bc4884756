"""Busy waits: loops that do nothing but ask whether they are over."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from foundation_lab.testing.sleeps.scopes import Assigned, Parameter
from foundation_lab.testing.sleeps.sleepers import CLOCKS

if TYPE_CHECKING:
    from foundation_lab.testing.sleeps.scopes import Tree


def is_busy_wait(module: Tree, loop: ast.While) -> bool:
    """Return whether a loop does nothing but ask: it spins until a time has come, or a state."""
    idle = all(
        isinstance(each, ast.Pass | ast.Continue)
        or (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
        or (isinstance(each, ast.Assign) and _reads_clock(module, each.value))
        for each in loop.body
    )
    if not idle or (isinstance(loop.test, ast.Constant)):
        return False
    if isinstance(loop.test, ast.Call) and not loop.test.args and not loop.test.keywords:
        # `while step(): pass` works in its condition, unless it only asks
        name = loop.test.func.attr if isinstance(loop.test.func, ast.Attribute) else ""
        return name.startswith(("is_", "has_", "in_"))
    return _reads_clock(module, loop.test) or _only_asks(loop.test)


def length_of(module: Tree, loop: ast.While) -> ast.expr | None:
    """Return 2 of ``end = time() + 2; while time() < end: pass``, or of ``time() - start < 2``."""
    test = loop.test
    if not isinstance(test, ast.Compare) or len(test.comparators) != 1:
        return None
    clock, limit = test.left, test.comparators[0]
    if not _reads_clock(module, clock):
        clock, limit = limit, clock
    if not _reads_clock(module, clock):
        return None
    if isinstance(clock, ast.BinOp) and isinstance(clock.op, ast.Sub):
        return limit
    if isinstance(limit, ast.Name):
        bindings, _ = module.scope_of(limit).lookup(limit.id)
        values = [each.value for each in bindings if isinstance(each, Assigned)]
        limit = values[-1] if values and values[-1] is not None else limit
    if isinstance(limit, ast.BinOp) and isinstance(limit.op, ast.Add):
        for one, other in ((limit.left, limit.right), (limit.right, limit.left)):
            if _reads_clock(module, one):
                return other
            if isinstance(one, ast.Name) and _is_clock_reading(module, one):
                return other
    return None


def _reads_clock(module: Tree, node: ast.expr) -> bool:
    return any(
        isinstance(each, ast.Call) and (module.dotted(each.func) in CLOCKS or _is_loop_time(each))
        for each in ast.walk(node)
    )


def _is_loop_time(call: ast.Call) -> bool:
    """Return whether a call is ``loop.time()``."""
    return isinstance(call.func, ast.Attribute) and call.func.attr == "time" and not call.args


def _only_asks(test: ast.expr) -> bool:
    """Return whether a condition reads a state and calls nothing but what only asks."""
    calls = [each for each in ast.walk(test) if isinstance(each, ast.Call)]
    asking = ("is_", "has_", "qsize", "empty", "done", "locked", "len", "exists", "poll")
    for call in calls:
        name = (
            call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        )
        if not name.startswith(asking):
            return False
    return any(isinstance(each, ast.Name | ast.Attribute) for each in ast.walk(test))


def _is_clock_reading(module: Tree, node: ast.Name) -> bool:
    bindings, _ = module.scope_of(node).lookup(node.id)
    return any(
        isinstance(each, Assigned) and each.value is not None and _reads_clock(module, each.value)
        for each in bindings
        if not isinstance(each, Parameter)
    )
