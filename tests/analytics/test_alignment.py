import polars as pl

from foundation_lab.analytics import align


def test_counts_of_services_stand_side_by_side_with_0_for_silence() -> None:
    events = pl.DataFrame(
        {"time": [0.0, 0.1, 2.0, 2.5], "service": ["db", "api", None, "db"], "x": [1, 3, 5, 7]}
    )
    assert align(events, 1.0).to_dict(as_series=False) == {
        "time": [0.0, 1.0, 2.0],
        "db": [1, 0, 1],
        "api": [1, 0, 0],
    }
    assert align(events, 1.0, "x", end=4.0)["db"].to_list() == [1.0, None, 7.0, None]
