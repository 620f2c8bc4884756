"""Limits: numbers in the code before a sleep that may be what the sleep waits out."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from foundation_lab.testing.sleeps.scopes import FUNCTIONS, last_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foundation_lab.testing.sleeps.project import Module


class Limit(NamedTuple):
    """A number of seconds and what it was set for: ``ttl=1``.

    Attributes:
        name: What it was set for, in lower case.
        seconds: The number.
        text: The code.
        is_named: Whether the code names it; else it is an argument of what has this name.
    """

    name: str
    seconds: float
    text: str
    is_named: bool = True


def limits(module: Module, node: ast.AST, statement: ast.stmt) -> Iterator[Limit]:
    """Give what was set to a number of seconds in the outermost function, before a statement."""
    around = [f for f in module.tree.functions_around(node) if isinstance(f, FUNCTIONS)]
    if not around:
        return
    for each in _within(around[-1]):
        line = getattr(each, "lineno", statement.lineno)
        if line < statement.lineno or isinstance(each, ast.arg):
            for name, value in _named(each):
                yield from _limit(module, name, value)
            if isinstance(each, ast.Call) and not _has_ended(module, each, line=statement.lineno):
                name = last_name(each.func)
                for value in each.args:
                    for limit in _limit(module, name, value):
                        yield limit._replace(text=f"{name}({ast.unparse(value)})", is_named=False)


def _within(function: ast.AST) -> Iterator[ast.AST]:
    """Give the nodes of a function without its decorators: they are about the test as a whole."""
    for part in (getattr(function, "args", None), *getattr(function, "body", ())):
        if part is not None:
            yield from ast.walk(part)


def _named(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Give the values in a node that have names."""
    if isinstance(node, ast.Call):
        for keyword in node.keywords:
            if keyword.arg in _UNITS and last_name(node.func) == "timedelta":
                continue  # what it is given to says what it is for
            if keyword.arg in _UNITS:
                yield f"{last_name(node.func)}_{keyword.arg}", keyword.value
            else:
                yield keyword.arg or "", keyword.value
        yield from _set(node)
    elif isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
        name = _text(target.slice) if isinstance(target, ast.Subscript) else last_name(target)
        yield name, node.value
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            yield _text(key), value


def _has_ended(module: Module, call: ast.Call, line: int) -> bool:
    """Return whether a call is the head of a block that has ended: ``with timeout(1): …``."""
    above = module.tree.parents.get(module.tree.parents.get(call, call))
    return isinstance(above, ast.With | ast.AsyncWith) and (above.end_lineno or line) < line


def _set(call: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    """Give what is set under a name that is a text: ``setattr(conf, "RETRY", 1)``."""
    texts = [_text(each) for each in call.args[:-1]]
    if texts and texts[-1] and last_name(call.func) in _SETTERS:
        yield texts[-1].rpartition(".")[2], call.args[-1]


def _text(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _limit(module: Module, name: str, value: ast.expr) -> Iterator[Limit]:
    if not name or not isinstance(
        value, ast.Constant | ast.Name | ast.BinOp | ast.Attribute | ast.Call
    ):
        return
    if isinstance(value, ast.Constant) and (
        isinstance(value.value, bool) or not isinstance(value.value, int | float)
    ):
        return
    seconds = module.folding.fold(value).exact
    if seconds is None and isinstance(value, ast.Call) and "timedelta" in ast.unparse(value.func):
        total = ast.Call(ast.Attribute(value, "total_seconds", ast.Load()), [], [])
        seconds = module.folding.fold(total, None, module.tree.scope_of(value)).exact
    if seconds is not None and seconds > 0:
        yield Limit(name.lower(), seconds, f"{name}={ast.unparse(value)}")


_SETTERS = {"setattr", "object", "setenv", "setitem", "patch", "set", "setdefault"}
_UNITS = {"seconds", "milliseconds", "minutes"}
"""Keywords that tell no more than a unit: what is called says what they are for."""
