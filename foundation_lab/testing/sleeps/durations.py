"""Durations: what an expression comes to in seconds, as far as the code tells."""

from __future__ import annotations

import ast
import math
from typing import TYPE_CHECKING, NamedTuple

from foundation_lab.testing.sleeps.scopes import Assigned, Imported, Parameter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from foundation_lab.testing.sleeps.scopes import Scope, Tree


class Bounds(NamedTuple):
    """A number between two others, or that very number."""

    low: float
    high: float

    @property
    def exact(self) -> float | None:
        """The number itself, where the code tells it."""
        return self.low if self.low == self.high else None


UNKNOWN = Bounds(-math.inf, math.inf)
"""Any number."""


def exactly(number: float) -> Bounds:
    """Return the bounds of a number that is known."""
    return Bounds(number, number)


class Folding:
    """Folds expressions of one module to bounds.

    Args:
        module: The module.
        elsewhere: Finds the value of a dotted name in other modules: the module and the expression.
    """

    def __init__(
        self, module: Tree, elsewhere: Callable[[str], tuple[Tree, ast.expr] | None]
    ) -> None:
        self._module = module
        self._elsewhere = elsewhere

    def fold(  # noqa: C901, PLR0911  (one case a kind of expression)
        self,
        node: ast.expr,
        given: Mapping[str, ast.expr | Bounds] | None = None,
        scope: Scope | None = None,
        depth: int = 0,
    ) -> Bounds:
        """Return the bounds of an expression.

        Args:
            node: The expression.
            given: Values of names that the caller knows better: arguments, loop variables.
            scope: Where it is read; where it stands, by default.
            depth: How many names were followed up to here.
        """
        if depth > _DEEPEST:
            return UNKNOWN
        scope = scope or self._module.scope_of(node)
        given = given or {}
        match node:
            case ast.Constant(value=int() | float() as number):
                return exactly(float(number)) if abs(number) < _MOST else UNKNOWN
            case ast.Name():
                return self._name(node, given, scope, depth)
            case ast.Attribute():
                return self._attribute(node, scope, depth)
            case ast.UnaryOp(op=ast.USub()):
                value = self.fold(node.operand, given, scope, depth + 1)
                return Bounds(-value.high, -value.low)
            case ast.UnaryOp(op=ast.UAdd()):
                return self.fold(node.operand, given, scope, depth + 1)
            case ast.BinOp():
                left = self.fold(node.left, given, scope, depth + 1)
                right = self.fold(node.right, given, scope, depth + 1)
                return _binary(node.op, left, right)
            case ast.IfExp():
                body = self.fold(node.body, given, scope, depth + 1)
                return _hull([body, self.fold(node.orelse, given, scope, depth + 1)])
            case ast.BoolOp(op=ast.Or()):
                return _hull([self.fold(each, given, scope, depth + 1) for each in node.values])
            case ast.Await() | ast.NamedExpr():
                return self.fold(node.value, given, scope, depth + 1)
            case ast.Call():
                return self._call(node, given, scope, depth)
        return UNKNOWN

    def length(  # noqa: PLR0911  (one return a kind of expression)
        self, node: ast.expr, depth: int = 0
    ) -> int | None:
        """Return how many elements an expression gives in a loop, if the code tells."""
        elements = self.elements(node, depth)
        if elements is not None:
            return len(elements)
        name = _called(node) if isinstance(node, ast.Call) else ""
        if isinstance(node, ast.Call) and name == "range" and 1 <= len(node.args) <= 3:
            ends = [self.fold(each).exact for each in node.args]
            if None in ends:
                return None
            return len(range(*(int(end) for end in ends if end is not None)))
        if isinstance(node, ast.Call) and name in _AS_LONG and node.args:
            return self.length(node.args[0], depth + 1)
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            return len(node.value)
        if isinstance(node, ast.Dict) and all(key is not None for key in node.keys):
            return len(node.keys)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            sides = (self.length(node.left, depth + 1), self.fold(node.right).exact)
            return None if None in sides else (sides[0] or 0) * int(sides[1] or 0)
        return None

    def elements(  # noqa: PLR0911  (one return a kind of expression)
        self, node: ast.expr, depth: int = 0
    ) -> list[ast.expr] | None:
        """Return the elements of a list, tuple or set that the code spells out."""
        if depth > _DEEPEST:
            return None
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            return None if any(isinstance(e, ast.Starred) for e in node.elts) else list(node.elts)
        if isinstance(node, ast.Name):
            bindings, _ = self._module.scope_of(node).lookup(node.id)
            if len(bindings) == 1 and isinstance(bindings[0], Assigned) and bindings[0].value:
                return self.elements(bindings[0].value, depth + 1)
            if len(bindings) == 1 and isinstance(bindings[0], Imported):
                found = self._elsewhere(bindings[0].dotted)
                if found is not None:
                    return Folding(found[0], self._elsewhere).elements(found[1], depth + 1)
        if isinstance(node, ast.Attribute) and is_self(node.value):
            value = self._of_class(node)
            return None if value is None else self.elements(value, depth + 1)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = self.elements(node.left, depth + 1), self.elements(node.right, depth + 1)
            return None if left is None or right is None else [*left, *right]
        return None

    def _name(
        self,
        node: ast.Name,
        given: Mapping[str, ast.expr | Bounds],
        scope: Scope,
        depth: int,
    ) -> Bounds:
        if node.id in given:
            value = given[node.id]
            if isinstance(value, Bounds):
                return value
            if not (isinstance(value, ast.Name) and value.id == node.id):
                return self.fold(value, None, None, depth + 1)
        bindings, where = scope.lookup(node.id)
        # What is assigned later in the same function is not what is read here.
        earlier = [
            each
            for each in bindings
            if not (isinstance(each, Assigned) and each.line > node.lineno)
        ] or bindings
        values = []
        for binding in earlier:
            if isinstance(binding, Assigned) and binding.value is not None:
                values.append(self.fold(binding.value, given, where, depth + 1))
            elif isinstance(binding, Parameter) and binding.default is not None:
                outside = where.parent if where else None
                values.append(self.fold(binding.default, None, outside, depth + 1))
            elif isinstance(binding, Imported):
                values.append(self._imported(binding.dotted, depth))
            else:
                return UNKNOWN
        return _hull(values)

    def _attribute(self, node: ast.Attribute, scope: Scope, depth: int) -> Bounds:
        if is_self(node.value):
            value = self._of_class(node)
            return UNKNOWN if value is None else self.fold(value, None, None, depth + 1)
        dotted = self._module.dotted(node, scope)
        if dotted is None:
            return UNKNOWN
        module, _, rest = dotted.partition(":")
        if module == self._module.name and "." in rest:
            owner, _, attribute = rest.rpartition(".")
            return self._class_constant(owner, attribute, depth)
        return self._imported(dotted, depth)

    def _of_class(self, node: ast.Attribute) -> ast.expr | None:
        """Return what ``self.name`` is assigned, if it is assigned once."""
        around = self._module.class_around(node)
        if around is None:
            return None
        names = self._module.scope_in(around).names
        bindings = names.get(f".{node.attr}", []) + names.get(node.attr, [])
        values = [each.value for each in bindings if isinstance(each, Assigned)]
        return values[0] if len(bindings) == len(values) == 1 else None

    def _class_constant(self, owner: str, attribute: str, depth: int) -> Bounds:
        for binding in self._module.scope.names.get(owner, []):
            if isinstance(binding, ast.ClassDef):
                values = self._module.scope_in(binding).names.get(attribute, [])
                if len(values) == 1 and isinstance(values[0], Assigned) and values[0].value:
                    return self.fold(values[0].value, None, None, depth + 1)
        return UNKNOWN

    def _imported(self, dotted: str, depth: int) -> Bounds:
        if dotted in _KNOWN:
            return exactly(_KNOWN[dotted])
        found = self._elsewhere(dotted)
        if found is None:
            return UNKNOWN
        module, value = found
        return Folding(module, self._elsewhere).fold(value, None, None, depth + 1)

    def _call(  # noqa: C901, PLR0911  (one case a function)
        self,
        node: ast.Call,
        given: Mapping[str, ast.expr | Bounds],
        scope: Scope,
        depth: int,
    ) -> Bounds:
        name = _called(node)
        folded = [
            self.fold(each, given, scope, depth + 1)
            for each in node.args
            if not isinstance(each, ast.Starred)
        ]
        if name == "total_seconds" and isinstance(node.func, ast.Attribute):
            inner = node.func.value
            if isinstance(inner, ast.Call) and _called(inner) == "timedelta":
                return self._timedelta(inner, given, scope, depth)
            return UNKNOWN
        if node.keywords or len(folded) != len(node.args):
            return UNKNOWN
        match name, folded:
            case ("float" | "int" | "round", [value, *_]):
                if name == "float":
                    return value
                rounding = math.floor if name == "int" else round
                ends = [float(rounding(x)) if math.isfinite(x) else x for x in value]
                return Bounds(*ends)
            case ("abs", [value]):
                ends = sorted((abs(value.low), abs(value.high)))
                return Bounds(0.0 if _has_0(value) else ends[0], ends[1])
            case ("max", [_, _, *_]):
                return Bounds(max(b.low for b in folded), max(b.high for b in folded))
            case ("min", [_, _, *_]):
                return Bounds(min(b.low for b in folded), min(b.high for b in folded))
            case ("uniform" | "randint" | "randrange", [low, high]):
                return Bounds(low.low, high.high)
            case ("random", []):
                return Bounds(0.0, 1.0)
            case ("choice", [_]):
                choices = self.elements(node.args[0])
                return _hull([self.fold(each) for each in choices or []])
            case ("len", [_]):
                length = self.length(node.args[0])
                return Bounds(0.0, math.inf) if length is None else exactly(float(length))
        return UNKNOWN

    def _timedelta(
        self,
        node: ast.Call,
        given: Mapping[str, ast.expr | Bounds],
        scope: Scope,
        depth: int,
    ) -> Bounds:
        names = ("days", "seconds", "microseconds", "milliseconds", "minutes", "hours", "weeks")
        parts = [*zip(names, node.args, strict=False), *((k.arg, k.value) for k in node.keywords)]
        total = exactly(0.0)
        for unit, value in parts:
            if unit not in _UNITS:
                return UNKNOWN
            part = _binary(
                ast.Mult(), self.fold(value, given, scope, depth + 1), exactly(_UNITS[unit])
            )
            total = _binary(ast.Add(), total, part)
        return total


def is_self(node: ast.expr) -> bool:
    """Return whether an expression is ``self`` or ``cls``."""
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def _called(node: ast.Call) -> str:
    function = node.func
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def _hull(values: list[Bounds]) -> Bounds:
    if not values:
        return UNKNOWN
    return Bounds(min(each.low for each in values), max(each.high for each in values))


def _binary(operator: ast.operator, left: Bounds, right: Bounds) -> Bounds:
    """Compute on bounds; where the corners are no numbers, anything is possible."""
    compute = _OPERATORS.get(type(operator))
    if compute is None or (
        isinstance(operator, ast.Div | ast.FloorDiv | ast.Mod) and _has_0(right)
    ):
        return UNKNOWN
    if isinstance(operator, ast.Mod | ast.Pow) and None in (left.exact, right.exact):
        return UNKNOWN
    try:
        corners = [float(compute(a, b)) for a in left for b in right]
    except (ArithmeticError, TypeError, ValueError):  # TypeError: a complex power
        return UNKNOWN
    corners = [0.0 if math.isnan(each) else each for each in corners]  # 0 times infinity
    return Bounds(min(corners), max(corners))


def _has_0(bounds: Bounds) -> bool:
    return bounds.low <= 0 <= bounds.high


_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.FloorDiv: lambda a, b: a // b,
    ast.Mod: lambda a, b: a % b,
    ast.Pow: lambda a, b: a**b,
}
_UNITS = {
    "days": 86400.0,
    "seconds": 1.0,
    "microseconds": 1e-6,
    "milliseconds": 1e-3,
    "minutes": 60.0,
    "hours": 3600.0,
    "weeks": 604800.0,
}
_KNOWN = {
    "math.inf": math.inf,
    "math.pi": math.pi,
    "sys.maxsize": 9.2e18,
    "threading.TIMEOUT_MAX": 9.2e9,
}
_AS_LONG = {"enumerate", "list", "tuple", "reversed", "sorted", "iter"}
_DEEPEST = 12
_MOST = 1e15
"""Larger numbers are no durations, and a power of one could take for ever."""
