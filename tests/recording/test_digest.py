import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from foundation_lab.recording import recorder, table
from foundation_lab.simulation.engine import Simulation
from foundation_lab.telemetry import events
from tests.recording.models import SEED, busy

PINNED = "a694e409efadd20332cf47c8fb7dc4394c94e7dcfb3a934a52b4170271a8e76d"
ROOT = Path(__file__).parents[2]
PROGRAM = """
from tests.recording.models import busy
sim = busy()
sim.telemetry.emit("shop.tags.seen", metadata={"tags": {"x", "y", "z", "ten", "eleven"}})
print(sim.recording.digest)
"""


def digest_of(*labels: dict[str, Any], row_limit: int | None = None) -> str:
    sim = Simulation(seed=SEED, row_limit=row_limit)
    for label in labels:
        sim.telemetry.emit("shop.order.placed", metadata=label)
    return sim.recording.digest


@pytest.mark.timeout(120)
def test_equal_seeds_give_equal_digests_in_processes_with_different_hash_seeds() -> None:
    digests = set()
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(done.stdout.strip())
    assert len(digests) == 1
    assert len(digests.pop()) == 64


def test_equal_seeds_give_equal_digests_and_others_do_not() -> None:
    assert busy().recording.digest == busy().recording.digest
    assert busy().recording.digest != busy(seed=SEED + 1).recording.digest


@pytest.mark.parametrize("row_limit", [1, 7, 79, 80, 10_000])
def test_spilling_changes_neither_digest_nor_frames(row_limit: int) -> None:
    plain, spilled = busy(steps=8).recording, busy(steps=8, row_limit=row_limit).recording
    assert spilled.digest == plain.digest
    assert spilled.events.equals(plain.events)
    assert spilled.tables == plain.tables
    for name in plain.counts:
        assert spilled.frame(name).equals(plain.frame(name)), name
    assert spilled.wide().equals(plain.wide())


@pytest.mark.parametrize("row_limit", [None, 7, 64])
def test_reading_while_the_run_goes_on_changes_nothing(row_limit: int | None) -> None:
    plain = busy(steps=12).recording
    read = busy(steps=12, row_limit=row_limit, read_every=5).recording
    assert read.digest == plain.digest
    assert read.events.equals(plain.events)


def test_every_reading_has_every_event_so_far_though_it_makes_rows_spill() -> None:
    sim = Simulation(seed=SEED, row_limit=10)
    for step in range(40):
        sim.telemetry.emit("shop.order.placed", {"step": step})
        if step % 7 == 4:
            assert sim.recording.events["sequence"].to_list() == list(range(step + 1))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([{"x": "ab"}, {"x": "c"}], [{"x": "a"}, {"x": "bc"}]),
        ([{"x": "a"}, {}], [{}, {"x": "a"}]),
        ([{"x": 1}], [{"x": True}]),
        ([{"x": 1}], [{"x": 1.0}]),
        ([{"x": 1}], [{"y": 1}]),
        ([{"x": "1"}], [{"x": 1}]),
        ([{}], [{}, {}]),
    ],
)
def test_different_events_have_different_digests(
    one: list[dict[str, Any]], other: list[dict[str, Any]]
) -> None:
    assert digest_of(*one) != digest_of(*other)


def test_the_digest_of_lists_depends_on_where_one_ends() -> None:
    def digest(*lists: tuple[str, ...], row_limit: int | None = None) -> str:
        sim = Simulation(seed=SEED, row_limit=row_limit)
        for agents in lists:
            sim.telemetry.emit(events.coordination.Started("s", "vote", agents))
        return sim.recording.digest

    assert digest(("a", "b"), ()) != digest(("a",), ("b",))
    assert digest(("ab",)) != digest(("a", "b"))
    assert digest((), ("a", "bc"), ("d",), row_limit=1) == digest((), ("a", "bc"), ("d",))


def test_the_digest_does_not_tell_one_zero_or_one_nan_from_another() -> None:
    def digest(delay: float) -> str:
        sim = Simulation(seed=SEED)
        sim.telemetry.emit(events.retry.Backoff("a", 1, delay, "constant"))
        return sim.recording.digest

    assert digest(0.0) == digest(-0.0) != digest(5e-324)
    assert digest(math.nan) == digest(-math.nan) == digest(math.inf - math.inf)


@pytest.mark.parametrize("batch", [1, 13, 4096])
def test_how_many_events_are_sorted_at_once_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    plain = busy(steps=12).recording
    monkeypatch.setattr(recorder, "AT_ONCE", batch)
    monkeypatch.setattr(table, "AT_ONCE", batch)
    other = busy(steps=12).recording
    assert other.digest == plain.digest
    assert other.wide().equals(plain.wide())


def test_the_digest_is_the_same_on_any_machine_and_python_version() -> None:
    digest = digest_of({"x": "a", "n": 1, "share": 0.1}, {"x": "ü", "flag": True, "tags": ["b"]})
    assert digest == PINNED


def test_the_digest_of_nothing_is_a_digest() -> None:
    empty = Simulation(seed=SEED).recording
    assert empty.digest == Simulation(seed=SEED + 1, row_limit=3).recording.digest
    assert len(empty.digest) == 64
