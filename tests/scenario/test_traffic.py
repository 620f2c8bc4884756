"""Traffic in tables: what is read, and what is refused with its row."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from foundation_lab.errors import InvalidFile
from foundation_lab.scenario.workloads.recorded import (
    CountArrivals,
    FileArrivals,
    TimestampArrivals,
)

if TYPE_CHECKING:
    from pathlib import Path

MONDAY = datetime(2026, 3, 2)  # noqa: DTZ001 - a time without a zone is what is tested


def spec(holds: str = "counts", **options: Any) -> FileArrivals:
    data = {"kind": "file", "file": "day.csv", "holds": holds, **options}
    return FileArrivals.model_validate(data)


def counts(path: Path, **options: Any) -> CountArrivals:
    arrivals = spec(**options).read(path)
    assert isinstance(arrivals, CountArrivals)
    return arrivals


def timestamps(path: Path, **options: Any) -> list[float]:
    arrivals = spec("timestamps", **options).read(path)
    assert isinstance(arrivals, TimestampArrivals)
    return arrivals.seconds


def table(folder: Path, *rows: str, columns: str = "timestamp,value") -> Path:
    path = folder / "day.csv"
    path.write_text("\n".join([columns, *rows, ""]), encoding="utf-8")
    return path


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(InvalidFile) as caught:
        spec(**{"holds": "counts", **options}).read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


# Times


@pytest.mark.parametrize(
    "spellings",
    [
        pytest.param(["2026-03-02 00:00:00", "2026-03-02 00:05:00"], id="with a space"),
        pytest.param(["2026-03-02T00:00", "2026-03-02T00:05"], id="without seconds"),
        pytest.param(["2026-03-02T00:00:00Z", "2026-03-02T00:05:00Z"], id="with Z"),
        pytest.param(["2026-03-02T00:00:00+02:00", "2026-03-01T22:05:00Z"], id="of two zones"),
        pytest.param(["2026-03-01T22:00:00-02:00", "2026-03-02 00:05:00"], id="with and without"),
        pytest.param(["1000", "1300"], id="whole seconds"),
        pytest.param(["1000", "1300.0"], id="seconds"),
    ],
)
def test_times_may_be_date_times_of_any_zone_or_seconds(
    tmp_path: Path, spellings: list[str]
) -> None:
    path = table(tmp_path, *(f"{spelling},1" for spelling in spellings))
    assert counts(path).starts == [0, 300]
    assert timestamps(path) == [0, 300]


@pytest.mark.parametrize(
    "times",
    [
        pytest.param([MONDAY, MONDAY + timedelta(days=1)], id="datetime"),
        pytest.param([date(2026, 3, 2), date(2026, 3, 3)], id="date"),
        pytest.param([0, 86400], id="int"),
        pytest.param([0.0, 86400.0], id="float"),
        pytest.param(["2026-03-02", "2026-03-03"], id="text"),
        pytest.param(
            [MONDAY.replace(tzinfo=UTC), (MONDAY + timedelta(days=1)).replace(tzinfo=UTC)],
            id="datetime of a zone",
        ),
    ],
)
def test_a_parquet_file_gives_its_times_in_a_type_of_its_own(
    tmp_path: Path, times: list[Any]
) -> None:
    path = tmp_path / "day.parquet"
    pl.DataFrame({"timestamp": times, "value": [3, 4]}).write_parquet(path)
    arrivals = counts(path)
    assert (arrivals.starts, arrivals.counts, arrivals.interval) == ([0, 86400], [3, 4], 86400)


def test_a_parquet_file_of_another_zone_gives_the_same_seconds(tmp_path: Path) -> None:
    path = tmp_path / "day.parquet"
    zone = timezone(timedelta(hours=5))
    times = pl.Series([MONDAY, MONDAY + timedelta(hours=1)]).dt.replace_time_zone("Asia/Karachi")
    pl.DataFrame({"timestamp": times, "value": [1, 1]}).write_parquet(path)
    assert times.dt.epoch("s")[0] == MONDAY.replace(tzinfo=zone).timestamp()
    assert counts(path).starts == [0, 3600]


def test_times_of_less_than_a_second_are_kept(tmp_path: Path) -> None:
    path = table(tmp_path, "2026-03-02T00:00:00.250,1", "2026-03-02T00:00:01.5,1")
    assert timestamps(path) == pytest.approx([0, 1.25], abs=1e-6)


def test_timestamps_need_no_order_and_the_earliest_is_0(tmp_path: Path) -> None:
    assert timestamps(table(tmp_path, "30", "10", "20", "20", columns="timestamp")) == [
        0,
        10,
        10,
        20,
    ]


def test_times_are_scaled_together_with_the_intervals(tmp_path: Path) -> None:
    path = table(tmp_path, "0,1", "300,1", "600,1")
    arrivals = counts(path, time_scale=0.1)
    assert arrivals.starts == pytest.approx([0, 30, 60])
    assert arrivals.interval == pytest.approx(30)
    assert counts(path, time_scale=0.1, interval=300).interval == pytest.approx(30)
    assert timestamps(path, time_scale=2) == [0, 600, 1200]


# Counts and intervals


def test_counts_may_be_fractions_and_are_scaled(tmp_path: Path) -> None:
    path = table(tmp_path, "0,1", "60,2.5", "120,0")
    assert counts(path).counts == [1, 2.5, 0]
    assert counts(path, count_scale=0.5).counts == [0.5, 1.25, 0]


def test_a_fraction_after_a_thousand_whole_numbers_is_read(tmp_path: Path) -> None:
    path = table(tmp_path, *(f"{minute * 60},1" for minute in range(1000)), "60000,0.5")
    assert counts(path).counts[-1] == 0.5


@pytest.mark.parametrize(
    ("times", "interval"),
    [
        pytest.param([0, 300, 600, 900], 300, id="none missing"),
        pytest.param([0, 300, 3000, 3300], 300, id="a gap"),
        pytest.param([0, 300, 1500], 300, id="as many gaps as neighbours"),
        pytest.param([0, 0.1, 0.2, 0.3, 0.9], 0.1, id="decimals"),
    ],
)
def test_missing_rows_do_not_stretch_the_intervals(
    tmp_path: Path, times: list[float], interval: float
) -> None:
    arrivals = counts(table(tmp_path, *(f"{at},5" for at in times)))
    assert arrivals.interval == interval
    assert arrivals.starts == pytest.approx(times)


def test_an_interval_may_be_given(tmp_path: Path) -> None:
    assert counts(table(tmp_path, "0,5"), interval=60).interval == 60
    assert counts(table(tmp_path, "0,5", "300,5"), interval=60).interval == 60


@pytest.mark.parametrize(
    ("rows", "options", "says"),
    [
        pytest.param(["0,5"], {}, "the times do not tell how long", id="one row"),
        pytest.param(["0,5", "0,6"], {}, "the times do not tell how long", id="one time"),
        pytest.param(
            ["0,5", "300,5", "600,5", "700,5"],
            {},
            "row 4: begins 100 s after the row before, whose interval is 300 s long",
            id="an overlap",
        ),
        pytest.param(
            ["0,5", "300,5", "300,5"],
            {},
            "row 3: begins 0 s after the row before",
            id="a time twice",
        ),
        pytest.param(
            ["0,5", "300,5"], {"interval": 301}, "whose interval is 301 s long", id="too long"
        ),
        pytest.param(
            ["0,5", "600,5", "300,5"], {}, "row 3: the time in 'timestamp' goes back", id="unsorted"
        ),
    ],
)
def test_intervals_that_make_no_sense_are_refused(
    tmp_path: Path, rows: list[str], options: dict[str, Any], says: str
) -> None:
    assert says in refusal(table(tmp_path, *rows), **options)


# What cannot be read


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        pytest.param(["0,5", "60,-1"], "row 2: -1 in 'value'; counts are 0 or more", id="negative"),
        pytest.param(["0,5", "60,"], "row 2: no value in 'value'", id="no count"),
        pytest.param(["0,5", ",5"], "row 2: no value in 'timestamp'", id="no time"),
        pytest.param(["0,5", "60,many"], "row 2: 'many' in 'value' is no number", id="a word"),
        pytest.param(["0,5", "60,inf"], "row 2: inf in 'value'", id="infinite"),
        pytest.param(
            ["nan,5", "60,5"], "row 1: 'nan' in 'timestamp' is no date", id="not a number"
        ),
        pytest.param(
            ["2026-03-02 00:00,5", "03/02/2026 00:05,5"],
            "row 2: '03/02/2026 00:05' in 'timestamp' is no date-time; write it as 2026-01-31",
            id="another spelling",
        ),
        pytest.param(["12:00,5"], "row 1: '12:00' in 'timestamp' is no date-time", id="no date"),
        pytest.param([], "the table has no rows", id="headings only"),
    ],
)
def test_a_wrong_value_is_refused_with_its_row(tmp_path: Path, rows: list[str], says: str) -> None:
    assert says in refusal(table(tmp_path, *rows))


def test_a_missing_column_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    path = table(tmp_path, "0,5", columns="timestamps,values")
    assert refusal(path) == (
        "there is no column 'timestamp'; did you mean 'timestamps'? (set time_column)"
    )
    assert refusal(path, time_column="timestamps") == (
        "there is no column 'value'; did you mean 'values'? (set count_column)"
    )
    assert "there are: timestamps, values (set" in refusal(path, time_column="x")


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    path = table(tmp_path, "7,0", "8,60", columns="n,t")
    assert counts(path, time_column="t", count_column="n").counts == [7, 8]


def test_a_time_of_day_is_no_time(tmp_path: Path) -> None:
    path = tmp_path / "day.parquet"
    pl.DataFrame({"timestamp": [time(12)], "value": [1]}).write_parquet(path)
    assert "'timestamp' holds Time, where numbers are needed" in refusal(path)


def test_files_of_other_kinds_are_refused(tmp_path: Path) -> None:
    assert ".xlsx is not read; give a .csv or .parquet file" in refusal(tmp_path / "day.xlsx")
    assert "no ending is not read" in refusal(tmp_path / "day")


def test_files_that_are_no_tables_are_refused(tmp_path: Path) -> None:
    assert "not a readable table" in refusal(tmp_path / "gone.csv")
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    assert "not a readable table" in refusal(empty)
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 nothing")
    assert "not a readable table" in refusal(broken)
    latin = tmp_path / "latin.csv"
    latin.write_bytes(b"timestamp,value\n0,\xe9\n")
    assert "not a readable table" in refusal(latin)
