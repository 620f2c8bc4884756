"""The order of a queue, without a simulation, against a model that looks through all messages."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation_lab.services.messaging.line import Line
from foundation_lab.services.messaging.message import Message


def message(number: int, key: str | None = None, priority: int = 0) -> Message:
    return Message(f"m-{number}", number, None, key, priority)


def taken(line: Line) -> list[int]:
    order = []
    while (message := line.take()) is not None:
        order.append(message.number)
        line.remove(message)
    return order


@pytest.mark.parametrize(
    ("messages", "order"),
    [
        ([(1, None, 0), (2, None, 0), (3, None, 0)], [1, 2, 3]),
        ([(1, None, 0), (2, None, 9), (3, None, 5)], [2, 3, 1]),
        ([(1, "a", 0), (2, "a", 9), (3, None, 5)], [3, 1, 2]),
        ([(1, "a", 0), (2, "b", 0), (3, "a", 0)], [1, 2, 3]),
    ],
)
def test_the_order_is_that_of_priority_and_arrival_and_within_a_key_of_arrival_alone(
    messages: list[tuple[int, str | None, int]], order: list[int]
) -> None:
    line = Line()
    for each in messages:
        line.put(message(*each))
    assert taken(line) == order
    assert len(line) == 0


def test_a_key_lets_one_message_out_at_a_time_and_what_comes_back_is_first_again() -> None:
    line = Line()
    first, second, other = message(1, "a"), message(2, "a"), message(3, "b")
    for each in (first, second, other):
        line.put(each)
    assert line.take() is first
    assert line.take() is other
    assert line.take() is None
    assert not line.is_ready()
    line.put(first)
    assert line.take() is first
    line.remove(first)
    assert line.take() is second


@settings(max_examples=100)
@given(st.data())
def test_it_agrees_with_a_model_that_looks_through_all_messages(data: st.DataObject) -> None:
    line, waiting, out = Line(), list[Message](), list[Message]()
    for number in range(1, data.draw(st.integers(1, 40)) + 1):
        action = data.draw(st.sampled_from(["put", "put", "take", "back", "end", "remove"]))
        if action == "put":
            key = data.draw(st.sampled_from([None, "a", "b"]))
            new = message(number, key, data.draw(st.integers(0, 2)))
            line.put(new)
            waiting.append(new)
        elif action == "take":
            heads: dict[str | None, Message] = {}
            busy = {m.key for m in out}
            able = []
            for each in sorted(waiting, key=lambda m: m.rank):
                if each.key is None or (each.key not in busy and each.key not in heads):
                    able.append(each)
                    heads[each.key] = each
            best = min(able, key=lambda m: (-m.priority, m.rank), default=None)
            assert line.is_ready() == (best is not None)
            assert line.take() is best
            if best is not None:
                waiting.remove(best)
                out.append(best)
        elif action == "back" and out:
            back = out.pop(data.draw(st.integers(0, len(out) - 1)))
            line.put(back)
            waiting.append(back)
        elif action in {"end", "remove"}:
            some = out if action == "end" else waiting
            if some:
                line.remove(some.pop(data.draw(st.integers(0, len(some) - 1))))
        assert len(line) == len(waiting)
