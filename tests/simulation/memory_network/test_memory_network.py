"""Connections in memory: latency, bandwidth, loss, partitions, resets, half-close, backpressure."""

# lab: allow-sleep-in-file every sleep is on the virtual clock

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.errors import DeadlockError
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.memory_network.network import CONNECT_TIMEOUT, MemoryNetwork
from foundation_lab.simulation.memory_network.pipe import Link

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

SEED = 8

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def run(
    main: Callable[[Simulation, MemoryNetwork], Coroutine[Any, Any, Any]], **link: Any
) -> Simulation:
    """Run a test's coroutine on a network, and see to it that no connection is left."""
    sim = Simulation(seed=SEED)
    network = sim.event_loop().network
    network.set_link(**link)
    sim.run_async(main(sim, network))
    assert not network._ends
    return sim


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


def test_a_connection_takes_a_round_trip_and_a_message_one_latency() -> None:
    async def main(sim: Simulation, network: MemoryNetwork) -> None:
        server = await asyncio.start_server(echo, "shop", 80)
        reader, writer = await asyncio.open_connection("shop", 80)
        assert sim.now == 0.5
        writer.write(b"hello")
        assert await reader.read(100) == b"hello"
        assert sim.now == 1.0
        await close(writer)
        await asyncio.sleep(1)
        server.close()
        await server.wait_closed()

    run(main, latency=0.25)


def test_without_a_latency_everything_happens_at_one_instant() -> None:
    async def main(sim: Simulation, network: MemoryNetwork) -> None:
        async with await asyncio.start_server(echo, port=80):
            for host in ("a", "localhost", "10.1.2.3"):
                reader, writer = await asyncio.open_connection(host, 80)
                writer.writelines([b"one ", b"two"])
                writer.write_eof()
                assert await reader.read() == b"one two"
                await close(writer)

    assert run(main).now == 0


def test_bytes_take_their_time_at_the_bandwidth_one_after_the_other() -> None:
    arrivals: list[tuple[float, int]] = []

    async def main(sim: Simulation, network: MemoryNetwork) -> None:
        async def sink(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(2**20):
                arrivals.append((sim.now, len(data)))
            writer.close()

        await asyncio.start_server(sink, "shop", 80)
        _, writer = await asyncio.open_connection("shop", 80)
        writer.write(b"x" * 1000)
        writer.write(b"y" * 500)
        await close(writer)
        await asyncio.sleep(10)

    run(main, latency=1, bandwidth=1000)
    assert arrivals == [(4, 1000), (4.5, 500)]  # 2 s for the handshake, then 1 s and 1 s


def test_a_writer_waits_for_a_slow_line() -> None:
    async def main(sim: Simulation, network: MemoryNetwork) -> None:
        await asyncio.start_server(_wait, "shop", 80)
        _, writer = await asyncio.open_connection("shop", 80)
        writer.write(b"x" * 100_000)
        await writer.drain()  # at most 16384 bytes stay in the buffer, once it was full
        assert sim.now == 100
        writer.transport.abort()
        await asyncio.sleep(1)

    run(main, bandwidth=1000)


def test_a_writer_waits_for_a_reader_that_does_not_read() -> None:
    async def main(sim: Simulation, network: MemoryNetwork) -> None:
        accepted: asyncio.Queue[Streams] = asyncio.Queue()
        await asyncio.start_server(lambda *streams: accepted.put_nowait(streams), "shop", 80)
        _, writer = await asyncio.open_connection("shop", 80)
        reader, answer = await accepted.get()
        writer.write(b"x" * 2_000_000)
        drained = asyncio.create_task(writer.drain())
        await asyncio.sleep(100)
        assert not drained.done()
        assert len(await reader.readexactly(2_000_000)) == 2_000_000
        await drained
        assert sim.now == 100
        await close(writer)
        await close(answer)

    run(main, window=65536)


def test_nobody_listens() -> None:
    async def main(sim: Simulation, network: MemoryNetwork) -> None:
        with pytest.raises(ConnectionRefusedError, match=r"'shop', 80"):
            await asyncio.open_connection("shop", 80)
        assert sim.now == 0.5
        server = await asyncio.start_server(echo, "shop", 80)
        with pytest.raises(OSError, match="in use"):
            await asyncio.start_server(echo, "shop", 80)
        server.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("shop", 80)

    run(main, latency=0.25)


def test_half_of_a_connection_can_be_closed() -> None:
    async def main(sim: Simulation, network: MemoryNetwork) -> None:
        async def later(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            question = await reader.read()
            await asyncio.sleep(5)
            writer.write(question.upper())
            writer.close()

        await asyncio.start_server(later, "shop", 80)
        reader, writer = await asyncio.open_connection("shop", 80)
        assert writer.can_write_eof()
        writer.write(b"question")
        writer.write_eof()
        with pytest.raises(RuntimeError, match="after write_eof"):
            writer.write(b"more")
        assert await reader.read() == b"QUESTION"
        assert sim.now == 6
        await close(writer)

    run(main, latency=0.25)


def test_a_protocol_that_does_not_want_half_a_connection_is_closed_with_the_other_end() -> None:
    log: list[str] = []

    class Server(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            log.append(data.decode())

        def eof_received(self) -> None:
            log.append("end")

        def connection_lost(self, exc: Exception | None) -> None:
            log.append(f"lost: {exc}")

    async def main(sim: Simulation, network: MemoryNetwork) -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Server, "shop", 80)
        transport, _ = await loop.create_connection(asyncio.Protocol, "shop", 80)
        transport.write(b"one")
        transport.close()
        transport.close()
        transport.write(b"ignored")
        await asyncio.sleep(1)
        server.close()

    run(main, latency=0.1)
    assert log == ["one", "end", "lost: None"]


def test_an_abort_resets_the_other_end_after_a_latency() -> None:
    async def main(sim: Simulation, network: MemoryNetwork) -> None:
        seen: list[tuple[float, str]] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await reader.read()
            except ConnectionResetError as error:
                seen.append((sim.now, str(error.strerror)))
            with pytest.raises(ConnectionResetError):
                await close(writer)

        await asyncio.start_server(serve, "shop", 80)
        _, writer = await asyncio.open_connection("shop", 80)
        writer.transport.abort()
        await asyncio.sleep(1)
        assert seen == [(0.75, "Connection reset by peer")]

    run(main, latency=0.25)


def test_writing_to_who_has_closed_resets_the_connection() -> None:
    async def main(sim: Simulation, network: MemoryNetwork) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        await asyncio.start_server(serve, "shop", 80)
        reader, writer = await asyncio.open_connection("shop", 80)
        assert await reader.read() == b""
        writer.write(b"too late")
        await asyncio.sleep(1)
        with pytest.raises(ConnectionResetError):
            await writer.drain()
        with pytest.raises(ConnectionResetError):
            await close(writer)

    run(main, latency=0.25)


def test_what_is_sent_in_a_partition_arrives_when_it_is_over() -> None:
    async def main(sim: Simulation, network: MemoryNetwork) -> None:
        await asyncio.start_server(echo, "shop", 80)
        reader, writer = await asyncio.open_connection("shop", 80)
        writer.write(b"sent before; ")
        network.part("lab", "shop")
        network.part("lab", "shop")
        writer.write(b"sent meanwhile")
        sim.call_at(100, lambda: network.heal("shop", "lab"))
        assert await reader.readexactly(27) == b"sent before; sent meanwhile"
        assert sim.now == 100.5
        network.heal("lab", "shop")
        await close(writer)
        await asyncio.sleep(1)

    run(main, latency=0.25)


def test_a_connection_across_a_partition_is_made_after_it_or_given_up_like_linux_does() -> None:
    async def main(sim: Simulation, network: MemoryNetwork) -> None:
        await asyncio.start_server(echo, "shop", 80)
        network.part("lab", "shop")
        with pytest.raises(TimeoutError, match="timed out"):
            await asyncio.open_connection("shop", 80)
        assert sim.now == CONNECT_TIMEOUT
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await asyncio.open_connection("shop", 80)
        sim.call_in(10, lambda: network.heal("lab", "shop"))
        _, writer = await asyncio.open_connection("shop", 80)
        assert sim.now == CONNECT_TIMEOUT + 3 + 10 + 0.5
        await close(writer)
        await asyncio.sleep(1)

    run(main, latency=0.25)


def test_connections_between_two_hosts_can_be_reset() -> None:
    async def main(sim: Simulation, network: MemoryNetwork) -> None:
        await asyncio.start_server(_wait, "shop", 80)
        reader, _ = await asyncio.open_connection("shop", 80)
        assert network.reset("lab", "elsewhere") == 0
        assert network.reset("lab", "shop") == 1
        with pytest.raises(ConnectionResetError):
            await reader.read()

    run(main)


async def _wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with pytest.raises(ConnectionResetError):
        await reader.read()


@pytest.mark.parametrize("on_loss", ["delay", "reset"])
def test_what_is_lost_comes_late_in_order_or_breaks_the_connection(on_loss: str) -> None:
    def times() -> list[float]:
        seen: list[float] = []

        async def main(sim: Simulation, network: MemoryNetwork) -> None:
            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                received = b""
                try:
                    while data := await reader.read(100):
                        received += data
                        seen.append(round(sim.now, 3))
                    assert received == bytes(range(50))
                    writer.close()
                except ConnectionResetError:
                    seen.append(-1)

            await asyncio.start_server(serve, "shop", 80)
            _, writer = await asyncio.open_connection("shop", 80)
            network.set_link("lab", "shop", loss=0.2, on_loss=on_loss)
            for number in range(50):
                writer.write(bytes([number]))
                await asyncio.sleep(0.01)
            network.set_link("lab", "shop", loss=0)
            writer.close()
            await asyncio.sleep(10)

        run(main, latency=0.25)
        return seen

    first = times()
    assert first == times()  # the same losses for the same seed
    assert first == (sorted(first) if on_loss == "delay" else [*first[:-1], -1])
    assert len(first) > (2 if on_loss == "delay" else 0)


def test_the_servers_side_runs_in_the_context_of_who_started_it() -> None:
    sim = Simulation(seed=SEED)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sim.telemetry.emit("shop.served", {}, {"line": (await reader.readline()).decode()})
        writer.close()

    async def main() -> None:
        with sim.telemetry.context(node="shop"):
            await asyncio.start_server(serve, "shop", 80)
        with sim.telemetry.context(node="phone", correlation_id="abc"):
            _, writer = await asyncio.open_connection("shop", 80)
            assert writer.get_extra_info("sockname")[0] != writer.get_extra_info("peername")[0]
            sim.telemetry.emit("shop.asked")
            writer.write(b"x\n")
        await close(writer)
        await asyncio.sleep(1)

    sim.run_async(main())
    assert sim.recording.events.select("event", "node", "correlation_id").rows() == [
        ("shop.asked", "phone", "abc"),
        ("shop.served", "shop", None),
    ]


def test_a_buffered_protocol_is_given_its_bytes() -> None:
    class Buffered(asyncio.BufferedProtocol):
        received = b""

        def get_buffer(self, sizehint: int) -> bytearray:
            self.buffer = bytearray(3)
            return self.buffer

        def buffer_updated(self, nbytes: int) -> None:
            self.received += bytes(self.buffer[:nbytes])

    async def main(sim: Simulation, network: MemoryNetwork) -> None:
        await asyncio.start_server(echo, "shop", 80)
        transport, protocol = await asyncio.get_running_loop().create_connection(
            Buffered, "shop", 80
        )
        transport.write(b"1234567890")
        await asyncio.sleep(1)
        assert protocol.received == b"1234567890"
        transport.close()
        await asyncio.sleep(1)

    run(main, latency=0.1)


def test_a_server_serves_for_ever_until_it_is_cancelled() -> None:
    async def main(sim: Simulation, network: MemoryNetwork) -> None:
        server = await asyncio.start_server(echo, "shop", 0, start_serving=False)
        assert not server.is_serving()
        serving = asyncio.create_task(server.serve_forever())
        await asyncio.sleep(1)
        assert server.is_serving()
        assert server.get_loop() is asyncio.get_running_loop()
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("shop", port)
        server.close_clients()  # type: ignore[attr-defined]
        await asyncio.sleep(1)
        await close(writer)
        _, writer = await asyncio.open_connection("shop", port)
        server.abort_clients()  # type: ignore[attr-defined]
        await asyncio.sleep(1)
        with pytest.raises(ConnectionResetError):
            await close(writer)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert server.sockets == ()

    run(main)


def test_names_and_addresses_belong_together() -> None:
    async def main(sim: Simulation, network: MemoryNetwork) -> None:
        loop = asyncio.get_running_loop()
        server = await asyncio.start_server(echo, "shop", 80)
        ((*_, address),) = await loop.getaddrinfo("shop", 80)
        assert address == ("10.0.0.1", 80)
        assert await loop.getnameinfo(address) == ("shop", "80")
        _, writer = await asyncio.open_connection("10.0.0.1", 80, local_addr=("phone", 0))
        sock = writer.get_extra_info("socket")
        assert sock.getpeername() == ("10.0.0.1", 80)
        assert sock.getsockname()[0] == network.address_of("phone")
        sock.setsockopt(1, 2, 3)
        assert sock.getsockopt(1, 2) == 0
        assert server.sockets[0].getsockname() == ("shop", 80)
        with pytest.raises(OSError, match="not connected"):
            server.sockets[0].getpeername()
        await close(writer)
        await asyncio.sleep(1)
        with pytest.raises(ValueError, match="needs both"):
            await loop.create_connection(asyncio.Protocol, "shop")

    run(main)


def test_a_connection_that_is_given_up_while_it_is_made_is_reset() -> None:
    async def main(sim: Simulation, network: MemoryNetwork) -> None:
        await asyncio.start_server(_wait, "shop", 80)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await asyncio.open_connection("shop", 80)
        await asyncio.sleep(1)

    run(main, latency=0.25)


def test_a_protocol_can_be_exchanged_and_reading_paused() -> None:
    class Other(asyncio.Protocol):
        received = b""

        def data_received(self, data: bytes) -> None:
            self.received += data

    async def main(sim: Simulation, network: MemoryNetwork) -> None:
        await asyncio.start_server(echo, "shop", 80)
        loop = asyncio.get_running_loop()
        transport, first = await loop.create_connection(asyncio.Protocol, "shop", 80)
        assert transport.get_protocol() is first
        other = Other()
        transport.set_protocol(other)
        transport.pause_reading()
        assert not transport.is_reading()
        transport.write(b"hello")
        await asyncio.sleep(1)
        assert other.received == b""
        transport.resume_reading()
        assert transport.is_reading()
        await asyncio.sleep(0)
        assert other.received == b"hello"
        transport.close()
        await asyncio.sleep(1)

    run(main, latency=0.1)


def test_a_write_of_what_is_no_bytes_is_refused() -> None:
    async def main(sim: Simulation, network: MemoryNetwork) -> None:
        await asyncio.start_server(echo, "shop", 80)
        _, writer = await asyncio.open_connection("shop", 80)
        with pytest.raises(TypeError, match="'str'"):
            writer.transport.write("text")  # type: ignore[arg-type]
        await close(writer)
        await asyncio.sleep(1)

    run(main)


def test_a_deadlock_on_a_connection_names_what_is_read() -> None:
    kept: list[object] = []  # from Python 3.13 on a writer that nobody keeps closes its connection

    async def main(sim: Simulation, network: MemoryNetwork) -> None:
        await asyncio.start_server(lambda *streams: kept.append(streams), "shop", 80)
        reader, writer = await asyncio.open_connection("shop", 80)
        kept.append(writer)
        await reader.readline()

    with pytest.raises(DeadlockError, match=r"main waits for asyncio's StreamReader.readline"):
        run(main)


@pytest.mark.parametrize(
    "wrong",
    [
        {"latency": -1},
        {"bandwidth": 0},
        {"loss": 1},
        {"on_loss": "maybe"},
        {"retransmit_after": 0},
        {"window": 0},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_what_no_network_can_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Link(**wrong)


def test_a_link_joins_two_hosts() -> None:
    with pytest.raises(ValueError, match="two hosts, or none"):
        MemoryNetwork(Simulation(SEED)).set_link("a", latency=1)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="as Python 3.12 does")
def test_a_server_waits_for_the_end_of_its_connections() -> None:
    async def main(sim: Simulation, network: MemoryNetwork) -> None:
        server = await asyncio.start_server(echo, "shop", 80)
        _, writer = await asyncio.open_connection("shop", 80)
        sim.call_in(5, writer.close)
        server.close()
        await server.wait_closed()
        assert sim.now == 5

    run(main)
