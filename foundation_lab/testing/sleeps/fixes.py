"""Fixes: the few sleeps that can go without changing what a test checks.

What may be rewritten, and why that is safe:

- *A sleep that is never reached*, after a ``return``, ``raise``, ``break`` or ``continue`` of the
  same block, is removed: it never ran.
- *The last statement of a test* is removed when the test is synchronous, starts nothing, takes no
  fixtures, and neither its class nor its module puts anything in order afterwards: all that it
  checks has been checked, and nobody is there to use the time.
- ``time.sleep(0)`` in such a test is removed: it lets other threads run, and there are none.
- ``select.select([], [], [], t)`` and ``threading.Event().wait(t)`` of an event that nobody else
  has become ``time.sleep(t)``: the same pause, in words that virtual time and people understand.

Everything else is left to people: whether ``asyncio.sleep(0.1)`` waits for a task or stands for
work, no rewriting can know for certain.
"""

from __future__ import annotations

import ast
import difflib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from foundation_lab.errors import MissingExtra
from foundation_lab.testing.sleeps.allowed import allowances
from foundation_lab.testing.sleeps.context import statement_of
from foundation_lab.testing.sleeps.files import Text, python_files, read
from foundation_lab.testing.sleeps.project import Project, parameter_names
from foundation_lab.testing.sleeps.scopes import FUNCTIONS
from foundation_lab.testing.sleeps.wrappers import find_places

if TYPE_CHECKING:
    from collections.abc import Iterable

    from foundation_lab.testing.sleeps.scopes import Function
    from foundation_lab.testing.sleeps.wrappers import Place


class Fix(NamedTuple):
    """A rewriting of one statement.

    Attributes:
        line: Where the statement begins.
        duration: The code of the ``time.sleep`` that it becomes; ``None`` when it is removed.
        why: Why that is safe.
    """

    line: int
    duration: str | None
    why: str


class Change(NamedTuple):
    """What becomes of one file."""

    path: Path
    fixes: tuple[Fix, ...]
    before: bytes
    after: bytes

    def diff(self) -> str:
        """Return the change as a unified diff."""
        old, new = (
            side.decode("utf-8", "backslashreplace").splitlines(keepends=True)
            for side in (self.before, self.after)
        )
        lines = difflib.unified_diff(old, new, f"a/{self.path}", f"b/{self.path}")
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)

    def write(self) -> None:
        """Write the file aside and rename it; it keeps its rights."""
        target = Path(os.path.realpath(self.path))
        number, name = tempfile.mkstemp(prefix=f".{target.name[:60]}.", dir=target.parent)
        aside = Path(name)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(self.after)
            shutil.copymode(target, aside)
            aside.replace(target)
        finally:
            aside.unlink(missing_ok=True)


def changes(paths: Iterable[str | Path]) -> list[Change]:
    """Return the safe rewritings of all files; nothing is written.

    Raises:
        FileNotFoundError: A path does not exist.
        MissingExtra: libcst is not installed.
    """
    _require_libcst()
    given = [Path(path) for path in paths]
    for path in given:
        if not path.exists():
            raise FileNotFoundError(f"{path}: no such file or folder")
    files, sources = {}, []
    for path in python_files(given):
        try:
            sources.append(Text(path.as_posix(), read(path)))
        except (ValueError, OSError):
            continue  # the audit tells of it
        files[path.as_posix()] = path
    project = Project(sources)
    fixes: dict[str, list[Fix]] = {}
    for place in find_places(project):
        fix = None if _is_allowed(place) else fix_of(place)
        if fix is not None:
            fixes.setdefault(place.module.path, []).append(fix)
    return [_change(files[name], found) for name, found in sorted(fixes.items())]


def fix_of(place: Place) -> Fix | None:  # noqa: PLR0911  (one return a rule)
    """Return the safe rewriting of a place, if there is one."""
    statement = statement_of(place)
    if not _is_whole(place, statement):
        return None
    if place.site.kind in ("sleep", "select", "wait") and _is_unreachable(place, statement):
        return Fix(statement.lineno, None, "it is never reached")
    node = place.site.node
    if _is_time_sleep(place):
        if not _is_alone(place):
            return None
        if place.module.folding.fold(_duration(place)).exact == 0:
            return Fix(statement.lineno, None, "it lets other threads run, and there are none")
        if isinstance(place.function, FUNCTIONS) and place.function.body[-1] is statement:
            return Fix(statement.lineno, None, "nothing is checked after it")
    elif place.site.kind == "select" or (
        place.site.kind == "wait"
        and isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Call)
        and place.module.tree.dotted(node.func.value) == "threading.Event()"
    ):
        return Fix(statement.lineno, ast.unparse(_duration(place)), "it is the same pause")
    return None


def _duration(place: Place) -> ast.expr:
    duration = place.site.duration
    return duration if isinstance(duration, ast.expr) else ast.Constant(duration)


def _is_whole(place: Place, statement: ast.stmt) -> bool:
    """Return whether the statement is the sleep alone, on lines of its own."""
    if not isinstance(statement, ast.Expr) or statement.value is not place.site.node:
        return False
    lines = place.module.lines[statement.lineno - 1 : statement.end_lineno]
    return ";" not in "".join(lines) and not lines[0][: statement.col_offset].strip()


def _is_time_sleep(place: Place) -> bool:
    node = place.site.node
    return isinstance(node, ast.Call) and place.module.tree.dotted(node.func) == "time.sleep"


def _is_unreachable(place: Place, statement: ast.stmt) -> bool:
    block = getattr(place.module.tree.parents.get(statement), "body", [])
    if statement not in block:
        return False
    before = block[: block.index(statement)]
    return any(isinstance(e, ast.Return | ast.Raise | ast.Break | ast.Continue) for e in before)


def _is_alone(place: Place) -> bool:
    """Return whether a place is in a synchronous test beside which nothing runs."""
    function = place.function
    if not isinstance(function, ast.FunctionDef) or not place.module.is_test(function):
        return False
    given = set(parameter_names(function)) - {"self"} - _parameters_of(function)
    if given or function.args.vararg or function.args.kwarg:
        return False
    owner = place.module.tree.class_around(function)
    if owner is not None:
        # What a base class does before and after the test, nobody knows.
        methods = {each.name for each in owner.body if isinstance(each, FUNCTIONS)}
        if methods & _AROUND_TESTS or [b for b in owner.bases if ast.unparse(b) != "object"]:
            return False
    words = {
        each.attr if isinstance(each, ast.Attribute) else each.id
        for each in ast.walk(function)
        if isinstance(each, ast.Attribute | ast.Name)
    }
    marks = " ".join(ast.unparse(each) for each in function.decorator_list)
    return words.isdisjoint(_STARTING) and "usefixtures" not in marks and not _has_automatic(place)


def _has_automatic(place: Place) -> bool:
    """Return whether the module has a fixture that every test uses."""
    return any(
        place.module.fixture_name(each) and place.module.option(each, "autouse") is not None
        for each in place.module.tree.functions
    )


def _parameters_of(function: Function) -> set[str]:
    """Return the parameters that ``parametrize`` gives, and no fixture."""
    names: set[str] = set()
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).endswith("parametrize"):
            first = decorator.args[0] if decorator.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                names |= {name.strip() for name in first.value.split(",")}
            elif isinstance(first, ast.Tuple | ast.List):
                names |= {str(e.value) for e in first.elts if isinstance(e, ast.Constant)}
    return names


def _is_allowed(place: Place) -> bool:
    statement = statement_of(place)
    here = allowances(place.module.text)
    return any(n in here for n in range(statement.lineno, (statement.end_lineno or 0) + 1))


def _change(path: Path, fixes: list[Fix]) -> Change:
    import libcst  # noqa: PLC0415  (an extra)
    from libcst.metadata import MetadataWrapper  # noqa: PLC0415

    before = path.read_bytes()
    module = libcst.parse_module(before)
    ordered = tuple(sorted(set(fixes)))
    rewritten = MetadataWrapper(module, unsafe_skip_copy=True).visit(_rewriter(ordered))
    if any(fix.duration is not None for fix in ordered):
        rewritten = _with_time(rewritten)
    return Change(path, ordered, before, rewritten.bytes)


def _rewriter(fixes: tuple[Fix, ...]) -> Any:
    """Return a transformer; it is made here, because its base class comes with an extra."""
    import libcst  # noqa: PLC0415
    from libcst.metadata import PositionProvider  # noqa: PLC0415

    by_line = {fix.line: fix for fix in fixes}
    gone: list[Any] = []

    class Rewriter(libcst.CSTTransformer):
        METADATA_DEPENDENCIES = (PositionProvider,)

        def leave_SimpleStatementLine(  # noqa: N802  (libcst's name)
            self,
            original_node: libcst.SimpleStatementLine,
            updated_node: libcst.SimpleStatementLine,
        ) -> Any:
            position: Any = self.get_metadata(PositionProvider, original_node)
            fix = by_line.get(position.start.line)
            if fix is None:
                return updated_node
            if fix.duration is None:
                gone.append(original_node)
                return libcst.RemoveFromParent()
            sleep = libcst.parse_expression(f"time.sleep({fix.duration})")
            return updated_node.with_changes(body=[libcst.Expr(sleep)])

        def leave_IndentedBlock(  # noqa: N802  (libcst's name)
            self, original_node: libcst.IndentedBlock, updated_node: libcst.IndentedBlock
        ) -> Any:
            return _with_comments(original_node, updated_node, gone)

        def leave_Module(  # noqa: N802  (libcst's name)
            self, original_node: libcst.Module, updated_node: libcst.Module
        ) -> Any:
            return _with_comments(original_node, updated_node, gone)

    return Rewriter()


def _with_comments(original: Any, block: Any, gone: list[Any]) -> Any:
    """Return a block with the comments that stood above what is gone from it."""
    if not any(each is statement for each in original.body for statement in gone):
        return block
    kept: list[Any] = []
    rest = iter(block.body)
    body = []
    for each in original.body:
        if any(each is statement for statement in gone):
            if any(line.comment is not None for line in each.leading_lines):
                kept += each.leading_lines
            continue
        statement = next(rest)
        if kept:
            statement = statement.with_changes(leading_lines=[*kept, *statement.leading_lines])
            kept = []
        body.append(statement)
    return block.with_changes(body=body, footer=[*kept, *block.footer])


def _with_time(module: Any) -> Any:
    """Return a module that imports ``time``, unless it does so already."""
    from libcst.codemod import CodemodContext  # noqa: PLC0415
    from libcst.codemod.visitors import AddImportsVisitor  # noqa: PLC0415

    context = CodemodContext()
    AddImportsVisitor.add_needed_import(context, "time")
    return AddImportsVisitor(context).transform_module(module)


def _require_libcst() -> None:
    try:
        import libcst  # noqa: F401, PLC0415
    except ImportError as error:
        raise MissingExtra.of("libcst", "fix") from error


_AROUND_TESTS = {
    "setUp", "tearDown", "setUpClass", "tearDownClass", "setup_method", "teardown_method",
    "setup_class", "teardown_class", "setup", "teardown",
}  # fmt: skip
_STARTING = {
    "Thread", "Process", "Popen", "Timer", "start", "submit", "ThreadPoolExecutor", "Pool",
    "ProcessPoolExecutor", "create_task", "ensure_future", "gather", "run", "spawn", "fork",
    "start_soon", "run_in_executor", "run_in_thread", "delay", "apply_async", "send", "enqueue",
    "publish", "notify", "start_new_thread", "addCleanup", "subprocess", "multiprocessing",
    "threading", "asyncio", "gevent", "eventlet", "greenlet", "run_forever", "background",
    "add_job", "schedule", "signal", "connect",
}  # fmt: skip
"""Names that say that something else may run beside the test."""
