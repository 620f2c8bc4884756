"""The judged sample, and what the auditor makes of each purpose in plain cases."""

from __future__ import annotations

import ast
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from foundation_lab.telemetry import catalogue
from foundation_lab.testing import __all__ as helpers
from foundation_lab.testing.sleeps import MEANINGS, Finding, Purpose, audit_text
from tests.testing.sleeps.suites import findings, only

DATA = json.loads(
    (Path(__file__).parents[1] / "data" / "sleeps_sample.json").read_text(encoding="utf-8")
)

PARTS = [part for part in DATA if part != "about"]


def judged(entry: dict[str, Any]) -> Finding:
    """What the auditor says of a snippet."""
    name = entry["file"].rpartition("/")[2]
    (found,) = (
        each
        for each in audit_text(entry["snippet"], name).findings
        if each.line == entry["snippet_line"] and each.kind not in {"wrapper", "fixture"}
    )
    return found


def test_the_sample_is_as_large_and_as_various_as_it_says() -> None:
    assert len(DATA["sample"]) == 60
    assert len({entry["verdict"] for entry in DATA["sample"]}) >= 10
    assert [len(DATA[part]) for part in PARTS] == [60, 22, 40, 43, 46, 25, 33, 37, 42]
    said = {purpose for part in PARTS for e in DATA[part] for purpose in (e["verdict"], *e["also"])}
    assert said <= set(Purpose)
    assert all(entry["licence"] and entry["version"] for entry in DATA["sample"])


@pytest.mark.parametrize(
    ("part", "share"),
    [
        ("unseen_2", 0.9),
        ("unseen_3", 0.9),
        ("unseen_4", 0.9),
        ("unseen_5", 0.9),
        ("unseen_6", 0.95),
        ("unseen_7", 0.8),
        ("unseen_8", 0.8),
    ],
)
def test_the_auditor_says_of_most_sleeps_what_one_may_say(part: str, share: float) -> None:
    entries = DATA[part]
    wrong = {
        f"{entry['project']}/{entry['file']}:{entry['line']}": (entry["verdict"], found.purpose)
        for entry in entries
        if (found := judged(entry)).purpose not in {entry["verdict"], *entry["also"]}
    }
    assert len(wrong) <= (1 - share) * len(entries), wrong


@pytest.mark.parametrize(
    ("part", "share"),
    [
        ("sample", 0.9),
        ("unseen", 0.9),
        ("unseen_2", 0.85),
        ("unseen_3", 0.79),
        ("unseen_4", 0.84),
        ("unseen_5", 0.79),
        ("unseen_6", 0.75),
        ("unseen_7", 0.78),
        ("unseen_8", 0.8),
    ],
)
def test_the_auditor_says_of_most_sleeps_what_people_said(part: str, share: float) -> None:
    entries = DATA[part]
    wrong = {
        f"{entry['project']}/{entry['file']}:{entry['line']}": (entry["verdict"], found.purpose)
        for entry in entries
        if (found := judged(entry)).purpose != entry["verdict"]
    }
    assert len(wrong) <= (1 - share) * len(entries), wrong


def test_a_verdict_comes_with_its_evidence_in_words() -> None:
    for entry in DATA["sample"]:
        found = judged(entry)
        assert found.evidence
        assert 0 <= found.confidence <= 1
        assert (found.confidence == 0) == (found.purpose == "unknown")


SAYS = {
    Purpose.PROCESS_RESTART: """
        def test_restart(worker):
            worker.kill()
            time.sleep(1)
            assert worker.pid != old
        """,
    Purpose.ASYNC_TASK: """
        async def test_it():
            task = asyncio.create_task(work())
            await asyncio.sleep(0.1)
            assert task.done()
        """,
    Purpose.BREAKER: """
        def test_the_breaker_closes_again(breaker):
            breaker = CircuitBreaker(fail_max=3, reset_timeout=0.5)
            fail(breaker)
            time.sleep(0.6)
            assert breaker.current_state == "half-open"
        """,
    Purpose.PUBLISH: """
        def test_it(bus):
            bus.publish("topic", "hello")
            time.sleep(0.03)
            assert received == ["hello"]
        """,
    Purpose.POOL: """
        def test_idle_connections_return_to_the_pool(pool):
            pool.putconn(conn)
            time.sleep(0.1)
            assert pool.idle == 1
        """,
    Purpose.CLEANUP: """
        def teardown_function():
            time.sleep(0.1)
        """,
    Purpose.RETRY: """
        def test_it():
            for attempt in range(3):
                try:
                    connect()
                except OSError:
                    time.sleep(1)
        """,
    Purpose.TIMER: """
        def test_it(scheduler):
            scheduler.add_job(tick, interval=0.1)
            time.sleep(0.15)
            assert len(ticks) == 1
        """,
    Purpose.EXPIRY: """
        def test_it(cache):
            cache.put("k", 1, ttl=1)
            time.sleep(1.1)
            assert cache.get("k") is None
        """,
    Purpose.POLLING: """
        def test_it():
            while not ready():
                time.sleep(0.1)
        """,
    Purpose.YIELD: """
        async def test_it():
            await asyncio.sleep(0)
        """,
    Purpose.SIMULATED_WORK: """
        def test_it():
            def slow():
                time.sleep(5)
            limited(slow)
        """,
    Purpose.NEGATIVE_WAIT: """
        def test_it(callback):
            cancel()
            time.sleep(0.2)  # nothing may be called any more
            callback.assert_not_called()
        """,
    Purpose.PACING: """
        def test_it(client):
            for _ in range(5):
                client.ping()
                time.sleep(0.2)
        """,
    Purpose.EXTERNAL_SYSTEM: """
        def test_it(client):
            client.write("k")
            time.sleep(0.5)  # the database replica is eventually consistent
            read("k")
        """,
    Purpose.UNKNOWN: """
        def test_it():
            one()
            time.sleep(1)
            two()
        """,
}


@pytest.mark.parametrize("purpose", Purpose)
def test_each_purpose_is_told_by_its_plain_case(purpose: Purpose) -> None:
    found = only("import time, asyncio\n" + ast.unparse(ast.parse(_dedented(SAYS[purpose]))))
    if purpose in {Purpose.NEGATIVE_WAIT, Purpose.EXTERNAL_SYSTEM}:  # they need their comments
        (found,) = audit_text("import time\n" + _dedented(SAYS[purpose])).findings
    assert found.purpose == purpose


SAYS_IT_OTHERWISE = [
    (
        Purpose.NEGATIVE_WAIT,
        """
        def test_timeout_cancel():
            with timeout(0.15):
                pass
            time.sleep(0.2)  # No stray alarm fires after the context exits.
        """,
    ),
    (
        Purpose.EXTERNAL_SYSTEM,
        """
        def test_read_only(self):
            # wait until the data is replicated to all members of the cluster
            time.sleep(15)
            # do not keep the client of the setup alive
            self.client.stop()
        """,
    ),
    (
        Purpose.TIMER,
        """
        def test_listener(client):
            client.start()
            # Wait for a ping
            time.sleep(15)
        """,
    ),
    (
        Purpose.ASYNC_TASK,
        """
        def test_selector(loop):
            selector = SelectorThread(loop)
            loop.run_until_complete(asyncio.sleep(0.05))
            assert selector in loops
        """,
    ),
    (
        Purpose.ASYNC_TASK,
        """
        class Tests:
            def _wait(self):
                time.sleep(0.1)
        """,
    ),
]


SAYS_IT_BY_STRUCTURE = {
    "it is asked for again in each round": (
        Purpose.POLLING,
        """
        def test_it(client):
            result = client.get()
            for _ in range(5):
                if "enabled" not in result:
                    time.sleep(1)
                    result = client.get()
            assert result["enabled"]
        """,
    ),
    "a loop with a deadline asks, whatever else it does": (
        Purpose.POLLING,
        """
        def completion(machine, deadline):
            while not machine.is_terminated and now() < deadline:
                time.sleep(0.02)
                machine.step()
        """,
    ),
    "an interval is how often it asks": (
        Purpose.POLLING,
        """
        def wait_until(predicate, interval):
            while True:
                found = predicate()
                if found:
                    return found
                time.sleep(interval)
        """,
    ),
    "nobody awaits it where it is made": (
        Purpose.SIMULATED_WORK,
        """
        async def test_it():
            for each in as_completed([asyncio.sleep(0.01 * i) for i in range(30)]):
                await each
        """,
    ),
    "a timeout ends it": (
        Purpose.SIMULATED_WORK,
        """
        async def test_timeout_expired():
            with pytest.raises(TimeoutError):
                async with timeout(0.01) as cm:
                    await asyncio.sleep(10)
            assert cm.expired
        """,
    ),
    "work that takes no time is none": (
        Purpose.YIELD,
        """
        def test_it(queue):
            async def work(n):
                await asyncio.sleep(0)
                return n + 1

            queue.put(work)
        """,
    ),
    "the same is asserted before and after": (
        Purpose.NEGATIVE_WAIT,
        """
        def test_it():
            calls = []
            listen(calls.append)
            time.sleep(0.1)
            assert calls == []
        """,
    ),
    "what was asserted has changed": (
        Purpose.ASYNC_TASK,
        """
        def test_it(store):
            assert store.futures
            time.sleep(0.1)
            assert not store.futures
        """,
    ),
    "a setting that is patched is waited out": (
        Purpose.EXPIRY,
        """
        def test_it(monkeypatch, store):
            monkeypatch.setattr(conf, "MAX_AGE", 1)
            time.sleep(1.5)
            assert not store.items
        """,
    ),
    "a setting in a dictionary is waited out": (
        Purpose.EXPIRY,
        """
        def test_it(store):
            store.configure({"lifetime": 1})
            time.sleep(1.5)
            assert not store.items
        """,
    ),
    "a function that is given to a pool is work": (
        Purpose.SIMULATED_WORK,
        """
        def one(value):
            time.sleep(value)
            return value

        def test_it(pool):
            assert pool.schedule(one, args=[1]).result() == 1
        """,
    ),
    "the body of a test is none": (
        Purpose.ASYNC_TASK,
        """
        def test_it():
            async def main():
                task = asyncio.create_task(thing())
                await asyncio.sleep(0.1)
                assert task.done()

            asyncio.run(main())
        """,
    ),
    "a server's loop is no poll": (
        Purpose.SIMULATED_WORK,
        """
        async def slow_app(receive, send):
            while True:
                event = await receive()
                if event == "stop":
                    break
                elif event == "request":
                    await asyncio.sleep(0.1)
                    await send("response")
        """,
    ),
    "a loop that works until it is stopped is no poll": (
        Purpose.PACING,
        """
        class Tests:
            def test_it(self):
                while not self.stopped:
                    self.hit()
                    self.count += 1
                    if self.count > 3:
                        self.other()
                    time.sleep(0.1)
        """,
    ),
    "a loop that counts is no poll": (
        Purpose.PACING,
        """
        def test_it(client):
            i = 0
            while i < 5:
                client.hit()
                time.sleep(0.1)
                i += 1
        """,
    ),
    "what is started has a name": (
        Purpose.PROCESS_RESTART,
        """
        def test_it():
            c = Cluster()
            c.start()
            time.sleep(0.5)
            assert c.stat == "idle"
        """,
    ),
    "the same is done before and after": (
        Purpose.PACING,
        """
        def test_it(stdin):
            stdin.write("abc")
            time.sleep(0.1)
            stdin.write("def")
        """,
    ),
    "a lock is held": (
        Purpose.SIMULATED_WORK,
        """
        def test_it(lock):
            with lock.acquire():
                time.sleep(0.1)
        """,
    ),
    "a test that only takes long": (
        Purpose.SIMULATED_WORK,
        """
        def test_it():
            time.sleep(5)
            assert True
        """,
    ),
}


@pytest.mark.parametrize(
    ("purpose", "code"), SAYS_IT_BY_STRUCTURE.values(), ids=SAYS_IT_BY_STRUCTURE
)
def test_structure_tells_a_purpose_without_words(purpose: Purpose, code: str) -> None:
    found = only("import time, asyncio\n" + _dedented(code))
    assert found.purpose == purpose, found.evidence


def test_a_pause_waits_for_what_its_caller_waits_for() -> None:
    found = findings(
        """
        import time

        def catchup_delay(seconds=0.1):
            time.sleep(seconds)

        def test_it(server):
            task = spawn(server)
            catchup_delay()
            assert task.done()
        """
    )
    assert [each.purpose for each in found] == [Purpose.ASYNC_TASK, Purpose.ASYNC_TASK]


def test_a_mock_that_looks_like_a_sleep_is_none() -> None:
    assert not findings("import time\nfake = mocker.create_autospec(time.sleep)\n")


@pytest.mark.parametrize(("purpose", "code"), SAYS_IT_OTHERWISE)
def test_a_purpose_is_told_by_other_words_too(purpose: Purpose, code: str) -> None:
    found = only("import time, asyncio\n" + _dedented(code))
    assert found.purpose == purpose, found.evidence


def _dedented(code: str) -> str:
    from textwrap import dedent

    return dedent(code)


def test_every_purpose_has_a_meaning() -> None:
    assert list(MEANINGS) == list(Purpose)


# -- replacements ----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(len(DATA["sample"])))
def test_a_replacement_is_python_that_names_what_exists(number: int) -> None:
    code = judged(DATA["sample"][number]).replacement.code
    tree = ast.parse(code)
    known = {*helpers, "ready"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            name = node.func.id
            if name.startswith(("assert_", "refute_", "wait_for")) and "sim" in code:
                assert name in known | {"wait_for_condition", "wait_for_message"}, code
            if name in {"assert_event", "refute_event"}:
                (event, *_) = node.args
                assert isinstance(event, ast.Constant)
                assert f"foundation.{event.value!s}" in catalogue


def test_a_replacement_fills_in_the_names_of_the_finding() -> None:
    found = only("import time\n" + _dedented(SAYS[Purpose.PROCESS_RESTART]))
    assert found.replacement.code.startswith(
        'with assert_event("service.restarted", service="worker"):\n    worker.kill()'
    )
    found = only("import time\n" + _dedented(SAYS[Purpose.POLLING]))
    assert found.replacement.code == "wait_for(sim, lambda: ready())"
    found = only("import time\n" + _dedented(SAYS[Purpose.EXPIRY]))
    assert found.replacement.code == "clock.advance(1.1)"


def test_a_test_that_has_a_simulation_moves_its_clock() -> None:
    found = only(
        """
        import time

        def test_it(sim, cache):
            cache.put("k", 1, ttl=1)
            time.sleep(1.1)
            assert cache.get("k") is None
        """
    )
    assert found.replacement.code == "sim.run(until=sim.now + 1.1)"


def test_the_seed_table_of_patterns_is_followed() -> None:
    wanted = Counter(
        {
            "service.restarted": 1,
            "async.completed": 1,
            "circuit_breaker.state_change": 1,
            "signal.processed": 1,
        }
    )
    table = (Purpose.PROCESS_RESTART, Purpose.ASYNC_TASK, Purpose.BREAKER, Purpose.PUBLISH)
    told: Counter[str] = Counter()
    for purpose in table:
        (found,) = findings("import time, asyncio\n" + _dedented(SAYS[purpose]))
        told[found.replacement.code.split('"')[1]] += 1
    assert told == wanted
