"""The audit: from paths to findings."""

from __future__ import annotations

import ast
import gc
import math
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from foundation_lab.testing.sleeps.allowed import WHOLE_FILE, allowances
from foundation_lab.testing.sleeps.classify import Verdict, classify
from foundation_lab.testing.sleeps.context import gather, statement_of
from foundation_lab.testing.sleeps.costs import Cost, cost
from foundation_lab.testing.sleeps.files import Text, python_files, read
from foundation_lab.testing.sleeps.finding import Audit, Finding, Problem, rounded
from foundation_lab.testing.sleeps.project import Project
from foundation_lab.testing.sleeps.purposes import Purpose
from foundation_lab.testing.sleeps.replacements import replacement
from foundation_lab.testing.sleeps.scopes import FUNCTIONS
from foundation_lab.testing.sleeps.wrappers import find_places

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from foundation_lab.testing.sleeps.allowed import Allowance
    from foundation_lab.testing.sleeps.wrappers import Place, Wrapper


def audit(paths: Iterable[str | Path]) -> Audit:
    """Find the sleeps in Python files; nothing of them is imported or run.

    Args:
        paths: Files and folders.

    Returns:
        What was found, sorted by file and line.

    Raises:
        FileNotFoundError: A path does not exist.
    """
    given = [Path(path) for path in paths]
    for path in given:
        if not path.exists():
            raise FileNotFoundError(f"{path}: no such file or folder")
    sources, problems = _sources(python_files(given))
    with _without_collector():
        return _Audit(sources, problems).result()


def audit_text(text: str, name: str = "test_it.py") -> Audit:
    """Find the sleeps in one text, as if it were a file of this name."""
    return _Audit([Text(name, text)], []).result()


@contextmanager
def _without_collector() -> Iterator[None]:
    """Keep the garbage collector from walking over millions of nodes of trees, again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _sources(files: list[Path]) -> tuple[list[Text], list[Problem]]:
    sources, problems = [], []
    for file in files:
        name = file.as_posix().encode("utf-8", "backslashreplace").decode()
        try:
            sources.append(Text(name, read(file)))
        except (ValueError, OSError) as error:
            problems.append(Problem(name, 0, f"not audited: {error}"))
    return sources, problems


class _Audit:
    def __init__(self, sources: list[Text], problems: list[Problem]) -> None:
        self._project = Project(sources)
        self._problems = problems
        self._files = len(sources) + len(problems)
        self._verdicts: dict[ast.AST, Verdict] = {}

    def result(self) -> Audit:
        places = find_places(self._project)
        called: dict[ast.AST, Wrapper] = {
            place.wrapper.function: place.wrapper for place in places if place.wrapper is not None
        }
        findings = [self._finding(place, called) for place in places]
        findings, comments = self._allow(places, findings)
        errors = [
            Problem(path, getattr(error, "lineno", 0) or 0, f"not audited: {_reason(error)}")
            for path, error in self._project.errors.items()
        ]
        return Audit(
            self._files,
            tuple(sorted(findings, key=lambda f: (f.file, f.line, f.column, f.kind, f.call))),
            tuple(sorted([*self._problems, *errors, *comments])),
        )

    def _finding(self, place: Place, called: dict[ast.AST, Wrapper]) -> Finding:
        paid = cost(place, self._project)
        context = gather(place, paid.each)
        verdict = classify(context, self._of_wrapper(place.wrapper))
        evidence = verdict.evidence
        wrapper = called.get(place.function) if place.function is not None else None
        is_counted_there = wrapper is not None and wrapper.calls > 0
        if is_counted_there and wrapper is not None:
            plural = "call" if wrapper.calls == 1 else "calls"
            evidence = (
                *evidence,
                f"its seconds are counted at {wrapper.calls} {plural} of {wrapper.name}",
            )
            paid = Cost(paid.each, paid.times, paid.total._replace(low=0.0, high=0.0))
        node = place.site.node
        return Finding(
            file=place.module.path,
            line=node.lineno,
            column=node.col_offset + 1,
            test=place.module.tree.qualified(place.function or node),
            kind=place.site.kind,
            call=_code(node),
            via=None if place.wrapper is None else place.wrapper.where(),
            seconds=_exact(paid.each.exact),
            at_least=rounded(paid.each.low),
            times=None if paid.times.exact is None else int(paid.times.exact),
            total=_exact(paid.total.exact),
            total_at_least=rounded(paid.total.low),
            purpose=verdict.purpose,
            confidence=verdict.confidence,
            evidence=evidence,
            replacement=replacement(context, verdict.purpose),
        )

    def _of_wrapper(self, wrapper: Wrapper | None) -> Verdict | None:
        """Return what the sleep in a wrapper waits for, by its first one."""
        if wrapper is None:
            return None
        known = self._verdicts.get(wrapper.function)
        if known is None:
            self._verdicts[wrapper.function] = _NOTHING  # wrappers may call each other
            first = wrapper.places[0]
            context = gather(first, cost(first, self._project).each)
            known = classify(context, self._of_wrapper(first.wrapper))
            self._verdicts[wrapper.function] = known
        return known

    def _allow(
        self, places: list[Place], findings: list[Finding]
    ) -> tuple[list[Finding], list[Problem]]:
        """Hold the comments that allow sleeps against the findings."""
        comments = {path: allowances(s.text) for path, s in self._project.sources.items()}
        used: set[tuple[str, int]] = set()
        kept = []
        for place, finding in zip(places, findings, strict=True):
            here = comments[finding.file]
            lines = (*_lines(place), WHOLE_FILE) if here else ()
            allowance = next((here[n] for n in lines if n in here), None)
            if allowance is not None:
                used.add((finding.file, allowance.line))
                if allowance.reason:
                    finding = _with_reason(finding, allowance)  # noqa: PLW2901
            kept.append(finding)
        problems = [
            Problem(path, each.line, _complaint(each, is_used=(path, each.line) in used))
            for path, found in comments.items()
            for each in found.values()
            if path not in self._project.errors
            and (not each.reason or (path, each.line) not in used)
        ]
        return kept, problems


def _complaint(allowance: Allowance, *, is_used: bool) -> str:
    if allowance.reason and not is_used:
        return "this comment allows no sleep: there is none here"
    return "this comment gives no reason, so it allows nothing: '# lab: allow-sleep <reason>'"


def _with_reason(finding: Finding, allowance: Allowance) -> Finding:
    return msgspec.structs.replace(finding, allowed=allowance.reason)


def _lines(place: Place) -> list[int]:
    """Return the lines at which a comment may allow a place: of its statement, its functions."""
    node = place.site.node
    if place.site.kind == "fixture" and place.function is not None:
        return [node.lineno, *_head_lines(place.function)]
    statement = statement_of(place)
    end = statement.end_lineno or statement.lineno
    if isinstance(statement, ast.While | ast.For | ast.With | ast.If | ast.Try):
        end = max(node.lineno, statement.body[0].lineno - 1)
    own = [
        *range(node.lineno, (node.end_lineno or node.lineno) + 1),
        *range(statement.lineno, end + 1),
    ]
    heads = [
        line
        for above in place.module.tree.above(node)
        if isinstance(above, FUNCTIONS)
        for line in _head_lines(above)
    ]
    return [*dict.fromkeys([*own, *heads])]


def _head_lines(function: ast.AST) -> list[int]:
    if not isinstance(function, FUNCTIONS):
        return []
    first = min([function.lineno, *(each.lineno for each in function.decorator_list)])
    return list(range(first, max(function.body[0].lineno, function.lineno + 1)))


def _code(node: ast.AST) -> str:
    if isinstance(node, ast.While):
        text = (
            f"while {ast.unparse(node.test)}: {'; '.join(ast.unparse(each) for each in node.body)}"
        )
    else:
        text = ast.unparse(node)
    line = " ".join(text.split())
    return line if len(line) <= _MOST_LETTERS else line[: _MOST_LETTERS - 1] + "…"


def _exact(seconds: float | None) -> float | None:
    return None if seconds is None or math.isinf(seconds) else rounded(seconds)


def _reason(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"no Python: {error.msg}"
    if isinstance(error, RecursionError | MemoryError):
        return "nested too deeply"
    return str(error)


_NOTHING = Verdict(Purpose.UNKNOWN, 0.0, ())
_MOST_LETTERS = 160
