"""``foundation-lab audit-sleeps``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foundation_lab.cli.app import app
from foundation_lab.cli.arguments import AsJson
from foundation_lab.cli.exit_codes import MISSED
from foundation_lab.cli.output import print_json, print_table, refuse, say

if TYPE_CHECKING:
    from foundation_lab.testing.sleeps import Audit


@app.command(
    "audit-sleeps",
    epilog="Examples: [bold]foundation-lab audit-sleeps tests[/bold]  ·  "
    "[bold]foundation-lab audit-sleeps tests --max 0[/bold]  ·  "
    "[bold]foundation-lab audit-sleeps tests --fix --write[/bold]",
)
def audit_sleeps(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="Files and folders of tests.", show_default=False),
    ],
    as_json: AsJson = False,
    as_markdown: Annotated[bool, typer.Option("--md", help="Print Markdown.")] = False,
    page: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write an HTML page.", show_default=False),
    ] = None,
    most: Annotated[
        int | None,
        typer.Option(
            "--max", metavar="N", min=0, help="End with 1 when more sleeps than N are not allowed."
        ),
    ] = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Show the rewritings that are safe, as a diff.")
    ] = False,
    write: Annotated[bool, typer.Option("--write", help="With --fix: write them.")] = False,
    run: Annotated[
        bool,
        typer.Option("--measure", help="Run the tests: what do they really sleep and could save?"),
    ] = False,
) -> None:
    """Find the sleeps in tests: for what they wait, how long, and what to write instead."""
    _require_one_form(as_json=as_json, as_markdown=as_markdown, fix=fix, run=run, write=write)
    if (fix or run) and (page is not None or most is not None):
        refuse("--html and --max are about the audit; give --fix and --measure without them")
    for path in paths:
        if not path.exists():
            refuse(f"{path}: no such file or folder")
    if fix:
        _fix(paths, write=write)
    elif run:
        _measure(paths, as_json=as_json)
    else:
        _audit(paths, page, most, as_json=as_json, as_markdown=as_markdown)


def _audit(
    paths: list[Path], page: Path | None, most: int | None, *, as_json: bool, as_markdown: bool
) -> None:
    from foundation_lab.testing.sleeps import audit, pages

    found = audit(paths)
    if not found.files:
        refuse(f"no Python file at {', '.join(map(str, paths))}")
    if page is not None:
        _write_page(page, pages.html(found))
    if as_json:
        print_json(found.document())
    elif as_markdown:
        print(pages.markdown(found))
    else:
        print_table(pages.table(found, most))
        if page is not None:
            print(f"page  {page}")
    _hold(found, most)


def _hold(found: Audit, most: int | None) -> None:
    """End with 1 when there are more sleeps than allowed."""
    counted = len(found.counted)
    if most is not None and counted > most:
        say(f"{counted} sleeps are not allowed by a comment, and --max is {most}")
        raise typer.Exit(MISSED)


def _write_page(page: Path, text: str) -> None:
    if page.is_dir():
        refuse(f"{page} is a folder; give a file such as {page}/sleeps.html")
    aside = page.with_name(f".{page.name}.part")
    try:
        aside.write_text(text, encoding="utf-8", errors="backslashreplace")
        aside.replace(page)
    finally:
        aside.unlink(missing_ok=True)


def _fix(paths: list[Path], *, write: bool) -> None:
    from foundation_lab.testing.sleeps import changes

    planned = changes(paths)
    for change in planned:
        if write:
            change.write()
            for each in change.fixes:
                print(f"{change.path}:{each.line}: {each.why}")
        else:
            print(change.diff(), end="")
    number = sum(len(change.fixes) for change in planned)
    say(f"{number} sleeps {'were' if write else 'can be'} rewritten safely")


def _measure(paths: list[Path], *, as_json: bool) -> None:
    import msgspec

    from foundation_lab.testing.sleeps import SuiteFailed, measure, pages

    try:
        result = measure(paths)
    except SuiteFailed as error:
        refuse(str(error))
    if as_json:
        print_json(msgspec.to_builtins(result))
    else:
        print_table(pages.measured(result))


def _require_one_form(
    *, as_json: bool, as_markdown: bool, fix: bool, run: bool, write: bool
) -> None:
    if as_json and as_markdown:
        refuse("give --json or --md, not both")
    if fix and (as_json or as_markdown or run):
        refuse("--fix prints a diff; give it without --json, --md and --measure")
    if run and as_markdown:
        refuse("--measure prints a table or --json")
    if write and not fix:
        refuse("--write goes with --fix")
