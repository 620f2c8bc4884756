"""Wrappers: functions and fixtures of the project that sleep, and the places that call them."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from foundation_lab.testing.sleeps.project import parameter_names
from foundation_lab.testing.sleeps.scopes import FUNCTIONS, last_name
from foundation_lab.testing.sleeps.sites import Site, sites

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foundation_lab.testing.sleeps.project import Module, Project
    from foundation_lab.testing.sleeps.scopes import Function


class Place(NamedTuple):
    """A site with where it is and whom it calls.

    Attributes:
        module: The module that it is in.
        site: The site.
        function: The innermost function around it, if any.
        wrapper: The wrapper that it calls; ``None`` when it sleeps by itself.
    """

    module: Module
    site: Site
    function: Function | ast.Lambda | None
    wrapper: Wrapper | None = None


class Wrapper:
    """A function or fixture that sleeps.

    Attributes:
        module: The module that defines it.
        function: Its definition.
        places: What sleeps in it.
        calls: How many places call it.
        fixture: What it is called as a fixture, if it is one.
        hander: The fixture around it, which may hand it out, if any.
        homes: The names of modules that others import it from.
    """

    def __init__(self, project: Project, module: Module, function: Function) -> None:
        self.module = module
        self.function = function
        self.places: list[Place] = []
        self.calls = 0
        self.fixture = module.fixture_name(function)
        around = module.tree.functions_around(function)
        outer = around[0] if around else None
        self.hander = module.fixture_name(outer) if isinstance(outer, FUNCTIONS) else None
        self.homes = project.homes(module, function.name)

    @property
    def name(self) -> str:
        """Its name within its module."""
        return self.module.tree.qualified(self.function)

    @property
    def is_inner(self) -> bool:
        """Whether it is defined in another function."""
        return bool(self.module.tree.functions_around(self.function))

    @property
    def runs_each_time(self) -> bool:
        """Whether each use of the fixture runs it."""
        scope = self.module.option(self.function, "scope")
        return scope is None or (isinstance(scope, ast.Constant) and scope.value == "function")

    @property
    def is_automatic(self) -> bool:
        """Whether the fixture is used without being named."""
        automatic = self.module.option(self.function, "autouse")
        return isinstance(automatic, ast.Constant) and automatic.value is True

    def where(self) -> str:
        """Return its name and place, for people."""
        return f"{self.name} ({self.module.path}:{self.function.lineno})"


SOUGHT = (
    "sleep",
    ".wait(",
    "select(",
    "Empty",
    "Queue(",
    "pause",
    "sigwait",
    "call_later",
    "call_at",
    "deferLater",
    "checkpoint",
    "qWait",
    "wait_for_timeout",
    "time.delay",
)
"""A file that sleeps by itself holds one of these, or a loop that only asks."""

IDLE_LOOP = re.compile(r"while [^\n]*:\s*(?:#[^\n]*\n\s*)*(?:pass|continue|\.\.\.|\w+ = |[\"'])")


def find_places(project: Project) -> list[Place]:
    """Find every place that sleeps, by itself or through a wrapper, in the order of the files."""
    found: dict[str, list[Place]] = {}
    names = project.sleeping_names()
    sought = (*SOUGHT, *sorted(names))
    for path, source in project.sources.items():
        if not (any(word in source.text for word in sought) or IDLE_LOOP.search(source.text)):
            project.parse(path)  # its errors are told even so
            continue
        module = project.module(path)
        if module is not None:
            found[path] = [
                Place(module, site, innermost(module, site.node))
                for site in sites(module.tree, project.origin, names)
            ]
    wrappers: dict[ast.AST, Wrapper] = {}
    everything = [place for places in found.values() for place in places]
    fresh = _wrap(project, everything, wrappers)
    words = project.words() if fresh else {}
    while fresh:
        called: list[Place] = []
        for path in project.sources:
            if path in project.errors or not any(_may_call(path, words[path], w) for w in fresh):
                continue
            module = project.module(path)
            if module is None:
                continue
            places = list(_calls(project, module, {w.function: w for w in fresh}))
            found.setdefault(path, []).extend(places)
            called += places
        fresh = _wrap(project, called, wrappers)
    return [place for path in project.sources for place in found.get(path, [])]


def _may_call(path: str, words: set[str], wrapper: Wrapper) -> bool:
    """Return whether a file has the words that it takes to call a wrapper."""
    if wrapper.fixture is not None:
        return wrapper.fixture in words
    if wrapper.hander is not None:
        return wrapper.hander in words
    if wrapper.function.name not in words:
        return False
    return path == wrapper.module.path or not words.isdisjoint(wrapper.homes)


def innermost(module: Module, node: ast.AST) -> Function | ast.Lambda | None:
    """Return the function whose run runs a node: defaults and decorators run outside."""
    inside = node
    for above in module.tree.above(node):
        if isinstance(above, ast.Lambda) and above.body is inside:
            return above
        if isinstance(above, FUNCTIONS) and inside in above.body:
            return above
        inside = above
    return None


def _wrap(project: Project, places: list[Place], wrappers: dict[ast.AST, Wrapper]) -> list[Wrapper]:
    """Note the functions around places as wrappers; return those that were none before."""
    fresh = []
    for place in places:
        function = place.function
        if not isinstance(function, FUNCTIONS) or place.module.is_test(function):
            continue
        if place.site.kind == "passed":
            continue  # who is handed the function sleeps, perhaps, and not who hands it on
        if not project.is_of_tests(place.module.path) and not _is_certain(place):
            continue  # a product that may sleep, somewhere inside, does not when it is called
        if not project.is_of_tests(place.module.path) and _is_for_ever(place):
            continue  # a server that runs until it is cancelled is no sleep of the test
        if function not in wrappers:
            wrappers[function] = Wrapper(project, place.module, function)
            fresh.append(wrappers[function])
        wrappers[function].places.append(place)
    return fresh


def _is_certain(place: Place) -> bool:
    """Return whether whoever runs the function reaches the place: no branch lies between."""
    for above in place.module.tree.above(place.site.node):
        if above is place.function:
            return True
        if isinstance(above, ast.If | ast.While | ast.ExceptHandler | ast.IfExp | ast.Match):
            return False
    return False


def _is_for_ever(place: Place) -> bool:
    node = place.site.node
    return isinstance(node, ast.Call) and last_name(node.func) == "sleep_forever"


def _calls(
    project: Project,
    module: Module,
    wrappers: dict[Function, Wrapper],
) -> Iterator[Place]:
    by_name: dict[str, list[Wrapper]] = defaultdict(list)
    fixtures: dict[str, list[Wrapper]] = defaultdict(list)
    for wrapper in wrappers.values():
        by_name[wrapper.function.name].append(wrapper)
        if wrapper.fixture is not None and wrapper.runs_each_time and not wrapper.is_automatic:
            fixtures[wrapper.fixture].append(wrapper)
    aliases = _aliases(module, by_name)
    for call in module.tree.calls:
        name = (
            call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        )
        if name not in by_name and name not in aliases:
            continue
        found = project.function(module, call.func)
        called = wrappers.get(found[1]) if found else None
        if called is None and isinstance(call.func, ast.Name):
            called = _factory(module, call.func, by_name)
        if called is None or called.fixture is not None:
            continue
        around = innermost(module, call)
        if around is called.function:
            continue
        if called.is_inner and not _is_a_step(module, call):
            continue
        called.calls += 1
        yield Place(module, Site(call, "wrapper", None), around, called)
    if fixtures:
        yield from _fixtures_used(module, fixtures)


def _aliases(module: Module, by_name: dict[str, list[Wrapper]]) -> set[str]:
    """Return the other names that wrappers may have here: ``from x import pause as nap``."""
    found = {alias for alias, name in module.tree.aliases if name in by_name}
    # A fixture that returns its inner function: the test calls it by the fixture's name.
    for wrappers in by_name.values():
        for wrapper in wrappers:
            around = wrapper.module.tree.functions_around(wrapper.function)
            if around and isinstance(around[0], FUNCTIONS):
                name = wrapper.module.fixture_name(around[0])
                if name:
                    found.add(name)
    return found


def _factory(module: Module, node: ast.Name, by_name: dict[str, list[Wrapper]]) -> Wrapper | None:
    """Return the inner function that a fixture hands out under the name of a parameter."""
    for function in module.tree.functions_around(node):
        if isinstance(function, FUNCTIONS) and node.id in parameter_names(function):
            for wrappers in by_name.values():
                for wrapper in wrappers:
                    around = wrapper.module.tree.functions_around(wrapper.function)
                    if not around or not isinstance(around[0], FUNCTIONS):
                        continue
                    named = wrapper.module.fixture_name(around[0]) == node.id
                    if named and _sees(module, wrapper) and _hands_out(around[0], wrapper.function):
                        return wrapper
    return None


def _hands_out(fixture: Function, inner: Function) -> bool:
    return any(
        isinstance(each, ast.Return | ast.Yield)
        and isinstance(each.value, ast.Name)
        and each.value.id == inner.name
        for each in ast.walk(fixture)
    )


def _is_a_step(module: Module, call: ast.Call) -> bool:
    """Return whether a call is a step of its own, and no argument of another call."""
    above = module.tree.parents.get(call)
    if isinstance(above, ast.Await):
        above = module.tree.parents.get(above)
    return isinstance(above, ast.Expr | ast.Assign | ast.Return | ast.Assert | ast.AnnAssign)


def _fixtures_used(module: Module, fixtures: dict[str, list[Wrapper]]) -> Iterator[Place]:
    for function in module.tree.functions:
        if not (module.is_test(function) or module.fixture_name(function)):
            continue
        for argument in (
            *function.args.posonlyargs,
            *function.args.args,
            *function.args.kwonlyargs,
        ):
            wrapper = _visible(module, fixtures.get(argument.arg, []))
            if wrapper is not None and wrapper.function is not function:
                wrapper.calls += 1
                name = ast.copy_location(ast.Name(argument.arg), argument)
                module.tree.parents[name] = function
                yield Place(module, Site(name, "fixture", None), function, wrapper)
        for decorator in function.decorator_list:
            if isinstance(decorator, ast.Call) and "usefixtures" in ast.unparse(decorator.func):
                for named in decorator.args:
                    word = named.value if isinstance(named, ast.Constant) else None
                    wrapper = _visible(module, fixtures.get(str(word), []))
                    if wrapper is not None:
                        wrapper.calls += 1
                        yield Place(module, Site(named, "fixture", None), function, wrapper)


def _visible(module: Module, wrappers: list[Wrapper]) -> Wrapper | None:
    """Return the fixture of a name that a module sees: its own, else the nearest conftest's."""
    seen = [each for each in wrappers if _sees(module, each)]
    own = [each for each in seen if each.module is module]
    return next(iter(own or sorted(seen, key=lambda each: -len(each.module.path))), None)


def _sees(module: Module, wrapper: Wrapper) -> bool:
    if wrapper.module is module:
        return True
    folder, _, file = wrapper.module.path.rpartition("/")
    if file == "conftest.py":
        return not folder or module.path.startswith(f"{folder}/")
    return any(
        wrapper.function.name in (name, getattr(binding, "dotted", "").rpartition(".")[2])
        for name, bindings in module.tree.scope.names.items()
        for binding in bindings
        if hasattr(binding, "dotted")
    )
