"""The control law of CoDel against RFC 8289."""

from __future__ import annotations

import math

import pytest

from foundation_lab.simulation.lines.codel import DropControl

TARGET, INTERVAL = 0.005, 0.1


class Queue:
    """A queue whose items are the times of their arrival, and a list of who was dropped when."""

    def __init__(self, *arrivals: float) -> None:
        self.items = list(arrivals)
        self.dropped: list[float] = []
        self.control = DropControl(TARGET, INTERVAL)

    def dequeue(self, now: float) -> float | None:
        def take() -> tuple[float, float, int] | None:
            if not self.items:
                return None
            arrived = self.items.pop(0)
            return arrived, now - arrived, len(self.items)

        return self.control.dequeue(now, take, lambda _item: self.dropped.append(now))


def standing(length: int = 10_000) -> Queue:
    """Return a long queue of those who have been there since the beginning of time."""
    return Queue(*[0.0] * length)


def drops(queue: Queue, first: float, step: float, count: int) -> list[float]:
    """Dequeue every `step` seconds; return when somebody was dropped."""
    for k in range(count):
        queue.dequeue(first + k * step)
    return queue.dropped


def test_the_drops_of_a_standing_queue_come_at_the_interval_over_the_root_of_their_number() -> None:
    """The first after the delay was above the target for an interval, at 1.1 here."""
    queue = standing()
    found = drops(queue, first=1.0, step=0.0001, count=5000)
    expected = [1.1]
    while True:
        following = expected[-1] + INTERVAL / math.sqrt(len(expected))
        if following >= 1.5:
            break
        expected.append(following)
    assert found == pytest.approx(expected, abs=0.0001 + 1e-9)
    assert [round(t - 1.1, 4) for t in expected[:4]] == [0.0, 0.1, 0.1707, 0.2284]


def test_nobody_is_dropped_within_the_first_interval() -> None:
    assert drops(standing(), first=1.0, step=0.001, count=100) == []


def test_the_drop_is_at_the_very_end_of_the_interval() -> None:
    queue = Queue(*[0.0] * 9)
    queue.dequeue(1.0)
    queue.dequeue(1.1 - 1e-9)
    assert queue.dropped == []
    queue.dequeue(1.0 + INTERVAL)
    assert queue.dropped == [1.0 + INTERVAL]


def test_a_delay_of_the_target_is_too_long_and_one_below_it_ends_the_watch() -> None:
    at_target = Queue(*[0.0] * 9)
    at_target.dequeue(TARGET)
    at_target.dequeue(TARGET + INTERVAL)
    assert at_target.dropped == [TARGET + INTERVAL]
    below = Queue(0.0, 0.05, *[0.0] * 9)
    below.dequeue(0.01)
    below.dequeue(0.054)  # 0.004 seconds old
    below.dequeue(0.2)  # above again: the watch begins anew
    below.dequeue(0.29)
    assert below.dropped == []
    below.dequeue(0.2 + INTERVAL)
    assert below.dropped == [0.2 + INTERVAL]


def test_nobody_is_dropped_while_one_at_most_is_behind() -> None:
    queue = Queue(0.0, 0.0, 0.0)
    queue.dequeue(1.0)  # two behind: above
    queue.dequeue(2.0)  # one behind: below, whatever the delay
    queue.dequeue(3.0)
    assert queue.dropped == []


def test_a_large_backlog_is_dropped_at_once_for_every_drop_that_is_overdue() -> None:
    queue = standing()
    queue.dequeue(1.0)
    queue.dequeue(1.1)
    assert (queue.control.dropping, queue.control.count) == (True, 1)
    queue.dequeue(1.4)
    due, count = 1.1 + INTERVAL, 1
    while due <= 1.4:
        count += 1
        due += INTERVAL / math.sqrt(count)
    assert queue.control.count == count
    assert queue.dropped.count(1.4) == count - 1
    assert queue.control.drop_next == pytest.approx(due)


def test_a_delay_below_the_target_ends_the_dropping() -> None:
    queue = standing()
    queue.dequeue(1.0)
    queue.dequeue(1.1)
    queue.items.insert(0, 1.149)
    assert queue.dequeue(1.15) == 1.149
    assert not queue.control.dropping
    assert len(queue.dropped) == 1


def test_a_phase_soon_after_another_begins_with_its_pace() -> None:
    """As in Linux: with as many as the last phase dropped, within 16 intervals."""
    for pause, count in ((0.5, 4), (16.1 * INTERVAL, 1)):
        queue = standing()
        drops(queue, first=1.0, step=0.001, count=300)  # dropped at 1.1, 1.2, 1.271
        dropped = queue.control.count
        assert dropped == 3
        control = queue.control
        control.count = 5  # two drops more, 5 - 1 = 4 in this phase
        again = control.drop_next + pause
        queue.items.insert(0, 1.3)
        queue.dequeue(1.3)
        queue.dequeue(again - INTERVAL)
        queue.dequeue(again)
        assert control.dropping
        assert control.count == count
        assert control.drop_next == pytest.approx(again + INTERVAL / math.sqrt(count))


def test_an_empty_queue_gives_nobody_and_forgets() -> None:
    queue = Queue(*[0.0] * 3)
    queue.dequeue(1.0)
    queue.items.clear()
    assert queue.dequeue(1.05) is None
    queue.items = [0.0] * 9
    queue.dequeue(1.1)
    assert queue.dropped == []
