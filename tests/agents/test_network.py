from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation_lab.agents import AgentRegistry, Network
from foundation_lab.errors import InvariantError, UnknownName
from foundation_lab.simulation.distributions import Distribution, exponential, uniform
from foundation_lab.simulation.engine import Simulation

if TYPE_CHECKING:
    from foundation_lab.telemetry import Record


def make_network(seed: int, agents: str = "ab", **options: Any) -> tuple[Simulation, Network]:
    sim = Simulation(seed=seed)
    network = Network(sim, "net", **options)
    registry = AgentRegistry(sim, network=network)
    for agent_id in agents:
        registry.register(agent_id)
    return sim, network


def arrivals(sim: Simulation, sender: str) -> dict[str, float]:
    rows = sim.recording.frame(Network.MessageReceived).rows(named=True)
    return {row["type"]: row["time"] for row in rows if row["from"] == sender}


def test_a_message_arrives_after_the_latency_and_because_it_was_sent() -> None:
    sim, network = make_network(1, latency=0.25)
    with sim.telemetry.context(correlation_id="c0ffee"):
        message = network.send("a", "b", "hello")
    assert network.in_flight == 1
    sim.run()
    [sent] = sim.recording.frame(Network.MessageSent).rows(named=True)
    [received] = sim.recording.frame(Network.MessageReceived).rows(named=True)
    assert (received["time"], received["duration"]) == (0.25, 0.25)
    assert received["cause"] == sent["sequence"]
    assert sent["correlation_id"] == received["correlation_id"] == "c0ffee"
    assert sent["message_id"] == received["message_id"] == message.message_id == "net-1"
    assert network.in_flight == 0


def test_what_is_lost_is_dropped_because_it_was_sent() -> None:
    sim, network = make_network(2, loss=1.0)
    network.send("a", "b", "hello")
    sim.run()
    [sent] = sim.recording.frame(Network.MessageSent).rows(named=True)
    [dropped] = sim.recording.frame(Network.MessageDropped).rows(named=True)
    assert (dropped["cause"], dropped["reason"]) == (sent["sequence"], "loss")
    assert "foundation.mabeam.coordination.message_received" not in sim.recording.counts


def test_switching_loss_off_changes_no_arrival_of_what_was_not_lost() -> None:
    def run(loss: float) -> dict[str, float]:
        sim, network = make_network(3, "abc", latency=exponential(1.0), loss=loss)
        for k in range(40):
            network.send("a" if k % 3 else "c", "b", f"m{k}")
        sim.run()
        return arrivals(sim, "a") | arrivals(sim, "c")

    everything, most = run(0.0), run(0.4)
    assert 10 < len(most) < 40 == len(everything)
    assert most.items() <= everything.items()


def test_traffic_on_one_link_shifts_nothing_on_another() -> None:
    def run(extra: int) -> dict[str, float]:
        sim, network = make_network(4, "abc", latency=exponential(1.0), loss=0.3)
        for k in range(20):
            for _ in range(extra):
                network.send("c", "b", "noise")
            network.send("a", "b", f"m{k}")
        sim.run()
        return arrivals(sim, "a")

    assert run(0) == run(2)


def test_messages_overtake_each_other_unless_links_are_fifo() -> None:
    def order(*, fifo: bool) -> list[str]:
        sim, network = make_network(5, latency=uniform(0.0, 10.0), fifo=fifo)
        for k in range(10):
            network.send("a", "b", f"m{k}")
        sim.run()
        return list(arrivals(sim, "a"))

    sent = [f"m{k}" for k in range(10)]
    assert order(fifo=True) == sent
    assert order(fifo=False) != sent


def test_a_partition_drops_what_is_sent_and_what_is_under_way_across_it() -> None:
    sim, network = make_network(6, "abcd", latency=1.0)
    network.send("a", "c", "under way")
    network.partition([["a", "b"], ["c"]])
    network.send("a", "c", "cut")
    network.send("c", "b", "cut back")
    network.send("a", "b", "inside")
    network.send("c", "d", "to nobody's group")
    assert network.status == "partitioned"
    sim.run()
    dropped = sim.recording.frame(Network.MessageDropped)
    assert dropped.select("type", "reason", "time").rows() == [
        ("cut", "partition", 0.0),
        ("cut back", "partition", 0.0),
        ("under way", "partition", 1.0),
    ]
    network.heal()
    network.send("a", "c", "healed")
    sim.run()
    received = sim.recording.frame(Network.MessageReceived)["type"].to_list()
    assert received == ["inside", "to nobody's group", "healed"]
    sim.check_invariants()


def test_partitions_are_recorded_as_faults_of_the_network() -> None:
    sim, network = make_network(14, "abc")
    sim.call_at(1.0, lambda: network.partition([["a", "b"], ["c"]]))
    sim.call_at(3.0, lambda: network.partition([["a"], ["b"]]))
    sim.call_at(7.0, network.heal)
    sim.call_at(8.0, network.heal)
    sim.run()
    injected, cleared = sim.recording.frame("fault.injected"), sim.recording.frame("fault.cleared")
    assert injected.select("time", "service", "fault_id", "kind", "parameters").rows() == [
        (1.0, "net", "partition:net:1", "partition", '{"groups":[["a","b"],["c"]]}'),
        (3.0, "net", "partition:net:2", "partition", '{"groups":[["a"],["b"]]}'),
    ]
    assert cleared.select("time", "service", "fault_id", "kind", "duration").rows() == [
        (3.0, "net", "partition:net:1", "partition", 2.0),
        (7.0, "net", "partition:net:2", "partition", 4.0),
    ]


def test_a_loss_other_than_the_usual_one_is_recorded_as_a_fault_of_the_network() -> None:
    sim, network = make_network(15, loss=0.125)
    for time, loss in enumerate([0.5, 0.5, 1.0, 0.125, 0.125], start=1):
        sim.call_at(time, lambda loss=loss: setattr(network, "loss", loss))  # type: ignore[misc]
    sim.run()
    injected, cleared = sim.recording.frame("fault.injected"), sim.recording.frame("fault.cleared")
    assert injected.select("time", "fault_id", "kind", "parameters").rows() == [
        (1.0, "message_loss:net:1", "message_loss", '{"rate":0.5}'),
        (3.0, "message_loss:net:2", "message_loss", '{"rate":1.0}'),
    ]
    assert cleared.select("time", "fault_id", "duration").rows() == [
        (3.0, "message_loss:net:1", 2.0),
        (4.0, "message_loss:net:2", 1.0),
    ]
    assert network.loss == 0.125


def test_whoever_hears_of_a_partition_finds_the_network_cut() -> None:
    sim, network = make_network(16)
    seen: list[tuple[str, str]] = []
    sim.telemetry.attach(
        "look", "foundation.fault.*", lambda r: seen.append((r.name, network.status)),
        on_error="raise",
    )  # fmt: skip
    network.partition([["a"], ["b"]])
    network.heal()
    assert seen == [
        ("foundation.fault.injected", "partitioned"),
        ("foundation.fault.cleared", "connected"),
    ]


def test_a_partition_must_cut_something_and_know_its_addresses() -> None:
    _, network = make_network(7)
    with pytest.raises(ValueError, match="two or more groups"):
        network.partition([["a", "b"]])
    with pytest.raises(ValueError, match="'a' is in two groups"):
        network.partition([["a"], ["a", "b"]])
    with pytest.raises(UnknownName, match="unknown address 'z'"):
        network.partition([["a"], ["z"]])
    assert network.status == "connected"


@pytest.mark.parametrize("loss", [-0.1, 1.1, float("nan")])
def test_loss_is_a_probability(loss: float) -> None:
    with pytest.raises(ValueError, match="give a probability from 0 to 1"):
        Network(Simulation(seed=8), loss=loss)


def test_addresses_must_be_known_and_free() -> None:
    _, network = make_network(9)
    with pytest.raises(UnknownName, match="unknown address 'c'"):
        network.send("a", "c", "hello")
    with pytest.raises(ValueError, match="'a' of network 'net' is taken"):
        AgentRegistry(Simulation(seed=9), network=network).register("a")


def test_only_what_is_connected_can_be_disconnected() -> None:
    _, network = make_network(12)
    assert network.addresses == ["a", "b"]
    network.disconnect("b")
    assert network.addresses == ["a"]
    with pytest.raises(UnknownName, match="unknown address 'b'"):
        network.disconnect("b")


def test_a_drop_within_a_handler_is_caused_by_its_own_message() -> None:
    sim, network = make_network(13, "abc", loss=1.0)

    def forward(record: Record) -> None:
        if record["to"] == "b":
            network.send("b", "c", "forwarded")

    sim.telemetry.attach("forward", Network.MessageDropped, forward, on_error="raise")
    network.send("a", "b", "hello")
    sent = sim.recording.frame(Network.MessageSent)["sequence"].to_list()
    assert sim.recording.frame(Network.MessageDropped)["cause"].to_list() == sent


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    loss=st.floats(0, 1),
    mean=st.floats(0.001, 5),
    number=st.integers(0, 40),
    fifo=st.booleans(),
    look=st.floats(0.001, 10),
    killed=st.booleans(),
)
def test_every_message_is_received_dropped_or_in_flight_at_any_time(
    seed: int, loss: float, mean: float, number: int, *, fifo: bool, look: float, killed: bool
) -> None:
    latency: Distribution = exponential(mean)
    sim = Simulation(seed=seed)
    network = Network(sim, latency=latency, loss=loss, fifo=fifo)
    registry = AgentRegistry(sim, network=network)
    agent = registry.register("a")
    registry.register("b")
    for k in range(number):
        sim.call_at(k / 10, lambda: network.send("b", "a", "m"))
    if killed:
        sim.call_at(1.0, agent.kill)
    for until in (look, look + 1.0):
        sim.run(until=until)
        sim.check_invariants()
    sim.run()
    sim.check_invariants()
    frame = sim.recording.frame
    received, dropped = frame(Network.MessageReceived).height, frame(Network.MessageDropped).height
    assert network.in_flight == 0
    assert frame(Network.MessageSent).height == number == received + dropped


def test_a_message_that_vanishes_is_noticed() -> None:
    sim, network = make_network(10)
    network.sent += 1
    with pytest.raises(InvariantError, match="network 'net': 1 messages sent, but 0 received"):
        sim.check_invariants()


def test_a_network_carries_the_same_with_telemetry_off() -> None:
    sim, network = make_network(11, latency=exponential(1.0), loss=0.5)
    twin, silent = make_network(11, latency=exponential(1.0), loss=0.5)
    twin.telemetry.disable()
    for world, net in ((sim, network), (twin, silent)):
        for _ in range(50):
            net.send("a", "b", "m")
        world.run()
    assert (network.received, network.dropped) == (silent.received, silent.dropped)
    assert sim.now == twin.now
