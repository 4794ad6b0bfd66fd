"""A real discovery process over real TLS: two nodes registered by hand, followed, restarted; and bad input."""

import asyncio
import re
import signal
import subprocess
import sys
import urllib.request
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from essaim.discovery.v1 import discovery_pb2, discovery_pb2_grpc
from essaim.network.tls import dial
from essaim.protocol.status import read_status, read_trailers
from essaim.protocol.view import Genesis, NetworkView, NodeState, Role, ViewKeeper
from essaim.runtime.clock import SystemClock
from essaim.testing.registrant import Registrant
from essaim.view.v1 import view_pb2, view_pb2_grpc
from essaim_client.network.direct import Seed, ask
from testnet.process import NodeProcess

SECONDS = 20.0
NOW_MS = SystemClock().now_ms
FLAGS = ["--view-min-interval-ms", "200", "--swarm-min", "3", "--swarm-target", "3", "--swarm-max", "5"]


def found(folder: Path, *flags: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "essaim_discovery", "genesis", "--data-dir", str(folder / "discovery")]
    command += ["--out", str(folder / "genesis.bin"), "--network-name", "paper", *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


class Discovery:
    """The process, and a client of it."""

    def __init__(self, folder: Path) -> None:
        done = found(folder, *FLAGS)
        assert done.returncode == 0, done.stderr
        self.folder = folder
        self.genesis = Genesis.parse((folder / "genesis.bin").read_bytes())
        self.keeper = ViewKeeper(self.genesis)
        self.process = self._process("127.0.0.1:0")

    def _process(self, listen: str) -> NodeProcess:
        flags = ["--data-dir", str(self.folder / "discovery"), "--genesis", str(self.folder / "genesis.bin")]
        command = (sys.executable, "-m", "essaim_discovery", *flags, "--listen", listen, "--open-admission")
        return NodeProcess("discovery", command, self.folder / "discovery")

    def start(self) -> None:
        self.process.start()
        self.process.await_ready(SECONDS)

    @property
    def address(self) -> str:
        return str(self.process.facts["address"])

    @asynccontextmanager
    async def stub(self):
        channel = dial(self.address, self.genesis.discovery_certificates)
        try:
            yield discovery_pb2_grpc.DiscoveryServiceStub(channel)
        finally:
            await channel.close()

    async def submit(self, *transactions: discovery_pb2.SignedTransaction) -> list[str | None]:
        """The reason of each refusal."""
        async with self.stub() as stub:
            request = discovery_pb2.SubmitRequest(transactions=transactions)
            answer = await stub.Submit(request, timeout=SECONDS)
        assert abs(answer.discovery_time_ms - NOW_MS()) < 60_000
        refusals = [read_status(each) for each in answer.results]
        assert {each.domain for each in refusals if each} <= {"discovery.essaim"}
        return [each.reason if each else None for each in refusals]

    async def follow(self, wanted) -> NetworkView:
        held = self.keeper.current
        request = discovery_pb2.FollowRequest()
        if held is not None:
            request.epoch, request.serial = held.epoch, held.serial
        async with self.stub() as stub:
            async for response in stub.Follow(request, timeout=SECONDS):
                view = self.keeper.accept(response.answer, NOW_MS())
                if wanted(view):
                    return view
        raise AssertionError("the stream ended")


@pytest.fixture
def discovery(tmp_path: Path):
    running = Discovery(tmp_path)
    running.start()
    yield running
    running.process.kill()


async def test_two_nodes_are_registered_followed_and_outlive_a_kill(discovery: Discovery) -> None:
    relay, storage = Registrant(discovery.genesis, 1), Registrant(discovery.genesis, 2, Role.STORAGE)
    register = storage.register(NOW_MS())
    assert await discovery.submit(register, relay.register(NOW_MS())) == [None, None]
    view = await discovery.follow(lambda view: len(view.nodes) == 2)
    assert view.nodes[relay.node_id].hop(NOW_MS()) is None or view.relays()
    assert await discovery.submit(register, relay.leave()) == [None, None]  # a repetition is answered again

    discovery.process.kill()
    discovery.start()
    left = await discovery.follow(lambda view: view.nodes[relay.node_id].state == NodeState.LEAVING)
    assert left.serial > view.serial  # and the keeper has verified that it is the same chain
    assert await discovery.submit(register, relay.leave(gone=True)) == [None, None]
    await discovery.follow(lambda view: relay.node_id not in view.nodes)

    asked = await ask(Seed(discovery.address, discovery.genesis.discovery_certificates), 0, 0, NOW_MS)
    assert list(ViewKeeper(discovery.genesis).accept(asked.answer, NOW_MS()).nodes) == [storage.node_id]
    discovery.process.signal(signal.SIGTERM)
    discovery.process.await_end(SECONDS)
    log = discovery.process.log.read_text()
    assert '"stopped"' in log and "died" not in log


async def test_bad_input_gets_a_reason_and_does_no_harm(discovery: Discovery) -> None:
    node = Registrant(discovery.genesis, 1)
    good = node.register(NOW_MS())
    forged = discovery_pb2.SignedTransaction(transaction=good.transaction, signature=bytes(64))
    noise = discovery_pb2.SignedTransaction(transaction=b"\xff" * 40, signature=b"")
    assert await discovery.submit(noise, forged, node.prove()) == ["MALFORMED", "BAD_SIGNATURE", "NOT_LISTED"]
    assert await discovery.submit() == []
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await discovery.submit(*[noise] * 65)
    told = read_trailers(caught.value.code().value[0], caught.value.trailing_metadata())
    assert (caught.value.code(), told.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED")
    assert await discovery.submit(good) == [None]
    assert (await discovery.follow(lambda view: view.nodes)).serial >= 2


async def test_view_comes_in_chunks_with_the_time(discovery: Discovery) -> None:
    nodes = [Registrant(discovery.genesis, number) for number in range(8)]
    await discovery.submit(*(node.register(NOW_MS()) for node in nodes))
    await discovery.follow(lambda view: len(view.nodes) == 8)
    channel = dial(discovery.address, discovery.genesis.discovery_certificates)
    stub = view_pb2_grpc.ViewServiceStub(channel)
    chunks = [each async for each in stub.GetView(view_pb2.GetViewRequest(chunk_bytes=5_000), timeout=SECONDS)]
    await channel.close()
    assert len(chunks) > 4 and {len(each.chunk) for each in chunks[:-1]} == {5_000}
    assert abs(chunks[0].node_time_ms - NOW_MS()) < 60_000 and [each.last for each in chunks[-2:]] == [False, True]
    answer = view_pb2.ViewAnswer.FromString(b"".join(each.chunk for each in chunks))
    assert len(ViewKeeper(discovery.genesis).accept(answer, NOW_MS()).nodes) == 8


async def test_metrics_count_nodes_and_transactions(discovery: Discovery) -> None:
    node = Registrant(discovery.genesis, 1)
    await discovery.submit(node.register(NOW_MS()), Registrant(discovery.genesis, 2).prove())
    await discovery.follow(lambda view: view.nodes)
    url = f"http://{discovery.process.facts['metrics']}/metrics"
    page = await asyncio.to_thread(read, url)
    assert 'essaim_discovery_nodes{role="RELAY",state="ACTIVE"} 1.0' in page
    assert 'essaim_discovery_transactions_total{kind="register",outcome="APPLIED"} 1.0' in page
    assert 'essaim_discovery_transactions_total{kind="prove_uptime",outcome="NOT_LISTED"} 1.0' in page
    assert re.search(r"^essaim_discovery_view_serial [1-9]", page, re.MULTILINE)
    assert re.search(r"^essaim_discovery_view_age_seconds \d", page, re.MULTILINE)
    assert "127.0.0.1" not in page


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=SECONDS) as response:
        return response.read().decode()


# The genesis command


def test_genesis_is_not_overwritten(tmp_path: Path) -> None:
    assert found(tmp_path).returncode == 0
    before = (tmp_path / "genesis.bin").read_bytes()
    again = found(tmp_path)
    assert again.returncode == 2 and len(again.stderr.strip().splitlines()) == 1
    assert (tmp_path / "genesis.bin").read_bytes() == before
    assert (tmp_path / "discovery" / "authority.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "flags",
    [
        ["--swarm-min", "9"],
        ["--swarm-min", "nine"],
        ["--suites", "7"],
        ["--suites", ""],
        ["--x25519-period-seconds", "0"],
        ["--away-seconds", "-1"],
        ["--view-min-interval-ms", str(1 << 32)],
        ["--network-name", ""],
        ["--what", "1"],
    ],
)
def test_wrong_flag_of_genesis_is_one_sentence(tmp_path: Path, flags: list[str], capsys: pytest.CaptureFixture) -> None:
    from essaim_discovery.founding import found as founded

    required = ["--data-dir", str(tmp_path / "d"), "--out", str(tmp_path / "g"), "--network-name", "paper"]
    assert founded([*required, *flags]) == 2
    told = capsys.readouterr().err
    assert len(told.strip().splitlines()) == 1 and "Traceback" not in told
    assert not (tmp_path / "g").exists()


def test_discovery_without_its_authority_does_not_start(tmp_path: Path) -> None:
    assert found(tmp_path).returncode == 0
    (tmp_path / "discovery" / "authority.key").unlink()
    command = [sys.executable, "-m", "essaim_discovery", "--data-dir", str(tmp_path / "discovery")]
    command += ["--genesis", str(tmp_path / "genesis.bin")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and "authority.key" in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_discovery_that_is_not_told_who_may_register_does_not_start(tmp_path: Path) -> None:
    assert found(tmp_path).returncode == 0
    (tmp_path / "discovery" / "admission.txt").unlink()
    command = [sys.executable, "-m", "essaim_discovery", "--data-dir", str(tmp_path / "discovery")]
    command += ["--genesis", str(tmp_path / "genesis.bin")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and "--open-admission" in done.stderr and len(done.stderr.strip().splitlines()) == 1
