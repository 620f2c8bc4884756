"""Assertions: whether what was asserted before a sleep holds on after it, or no longer."""

from __future__ import annotations

import ast
import re
from enum import Enum, auto
from typing import TYPE_CHECKING

from foundation_lab.testing.sleeps.scopes import last_name

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
            # What is empty at first stays so until something happens, however far away.
            distance = steps if "assert" in statement else 0
            said.setdefault(subject, (value, distance))
        steps += not claims and not statement.startswith(("try:", "with ", "async with "))
    found: list[tuple[bool, int]] = []
    news = False
    for statement in after:
        for claimed, value in _claims(statement):
            # In what is empty there is nothing.
            subject = claimed if claimed in said else claimed.rpartition(" in ")[2]
            if subject in said:
                first, distance = said[subject]
                found.append((_agree(first, value), distance))
            elif "assert" in statement and not found:
                news = True
    if not all(same for same, _ in found):
        return Compared.CHANGED
    # What was asserted long before may have changed, and changed back.
    is_near = not news and any(distance <= _NEAR for _, distance in found)
    return Compared.SAME if is_near else Compared.NEITHER


def _claims(statement: str) -> Iterator[tuple[str, str]]:
    """Give what is asserted of what: ``assert not x.done()`` claims ``false`` of ``x.done()``."""
    if "assert" not in statement and not _SETS.match(statement):
        return
    try:
        tree = ast.parse(statement)
    except (SyntaxError, ValueError):
        return
    for node in tree.body:
        if isinstance(node, ast.Assert):
            yield from _claim(node.test, "true")
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and node.value.args:
            call = node.value
            name = last_name(call.func)
            if name in _METHODS:
                first, *rest = [ast.unparse(each) for each in call.args]
                if not _METHODS[name] and _is_literal(call.args[0]):
                    first, *rest = [*rest[:1], first] if rest else [first]
                yield first, _METHODS[name] or "".join(rest[:1])
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            yield ast.unparse(target), ast.unparse(node.value)


def _is_literal(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant | ast.List | ast.Tuple | ast.Dict | ast.Set)


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
            if left.startswith("len(") and right == "0":
                left, right = left[4:-1], "false"
            yield left, right
        elif isinstance(operator, ast.NotEq | ast.IsNot):
            yield left, f"not {right}"
    else:
        yield ast.unparse(test), value


def _agree(one: str, other: str) -> bool:
    """Return whether two claims of the same thing can both be true."""
    if "false" in (one, other):
        return {one, other} <= _FALSE
    if "true" in (one, other):
        return not {one, other} & _FALSE
    return one == other


_NEAR = 2
_FALSE = {"false", "False", "[]", "{}", "0", "None", "''", "set()", "dict()", "list()", "()"}
_SETS = re.compile(
    r"(eq_|is_)\(|[\w.]+(: [^=\n]+)? = (\[\]|\{\}|0|None|False|set\(\)|list\(\)|dict\(\))$"
)
"""Statements that claim something without the word, or give a name its first value."""
_METHODS = {
    "assertTrue": "true", "assertFalse": "false", "assertIsNone": "None", "assertEqual": "",
    "assertEquals": "", "assertIs": "", "assertIsNotNone": "not None", "eq_": "", "is_": "",
    "assert_equal": "", "assert_equals": "", "assert_is": "",
}  # fmt: skip
"""Methods of unittest, and what they claim of their first argument; nothing: it is their second."""
