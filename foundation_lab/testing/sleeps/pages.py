"""Pages: an audit or a measurement as tables for a terminal, as Markdown, and as one HTML page."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from msgspec import structs

from foundation_lab.testing.sleeps.purposes import MEANINGS

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from foundation_lab.testing.sleeps.finding import Audit, Finding, Sum
    from foundation_lab.testing.sleeps.measure import Measurement

MOST_ROWS = 15
"""How many files and tests the tables of a terminal show."""


def headline(audit: Audit) -> str:
    """Return an audit in one line."""
    total = sum(finding.total_at_least for finding in audit.findings)
    unknown = sum(finding.total is None for finding in audit.findings)
    allowed = len(audit.findings) - len(audit.counted)
    parts = [
        f"{_plural(len(audit.findings), 'sleep')} in {_plural(audit.files, 'file')}",
        f"{'at least ' if unknown else ''}{seconds(total)}",
    ]
    if unknown:
        parts.append(f"{unknown:,} of unknown length")
    if allowed:
        parts.append(f"{allowed:,} allowed")
    if audit.problems:
        parts.append(_plural(len(audit.problems), "problem"))
    return ", ".join(parts)


def table(audit: Audit, most: int | None = None) -> RenderableType:
    """Return an audit as tables: by purpose, by file, by test, and every finding.

    Args:
        audit: The audit.
        most: How many sleeps there may be. Then the tables are about those that no comment allows,
            and only there when there are more.
    """
    from rich.console import Group  # noqa: PLC0415  (not needed for the other forms)
    from rich.text import Text  # noqa: PLC0415

    parts: list[RenderableType] = [Text(headline(audit))]
    shown = audit if most is None else structs.replace(audit, findings=audit.counted)
    if shown.findings and (most is None or len(shown.findings) > most):
        parts += [
            _sums("By what they wait for", shown.by_purpose()),
            _sums("By file", shown.by_file()),
            _sums("By test", shown.by_test()),
            _findings(shown.findings),
        ]
    parts += [Text(f"{p.file}:{p.line}: {p.message}") for p in audit.problems]
    return Group(*parts)


def measured(result: Measurement) -> RenderableType:
    """Return a measurement as a table."""
    from rich.console import Group  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    rows = _table("Slept, by test", ("test",), ("seconds",))
    for test, slept in result.by_test[:MOST_ROWS]:
        rows.add_row(Text(test), f"{slept:.3f}")
    tests = _plural(result.tests, "test")
    lines = [f"{tests} in {seconds(result.seconds)}, of which {seconds(result.slept)} slept"]
    if result.virtual_seconds is not None and result.saved is not None:
        lines.append(
            f"in virtual time {seconds(result.virtual_seconds)}: {seconds(result.saved)} saved"
        )
        lines += [f"{c.test}: {c.before}, in virtual time {c.after}" for c in result.changed]
    if result.note is not None:
        lines.append(result.note)
    texts: list[RenderableType] = [Text(line) for line in lines]
    return Group(*texts, *([rows] if result.by_test else []))


def markdown(audit: Audit) -> str:
    """Return an audit as Markdown."""
    lines = ["# Sleeps", "", headline(audit), ""]
    for title, rows in (
        ("By what they wait for", audit.by_purpose()),
        ("By file", audit.by_file()),
        ("By test", audit.by_test()),
    ):
        if rows:
            lines += [
                f"## {title}",
                "",
                "| name | sleeps | seconds | unknown |",
                "|---|--:|--:|--:|",
            ]
            lines += [
                f"| {_cell(r.name)} | {r.sleeps} | {r.seconds:g} | {r.unknown} |" for r in rows
            ]
            lines.append("")
    if audit.findings:
        lines += ["## Findings", ""]
    for finding in audit.findings:
        fence = "`" * (3 if "```" not in finding.replacement.code else 4)
        lines += [
            f"### {_cell(place(finding))}",
            "",
            f"- `{finding.call.replace('`', chr(39))}` in `{finding.test or 'the module'}`"
            + (f", through {_cell(finding.via)}" if finding.via else ""),
            f"- {length(finding)}",
            f"- {finding.purpose} ({finding.confidence:.0%}): {_cell('; '.join(finding.evidence))}",
            *([f"- allowed: {_cell(finding.allowed)}"] if finding.allowed else []),
            f"- {finding.replacement.advice}",
            "",
            f"{fence}python",
            finding.replacement.code,
            fence,
            "",
        ]
    if audit.problems:
        lines += [
            "## Problems",
            "",
            *(f"- {_cell(p.file)}:{p.line}: {_cell(p.message)}" for p in audit.problems),
            "",
        ]
    return "\n".join(lines)


def html(audit: Audit) -> str:
    """Return an audit as one HTML page that loads nothing and runs nothing."""
    body = [f"<h1>Sleeps</h1><p>{escape(headline(audit))}</p>"]
    for title, rows in (
        ("By what they wait for", audit.by_purpose()),
        ("By file", audit.by_file()),
        ("By test", audit.by_test()),
    ):
        if rows:
            cells = "".join(
                f"<tr><td>{escape(r.name)}</td><td>{r.sleeps}</td><td>{r.seconds:g}</td><td>{r.unknown}</td></tr>"
                for r in rows
            )
            body.append(
                f"<h2>{title}</h2><table><tr><th>name<th>sleeps<th>seconds<th>unknown</tr>{cells}</table>"
            )
    if audit.findings:
        body.append("<h2>Findings</h2>")
    body += [_article(finding) for finding in audit.findings]
    if audit.problems:
        items = "".join(
            f"<li>{escape(f'{p.file}:{p.line}: {p.message}')}</li>" for p in audit.problems
        )
        body.append(f"<h2>Problems</h2><ul>{items}</ul>")
    return _PAGE.replace("{body}", "\n".join(body))


def place(finding: Finding) -> str:
    """Return where a finding is, as editors understand it."""
    return f"{finding.file}:{finding.line}:{finding.column}"


def length(finding: Finding) -> str:
    """Return how long a finding sleeps, in words."""
    times = "" if finding.times == 1 else " × ?" if finding.times is None else f" × {finding.times}"
    each = "unknown" if finding.seconds is None else seconds(finding.seconds)
    if finding.seconds is None and finding.at_least > 0:
        each = f"at least {seconds(finding.at_least)}"
    if finding.total is not None and not times:
        return (
            seconds(finding.total)
            if finding.total == finding.seconds
            else f"{each}, counted elsewhere"
        )
    total = "" if finding.total is None else f" = {seconds(finding.total)}"
    return f"{each}{times}{total}"


def seconds(value: float) -> str:
    """Return seconds to three digits.

    >>> seconds(0.05), seconds(1234.5)
    ('0.05 s', '1,234 s')
    """
    return f"{value:,.0f} s" if value >= 1000 else f"{value:.3g} s"


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _sums(title: str, rows: list[Sum]) -> RenderableType:
    from rich.text import Text  # noqa: PLC0415

    shown = _table(title, ("name",), ("sleeps", "seconds", "unknown"))
    for row in rows[:MOST_ROWS]:
        shown.add_row(Text(row.name), f"{row.sleeps:,}", f"{row.seconds:,.3g}", f"{row.unknown:,}")
    if len(rows) > MOST_ROWS:
        shown.caption = f"and {len(rows) - MOST_ROWS:,} more"
    return shown


def _findings(findings: tuple[Finding, ...]) -> RenderableType:
    from rich.text import Text  # noqa: PLC0415

    shown = _table("Findings", ("where", "what", "waits for", "instead"), ())
    shown.columns[0].overflow = "fold"
    for finding in findings:
        what = f"{finding.call}\n{length(finding)}"
        what += f"\nthrough {finding.via}" if finding.via else ""
        purpose = f"{finding.purpose} ({finding.confidence:.0%})\n{'; '.join(finding.evidence[:2])}"
        instead = f"allowed: {finding.allowed}" if finding.allowed else finding.replacement.code
        shown.add_row(
            Text(f"{finding.file}:{finding.line}\n{finding.test}"),
            Text(what),
            Text(purpose),
            Text(instead),
        )
    return shown


def _table(title: str, words: tuple[str, ...], numbers: tuple[str, ...]) -> Table:
    from rich import box  # noqa: PLC0415
    from rich import table as tables  # noqa: PLC0415

    shown = tables.Table(
        title=title, title_justify="left", caption_justify="left", box=box.SIMPLE_HEAD
    )
    for name in words:
        shown.add_column(name)
    for name in numbers:
        shown.add_column(name, justify="right")
    return shown


def _cell(text: str) -> str:
    """Return text that means nothing to Markdown: no HTML, no table, no new line."""
    flat = " ".join(text.split())
    for character in "\\`*_[]|":
        flat = flat.replace(character, f"\\{character}")
    return flat.replace("&", "&amp;").replace("<", "&lt;")


def _article(finding: Finding) -> str:
    evidence = "".join(f"<li>{escape(each)}</li>" for each in finding.evidence)
    via = f" through {escape(finding.via)}" if finding.via else ""
    allowed = f"<p>allowed: {escape(finding.allowed)}</p>" if finding.allowed else ""
    return (
        f"<article><h3>{escape(place(finding))}</h3>"
        f"<p><code>{escape(finding.call)}</code> in {escape(finding.test or 'the module')}{via}: "
        f"{escape(length(finding))}</p>"
        f"<p>Waits for <b>{escape(finding.purpose)}</b> ({finding.confidence:.0%}): "
        f"{escape(MEANINGS[finding.purpose])}.</p><ul>{evidence}</ul>{allowed}"
        f"<p>{escape(finding.replacement.advice)}</p><pre>{escape(finding.replacement.code)}</pre></article>"
    )


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sleeps</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; }
td, th { padding: .2rem .8rem .2rem 0; text-align: left; }
td:not(:first-child) { text-align: right; }
article { border-top: 1px solid #ccc; margin-top: 1rem; }
pre, code { font: 13px ui-monospace, monospace; }
pre { background: #f4f4f4; padding: .6rem; overflow-x: auto; }
@media (prefers-color-scheme: dark) {
  body { background: #16181c; color: #ddd; } pre { background: #22252b; }
}
</style></head><body>
{body}
</body></html>
"""
