"""Project: the audited modules together, and what their names mean to each other."""

from __future__ import annotations

import ast
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from foundation_lab.testing.sleeps.durations import Folding, is_self
from foundation_lab.testing.sleeps.scopes import FUNCTIONS, Assigned, Imported, Tree, parameters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foundation_lab.testing.sleeps.files import Text
    from foundation_lab.testing.sleeps.scopes import Function


class Module:
    """One audited module: its text, its tree and its constants.

    Attributes:
        path: Its path, as findings show it.
        text: Its source.
        name: Its dotted name.
    """

    def __init__(self, source: Text, name: str, tree: ast.Module, project: Project) -> None:
        self.path = source.path
        self.text = source.text
        self.name = name
        is_package = source.path.endswith("__init__.py")
        self.tree = Tree(name, tree, is_package=is_package)
        self.lines = source.text.splitlines()
        self.folding = Folding(self.tree, project.constant)

    def fixture_name(self, function: Function) -> str | None:
        """Return what a function is called as a fixture, or ``None`` when it is none."""
        for decorator in function.decorator_list:
            call = decorator if isinstance(decorator, ast.Call) else None
            name = ast.unparse(call.func if call else decorator)
            if name.rpartition(".")[2] in ("fixture", "yield_fixture"):
                named = [k.value for k in call.keywords if k.arg == "name"] if call else []
                if named and isinstance(named[0], ast.Constant):
                    return str(named[0].value)
                return function.name
        return None

    def option(self, function: Function, name: str) -> ast.expr | None:
        """Return an option of a fixture: ``params``, ``scope``, ``autouse``."""
        for decorator in function.decorator_list:
            if isinstance(decorator, ast.Call) and "fixture" in ast.unparse(decorator.func):
                for keyword in decorator.keywords:
                    if keyword.arg == name:
                        return keyword.value
        return None

    def is_test(self, function: ast.AST) -> bool:
        """Return whether a function is a test: it is called so, and is no inner one."""
        return (
            isinstance(function, FUNCTIONS)
            and function.name.startswith("test")
            and not self.tree.functions_around(function)
        )


class Project:
    """Several modules that may import each other.

    Args:
        sources: The files that could be read.
    """

    def __init__(self, sources: list[Text]) -> None:
        self.sources = {source.path: source for source in sources}
        self.errors: dict[str, SyntaxError | RecursionError | ValueError | MemoryError] = {}
        self._names = {source.path: module_name(Path(source.path)) for source in sources}
        self._paths: dict[str, str] = {}
        for path, name in self._names.items():
            # Without a package, folders on the way may be part of the name that others use.
            folders = Path(path).parts[: -1 - name.count(".")]
            for start in range(len(folders)):
                self._paths.setdefault(".".join([*folders[start:], name]), path)
        self._paths |= {name: path for path, name in self._names.items()}
        self._modules: dict[str, Module | None] = {}
        self._with_tests = {
            Path(path).parent
            for path, source in self.sources.items()
            if _TEST_FILE.match(Path(path).name)
            and (path.endswith("conftest.py") or count_tests(source.text))
        }
        self._busy: set[str] = set()
        self._words: dict[str, set[str]] = {}

    def module(self, path: str) -> Module | None:
        """Return a module; ``None`` when it is no Python that can be read."""
        if path not in self._modules:
            tree, source = self.parse(path), self.sources[path]
            self._modules[path] = (
                None if tree is None else Module(source, self._names[path], tree, self)
            )
        return self._modules[path]

    def parse(self, path: str) -> ast.Module | None:
        """Return a file's tree, or note why there is none."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # '\d' in somebody's string is not our affair
                return ast.parse(self.sources[path].text, path)
        except (SyntaxError, RecursionError, ValueError, MemoryError) as error:
            self.errors[path] = error
            return None

    def is_of_tests(self, path: str) -> bool:
        """Return whether a file belongs to the tests: by its folders, or by what lies beside it."""
        file = Path(path)
        return file.parent in self._with_tests or not _TEST_FOLDERS.isdisjoint(
            file.absolute().parent.parts
        )

    def words(self) -> dict[str, set[str]]:
        """Return the words of each file."""
        if not self._words:
            found = {path: set(_WORD.findall(s.text)) for path, s in self.sources.items()}
            self._words = found
        return self._words

    def homes(self, module: Module, name: str) -> set[str]:
        """Return the last parts of the names of the modules that a name may be imported from."""
        own = module.name.rpartition(".")[2]
        return {own} | {
            self._names[path].rpartition(".")[2]
            for path, words in self.words().items()
            if name in words and own in words
        }

    def sleeping_names(self) -> frozenset[str]:
        """Return the names that any module gives to something that is called like a sleep."""
        return frozenset(
            name
            for source in self.sources.values()
            if "sleep" in source.text
            for pair in _RENAMED.findall(source.text)
            for name in pair
            if name
        )

    def origin(self, dotted: str, depth: int = 0) -> str | None:
        """Return where a name comes from in the end, through all the modules that hand it on.

        Returns:
            The dotted name in a module that is not audited, or ``None`` when an audited one
            defines it.
        """
        if ":" in dotted:
            return None
        found = self._split(dotted)
        if found is None or depth > _DEEPEST:
            return dotted
        path, names = found
        module = self.module(path) if names else None
        if module is None:
            return None
        binding = next(iter(reversed(module.tree.scope.names.get(names[0], []))), None)
        onwards = None
        if isinstance(binding, Imported):
            onwards = binding.dotted
        elif isinstance(binding, Assigned) and isinstance(binding.value, ast.Name | ast.Attribute):
            onwards = module.tree.dotted(binding.value)
        elif binding is None and module.tree.stars:
            onwards = f"{module.tree.stars[-1]}.{names[0]}"
        return onwards and self.origin(".".join([onwards, *names[1:]]), depth + 1)

    def constant(self, dotted: str) -> tuple[Tree, ast.expr] | None:
        """Return the value that a module gives to a name, and the module's tree."""
        found = self._binding(dotted)
        if found is None or not isinstance(found[1], Assigned) or found[1].value is None:
            return None
        return found[0].tree, found[1].value

    def function(self, module: Module, node: ast.expr) -> tuple[Module, Function] | None:
        """Return the function of an audited module that an expression names."""
        if isinstance(node, ast.Attribute) and is_self(node.value):
            around = module.tree.class_around(node)
            return None if around is None else self._method(module, around, node.attr)
        dotted = module.tree.dotted(node)
        return None if dotted is None else self.named(dotted)

    def named(self, dotted: str) -> tuple[Module, Function] | None:
        """Return the function with a dotted name, ``module:Class.method`` or as it is imported."""
        place, _, rest = dotted.replace("()", "").partition(":")
        if rest:
            module = self.module(self._paths[place]) if place in self._paths else None
            return None if module is None else self._within(module, rest.split("."))
        found = self._split(place)
        if found is None:
            return None
        path, names = found
        module = self.module(path)
        return None if module is None else self._within(module, names)

    def _within(  # noqa: PLR0911  (one return a kind of name)
        self, module: Module, names: list[str]
    ) -> tuple[Module, Function] | None:
        if not names:
            return None
        scope = module.tree.scope
        for position, name in enumerate(names):
            binding = next(iter(reversed(scope.names.get(name, []))), None)
            rest = names[position + 1 :]
            if isinstance(binding, Imported):
                return self._again(".".join([binding.dotted, *rest]))
            if isinstance(binding, Assigned) and isinstance(
                binding.value, ast.Name | ast.Attribute
            ):
                dotted = module.tree.dotted(binding.value)
                return self._again(".".join([dotted, *rest])) if dotted else None
            if isinstance(binding, FUNCTIONS) and not rest:
                return module, binding
            if isinstance(binding, ast.ClassDef) and len(rest) == 1:
                return self._method(module, binding, rest[0])
            if not isinstance(binding, (*FUNCTIONS, ast.ClassDef)):
                return None
            scope = module.tree.scope_in(binding)
        return None

    def _again(self, dotted: str) -> tuple[Module, Function] | None:
        """Follow an import, and give up where imports lead in a circle."""
        if dotted in self._busy:
            return None
        self._busy.add(dotted)
        try:
            return self.named(dotted)
        finally:
            self._busy.discard(dotted)

    def _method(
        self, module: Module, owner: ast.ClassDef, name: str, depth: int = 0
    ) -> tuple[Module, Function] | None:
        for binding in reversed(module.tree.scope_in(owner).names.get(name, [])):
            if isinstance(binding, FUNCTIONS):
                return module, binding
        for base in owner.bases if depth < _DEEPEST else []:
            dotted = module.tree.dotted(base)
            found = dotted and self._class(module, dotted)
            if found:
                method = self._method(found[0], found[1], name, depth + 1)
                if method is not None:
                    return method
        return None

    def _class(self, module: Module, dotted: str) -> tuple[Module, ast.ClassDef] | None:
        rest = dotted.partition(":")[2]
        bindings: Sequence[object]
        if rest:
            bindings = module.tree.scope.names.get(rest, [])
        else:
            found = self._binding(dotted)
            if found is None:
                return None
            module, bindings = found[0], [found[1]]
        classes = [each for each in bindings if isinstance(each, ast.ClassDef)]
        return (module, classes[-1]) if classes else None

    def _binding(self, dotted: str, depth: int = 0) -> tuple[Module, object] | None:
        found = self._split(dotted)
        if found is None or len(found[1]) != 1 or depth > _DEEPEST:
            return None
        module = self.module(found[0])
        if module is None:
            return None
        bindings = module.tree.scope.names.get(found[1][0], [])
        if not bindings:
            return None
        last = bindings[-1]
        if isinstance(last, Imported):
            return self._binding(last.dotted, depth + 1)
        return module, last

    def _split(self, dotted: str) -> tuple[str, list[str]] | None:
        """Split a dotted name into the path of a module and the names within."""
        parts = dotted.split(".")
        for end in range(len(parts), 0, -1):
            path = self._paths.get(".".join(parts[:end]))
            if path is not None and not (end == 1 and parts[0] in _NEVER_AUDITED):
                return path, parts[end:]
        return None


def module_name(path: Path) -> str:
    """Return the dotted name that a file is imported by: from the topmost package downwards."""
    parts = [] if path.stem == "__init__" else [path.stem]
    folder = path.parent
    while (folder / "__init__.py").exists() and folder.name:
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts) or path.parent.name


def parameter_names(function: Function) -> list[str]:
    """Return the names of a function's parameters."""
    return [name for name, _ in parameters(function.args)]


def count_tests(text: str) -> int:
    """Return how many tests a file seems to have."""
    return len(re.findall(r"^\s*(?:async\s+)?def\s+test", text, re.MULTILINE))


_WORD = re.compile(r"\w+")
_RENAMED = re.compile(r"\bsleep\w* as (\w+)|\b(\w+) = [\w.]*sleep\w*[ \t]*(?:#|$)", re.MULTILINE)
_TEST_FILE = re.compile(r"(test_.*|.*_tests?|tests?|conftest)\.py$")
_TEST_FOLDERS = {"tests", "test", "t", "testing", "spec", "specs", "integration", "e2e"}
_NEVER_AUDITED = {"time", "asyncio", "threading", "queue", "select", "signal", "subprocess"}
"""A file of the project that is named like these does not stand for the standard library's."""
_DEEPEST = 8
