"""Sites: the places in one module that sleep by themselves."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from foundation_lab.testing.sleeps.busy_waits import is_busy_wait, length_of
from foundation_lab.testing.sleeps.scopes import FUNCTIONS, Imported, Parameter, last_name
from foundation_lab.testing.sleeps.sleepers import (
    FRESH_QUEUES,
    FRESH_WAITS,
    LAST_NAMES,
    METHODS,
    NAMES,
    SHELLS,
    SLEEPERS,
    Sleeper,
    program_sleep,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from foundation_lab.testing.sleeps.scopes import Tree


class Site(NamedTuple):
    """A place that sleeps.

    Attributes:
        node: The call, the name that is handed on, or the loop.
        kind: As `foundation_lab.testing.sleeps.finding.Finding.kind` has it.
        duration: How long, as an expression, or in seconds; ``None`` when the code has no word
            about it.
        unit: How many seconds the expression's unit has.
    """

    node: ast.expr | ast.While
    kind: str
    duration: ast.expr | float | None
    unit: float = 1.0


class Sought(NamedTuple):
    """What is looked for in a module.

    Attributes:
        origin: As `sites` has it.
        names: The names that functions that sleep may have there.
    """

    origin: Callable[[str], str | None]
    names: set[str]


def sites(
    module: Tree, origin: Callable[[str], str | None], others: frozenset[str] = frozenset()
) -> Iterator[Site]:
    """Find what sleeps in a module.

    Args:
        module: The module.
        origin: Says where a dotted name comes from in the end; ``None`` for one of the audited
            modules.
        others: The names that other modules give to functions that sleep.
    """
    sought = Sought(origin, _names_here(module, LAST_NAMES | others))
    for call in module.calls:
        site = _of_call(module, call, sought)
        if site is not None:
            yield site
        yield from _handed_on(module, call, sought)
    for loop in module.loops:
        if is_busy_wait(module, loop):
            yield Site(loop, "busy_wait", length_of(module, loop))


def _names_here(module: Tree, names: frozenset[str]) -> set[str]:
    """Return what functions that sleep may be called in a module: few calls are looked into."""
    known = set(names)
    aliases = list(module.aliases)
    while found := {alias for alias, name in aliases if name in known} - known:
        known |= found
    return known


def sleeper_of(  # noqa: PLR0911  (one return a way to name it)
    module: Tree, node: ast.expr, sought: Sought
) -> Sleeper | None:
    """Return what kind of sleeper a function is that an expression names."""
    if not isinstance(node, ast.Name | ast.Attribute | ast.Call):
        return None
    last = last_name(node)
    if last not in sought.names:
        return None
    if isinstance(node, ast.Attribute) and node.attr in METHODS:
        return METHODS[node.attr]
    dotted = module.dotted(node)
    if dotted is None:
        return _from_star(module, node, sought)
    if dotted in SLEEPERS:
        return SLEEPERS[dotted]
    outside = dotted if "()" in dotted else sought.origin(dotted)
    if outside in SLEEPERS:
        return SLEEPERS[outside]
    # `from celery.utils import sleep`: a name that says it, of a module that is not audited
    known = outside is not None and outside.rpartition(".")[2] in NAMES and "()" not in outside
    return Sleeper() if known and _is_imported(module, node) else None


def _of_call(  # noqa: PLR0911  (one return a kind of sleep)
    module: Tree, call: ast.Call, sought: Sought
) -> Site | None:
    function = call.func
    sleeper = sleeper_of(module, function, sought) or _by_name(module, function)
    if sleeper is not None:
        kind = "pause" if module.dotted(function) in ("signal.pause", "signal.sigwait") else "sleep"
        return Site(call, kind, _argument(call, sleeper), sleeper.unit)
    if not isinstance(function, ast.Attribute | ast.Name):
        return None
    last = function.attr if isinstance(function, ast.Attribute) else function.id
    if last in ("wait", "acquire") and isinstance(function, ast.Attribute):
        return _fresh_wait(module, call, function)
    if last == "get" and isinstance(function, ast.Attribute):
        return _fresh_get(module, call, function)
    dotted = module.dotted(function) if last in _LASTS else None
    if dotted == "select.select" and len(call.args) == 4 and all(map(_is_empty, call.args[:3])):
        return Site(call, "select", call.args[3])
    if dotted is not None and dotted in SHELLS:
        seconds = program_sleep(call)
        if seconds is None:
            return None
        # Whoever only starts the program does not wait for it.
        starts = dotted.rpartition(".")[2] in ("Popen", "popen") or "create_subprocess" in dotted
        return Site(call, "process", None if starts else seconds)
    if last in ("call_later", "call_at") and isinstance(function, ast.Attribute):
        return _timer(call, last)
    return None


def _argument(call: ast.Call, sleeper: Sleeper) -> ast.expr | float | None:
    if sleeper.constant is not None:
        return sleeper.constant
    if sleeper.position is None:
        return None
    if len(call.args) > sleeper.position:
        given = call.args[sleeper.position]
        return None if isinstance(given, ast.Starred) else given
    named = [each.value for each in call.keywords if each.arg in sleeper.keywords]
    return named[0] if named else None


def _from_star(module: Tree, node: ast.expr, sought: Sought) -> Sleeper | None:
    """Return the sleeper that a star brings: ``from time import *``, or of a module with it.

    What a module brings that is not audited goes by its name: ``sleep``, or ``time.sleep``.
    """
    root = node
    while isinstance(root, ast.Attribute):
        root = root.value
    if not isinstance(root, ast.Name) or module.scope_of(node).lookup(root.id)[0]:
        return None
    name = ast.unparse(node)
    for star in module.stars:
        if f"{star}.{name}" in SLEEPERS:
            return SLEEPERS[f"{star}.{name}"]
        outside = sought.origin(f"{star}.{name}")
        if outside in SLEEPERS:
            return SLEEPERS[outside]
        if outside == f"{star}.{name}" and (name in NAMES or name in SLEEPERS):
            return SLEEPERS.get(name, Sleeper())
    return None


def _by_name(module: Tree, node: ast.expr) -> Sleeper | None:
    """Return a sleeper for a function that is given, and called ``sleep``: by its name alone."""
    if isinstance(node, ast.Name) and node.id in NAMES:
        bindings, scope = module.scope_of(node).lookup(node.id)
        given = any(isinstance(each, Parameter) for each in bindings)
        owner = None if scope is None else scope.owner
        is_test = isinstance(owner, FUNCTIONS) and owner.name.startswith("test")
        return Sleeper() if given and not is_test else None
    if isinstance(node, ast.Attribute) and node.attr in NAMES:
        around = module.class_around(node)
        own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
        if own and around is not None:
            names = module.scope_in(around).names
            if f".{node.attr}" in names and node.attr not in names:
                return Sleeper()
    return None


def _is_imported(module: Tree, node: ast.expr) -> bool:
    """Return whether a name begins with an import, and not with an object of the test's own."""
    root = node
    while isinstance(root, ast.Attribute):
        root = root.value
    if not isinstance(root, ast.Name):
        return False
    bindings, _ = module.scope_of(root).lookup(root.id)
    return any(isinstance(each, Imported | Parameter) for each in bindings)


def _handed_on(module: Tree, call: ast.Call, sought: Sought) -> Iterator[Site]:
    """Find functions that sleep and are arguments: ``Retrying(sleep=time.sleep)``."""
    if last_name(call.func) in _LOOKED_AT:
        return
    positional = list(call.args)
    for place, argument in enumerate(positional):
        if isinstance(argument, ast.Attribute | ast.Name) and _can_be_handed_on(argument):
            sleeper = sleeper_of(module, argument, sought)
            if sleeper is not None:
                after = positional[place + 1 : place + 2]
                # `submit(time.sleep, 1)`, `to_thread(time.sleep, 1)`, `partial(time.sleep, 1)`
                yield Site(argument, "passed", after[0] if after else None, sleeper.unit)
    for keyword in call.keywords:
        value = keyword.value
        if isinstance(value, ast.Attribute | ast.Name) and _can_be_handed_on(value):
            sleeper = sleeper_of(module, value, sought)
            if sleeper is not None:
                yield Site(value, "passed", _thread_argument(call), sleeper.unit)


def _can_be_handed_on(node: ast.Attribute | ast.Name) -> bool:
    last = node.attr if isinstance(node, ast.Attribute) else node.id
    return isinstance(node.ctx, ast.Load) and not last.startswith(("Mock", "mock"))


def _thread_argument(call: ast.Call) -> ast.expr | None:
    """Return 2 of ``Thread(target=time.sleep, args=(2,))``."""
    for keyword in call.keywords:
        if keyword.arg == "args" and isinstance(keyword.value, ast.Tuple | ast.List):
            return keyword.value.elts[0] if keyword.value.elts else None
    return None


def _timeout(call: ast.Call, position: int) -> ast.expr | None:
    named = [each.value for each in call.keywords if each.arg == "timeout"]
    if named:
        return named[0]
    return call.args[position] if len(call.args) > position else None


def _fresh_wait(module: Tree, call: ast.Call, function: ast.Attribute) -> Site | None:
    """Find ``Event().wait(t)``: what nobody sets is a sleep, and so is what must not be set."""
    timeout = _timeout(call, 0 if function.attr == "wait" else 1)
    if timeout is None:
        return None
    dotted = module.dotted(function.value)
    if function.attr == "wait" and dotted in FRESH_WAITS:
        if isinstance(function.value, ast.Call) or _only_waited_for(module, function.value):
            return Site(call, "wait", timeout)
        if dotted.endswith("Event()") and _is_refuted(module, call):
            return Site(call, "wait", timeout)
    return None


def _fresh_get(module: Tree, call: ast.Call, function: ast.Attribute) -> Site | None:
    """Find ``queue.get(timeout=t)`` of a queue that is, or must be, empty."""
    timeout = _timeout(call, 1)
    if timeout is None or module.dotted(function.value) not in FRESH_QUEUES:
        return None
    fresh = isinstance(function.value, ast.Call) or _only_waited_for(module, function.value)
    return Site(call, "wait", timeout) if fresh or _must_be_empty(module, call) else None


def _only_waited_for(module: Tree, node: ast.expr) -> bool:
    """Return whether a local object is made in this function and nothing but waited for."""
    if not isinstance(node, ast.Name):
        return False
    _, scope = module.scope_of(node).lookup(node.id)
    if scope is None or not isinstance(scope.owner, FUNCTIONS):
        return False
    for use in module.uses:
        if isinstance(use, ast.Name) and use.id == node.id:
            if module.scope_of(use).lookup(use.id)[1] is not scope:
                continue
            above = module.parents.get(use)
            if isinstance(above, ast.withitem):
                continue
            if not (isinstance(above, ast.Attribute) and above.attr in ("wait", "get", "acquire")):
                return False
    return True


def _is_refuted(module: Tree, call: ast.Call) -> bool:
    """Return whether a test asserts that the wait must fail: ``assert not e.wait(1)``."""
    above = module.parents.get(call)
    if isinstance(above, ast.UnaryOp) and isinstance(above.op, ast.Not):
        return isinstance(module.parents.get(above), ast.Assert)
    if isinstance(above, ast.Compare) and len(above.comparators) == 1:
        other = above.comparators[0]
        false = isinstance(other, ast.Constant) and other.value is False
        return false and isinstance(module.parents.get(above), ast.Assert)
    named = isinstance(above, ast.Call) and isinstance(above.func, ast.Attribute)
    return named and getattr(above.func, "attr", "") == "assertFalse"  # type: ignore[union-attr]


def _must_be_empty(module: Tree, call: ast.Call) -> bool:
    """Return whether ``Empty`` is expected: ``with pytest.raises(queue.Empty):``."""
    for above in module.above(call):
        if isinstance(above, FUNCTIONS):
            return False
        if isinstance(above, ast.With | ast.AsyncWith):
            expected = [ast.unparse(item.context_expr) for item in above.items]
            if any("aises" in each and "Empty" in each for each in expected):
                return True
    return False


def _timer(call: ast.Call, name: str) -> Site | None:
    """Find timers that only wake the test: ``loop.call_later(1, future.set_result, 0)``."""
    base = call.func.value if isinstance(call.func, ast.Attribute) else call.func
    named = ast.unparse(base).rpartition(".")[2].removesuffix("()").lower()
    if len(call.args) < 2 or not named.endswith("loop"):
        return None
    action = call.args[1]
    last = action.attr if isinstance(action, ast.Attribute) else getattr(action, "id", "")
    if last not in ("set_result", "set", "stop", "set_exception"):
        return None
    return Site(call, "call_later", call.args[0] if name == "call_later" else None)


def _is_empty(node: ast.expr) -> bool:
    if isinstance(node, ast.List | ast.Tuple):
        return not node.elts
    return isinstance(node, ast.Constant) and node.value is None


_LASTS = {"select", *(name.rpartition(".")[2] for name in SHELLS)}
_LOOKED_AT = {
    "isinstance",
    "issubclass",
    "getattr",
    "hasattr",
    "id",
    "repr",
    "callable",
    "type",
    "create_autospec",
}
"""What only looks at a function that it is given."""
