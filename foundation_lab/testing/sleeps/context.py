"""Context: what stands around a sleep in the code, gathered for whoever judges it."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, NamedTuple

from foundation_lab.testing.sleeps.assertions import Compared, compare
from foundation_lab.testing.sleeps.limits import Limit, limits
from foundation_lab.testing.sleeps.roles import Role, name_of, role_of
from foundation_lab.testing.sleeps.scopes import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foundation_lab.testing.sleeps.durations import Bounds
    from foundation_lab.testing.sleeps.project import Module
    from foundation_lab.testing.sleeps.wrappers import Place


class Context(NamedTuple):
    """What is known of a sleep.

    Attributes:
        place: The sleep.
        each: How long it sleeps.
        names: The names of the functions around it, the innermost first.
        test: The outermost function's name, or an empty text.
        owners: The names of the classes around it, the innermost first.
        file: The file's name without its ending.
        comment: The comments on its line and right above it.
        comment_below: The comments right below it.
        docstring: The docstring of the innermost function.
        before: The statements before it, the nearest first.
        after: The statements after it, the nearest first, up to the next sleep.
        loop: The innermost loop around it, within its function.
        duration: The code of the duration.
        is_inner: Whether the function around it is defined in another one, or is a lambda.
        decorators: The decorators of the innermost function.
        limits: Numbers before it that it may wait out.
        branch: Where in a ``try`` it stands: ``except``, ``finally`` or nothing.
        after_yield: Whether it follows the ``yield`` of a fixture.
        is_last: Whether nothing of its function follows.
        argument_of: The call that it is an argument of, if any.
        role: What the innermost function is to the test.
        compared: Whether an assertion before it holds on after it, or no longer.
    """

    place: Place
    each: Bounds
    names: tuple[str, ...]
    test: str
    owners: tuple[str, ...]
    file: str
    comment: str
    comment_below: str
    docstring: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    loop: ast.For | ast.AsyncFor | ast.While | None
    duration: str
    is_inner: bool
    decorators: str
    limits: tuple[Limit, ...]
    branch: str
    after_yield: bool
    is_last: bool
    argument_of: str
    role: Role
    compared: Compared


def gather(place: Place, each: Bounds) -> Context:
    """Gather the context of a place."""
    module, node = place.module, place.site.node
    tree = module.tree
    around = tree.functions_around(node)
    innermost = place.function
    statement = statement_of(place)
    before = list(_before(module, statement, innermost))
    after = list(_after(module, statement, innermost))
    named = [each for each in around if isinstance(each, FUNCTIONS)]
    duration = place.site.duration
    line = statement.lineno
    name = name_of(tree, innermost) if innermost is not None else ""
    role = role_of(tree, innermost) if innermost is not None else Role.NONE
    return Context(
        place=place,
        each=each,
        names=tuple(name_of(tree, function) for function in around),
        test=named[-1].name if named else "",
        owners=tuple(c.name for c in tree.above(node) if isinstance(c, ast.ClassDef)),
        file=module.path.rpartition("/")[2].removesuffix(".py"),
        comment=_comment(module, node, line)
        or _comment_of_branch(module, statement)
        or _comment_of_duration(module, statement, duration)
        or _told(before),
        comment_below=_comment_below(module, statement),
        docstring=(ast.get_docstring(named[0]) or "") if named else "",
        before=tuple(before[:_MOST_BEFORE]),
        after=tuple(_until_next_sleep(after)[:_MOST_AFTER]),
        loop=_loop(place),
        duration=ast.unparse(duration) if isinstance(duration, ast.expr) else "",
        is_inner=role is not Role.BODY
        and (len(around) > 1 or name == "lambda" or _is_in_inner_class(module, node)),
        decorators=" ".join(ast.unparse(d) for d in named[0].decorator_list) if named else "",
        limits=tuple(limits(module, node, statement)),
        branch=_branch(place),
        after_yield=_after_yield(statement, innermost),
        is_last=not after,
        argument_of=_argument_of(module, node),
        role=role,
        compared=compare(before, _until_next_sleep(after)),
    )


def statement_of(place: Place) -> ast.stmt:
    """Return the statement that a place stands in; the loop itself for a busy wait."""
    node = place.site.node
    if isinstance(node, ast.stmt):
        return node
    above = place.module.tree.above(node)
    return next(each for each in above if isinstance(each, ast.stmt))


def _block(module: Module, statement: ast.stmt) -> list[ast.stmt]:
    """Return the block that a statement stands in."""
    above = module.tree.parents.get(statement)
    for field in ("body", "orelse", "finalbody", "handlers"):
        block = getattr(above, field, None)
        if isinstance(block, list) and statement in block:
            return block
    return [statement]


def _before(module: Module, statement: ast.stmt, function: ast.AST | None) -> Iterator[str]:
    """Give the statements before, from the nearest outwards; of a ``with`` only its head."""
    at: ast.AST = statement
    while isinstance(at, ast.stmt | ast.ExceptHandler) and at is not function:
        if isinstance(at, ast.stmt):
            block = _block(module, at)
            place = block.index(at) if at in block else 0
            for each in reversed(block[:place]):
                if not _is_text(each):
                    yield source(module, each, from_end=True)
        above = module.tree.parents.get(at)
        if above is None or above is function:
            return
        if isinstance(above, ast.ExceptHandler):
            attempt = module.tree.parents.get(above)
            for each in reversed(getattr(attempt, "body", [])):
                yield source(module, each, from_end=True)
        elif isinstance(above, ast.stmt):
            yield _head(module, above)
        at = above


def _is_text(statement: ast.stmt) -> bool:
    """Return whether a statement is a docstring: it is no step of the test."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _after(module: Module, statement: ast.stmt, function: ast.AST | None) -> Iterator[str]:
    at: ast.AST = statement
    while at is not function:
        if isinstance(at, ast.stmt):
            block = _block(module, at)
            place = block.index(at) if at in block else len(block)
            for each in block[place + 1 :]:
                yield source(module, each)
        above = module.tree.parents.get(at)
        if above is None or isinstance(above, ast.ClassDef | ast.Module):
            return
        at = above


def source(module: Module, node: ast.stmt, *, from_end: bool = False) -> str:
    """Return a statement as it stands in the file, long ones cut."""
    first = node.lineno - 1
    lines = module.lines[first : node.end_lineno or node.lineno]
    kept = lines[-_MOST_LINES:] if from_end else lines[:_MOST_LINES]
    return "\n".join(each.strip() for each in kept)[:_MOST_LETTERS]


def _head(module: Module, node: ast.stmt) -> str:
    body = getattr(node, "body", None)
    last = body[0].lineno - 1 if body else node.lineno
    return "\n".join(
        each.strip() for each in module.lines[node.lineno - 1 : max(last, node.lineno)]
    )


def _until_next_sleep(statements: list[str]) -> list[str]:
    for position, each in enumerate(statements):
        if re.match(r"(await |yield )?[\w.]*sleep\(", each):
            return statements[:position]
    return statements


def _loop(place: Place) -> ast.For | ast.AsyncFor | ast.While | None:
    inside: ast.AST = place.site.node
    for above in place.module.tree.above(place.site.node):
        if above is place.function or isinstance(above, (*FUNCTIONS, ast.ClassDef)):
            return None
        if isinstance(above, ast.For | ast.AsyncFor | ast.While) and inside in above.body:
            return None if _leaves(place.module, place.site.node, above) else above
        inside = above
    return None


def _leaves(module: Module, node: ast.AST, loop: ast.AST) -> bool:
    """Return whether the loop ends after a node in any case: it is passed once only."""
    for at in (node, *module.tree.above(node)):
        if at is loop:
            return False
        if isinstance(at, ast.stmt):
            block = _block(module, at)
            following = block[block.index(at) + 1 :] if at in block else []
            for each in following:
                if isinstance(each, ast.Continue):
                    return False
                if isinstance(each, ast.Break | ast.Return):
                    return True
    return False


def _is_in_inner_class(module: Module, node: ast.AST) -> bool:
    """Return whether a class around it is defined in a function."""
    seen_class = False
    for above in module.tree.above(node):
        if seen_class and isinstance(above, FUNCTIONS):
            return True
        seen_class = seen_class or isinstance(above, ast.ClassDef)
    return False


def _comment(module: Module, node: ast.AST, line: int) -> str:
    """Return the comments at the end of a node's lines, and those right above its statement."""
    first = getattr(node, "lineno", line)
    lines = module.lines[first - 1 : getattr(node, "end_lineno", first)]
    own = " ".join(filter(None, map(_trailing, lines)))
    if len(own.split()) >= _SAYS_ENOUGH:
        return own  # what stands above may be about the step as a whole
    above: list[str] = []
    at = line - 2
    blanks = 0
    while at >= 0:
        text = module.lines[at].strip()
        if text.startswith("#"):
            above.insert(0, text.lstrip("# "))
        elif text in ("try:", "else:", "") and not above and blanks < 1:
            blanks += 1
        else:
            break
        at -= 1
    return " ".join([*above, *filter(None, [own])])


def _comment_of_duration(
    module: Module, statement: ast.stmt, duration: ast.expr | float | None
) -> str:
    """Return the comments of the statement right before, when it sets the duration."""
    block = _block(module, statement)
    place = block.index(statement) if statement in block else 0
    setter = block[place - 1] if place else None
    if not isinstance(setter, ast.Assign) or not isinstance(duration, ast.Name):
        return ""
    names = [each.id for each in setter.targets if isinstance(each, ast.Name)]
    return _comment(module, setter, setter.lineno) if duration.id in names else ""


def _comment_of_branch(module: Module, statement: ast.stmt) -> str:
    """Return the comments above the ``if`` whose first statement it is."""
    above = module.tree.parents.get(statement)
    if isinstance(above, ast.If) and above.body[0] is statement:
        return _comment(module, above.test, above.lineno)
    return ""


def _told(before: list[str]) -> str:
    """Return what the statement right before prints or logs: it often says why."""
    found = (
        re.match(r"(?:[\w.]*log\w*\.\w+|print)\(\s*f?[\"']([^\"']+)", before[0]) if before else None
    )
    return found[1] if found else ""


def _comment_below(module: Module, statement: ast.stmt) -> str:
    found = []
    for text in module.lines[statement.end_lineno or statement.lineno :]:
        stripped = text.strip()
        if stripped.startswith("#"):
            found.append(stripped.lstrip("# "))
        elif stripped:
            found.append(_trailing(text))
            break
    return " ".join(filter(None, found))


def _trailing(line: str) -> str:
    """Return the comment at the end of a line; a ``#`` within quotes is none."""
    bare = re.sub(r"'[^'\\]*'|\"[^\"\\]*\"", lambda found: "_" * len(found[0]), line)
    at = bare.find("#")
    return "" if at < 0 else line[at:].lstrip("# ").strip()


def _branch(place: Place) -> str:
    inside: ast.AST = place.site.node
    for above in place.module.tree.above(place.site.node):
        if above is place.function:
            return ""
        if isinstance(above, ast.ExceptHandler):
            return "except"
        if isinstance(above, ast.Try) and inside in above.finalbody:
            return "finally"
        inside = above
    return ""


def _after_yield(statement: ast.stmt, function: ast.AST | None) -> bool:
    if not isinstance(function, FUNCTIONS):
        return False
    decorators = " ".join(ast.unparse(each) for each in function.decorator_list)
    if "fixture" not in decorators and "contextmanager" not in decorators:
        return False
    return any(
        isinstance(node, ast.Yield | ast.YieldFrom) and node.lineno < statement.lineno
        for node in ast.walk(function)
    )


def _argument_of(module: Module, node: ast.AST) -> str:
    inside: ast.AST = node
    for above in module.tree.above(node):
        if isinstance(above, ast.Call) and inside is not above.func:
            return ast.unparse(above.func)
        if isinstance(above, ast.stmt | ast.Lambda | ast.Await | ast.Attribute | ast.Subscript):
            return ""
        inside = above
    return ""


_SAYS_ENOUGH = 3
"""Words of a comment at the sleep itself."""
_MOST_BEFORE = 6
_MOST_AFTER = 6
_MOST_LINES = 8
_MOST_LETTERS = 500
