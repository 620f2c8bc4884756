import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation_lab.analytics import affected, correlate, journeys
from foundation_lab.analytics.joins import How

IDS = st.lists(st.sampled_from(["a", "b", "c", None]), max_size=8)
ASKED = pl.DataFrame({"correlation_id": ["a", None, "b"], "time": [0.0, 1.0, 2.0]})
ANSWERED = pl.DataFrame(
    {"correlation_id": ["b", None, "c"], "time": [5.0, 6.0, 7.0], "outcome": ["ok", "ok", "error"]}
)


def rows_with(ids: list[str | None], column: str) -> pl.DataFrame:
    schema = {"correlation_id": pl.String, column: pl.Int64}
    return pl.DataFrame({"correlation_id": ids, column: range(len(ids))}, schema=schema)


@given(left=IDS, right=IDS)
def test_an_inner_join_agrees_with_pandas(left: list[str | None], right: list[str | None]) -> None:
    ours = correlate(rows_with(left, "x"), rows_with(right, "y"))
    asked = pd.DataFrame({"correlation_id": left, "x": range(len(left))}, dtype=object).dropna()
    answered = pd.DataFrame({"correlation_id": right, "y": range(len(right))}, dtype=object)
    expected = asked.merge(answered.dropna())
    assert sorted(ours.rows()) == sorted(expected.itertuples(index=False, name=None))
    assert ours["x"].is_sorted()


def test_what_is_affected_by_faults_are_all_rows_of_the_struck_ids() -> None:
    struck = pl.DataFrame({"correlation_id": ["b", None, "c"], "fault_id": ["x", "x", "y"]})
    events = rows_with(["a", "b", None, "c", "b"], "event")
    assert affected(events, struck, "x")["event"].to_list() == [1, 4]
    assert affected(events, struck, ["x", "y"])["event"].to_list() == [1, 3, 4]
    assert affected(events, struck, "z").is_empty()
    with pytest.raises(ValueError, match="fault_id"):
        affected(events, struck.drop("fault_id"), "x")


def test_a_null_id_matches_nothing() -> None:
    joined = correlate(ASKED, ANSWERED, suffix="_answered")
    assert joined.rows(named=True) == [
        {"correlation_id": "b", "time": 2.0, "time_answered": 5.0, "outcome": "ok"}
    ]


@pytest.mark.parametrize(
    ("how", "ids"),
    [
        ("left", ["a", None, "b"]),
        ("full", ["a", None, "b", None, "c"]),
        ("semi", ["b"]),
        ("anti", ["a", None]),
    ],
)
def test_rows_keep_the_order_of_the_left_frame(how: How, ids: list[str | None]) -> None:
    assert correlate(ASKED, ANSWERED, how=how)["correlation_id"].to_list() == ids


def test_a_filter_join_leaves_the_left_frame_as_it_was() -> None:
    assert correlate(ASKED, ANSWERED, how="semi").columns == ["correlation_id", "time"]


def test_an_unknown_way_to_join_is_refused() -> None:
    with pytest.raises(ValueError, match=r"how='outer' is unknown; give one of inner, left, full"):
        correlate(ASKED, ANSWERED, how="outer")  # type: ignore[arg-type]


def test_a_suffix_that_leaves_two_columns_with_one_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"suffix='' would make a second column 'time'"):
        correlate(ASKED, ANSWERED, suffix="")
    with pytest.raises(ValueError, match=r"would make a second column 'time_2'"):
        correlate(ASKED.with_columns(time_2=0.0), ANSWERED, suffix="_2")


def test_a_journey_tells_when_where_and_what() -> None:
    events = pl.DataFrame(
        {
            "correlation_id": ["x", "y", "x", None, "x", "y"],
            "time": [1.0, 2.0, 3.0, 4.0, 7.0, 8.0],
            "service": ["web", None, "db", "db", "web", None],
            "event": ["asked", "woke", "queried", "idle", "answered", "slept"],
        }
    )
    assert journeys(events).rows() == [
        ("x", 1.0, 7.0, 6.0, 3, ["web", "db"], ["asked", "queried", "answered"]),
        ("y", 2.0, 8.0, 6.0, 2, [], ["woke", "slept"]),
    ]


@given(IDS)
def test_every_event_with_an_id_is_part_of_one_journey(ids: list[str | None]) -> None:
    events = rows_with(ids, "time").with_columns(service=pl.lit("db"), event=pl.lit("e"))
    table = journeys(events)
    known = [each for each in ids if each is not None]
    assert table["events"].sum() == len(known)
    assert table["correlation_id"].to_list() == list(dict.fromkeys(known))
    assert table["names"].list.len().to_list() == table["events"].to_list()
