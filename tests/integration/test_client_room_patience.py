"""What a client does while the host is away: the same again, until its time is over, and never twice in the room.

The host is a real one with its database on the disk. In the place of the onion there is a wire that is cut at a moment
of the test's: before the host has committed, or after it, with the answer on the way.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from types import SimpleNamespace

import pytest

from essaim.opengroup.v1 import opengroup_pb2
from essaim.protocol.account import Account
from essaim.protocol.errors import ProtocolError
from essaim.protocol.onion import Refusal
from essaim.protocol.opengroup.refusal import BusyError
from essaim.protocol.opengroup.settings import file_hash
from essaim.protocol.status import read_status
from essaim.runtime.clock import SystemClock
from essaim.runtime.context import OnionContext
from essaim.runtime.errors import to_status
from essaim_client.network.failure import DestinationLostError, DestinationRefusedError
from essaim_client.rooms.finding import HostUnknownError
from essaim_client.rooms.patience import MAX_PATIENCE_SECONDS, Patience, pause_seconds
from essaim_client.rooms.room import Room
from essaim_client.rooms.rooms import Alone, Rooms
from essaim_opengroup.service import RoomService
from room_host import HOST_ID, RunningHost


class Wire:
    """What `Connection` is to the rooms of an account: straight to a host, which `away` says is not there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: RunningHost | None = None
        self.node_id = os.urandom(32)
        self.cut: str | None = None
        """before, after: what befalls the next `Act`, and the host with it."""
        self.acts = 0
        self.refreshed = 0
        self.onion = self.views = self.clock = self
        self.holds: asyncio.Task | None = None
        """Whose acts wait for `held`."""
        self.held = asyncio.Event()
        self.held.set()

    async def start(self) -> None:
        """The same host again, as another process of the same node would be."""
        self.running = RunningHost(self.folder)
        await self.running.__aenter__()
        self.running.host.service = self._of_node(self.running)

    def _of_node(self, running: RunningHost):
        host = running.host
        acting, asking = host.service._acting, host.asking
        return RoomService(host.key, self.node_id, acting, asking, running.now_ms)

    async def stop(self) -> None:
        if self.running is not None:
            running, self.running = self.running, None
            running.host.service.end_streams()
            await running.__aexit__()

    # The view, the clock, chance

    @property
    def view(self):
        nodes = [SimpleNamespace(node_id=self.node_id)]
        return SimpleNamespace(active=lambda role: nodes, nodes={each.node_id: each for each in nodes})

    def now_ms(self) -> int:
        return SystemClock().now_ms()

    def random(self, size: int) -> bytes:
        return os.urandom(size)

    async def refresh(self, *, direct: bool = False) -> None:
        self.refreshed += 1

    async def mend(self, error, number: int) -> None:
        await asyncio.sleep(0)

    # Calls

    def _host(self) -> RunningHost:
        if self.running is None:
            raise DestinationLostError(Refusal.UNREACHABLE)
        return self.running

    async def unary(self, node_id, method, request, *, lane, reply_class=0):
        context = OnionContext(os.urandom(16), 240_000)
        service = self._host().host.service
        if isinstance(request, opengroup_pb2.DescribeRequest):
            return await service.Describe(request, context)
        if asyncio.current_task() is self.holds:
            await self.held.wait()
        self.acts += 1
        if self.cut == "before":
            return await self._lose()
        answer = await told(service.Act(request, context))
        if self.cut == "after":
            return await self._lose()
        return answer

    async def _lose(self) -> None:
        self.cut = None
        await self.stop()
        raise DestinationLostError(Refusal.TIMEOUT)

    async def stream(self, node_id, method, request, *, lane, reply_class=0) -> AsyncIterator:
        context = OnionContext(os.urandom(16), 60_000)
        service = self._host().host.service
        how = service.Follow if isinstance(request, opengroup_pb2.FollowRequest) else service.Download
        async with aclosing(how(request, context)) as responses:
            async for response in responses:
                yield response
                if self.cut == "stream":
                    await self._lose()


async def told(answer):
    """As a reply cell would bring it."""
    try:
        return await answer
    except ProtocolError as error:
        raise DestinationRefusedError(read_status(to_status(error, "opengroup.essaim"))) from None


class Member:
    """An account at the host, through the wire; `waits` is what it was told."""

    def __init__(self, wire: Wire, number: int) -> None:
        self.waits: list = []
        self.rooms = Rooms(wire, Alone(Account(number.to_bytes(32))), Memory())
        self.rooms.patience.on_waiting = self._note
        self.told = asyncio.Event()

    def _note(self, waiting) -> None:
        self.waits.append(waiting)
        self.told.set()

    async def room(self) -> Room:
        return await self.rooms.room(f"{HOST_ID.hex()}/lobby")


class Memory(dict):
    def put(self, key: str, value: bytes) -> None:
        self[key] = value


@pytest.fixture
async def wire(tmp_path: Path) -> AsyncIterator[Wire]:
    wire = Wire(tmp_path / "host")
    await wire.start()
    await wire.running.room()
    yield wire
    await wire.stop()


async def comes_back(wire: Wire, member: Member) -> None:
    """Once the member knows that it waits."""
    await asyncio.wait_for(member.told.wait(), 10)
    await wire.start()


ACTS = {
    "post": lambda room, post: room.post("once"),
    "edit": lambda room, post: room.edit(post, "mended"),
    "delete": lambda room, post: room.delete(post),
    "react": lambda room, post: room.react(post, "👍"),
    "upload": lambda room, post: room.upload(b"content" * 100),
}


@pytest.mark.parametrize(
    ("act", "cut"), [("post", "before"), *((act, "after") for act in ("post", "edit", "delete", "react", "upload"))]
)
async def test_act_that_lost_its_host_is_done_once(wire: Wire, act: str, cut: str) -> None:
    """The host dies before it has committed, or after it with the answer on the way."""
    member = Member(wire, 1)
    room = await member.room()
    post = await room.post("first")
    before = (await room.refresh()).sequence
    wire.cut, acts = cut, wire.acts
    await asyncio.gather(ACTS[act](room, post), comes_back(wire, member))
    assert wire.acts == acts + 2
    assert {each.reason for each in member.waits} == {"HOST_UNKNOWN"} and member.waits[0].host_id == HOST_ID
    assert 0 < member.waits[0].left_seconds <= 60 and member.waits[0].tries == 2
    assert (await room.refresh()).sequence == before + (act != "upload")
    texts = [each.text for each in (await room.page())[0]]
    assert texts == {"post": ["once", "first"], "edit": ["mended"], "delete": [""]}.get(act, ["first"])
    if act == "upload":
        assert await room.post("", files=[file_hash(b"content" * 100)])


@pytest.mark.parametrize("cut", ["before", "after"])
async def test_direct_message_that_lost_its_host_comes_once(wire: Wire, cut: str) -> None:
    """Also where the recipient has read and deleted it before it is repeated."""
    alice, bob = Member(wire, 1), Member(wire, 2)
    room, theirs = await alice.room(), await bob.room()
    await asyncio.gather(room.join(), theirs.join())
    wire.cut = cut
    sending = asyncio.create_task(alice.rooms.send_direct(room, theirs.me, "hello"))
    wire.holds = sending
    if cut == "after":
        await asyncio.wait_for(alice.told.wait(), 10)
        wire.held.clear()
        await wire.start()
        taken = await bob.rooms.directs(HOST_ID.hex())
        await bob.rooms.delete_directs(HOST_ID.hex(), taken[0].number)
        assert not sending.done()
        wire.held.set()
        await sending
        assert [each.text for each in taken] == ["hello"] and await bob.rooms.directs(HOST_ID.hex()) == []
    else:
        await asyncio.gather(sending, comes_back(wire, alice))
        assert [each.text for each in await bob.rooms.directs(HOST_ID.hex())] == ["hello"]


async def test_reading_and_the_first_look_for_a_host_wait_too(wire: Wire) -> None:
    member = Member(wire, 1)
    await wire.stop()
    finding = asyncio.create_task(member.room())
    await comes_back(wire, member)
    room = await finding
    await room.post("here")
    member.told.clear()
    await wire.stop()
    reading = asyncio.create_task(room.page())
    await comes_back(wire, member)
    assert [each.text for each in (await reading)[0]] == ["here"]


async def test_time_that_is_over_ends_it_with_the_reason(wire: Wire) -> None:
    member = Member(wire, 1)
    room = await member.room()
    await wire.stop()
    member.rooms.patience.seconds = 1.2
    began = asyncio.get_running_loop().time()
    with pytest.raises(HostUnknownError):
        await room.post("never")
    took = asyncio.get_running_loop().time() - began
    assert 1.2 <= took < 5 and len(member.waits) >= 3 and wire.refreshed >= 1
    assert [each.left_seconds for each in member.waits] == sorted(each.left_seconds for each in member.waits)[::-1]
    member.rooms.patience.seconds, member.waits[:] = 0, []
    with pytest.raises(HostUnknownError):
        await room.post("never")
    assert member.waits == []
    await wire.start()
    member.rooms.patience.seconds = 60
    assert (await room.page())[0] == []


async def test_host_that_nobody_is_fails_at_once(wire: Wire) -> None:
    """Every node of the view has answered, and none of them is it."""
    member = Member(wire, 1)
    for digits in ("ab" * 32, "ab" * 8):
        with pytest.raises(HostUnknownError):
            await member.rooms.host(digits)
    assert member.waits == []


async def test_refusal_of_the_rules_is_not_repeated_but_a_busy_host_is(wire: Wire, monkeypatch) -> None:
    member = Member(wire, 1)
    room = await member.room()
    acts = wire.acts
    with pytest.raises(DestinationRefusedError, match="NOT_ALLOWED"):
        await room.change(title="mine")
    assert wire.acts == acts + 1 and member.waits == []
    service = wire.running.host.service
    honest, busy = service.Act, iter([True, True])

    async def act(request, context):
        if next(busy, False):
            raise BusyError("a moment")
        return await honest(request, context)

    monkeypatch.setattr(service, "Act", act)
    await room.post("at last")
    assert [each.reason for each in member.waits] == ["BUSY", "BUSY"]


async def test_live_stream_and_download_go_on_where_they_were(wire: Wire, tmp_path: Path) -> None:
    member, other = Member(wire, 1), Member(wire, 2)
    room, theirs = await member.room(), await other.room()
    name = await theirs.upload(bytes(range(256)) * 800)
    await theirs.post("with a file", files=[name])
    wire.cut = "stream"
    await asyncio.gather(room.download(name, tmp_path / "file"), comes_back(wire, member))
    assert (tmp_path / "file").read_bytes() == bytes(range(256)) * 800

    member.told.clear()
    async with aclosing(member.rooms.follow([room])) as events:
        assert (await asyncio.wait_for(anext(events), 10)).text == "with a file"
        waiting = asyncio.create_task(anext(events))
        await asyncio.sleep(0)
        await wire.stop()
        await asyncio.wait_for(member.told.wait(), 20)
        assert member.waits[-1].left_seconds is None
        await wire.start()
        await theirs.post("after all")
        assert (await asyncio.wait_for(waiting, 20)).text == "after all"


def test_pauses_grow_differ_and_end() -> None:
    for number in (0, 3, 10, 5_000):
        drawn = {pause_seconds(number, os.urandom) for _ in range(50)}
        assert len(drawn) > 10 and min(5.0, 0.25 * 2 ** min(number, 10)) / 2 <= min(drawn) and max(drawn) <= 5.0
        longer = pause_seconds(number, os.urandom, 20.0)
        assert min(20.0, 0.25 * 2 ** min(number, 10)) / 2 <= longer <= 20.0
    assert Patience().seconds <= MAX_PATIENCE_SECONDS < 300  # a statement is five minutes old at most
