"""A member of the swarm is heard of when its link stands, whatever views came meanwhile; it hears what is true then."""

import asyncio

import pytest

from essaim.network.acceptor import Acceptance, LinkAcceptor
from essaim.network.links import Links
from essaim.runtime.clock import SystemClock
from essaim.testing.node import SERIAL, LooseNode
from essaim_storage.events import LinkUp
from essaim_storage.members import Members, Neighbours
from essaim_storage.message import Ack, Hello
from essaim_storage.wire import decode_message

CLOCK = SystemClock()
NOBODY = Neighbours(3)


class Pair:
    """This node's members, and another node that notes what it hears."""

    def __init__(self) -> None:
        self.own, self.other = LooseNode(CLOCK.now_ms), LooseNode(CLOCK.now_ms)
        self.heard: asyncio.Queue = asyncio.Queue()
        self.linked = asyncio.Event()
        self.events: list = []
        self.greeting: Hello | None = None
        self.members = Members(self.own.node_id, self._told)
        self.links = Links(self.own.identity, on_link=self._on_link)

    def _told(self, event) -> None:
        self.events.append(event)
        if isinstance(event, LinkUp) and self.greeting is not None:
            self.members.send(event.node_id, self.greeting)

    def _on_link(self, node_id: bytes, up: bool) -> None:
        self.members.on_link(node_id, up)
        self.linked.set()

    async def __aenter__(self) -> "Pair":
        acceptance = Acceptance(
            self.other.node_id,
            self.other.listed,
            lambda: SERIAL,
            CLOCK.now_ms,
            on_call=lambda _: None,
            on_message=lambda _, data: self.heard.put_nowait(decode_message(data)[0]),
        )
        await self.other.start(LinkAcceptor(acceptance).add_to)
        await self.links.__aenter__()
        self.members.use(self.links)
        return self

    async def __aexit__(self, *_) -> None:
        await self.links.__aexit__(None, None, None)
        await self.other.stop()

    def view(self, serial: int) -> None:
        """In which the two are members."""
        self.members.view_changed(Neighbours(serial, {self.other.node_id: self.other.peer}))

    @property
    def ups(self) -> int:
        return self.events.count(LinkUp(self.other.node_id))


@pytest.fixture
async def pair():
    async with Pair() as made:
        yield made


async def test_link_that_came_up_while_its_node_was_no_member_counts_once_it_is(pair) -> None:
    """It stands, so nobody dials it again: without that the machine would never hear of the member."""
    pair.view(2)
    pair.links.reach(pair.other.peer)
    pair.members.view_changed(NOBODY)
    await asyncio.wait_for(pair.linked.wait(), 10)
    assert not pair.ups
    pair.view(4)
    assert pair.ups == 1
    pair.view(5)
    assert pair.ups == 1


async def test_no_old_hello_comes_behind_the_one_that_is_true(pair) -> None:
    """What was said before the link stood: this disk is fresh. When it stands, it is not any more."""
    then, now = Hello(bytes(16), incomplete=True, fresh=True), Hello(bytes(16), incomplete=False, fresh=False)
    pair.view(2)
    pair.members.send(pair.other.node_id, then)
    pair.members.send(pair.other.node_id, Ack(7))
    pair.greeting = now
    pair.links.reach(pair.other.peer)
    heard = [await asyncio.wait_for(pair.heard.get(), 10) for _ in range(2)]
    assert heard == [now, Ack(7)] and pair.heard.empty()
