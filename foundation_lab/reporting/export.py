"""Export: a recording as files for other programs.

| format    | files |
|---|---|
| `parquet` | `events.parquet` (one row an event) and `<event name>.parquet` for each event |
| `csv`     | the same as `.csv` |
| `json`    | the same as `.ndjson`, one object a line, and `summary.json` |
| `xlsx`    | `summary.xlsx`: the tables of the summary, one a sheet |

Tables of events have the columns of `Recording.events` and `Recording.frame`. In CSV, lists are
JSON text, and a text that a spreadsheet would run as a formula is preceded by an apostrophe.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec
import polars as pl

from foundation_lab.errors import MissingExtra
from foundation_lab.reporting.placement import placed
from foundation_lab.reporting.summary import summarise
from foundation_lab.reporting.tables import Table, tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from foundation_lab.recording.recording import Recording

Format = Literal["parquet", "csv", "xlsx", "json"]

FORMATS: tuple[Format, ...] = get_args(Format)
"""What a recording can be exported to."""

SHEET_ROWS = 1_048_575
"""How many rows a sheet of a workbook holds below its headings."""

FORMULA = r"^[=+\-@\t\r\n]"
"""How a text begins that a spreadsheet may take for a formula.

Source: OWASP, "CSV Injection"."""


def export(
    recording: Recording,
    folder: str | Path,
    format: Format,  # noqa: A002  (the word that users look for)
    *,
    force: bool = False,
) -> Path:
    """Write a recording to a folder, in a format that other programs read.

    The folder is written aside and renamed, so that it is there whole or not at all.

    Args:
        recording: The recording.
        folder: Where to.
        format: ``parquet``, ``csv``, ``json`` (tables of all events) or ``xlsx`` (the summary).
        force: Replace an earlier export.

    Returns:
        The folder.

    Raises:
        ValueError: There is no such format.
        FileExistsError: The folder exists and `force` is not given, or it holds other things than
            an export.
        MissingExtra: ``xlsx`` needs the extra ``excel``, which is not installed.
    """
    if format not in FORMATS:
        raise ValueError(f"format={format!r} is none; choose one of {', '.join(FORMATS)}")
    target = Path(folder)
    _require_free(target, force=force)
    with placed(target) as aside:
        aside.mkdir()
        _WRITERS[format](recording, aside)
    return target


def _require_free(target: Path, *, force: bool) -> None:
    if not target.exists():
        return
    if not force:
        raise FileExistsError(f"{target} exists already; give another folder, or force=True")
    foreign = [target.name] if not target.is_dir() else sorted(_foreign(target))
    if foreign:
        raise FileExistsError(
            f"{target} holds {foreign[0]!r}, which is no export; give another folder"
        )


def _foreign(folder: Path) -> Iterator[str]:
    for entry in folder.iterdir():
        if not entry.is_file() or entry.suffix not in _SUFFIXES:
            yield entry.name


def _write_parquet(recording: Recording, folder: Path) -> None:
    for name, rows in _tables(recording):
        rows.sink_parquet(folder / f"{name}.parquet")


def _write_csv(recording: Recording, folder: Path) -> None:
    for name, rows in _tables(recording):
        _safe_in_csv(rows).sink_csv(folder / f"{name}.csv")


def _write_json(recording: Recording, folder: Path) -> None:
    for name, rows in _tables(recording):
        rows.sink_ndjson(folder / f"{name}.ndjson")
    summary = msgspec.json.encode(summarise(recording))
    (folder / "summary.json").write_bytes(msgspec.json.format(summary, indent=2) + b"\n")


def _write_xlsx(recording: Recording, folder: Path) -> None:
    try:
        import xlsxwriter  # noqa: PLC0415  (an optional extra)
    except ImportError as error:
        raise MissingExtra.of("xlsxwriter", "excel") from error
    summary = summarise(recording)
    with xlsxwriter.Workbook(folder / "summary.xlsx", {"nan_inf_to_errors": True}) as workbook:
        # The workbook is the same, byte for byte, for the same recording.
        workbook.set_properties({"created": datetime(2000, 1, 1, tzinfo=UTC)})
        heading = workbook.add_format({"bold": True, "text_wrap": True, "valign": "top"})
        styles = {
            kind: workbook.add_format({"num_format": number_format})
            for kind, number_format in _NUMBER_FORMATS.items()
        }
        run = msgspec.to_builtins(summary.run)
        _write_run(workbook.add_worksheet("run"), run, heading)
        for table in tables(summary):
            _write_table(workbook.add_worksheet(table.name), table, heading, styles)


def _write_run(sheet: Any, run: dict[str, Any], heading: Any) -> None:
    sheet.set_column(0, 0, 12)
    sheet.set_column(1, 1, 70)
    for row, (name, value) in enumerate(run.items()):
        sheet.write_string(row, 0, name, heading)
        _write_cell(sheet, row, 1, value, None)


def _write_table(sheet: Any, table: Table, heading: Any, styles: dict[str, Any]) -> None:
    for place, column in enumerate(table.columns):
        unit = " (s)" if column.kind in ("seconds", "time") else ""
        sheet.write_string(0, place, f"{column.name}{unit}", heading)
        sheet.set_column(place, place, 28 if column.kind == "text" else 12)
    for row, values in enumerate(table.rows[:SHEET_ROWS], start=1):
        for place, (value, column) in enumerate(zip(values, table.columns, strict=True)):
            _write_cell(sheet, row, place, value, styles.get(column.kind))
    sheet.freeze_panes(1, 1)


def _write_cell(sheet: Any, row: int, place: int, value: Any, style: Any) -> None:
    """Write a text as a text, so that it is no formula and no link, and a number as a number."""
    if isinstance(value, str):
        sheet.write_string(row, place, value[:_LONGEST_CELL], style)
    elif value is not None:
        sheet.write_number(row, place, value, style)


def _tables(recording: Recording) -> Iterator[tuple[str, pl.LazyFrame]]:
    yield "events", recording.lazy()
    for name in recording.counts:
        yield name, recording.lazy_frame(name)


def _safe_in_csv(rows: pl.LazyFrame) -> pl.LazyFrame:
    schema = rows.collect_schema()
    lists = [name for name, dtype in schema.items() if isinstance(dtype, pl.List)]
    texts = [name for name, dtype in schema.items() if dtype == pl.String]
    risky = [name for name in schema if pl.Series([name]).str.contains(FORMULA).item()]
    return rows.with_columns(
        *[pl.col(name).map_elements(_json_text, return_dtype=pl.String) for name in lists],
        *[_harmless(name) for name in texts],
    ).rename({name: f"'{name}" for name in risky})


def _json_text(items: pl.Series) -> str:
    return msgspec.json.encode(items.to_list()).decode()


def _harmless(name: str) -> pl.Expr:
    text = pl.col(name)
    preceded = pl.concat_str(pl.lit("'"), text)
    return pl.when(text.str.contains(FORMULA)).then(preceded).otherwise(text).alias(name)


_WRITERS: dict[str, Callable[[Recording, Path], None]] = {
    "parquet": _write_parquet,
    "csv": _write_csv,
    "json": _write_json,
    "xlsx": _write_xlsx,
}
_SUFFIXES = {".parquet", ".csv", ".ndjson", ".json", ".xlsx"}
_NUMBER_FORMATS = {
    "count": "#,##0",
    "number": "0.000",
    "seconds": "0.000000",
    "time": "0.000000",
    "share": "0.00%",
}
_LONGEST_CELL = 32_767
