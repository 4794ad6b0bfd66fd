"""A network that does not let everybody register: its own nodes come in with nothing done by hand, strangers do not."""

from pathlib import Path

from essaim.discovery.v1 import discovery_pb2, discovery_pb2_grpc
from essaim.network.tls import dial
from essaim.protocol.keys import SigningKey
from essaim.protocol.status import read_status
from essaim.protocol.view.admission import admit
from essaim.runtime.clock import SystemClock
from essaim.testing.registrant import Registrant
from testnet.layout import Layout
from testnet.network import Testnet

NOW_MS = SystemClock().now_ms


async def test_closed_network_takes_its_operators_nodes_alone(tmp_path: Path) -> None:
    net = Testnet(tmp_path / "net", Layout(relays=1, storage=0, open_admission=False))
    try:
        net.create()
        net.node("discovery").start()
        net.node("discovery").await_ready(20)
        net.node("relay-1").start()
        net.node("relay-1").await_ready(20)
        operator = SigningKey(net.operator_key_file.read_bytes())
        stranger, friend = Registrant(net.genesis, 7), Registrant(net.genesis, 8)
        friend.operator_id = operator.public.raw
        friend.admission = admit(operator, net.genesis.network_id, friend.node_id)
        stranger.operator_id, stranger.admission = friend.operator_id, friend.admission  # which are in plain sight
        channel = dial(net.discovery_address, net.genesis.discovery_certificates)
        stub = discovery_pb2_grpc.DiscoveryServiceStub(channel)
        request = discovery_pb2.SubmitRequest(transactions=[each.register(NOW_MS()) for each in (stranger, friend)])
        answer = await stub.Submit(request, timeout=20)
        await channel.close()
        refusals = [read_status(each) for each in answer.results]
        assert [each.reason if each else None for each in refusals] == ["NOT_ADMITTED", None]
        view = await net.ask_view()
        assert view is not None and {node.operator_id for node in view.nodes.values()} == {operator.public.raw}
    finally:
        net.down()
