from typing import Any

import pytest
import simpy

from foundation_lab.errors import RateLimited
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.process import Process

SEED = 34


class KeywordOnlyError(Exception):
    def __init__(self, *, code: int) -> None:
        super().__init__(f"failed with {code}")
        self.code = code


class OtherSignatureError(Exception):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{reason} ({code})")
        self.code, self.reason = code, reason


class SlottedError(Exception):
    __slots__ = ("code",)

    def __init__(self, code: int) -> None:
        super().__init__()
        self.code = code


def undecodable() -> UnicodeDecodeError:
    return UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")


FAILURES = [
    KeywordOnlyError(code=7),
    OtherSignatureError(7, "tea"),
    SlottedError(7),
    RateLimited("no permit", retry_after=2.5),
    FileNotFoundError(2, "no such file", "tea.txt"),
    undecodable(),
    ExceptionGroup("several", [ValueError("a"), KeyError("b")]),
    SystemExit(3),
]
ATTRIBUTES = ("args", "code", "reason", "retry_after", "filename", "errno", "start", "exceptions")


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_an_exception_reaches_those_who_wait_with_all_its_attributes(error: BaseException) -> None:
    sim = Simulation(seed=SEED)
    caught: list[BaseException] = []

    def failing() -> Any:
        yield sim.timeout(1)
        raise error

    def waiting(process: simpy.Process) -> Any:
        try:
            yield process
        except type(error) as received:
            caught.append(received)

    process = sim.process(failing())
    for _ in range(2):
        sim.process(waiting(process))
    sim.run()
    assert process.value is error
    assert len(caught) == 2
    for received in caught:
        assert type(received) is type(error)
        assert str(received) == str(error)
        assert received is error or received.__cause__ is error
        for name in ATTRIBUTES:
            assert getattr(received, name, None) == getattr(error, name, None)


def test_an_exception_nobody_catches_leaves_the_run_as_itself() -> None:
    sim = Simulation(seed=SEED)
    error = KeywordOnlyError(code=7)
    sim.event().fail(error)
    with pytest.raises(KeywordOnlyError) as caught:
        sim.run()
    assert caught.value is error


def test_the_chain_of_causes_leads_through_every_process() -> None:
    sim = Simulation(seed=SEED)
    error = OtherSignatureError(7, "tea")

    def inner() -> Any:
        yield sim.timeout(1)
        raise error

    def outer() -> Any:
        yield sim.process(inner())

    with pytest.raises(OtherSignatureError) as caught:
        sim.run(until=sim.process(outer()))
    assert caught.value.__cause__ is error
    assert caught.value.reason == "tea"


def test_throw_raises_the_very_exception_where_the_process_waits() -> None:
    sim = Simulation(seed=SEED)
    error = KeywordOnlyError(code=7)
    caught: list[tuple[float, BaseException]] = []

    def worker() -> Any:
        timeout = sim.timeout(10)
        try:
            yield timeout
        except KeywordOnlyError as received:
            caught.append((sim.now, received))
        yield timeout
        caught.append((sim.now, RuntimeError()))

    process = sim.process(worker())
    sim.call_in(2, lambda: process.throw(error))
    sim.run()
    assert caught[0] == (2, error)
    assert caught[0][1] is error
    assert caught[1][0] == 10


def test_throw_from_another_process_arrives_at_the_same_instant() -> None:
    sim = Simulation(seed=SEED)
    log: list[tuple[float, str]] = []

    def worker() -> Any:
        try:
            yield sim.timeout(10)
        except KeyError:
            log.append((sim.now, "caught"))

    def thrower(victim: Process) -> Any:
        yield sim.timeout(3)
        victim.throw(KeyError("tea"))
        log.append((sim.now, "thrown"))

    sim.process(thrower(sim.process(worker())))
    sim.run()
    assert log == [(3, "thrown"), (3, "caught")]


def test_throw_while_the_awaited_event_happens_arrives_after_it() -> None:
    sim = Simulation(seed=SEED)
    log: list[str] = []
    event = sim.timeout(2)

    def worker() -> Any:
        yield event
        log.append("event")
        try:
            yield sim.timeout(10)
            log.append("never")
        except KeyError:
            log.append(f"caught at {sim.now:g}")
        yield sim.timeout(1)
        log.append(f"end at {sim.now:g}")

    process = sim.process(worker())
    event.callbacks.append(lambda _event: process.throw(KeyError("tea")))
    sim.run()
    assert log == ["event", "caught at 2", "end at 3"]


def test_throw_into_a_process_that_has_not_begun_ends_it() -> None:
    sim = Simulation(seed=SEED)

    def worker() -> Any:
        yield sim.timeout(1)

    process = sim.process(worker())
    process.throw(KeyError("tea"))
    with pytest.raises(KeyError):
        sim.run()
    assert not process.is_alive


def test_throw_into_oneself_or_into_the_dead_is_refused() -> None:
    sim = Simulation(seed=SEED)

    def worker() -> Any:
        assert isinstance(sim.active_process, Process)
        with pytest.raises(RuntimeError, match="cannot throw into itself; raise the exception"):
            sim.active_process.throw(KeyError())
        yield sim.timeout(1)

    process = sim.process(worker())
    sim.run()
    with pytest.raises(RuntimeError, match="worker has ended; nothing can be thrown into it"):
        process.throw(KeyError())


def test_two_exceptions_of_one_instant_reach_the_process_one_after_the_other() -> None:
    sim = Simulation(seed=SEED)
    log: list[str] = []

    def worker() -> Any:
        for _ in range(3):
            try:
                yield sim.timeout(5)
                log.append(f"slept till {sim.now:g}")
            except (KeyError, simpy.Interrupt) as error:
                log.append(type(error).__name__)

    process = sim.process(worker())

    def thrower() -> Any:
        yield sim.timeout(5 - 1)
        process.throw(KeyError())
        process.interrupt()
        process.throw(KeyError())

    sim.process(thrower())
    sim.run()
    assert log == ["KeyError", "Interrupt", "KeyError"]


def test_a_process_that_ended_ignores_what_is_still_on_its_way() -> None:
    sim = Simulation(seed=SEED)

    def worker() -> Any:
        try:
            yield sim.timeout(5)
        except KeyError:
            return "ended"

    process = sim.process(worker())

    def thrower() -> Any:
        yield sim.timeout(1)
        process.throw(KeyError())
        process.throw(KeyError())

    sim.process(thrower())
    sim.run()
    assert process.value == "ended"


def test_what_is_no_event_cannot_be_yielded() -> None:
    sim = Simulation(seed=SEED)

    def helper() -> Any:
        yield sim.timeout(1)

    def worker() -> Any:
        yield helper()

    sim.process(worker(), name="clerk")
    with pytest.raises(RuntimeError, match=r"process 'clerk' may yield events .* 'yield from'"):
        sim.run()
    assert sim.active_process is None


def test_a_process_is_called_as_it_is_told_or_as_its_function() -> None:
    sim = Simulation(seed=SEED)

    def clerk() -> Any:
        yield sim.timeout(1)

    assert sim.process(clerk()).name == "clerk"
    assert sim.process(clerk(), name="ann").name == "ann"
    assert sim.process(sim.timeout(1) for _ in range(1)).name == "<genexpr>"
    with pytest.raises(TypeError, match="name=5; the name of a process is a string"):
        sim.process(clerk(), name=5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="is not a generator"):
        sim.process(clerk)  # type: ignore[arg-type]
    assert [process.name for process in sim.living()] == ["clerk", "ann", "<genexpr>"]


def test_a_cause_and_a_correlation_id_are_inherited_by_child_processes() -> None:
    sim = Simulation(seed=SEED)

    def child() -> Any:
        yield sim.timeout(1)
        sim.telemetry.emit("shop.child.done")

    def parent() -> Any:
        with sim.telemetry.context(correlation_id="c-1"):
            sequence = sim.telemetry.emit("shop.parent.begun")
            yield sim.process(child())
        assert sequence == 0
        sim.telemetry.emit("shop.parent.done")

    sim.process(parent())
    sim.run()
    rows = sim.recording.events.select("event", "correlation_id", "cause").rows()
    assert rows == [
        ("shop.parent.begun", "c-1", None),
        ("shop.child.done", "c-1", 0),
        ("shop.parent.done", None, 0),
    ]


def test_callbacks_of_a_process_that_nobody_else_knows_are_called_when_it_ends() -> None:
    sim = Simulation(seed=SEED)
    ended: list[Any] = []

    def child() -> Any:
        yield 1.0
        return "done"

    def parent() -> Any:
        bell = sim.event()
        sim.process(child()).callbacks.append(bell.trigger)
        ended.append((yield bell))

    sim.process(child()).callbacks.append(lambda process: ended.append(process.value))
    sim.process(parent())
    sim.run()
    assert ended == ["done", "done"]


def test_a_process_that_ended_unnoticed_can_be_joined_when_somebody_finds_it_after_all() -> None:
    sim = Simulation(seed=SEED)
    found: list[Any] = []

    def child() -> Any:
        yield 1.0
        return "done"

    def finder() -> Any:
        process = next(p for p in sim.living() if p.name == "child")
        found.append((yield process))

    sim.process(child())
    sim.process(finder())
    sim.run()
    assert found == ["done"]


def test_ctrl_c_in_a_process_ends_the_run_at_once_and_once_only() -> None:
    sim = Simulation(seed=1)

    def interrupted() -> Any:
        yield 1.0
        raise KeyboardInterrupt

    process = sim.process(interrupted())
    later = sim.timeout(1.0)
    with pytest.raises(KeyboardInterrupt):
        sim.run()
    assert (sim.now, process.is_alive, sim.active_process) == (1.0, False, None)
    sim.timeout(5)
    sim.run()
    assert sim.now == 6.0
    assert later.processed
