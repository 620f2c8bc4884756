"""Costs: how long a place sleeps, and how often."""

from __future__ import annotations

import ast
import itertools
import math
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from foundation_lab.testing.sleeps.durations import UNKNOWN, Bounds, exactly
from foundation_lab.testing.sleeps.project import count_tests, parameter_names
from foundation_lab.testing.sleeps.scopes import FUNCTIONS, parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from foundation_lab.testing.sleeps.project import Module, Project
    from foundation_lab.testing.sleeps.wrappers import Place, Wrapper


class Cost(NamedTuple):
    """How long a place sleeps each time, how often, and all in all."""

    each: Bounds
    times: Bounds
    total: Bounds


class Axis(NamedTuple):
    """Something that repeats a place: a loop, or the parameters of a test.

    Attributes:
        times: How often.
        values: For each time the values of the names that change; ``None`` when not spelt out.
        names: The names that change.
    """

    times: Bounds
    values: tuple[dict[str, ast.expr], ...] | None = None
    names: tuple[str, ...] = ()


Given: TypeAlias = "Mapping[str, ast.expr | Bounds]"
"""What is known of names: arguments of a call, variables of a loop, parameters of a test."""


def cost(place: Place, project: Project, given: Given | None = None) -> Cost:
    """Return what a place costs, by its own loops and the parameters of its test.

    A loop that ends early may end after its first round, so it counts at least once and at most as
    often as it is written.
    """
    axes = [*_loops(place), *_parameters(place)]
    times = _product([axis.times for axis in axes])
    users = _automatic(place, project)
    times = _multiply(times, users)
    total = _multiply(
        _over(axes, lambda named: _once(place, project, {**(given or {}), **named}, 0)), users
    )
    return Cost(_once(place, project, given or {}, 0), times, total)


def _once(place: Place, project: Project, given: Given, depth: int) -> Bounds:
    """Return how long a place sleeps when it is reached once."""
    if depth > _DEEPEST:
        return Bounds(0.0, math.inf)
    if place.wrapper is not None:
        arguments = _arguments(place, place.wrapper, given)
        parts = [
            _over(
                _loops(inner),
                lambda named, inner=inner: _once(  # type: ignore[misc]
                    inner, project, {**arguments, **named}, depth + 1
                ),
            )
            for inner in place.wrapper.places
            if inner.wrapper is not place.wrapper
        ]
        return Bounds(sum(part.low for part in parts), sum(part.high for part in parts))
    duration = place.site.duration
    if duration is None:
        return Bounds(0.0, math.inf)
    if not isinstance(duration, ast.expr):
        return Bounds(0.0, math.inf) if duration == math.inf else exactly(float(duration))
    folded = place.module.folding.fold(duration, given)
    low, high = (max(0.0, each * place.site.unit) for each in folded)
    # A sleep that has no end in the code ends by other means: a test does not last for ever.
    return Bounds(0.0, math.inf) if low == math.inf else Bounds(low, high)


def _arguments(place: Place, wrapper: Wrapper, given: Given) -> dict[str, Bounds]:
    """Return what a call gives to the parameters of a wrapper."""
    call = place.site.node
    function = wrapper.function
    if not isinstance(call, ast.Call):
        return {}
    names = parameter_names(function)
    if names and names[0] in ("self", "cls") and isinstance(call.func, ast.Attribute):
        names = names[1:]
    fold = place.module.folding.fold
    known: dict[str, Bounds] = {}
    for name, default in parameters(function.args):
        if default is not None:
            known[name] = wrapper.module.folding.fold(default)
    for name, value in zip(names, call.args, strict=False):
        if isinstance(value, ast.Starred):
            return {**known, **dict.fromkeys(names, UNKNOWN)}
        known[name] = fold(value, given)
    for keyword in call.keywords:
        if keyword.arg is not None:
            known[keyword.arg] = fold(keyword.value, given)
    return known


def _loops(place: Place) -> Iterator[Axis]:
    """Give the loops around a place, up to its function."""
    inside: ast.AST = place.site.node
    tree, folding = place.module.tree, place.module.folding
    for above in tree.above(place.site.node):
        if above is place.function:
            return
        if isinstance(above, ast.For | ast.AsyncFor) and inside in above.body:
            yield _loop(place, above, _ends_early(above))
        elif isinstance(above, ast.While) and inside in above.body:
            yield Axis(Bounds(1.0, math.inf))
        elif isinstance(above, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
            for generator in above.generators:
                if not generator.ifs and inside is not generator:
                    length = folding.length(generator.iter)
                    yield Axis(exactly(length) if length is not None else Bounds(1.0, math.inf))
                elif inside is not generator:
                    yield Axis(Bounds(1.0, math.inf))
        inside = above


def _loop(place: Place, loop: ast.For | ast.AsyncFor, ends_early: bool) -> Axis:  # noqa: FBT001
    folding = place.module.folding
    length = folding.length(loop.iter)
    if length is None:
        return Axis(Bounds(1.0, math.inf))
    if ends_early:
        return Axis(Bounds(min(1.0, length), float(length)))
    elements = folding.elements(loop.iter)
    if elements is None or not isinstance(loop.target, ast.Name):
        return Axis(exactly(float(length)), names=tuple(_names(loop.target)))
    values = tuple({loop.target.id: element} for element in elements)
    return Axis(exactly(float(length)), values, (loop.target.id,))


def _ends_early(loop: ast.For | ast.AsyncFor) -> bool:
    """Return whether a loop may be left before its end; leaving by an exception does not count."""
    waiting: list[ast.AST] = list(loop.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Return | ast.Break):
            return True
        if isinstance(node, (*FUNCTIONS, ast.Lambda, ast.ClassDef)):
            continue
        if isinstance(node, ast.For | ast.While | ast.AsyncFor):
            waiting += [e for e in ast.walk(node) if isinstance(e, ast.Return)]
            continue
        waiting += ast.iter_child_nodes(node)
    return False


def _names(target: ast.expr) -> list[str]:
    return [each.id for each in ast.walk(target) if isinstance(each, ast.Name)]


def _parameters(place: Place) -> Iterator[Axis]:
    """Give what repeats the function that a place is in: parameters, and the tests of its class."""
    tree = place.module.tree
    around = [
        each for each in tree.functions_around(place.site.node) if isinstance(each, FUNCTIONS)
    ]
    if not around:
        return
    outermost = around[-1]
    owner = tree.class_around(outermost)
    if place.module.is_test(outermost):
        for decorator in (*outermost.decorator_list, *(owner.decorator_list if owner else ())):
            yield from _parametrized(place.module, decorator)
        yield from _marks(place.module, tree.tree.body)
        if owner is not None:
            yield from _marks(place.module, owner.body)
    elif place.module.fixture_name(outermost):
        params = place.module.option(outermost, "params")
        if params is not None:
            length = place.module.folding.length(params)
            yield Axis(Bounds(1.0, math.inf) if length is None else exactly(float(length)))
    elif owner is not None and outermost.name in _EACH_TEST:
        tests = sum(isinstance(e, FUNCTIONS) and e.name.startswith("test") for e in owner.body)
        yield Axis(exactly(float(tests)) if tests else Bounds(1.0, math.inf))


def _marks(module: Module, body: list[ast.stmt]) -> Iterator[Axis]:
    """Give the parametrizations of ``pytestmark``."""
    for statement in body:
        if isinstance(statement, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "pytestmark"
            for target in statement.targets
        ):
            value = statement.value
            for each in value.elts if isinstance(value, ast.List | ast.Tuple) else [value]:
                yield from _parametrized(module, each)


def _parametrized(module: Module, decorator: ast.expr) -> Iterator[Axis]:
    if not isinstance(decorator, ast.Call):
        return
    name = ast.unparse(decorator.func).rpartition(".")[2]
    if name == "parametrize":
        given = list(decorator.args) + [
            k.value for key in ("argnames", "argvalues") for k in decorator.keywords if k.arg == key
        ]
        if len(given) < 2:
            return
        names = _argument_names(given[0])
        elements = module.folding.elements(given[1])
        length = module.folding.length(given[1])
        if elements is None:
            times = Bounds(1.0, math.inf) if length is None else exactly(float(length))
            yield Axis(times, names=tuple(names))
            return
        values = tuple(_row(names, element) for element in elements)
        yield Axis(exactly(float(len(elements))), values, tuple(names))
    elif name in ("repeat", "flaky_repeat") and decorator.args:
        yield Axis(_counted(module.folding.fold(decorator.args[0])))


def _counted(bounds: Bounds) -> Bounds:
    return Bounds(max(bounds.low, 1.0), max(bounds.high, 1.0))


def _argument_names(node: ast.expr) -> list[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [name.strip() for name in node.value.split(",") if name.strip()]
    if isinstance(node, ast.List | ast.Tuple):
        return [str(e.value) for e in node.elts if isinstance(e, ast.Constant)]
    return []


def _row(names: list[str], element: ast.expr) -> dict[str, ast.expr]:
    """Return what one set of parameters gives to each name."""
    values = [element]
    if isinstance(element, ast.Call) and ast.unparse(element.func).endswith("param"):
        values = list(element.args)
    elif len(names) > 1:
        values = list(element.elts) if isinstance(element, ast.Tuple | ast.List) else []
    return dict(zip(names, values, strict=False)) if len(values) == len(names) else {}


def _automatic(place: Place, project: Project) -> Bounds:
    """Return by how many tests a fixture is run that they do not name."""
    function = place.function
    if not isinstance(function, FUNCTIONS) or not place.module.fixture_name(function):
        return exactly(1.0)
    automatic = place.module.option(function, "autouse")
    scope = place.module.option(function, "scope")
    wide = isinstance(scope, ast.Constant) and scope.value != "function"
    if wide or not (isinstance(automatic, ast.Constant) and automatic.value is True):
        return exactly(1.0)
    path = place.module.path
    owner = place.module.tree.class_around(function)
    if owner is not None:
        tests = sum(isinstance(e, FUNCTIONS) and e.name.startswith("test") for e in owner.body)
    elif path.endswith("conftest.py"):
        folder = path.removesuffix("conftest.py")
        tests = sum(count_tests(s.text) for p, s in project.sources.items() if p.startswith(folder))
    else:
        tests = count_tests(place.module.text)
    return Bounds(float(max(1, tests)), math.inf)  # parametrized tests are more


def _over(axes: Iterable[Axis], once: Callable[[Given], Bounds]) -> Bounds:
    """Sum up over all axes; the values of names that change are given to `once`."""
    listed = list(axes)
    spelt = [axis for axis in listed if axis.values is not None and any(axis.values)]
    plain = [axis for axis in listed if not (axis.values is not None and any(axis.values))]
    rest = _product([axis.times for axis in plain])
    rows = math.prod(len(axis.values or ()) for axis in spelt)
    hidden = {name: UNKNOWN for axis in plain for name in axis.names}
    if rows > _MOST_ROWS:
        return _multiply(once({**hidden}), _multiply(exactly(float(rows)), rest))
    low = high = 0.0
    for combination in itertools.product(*(axis.values or () for axis in spelt)):
        named = {name: value for row in combination for name, value in row.items()}
        part = once({**hidden, **named})
        low, high = low + part.low, high + part.high
    return _multiply(Bounds(low, high), rest)


def _product(factors: list[Bounds]) -> Bounds:
    result = exactly(1.0)
    for factor in factors:
        result = _multiply(result, factor)
    return result


def _multiply(left: Bounds, right: Bounds) -> Bounds:
    """Multiply bounds of which none is negative; nothing, however often, is nothing."""
    return Bounds(
        0.0 if 0.0 in (left.low, right.low) else left.low * right.low,
        0.0 if 0.0 in (left.high, right.high) else left.high * right.high,
    )


_EACH_TEST = {
    "setUp",
    "tearDown",
    "asyncSetUp",
    "asyncTearDown",
    "setup_method",
    "teardown_method",
    "setup",
    "teardown",
}
_DEEPEST = 8
_MOST_ROWS = 2_000
