"""Scopes: what a name in a module stands for, without running the module."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Owner: TypeAlias = Function | ast.Lambda | ast.ClassDef | ast.Module

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
OWNERS = (*FUNCTIONS, ast.Lambda, ast.ClassDef, ast.Module)


class Imported(NamedTuple):
    """A name that an import brings."""

    dotted: str


class Assigned(NamedTuple):
    """A name that is assigned an expression; `value` is ``None`` where it cannot be told."""

    value: ast.expr | None
    line: int


class Parameter(NamedTuple):
    """A name that is a parameter, with its default."""

    default: ast.expr | None


Binding: TypeAlias = Imported | Assigned | Parameter | ast.ClassDef | ast.FunctionDef


class Scope:
    """The names of one module, class, function or lambda."""

    def __init__(self, owner: Owner, parent: Scope | None) -> None:
        self.owner = owner
        self.parent = parent
        self.names: dict[str, list[Binding | ast.AsyncFunctionDef]] = {}

    def bind(self, name: str, binding: Binding | ast.AsyncFunctionDef) -> None:
        """Add one more meaning of a name."""
        self.names.setdefault(name, []).append(binding)

    def lookup(self, name: str) -> tuple[list[Binding | ast.AsyncFunctionDef], Scope | None]:
        """Return the meanings of a name in the innermost scope that has any, and that scope."""
        scope: Scope | None = self
        while scope is not None:
            # The names of a class are not seen from the functions in it.
            seen = scope is self or not isinstance(scope.owner, ast.ClassDef)
            if seen and name in scope.names:
                return scope.names[name], scope
            scope = scope.parent
        return [], None


class Tree:
    """A parsed module: parents, scopes, and the dotted names of expressions.

    Args:
        name: The module's dotted name, against which relative imports are read.
        tree: Its syntax tree.
        is_package: Whether it is an ``__init__.py``.
    """

    def __init__(self, name: str, tree: ast.Module, *, is_package: bool = False) -> None:
        self.name = name
        self.tree = tree
        self.stars: list[str] = []
        self.aliases: list[tuple[str, str]] = []
        self.parents: dict[ast.AST, ast.AST] = {}
        self.calls: list[ast.Call] = []
        self.loops: list[ast.While] = []
        self.functions: list[Function] = []
        self.uses: list[ast.Name | ast.Attribute] = []
        self._told: set[ast.AST] = set()
        self._package = name if is_package else name.rpartition(".")[0]
        self._scopes: dict[ast.AST, Scope] = {tree: Scope(tree, None)}
        self._read(tree, self._scopes[tree])

    @property
    def scope(self) -> Scope:
        """The scope of the module itself."""
        return self._scopes[self.tree]

    def scope_of(self, node: ast.AST) -> Scope:
        """Return the scope that a node is read in."""
        for above in self.above(node):
            if above in self._scopes:
                return self._scopes[above]
        return self.scope

    def scope_in(self, owner: ast.AST) -> Scope:
        """Return the scope that a function or class opens."""
        return self._scopes.get(owner, self.scope)

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """Give what a node is in, from the inside out."""
        at = self.parents.get(node)
        while at is not None:
            yield at
            at = self.parents.get(at)

    @cached_property
    def takers(self) -> dict[str, set[str]]:
        """The names that calls are given as arguments, each with the names of those called.

        ``run(main)`` and ``run(main())`` are both noted under ``main``.
        """
        found: dict[str, set[str]] = defaultdict(set)
        for call in self.calls:
            taker = last_name(call.func)
            for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
                given = argument.func if isinstance(argument, ast.Call) else argument
                name = last_name(given)
                # A function that is called is handed on only as what it returns: a coroutine.
                if name and (given is argument or taker in RUNNERS):
                    found[name].add(taker)
        return found

    def functions_around(self, node: ast.AST) -> list[Function | ast.Lambda]:
        """Return the functions that a node is in, the innermost first."""
        return [each for each in self.above(node) if isinstance(each, (*FUNCTIONS, ast.Lambda))]

    def class_around(self, node: ast.AST) -> ast.ClassDef | None:
        """Return the innermost class that a node is in, if any."""
        return next((each for each in self.above(node) if isinstance(each, ast.ClassDef)), None)

    def qualified(self, node: ast.AST) -> str:
        """Return the dotted name of a function or class within the module."""
        chain = [node, *self.above(node)]
        return ".".join(
            each.name for each in reversed(chain) if isinstance(each, (*FUNCTIONS, ast.ClassDef))
        )

    def dotted(self, node: ast.expr, scope: Scope | None = None, depth: int = 0) -> str | None:
        """Return what an expression is called, with aliases undone: ``t.sleep`` is ``time.sleep``.

        Names of this module begin with the module's own name. ``None`` is returned where the code
        does not tell.
        """
        if depth > _DEEPEST:
            return None
        scope = scope or self.scope_of(node)
        if isinstance(node, ast.Name):
            return self._dotted_name(node.id, scope, depth)
        if isinstance(node, ast.Attribute):
            base = self.dotted(node.value, scope, depth + 1)
            return None if base is None else f"{base}.{node.attr}"
        if isinstance(node, ast.Call):
            return self._dotted_call(node, scope, depth)
        return None

    def _dotted_name(self, name: str, scope: Scope, depth: int) -> str | None:
        bindings, where = scope.lookup(name)
        for binding in reversed(bindings):
            if isinstance(binding, Imported):
                return binding.dotted
            if isinstance(binding, (*FUNCTIONS, ast.ClassDef)):
                return f"{self.name}:{self.qualified(binding)}"
            if isinstance(binding, Assigned) and isinstance(
                binding.value, ast.Name | ast.Attribute
            ):
                if isinstance(binding.value, ast.Name) and binding.value.id == name:
                    continue
                return self.dotted(binding.value, where, depth + 1)
            if isinstance(binding, Assigned) and isinstance(binding.value, ast.Call):
                return self.dotted(binding.value, where, depth + 1)
            if isinstance(binding, Parameter) and isinstance(
                binding.default, ast.Name | ast.Attribute
            ):
                # `def loop(sleep=sleep)`: the default is read outside of the function
                return self.dotted(binding.default, where and where.parent, depth + 1)
        return None

    def _dotted_call(self, node: ast.Call, scope: Scope, depth: int) -> str | None:
        """Read ``__import__("time")``, ``import_module("time")`` and ``getattr(time, "sleep")``."""
        words = [each.value if isinstance(each, ast.Constant) else None for each in node.args]
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if (
            name in ("__import__", "import_module", "importorskip")
            and words
            and isinstance(words[0], str)
        ):
            return words[0]
        if name == "getattr" and len(words) > 1 and isinstance(words[1], str):
            base = self.dotted(node.args[0], scope, depth + 1)
            return None if base is None else f"{base}.{words[1]}"
        made = self.dotted(node.func, scope, depth + 1)
        return None if made is None else f"{made}()"

    # -- reading -------------------------------------------------------------------------------

    def _read(self, node: ast.AST, scope: Scope) -> None:
        """Note parents, scopes and names, without recursion: code may be nested deeply."""
        waiting: list[tuple[ast.AST, Scope]] = [(node, scope)]
        parents, scopes = self.parents, self._scopes
        while waiting:
            node, scope = waiting.pop()
            kind = type(node)
            inner = scope
            if kind in _OPENING:
                inner = scopes[node] = Scope(node, scope)  # type: ignore[arg-type]
            if kind in _NOTED:
                self._note(node, scope, inner)
            if kind in _LEAVES:
                continue
            children = []
            for field in node._fields:
                value = getattr(node, field, None)
                if type(value) is list:
                    children += [each for each in value if isinstance(each, ast.AST)]
                elif isinstance(value, ast.AST) and type(value) not in _EMPTY:
                    children.append(value)
            children.reverse()
            for child in children:
                parents[child] = node
                waiting.append((child, inner))

    def _note(  # noqa: C901, PLR0912  (one branch a kind of node)
        self, node: ast.AST, scope: Scope, inner: Scope
    ) -> None:
        if isinstance(node, ast.Call):
            self.calls.append(node)
        elif isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load):
                self.uses.append(node)
            elif isinstance(node.ctx, ast.Store) and not self._is_single_target(node):
                scope.bind(node.id, Assigned(None, node.lineno))
        elif isinstance(node, ast.Attribute):
            self.uses.append(node)
        elif isinstance(node, ast.Assign):
            self._assign(node.targets, node.value, scope)
        elif isinstance(node, ast.AnnAssign):
            if node.value is not None:
                self._assign([node.target], node.value, scope)
        elif isinstance(node, ast.NamedExpr):
            self._assign([node.target], node.value, scope)
        elif isinstance(node, ast.While):
            self.loops.append(node)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            self._import(node, scope)
        elif isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            scope.bind(node.name, node)
            if not isinstance(node, ast.ClassDef):
                self.functions.append(node)
                self._parameters(node.args, inner)
        elif isinstance(node, ast.Lambda):
            self._parameters(node.args, inner)

    def _is_single_target(self, node: ast.Name) -> bool:
        above = self.parents.get(node)
        return node in self._told or isinstance(above, ast.Assign | ast.AnnAssign | ast.NamedExpr)

    def _assign(self, targets: list[ast.expr], value: ast.expr, scope: Scope) -> None:
        for target in targets:
            if isinstance(target, ast.Name):
                scope.bind(target.id, Assigned(value, target.lineno))
                last = last_name(value)
                if last:
                    self.aliases.append((target.id, last))
            elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
                # `self.delay = 2`, under a name that no identifier can have
                owner = self._class_of(scope)
                if target.value.id in ("self", "cls") and owner is not None:
                    owner.bind(f".{target.attr}", Assigned(value, target.lineno))
            elif isinstance(target, ast.Tuple | ast.List):
                values = value.elts if isinstance(value, ast.Tuple | ast.List) else []
                if len(values) == len(target.elts):
                    for each, one in zip(target.elts, values, strict=True):
                        if isinstance(each, ast.Name):
                            self._told.add(each)
                            scope.bind(each.id, Assigned(one, each.lineno))

    @staticmethod
    def _class_of(scope: Scope) -> Scope | None:
        at: Scope | None = scope
        while at is not None and not isinstance(at.owner, ast.ClassDef):
            at = at.parent
        return at

    def _parameters(self, arguments: ast.arguments, scope: Scope) -> None:
        for name, default in parameters(arguments):
            scope.bind(name, Parameter(default))
        for each in (arguments.vararg, arguments.kwarg):
            if each is not None:
                scope.bind(each.arg, Parameter(None))

    def _import(self, node: ast.Import | ast.ImportFrom, scope: Scope) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                scope.bind(alias.asname or top, Imported(alias.name if alias.asname else top))
            return
        base = node.module or ""
        if node.level:
            parts = self._package.split(".") if self._package else []
            kept = parts[: len(parts) - node.level + 1]
            base = ".".join([*kept, *([base] if base else [])])
        for alias in node.names:
            if alias.name == "*":
                self.stars.append(base)
            else:
                scope.bind(alias.asname or alias.name, Imported(f"{base}.{alias.name}"))
                if alias.asname:
                    self.aliases.append((alias.asname, alias.name))


def last_name(node: ast.expr) -> str:
    """Return the last part of a name: ``sleep`` of ``time.sleep``, be it by ``getattr``."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr":
        named = node.args[1] if len(node.args) > 1 else None
        return str(named.value) if isinstance(named, ast.Constant) else ""
    return ""


def parameters(arguments: ast.arguments) -> list[tuple[str, ast.expr | None]]:
    """Return the named parameters of a function, with their defaults."""
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    pairs = list(zip((each.arg for each in positional), defaults, strict=True))
    named = zip((each.arg for each in arguments.kwonlyargs), arguments.kw_defaults, strict=True)
    return [*pairs, *named]


RUNNERS = frozenset({"run", "run_until_complete", "run_sync", "block_on", "run_async"})
"""Functions that run a coroutine to its end."""
_OPENING = frozenset({*FUNCTIONS, ast.Lambda, ast.ClassDef})
_NOTED = _OPENING | {
    ast.Call,
    ast.Name,
    ast.Attribute,
    ast.Assign,
    ast.AnnAssign,
    ast.NamedExpr,
    ast.While,
    ast.Import,
    ast.ImportFrom,
}
_LEAVES = frozenset({ast.Name, ast.Constant, ast.Import, ast.ImportFrom, ast.Pass, ast.alias})
_EMPTY = frozenset({ast.Load, ast.Store, ast.Del})
_DEEPEST = 12
"""How many aliases of aliases are followed."""
