"""Roles: what a function is to its test, told by who is given it."""

from __future__ import annotations

import ast
from enum import Enum, auto
from typing import TYPE_CHECKING

from foundation_lab.testing.sleeps import rules
from foundation_lab.testing.sleeps.scopes import FUNCTIONS, RUNNERS, last_name

if TYPE_CHECKING:
    from foundation_lab.testing.sleeps.scopes import Function, Tree


class Role(Enum):
    """What a function is to its test."""

    NONE = auto()
    """Nothing that is known."""
    BODY = auto()
    """The test itself, in a function of its own: ``asyncio.run(main())``."""
    WORK = auto()
    """It is handed on for somebody else to run: ``pool.submit(work)``."""
    ENDING = auto()
    """It is handed on to be run at the end: ``self.addCleanup(stop)``."""


def role_of(tree: Tree, function: Function | ast.Lambda) -> Role:
    """Return what a function is to its test."""
    name = name_of(tree, function)
    inner = len(tree.functions_around(function)) > 0
    takers = tree.takers.get(name, set())
    is_run = inner and isinstance(function, FUNCTIONS) and not takers.isdisjoint(RUNNERS)
    if is_run and (asserts(function) or not rules.WORK_NAMES.search(name)):
        return Role.BODY
    if inner and not takers and _is_a_step(tree, function, name):
        return Role.BODY
    if inner and takers & _ENDINGS:
        return Role.ENDING
    return Role.WORK if takers - RUNNERS - _LOOKING else Role.NONE


def _is_a_step(tree: Tree, function: Function | ast.Lambda, name: str) -> bool:
    """Return whether the test calls a function itself, and waits for it: it is a part of it."""
    if getattr(function, "decorator_list", None) or rules.WORK_NAMES.search(name):
        return False
    for call in tree.calls:
        if isinstance(call.func, ast.Name) and call.func.id == name:
            above = tree.parents.get(call)
            above = tree.parents.get(above) if isinstance(above, ast.Await) else above
            if isinstance(above, ast.Expr | ast.Assign | ast.Assert | ast.Return):
                return True
    return False


def name_of(tree: Tree, function: Function | ast.Lambda) -> str:
    """Return a function's name; a lambda's is that of what it is assigned to."""
    if isinstance(function, FUNCTIONS):
        return function.name
    above = tree.parents.get(function)
    if isinstance(above, ast.Assign) and len(above.targets) == 1:
        return last_name(above.targets[0]) or "lambda"
    return "lambda"


def asserts(function: Function | ast.Lambda) -> bool:
    """Return whether a function checks something, as only tests do."""
    return any(
        isinstance(each, ast.Assert)
        or (isinstance(each, ast.Attribute) and each.attr.startswith(("assert", "raises")))
        for each in ast.walk(function)
    )


_ENDINGS = {"addCleanup", "addfinalizer", "addClassCleanup", "addAsyncCleanup"}
_LOOKING = {
    "wait_for", "wait_until", "eventually", "until", "poll", "isinstance", "getattr", "hasattr",
    "signature", "iscoroutinefunction", "partial_wait", "wraps", "update_wrapper",
}  # fmt: skip
"""What only asks a function, or looks at it."""
