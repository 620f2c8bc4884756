"""Libraries of others, unmodified, with exact times on the virtual clock."""

# lab: allow-sleep-in-file every sleep is on the virtual clock

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import anyio
import h11
import httpx
import purgatory
import pytest
import stamina
import tenacity
from aiolimiter import AsyncLimiter
from purgatory.domain.model import OpenedState

from foundation_lab.services import CircuitBreaker
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.loop_factory import LoopFactory
from foundation_lab.simulation.patches.patched_clock import patched_clock

if TYPE_CHECKING:
    from collections.abc import Callable

SEED = 9

pytest_plugins = ["pytester"]


@pytest.fixture
def sim() -> Simulation:
    return Simulation(seed=SEED)


def test_tenacity_attempts_at_0_1_3_7_15(sim: Simulation) -> None:
    attempts: list[float] = []

    @tenacity.retry(
        wait=tenacity.wait_exponential(multiplier=1), stop=tenacity.stop_after_attempt(5)
    )
    async def flaky() -> None:
        attempts.append(sim.now)
        raise OSError

    with pytest.raises(tenacity.RetryError):
        sim.run_async(flaky())
    assert attempts == [0, 1, 3, 7, 15]


def test_stamina_attempts_at_0_1_3_7(sim: Simulation) -> None:
    attempts: list[float] = []

    @stamina.retry(on=OSError, attempts=4, timeout=None, wait_initial=1, wait_max=60, wait_jitter=0)
    async def flaky() -> None:
        attempts.append(sim.now)
        raise OSError

    with pytest.raises(OSError, match=r"^$"):
        sim.run_async(flaky())
    assert attempts == [0, 1, 3, 7]


def test_aiolimiter_lets_two_in_ten_seconds_through(sim: Simulation) -> None:
    times: list[float] = []

    async def main() -> None:
        limiter = AsyncLimiter(2, 10)

        async def caller() -> None:
            async with limiter:
                times.append(sim.now)

        await asyncio.gather(*(caller() for _ in range(5)))

    sim.run_async(main())
    assert times == [0, 0, 5, 10, 15]


def test_anyio_runs_on_a_loop_factory() -> None:
    factory = LoopFactory(seed=SEED)

    async def main() -> list[float]:
        times = []
        with anyio.move_on_after(5):
            await anyio.sleep(100)
        times.append(anyio.current_time())
        async with anyio.create_task_group() as group:
            for seconds in (1, 2, 3):
                group.start_soon(anyio.sleep, seconds)
        times.append(anyio.current_time())
        await anyio.to_thread.run_sync(len, "x")
        return times

    assert anyio.run(main, backend_options={"loop_factory": factory}) == [5, 8]


# -- HTTP ------------------------------------------------------------------------------------------


async def serve_http(answer: Callable[[h11.Request], Any], host: str, port: int) -> asyncio.Server:
    """A small HTTP/1.1 server that keeps connections alive."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        http = h11.Connection(h11.SERVER)
        while http.our_state is h11.IDLE:
            event = http.next_event()
            while event is h11.NEED_DATA:
                http.receive_data(await reader.read(65536))
                event = http.next_event()
            if not isinstance(event, h11.Request):
                break
            while not isinstance(http.next_event(), h11.EndOfMessage):
                pass
            body = await answer(event)
            response = h11.Response(status_code=200, headers=[("Content-Length", str(len(body)))])
            for part in (response, h11.Data(data=body), h11.EndOfMessage()):
                writer.write(http.send(part) or b"")
            await writer.drain()
            http.start_next_cycle()
        writer.close()

    return await asyncio.start_server(connection, host, port)


def test_httpx_gets_an_answer_after_the_handler_and_four_links(sim: Simulation) -> None:
    async def slow(request: h11.Request) -> bytes:
        await asyncio.sleep(1.5)
        return b"hello"

    async def main() -> str:
        sim.event_loop().network.set_link(latency=0.05)
        await serve_http(slow, "shop.test", 80)
        async with httpx.AsyncClient() as client:
            response = await client.get("http://shop.test/")
        assert sim.now == 1.7
        return response.text

    assert sim.run_async(main()) == "hello"


def test_httpx_keeps_a_connection_alive_and_times_out_in_virtual_time(sim: Simulation) -> None:
    delays = iter([0, 0, 100])

    async def answer(request: h11.Request) -> bytes:
        await asyncio.sleep(next(delays))
        return bytes(request.target)

    async def main() -> list[float]:
        sim.event_loop().network.set_link(latency=0.25)
        await serve_http(answer, "shop.test", 8080)
        times = []
        async with httpx.AsyncClient(base_url="http://shop.test:8080", timeout=5) as client:
            for path in ("/first", "/second"):
                assert (await client.get(path)).text == path
                times.append(sim.now)
            with pytest.raises(httpx.ReadTimeout):
                await client.get("/slow")
            times.append(sim.now)
            with pytest.raises(httpx.ConnectError):
                await client.get("http://shop.test:81")
            times.append(sim.now)
        return times

    assert sim.run_async(main()) == [1.0, 1.5, 6.5, 7.0]


def test_a_breaker_of_this_package_protects_a_call_of_httpx(sim: Simulation) -> None:
    breaker = CircuitBreaker(sim, "shop", failure_threshold=2, failure_on=httpx.HTTPError)

    async def fetch() -> None:
        async with httpx.AsyncClient() as client:
            await client.get("http://nobody.test/")

    def process() -> Any:
        for _ in range(2):
            with pytest.raises(httpx.ConnectError):
                yield from breaker.call(fetch)
        assert breaker.state == "open"

    done = sim.process(process())
    sim.run(until=done)


def test_purgatory_opens_and_tries_again_after_its_ttl(sim: Simulation) -> None:
    """It reads `time.time` itself, which is patched here."""
    tries: list[tuple[float, bool]] = []

    async def attempt(breaker: Any, *, works: bool) -> None:
        try:
            async with breaker:
                if not works:
                    raise OSError  # noqa: TRY301  (what the breaker is to see)
        except (OSError, OpenedState) as error:
            tries.append((sim.now, isinstance(error, OSError)))
        else:
            tries.append((sim.now, True))

    async def main() -> None:
        factory = purgatory.AsyncCircuitBreakerFactory(default_threshold=2, default_ttl=30)
        breaker = await factory.get_breaker("shop")
        for _ in range(3):
            await attempt(breaker, works=False)
        for seconds in (29, 1.5):
            await asyncio.sleep(seconds)
            await attempt(breaker, works=True)

    with patched_clock(sim, lambda seconds: None):
        sim.run_async(main())
    assert tries == [(0, True), (0, True), (0, False), (29, False), (30.5, True)]


def test_pytest_asyncio_runs_its_tests_on_virtual_loops(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        from foundation_lab.simulation.loop_factory import LoopFactory

        def pytest_asyncio_loop_factories(config, item):
            return {"virtual": LoopFactory()}
        """
    )
    pytester.makepyfile(
        """
        import asyncio
        import pytest

        @pytest.fixture
        async def an_hour():
            await asyncio.sleep(3600)
            yield asyncio.get_running_loop().time()

        @pytest.mark.asyncio
        async def test_an_hour_passes(an_hour):
            await asyncio.sleep(3600)
            assert (an_hour, asyncio.get_running_loop().time()) == (3600, 7200)
        """
    )
    result = pytester.runpytest_subprocess("-o", "asyncio_mode=auto")
    result.assert_outcomes(passed=1)
