"""Assertions: whether what was asserted before a sleep holds on after it, or no longer."""

from __future__ import annotations

import ast
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Compared(Enum):
    """How the assertions before and after a sleep go together."""

    NEITHER = auto()
    SAME = auto()
    """The same is asserted again: nothing may have happened."""
    CHANGED = auto()
    """Something else is asserted of the same thing: the sleep waited for that."""


def compare(before: Iterable[str], after: Iterable[str]) -> Compared:
    """Compare what is asserted right before a sleep and right after it.

    Args:
        before: The statements before it, the nearest first.
        after: The statements after it, the nearest first.
    """
    said: dict[str, tuple[str, int]] = {}
    steps = 0
    for statement in before:
        claims = list(_claims(statement))
        for subject, value in claims:
            said.setdefault(subject, (value, steps))
        steps += not claims
    found = [
        (said[subject][0] == value, said[subject][1])
        for statement in after
        for subject, value in _claims(statement)
        if subject in said
    ]
    if not all(same for same, _ in found):
        return Compared.CHANGED
    # What was asserted long before may have changed, and changed back.
    is_near = any(steps <= 1 for _, steps in found)
    return Compared.SAME if is_near else Compared.NEITHER


def _claims(statement: str) -> Iterator[tuple[str, str]]:
    """Give what is asserted of what: ``assert not x.done()`` claims ``false`` of ``x.done()``."""
    if "assert" not in statement:
        return
    try:
        tree = ast.parse(statement)
    except (SyntaxError, ValueError):
        return
    for node in tree.body:
        if isinstance(node, ast.Assert):
            yield from _claim(node.test, "true")
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            call = node.value
            name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            if name in _METHODS and call.args:
                other = ast.unparse(call.args[1]) if len(call.args) > 1 else ""
                yield ast.unparse(call.args[0]), _METHODS[name] or other


def _claim(test: ast.expr, value: str) -> Iterator[tuple[str, str]]:
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        yield from _claim(test.operand, "false" if value == "true" else "true")
    elif isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        for each in test.values:
            yield from _claim(each, value)
    elif isinstance(test, ast.Compare) and len(test.ops) == 1:
        left, right = ast.unparse(test.left), ast.unparse(test.comparators[0])
        operator = test.ops[0]
        if isinstance(operator, ast.In | ast.NotIn):
            yield f"{left} in {right}", "true" if isinstance(operator, ast.In) else "false"
        elif isinstance(operator, ast.Eq | ast.Is):
            yield left, {"True": "true", "False": "false"}.get(right, right)
        elif isinstance(operator, ast.NotEq | ast.IsNot):
            yield left, f"not {right}"
    else:
        yield ast.unparse(test), value


_METHODS = {
    "assertTrue": "true", "assertFalse": "false", "assertIsNone": "None", "assertEqual": "",
    "assertEquals": "", "assertIs": "", "assertIsNotNone": "not None",
}  # fmt: skip
"""Methods of unittest, and what they claim of their first argument; nothing: it is their second."""
