"""A member that says when to ask again is asked then, not before; nobody waits for longer than an operation lasts."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace

import pytest

from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.status import Refusal
from essaim.protocol.view import NodeState
from essaim.storage.v1 import mailbox_pb2
from essaim_client.mailbox.access import Access
from essaim_client.mailbox.blobs import Blobs
from essaim_client.mailbox.patience import PATIENCE_SECONDS, PAUSE_SECONDS
from essaim_client.mailbox.reading import Reader, Reading
from essaim_client.mailbox.swarm_call import Swarms, SwarmUnreachableError
from essaim_client.network.failure import DestinationRefusedError

NODES = [SimpleNamespace(node_id=bytes([number]), state=NodeState.ACTIVE) for number in range(3)]
POLICY = Policy.outbox(SigningKey(bytes(32)).public)
ASKED_MS = 600
DONE = mailbox_pb2.RetrieveResponse()
BUSY, RESOURCE_EXHAUSTED = "BUSY", 8


def busy(after_ms: int | None) -> DestinationRefusedError:
    return DestinationRefusedError(Refusal(RESOURCE_EXHAUSTED, BUSY, retry_after_ms=after_ms))


class Answering(Swarms):
    """A swarm of three on paper; notes who was asked when."""

    def __init__(self, answer: Callable[[int, int], object]) -> None:
        view = SimpleNamespace(swarm_of=lambda _: SimpleNamespace(members=NODES), serial=1)
        clock = SimpleNamespace(now_ms=lambda: 0)
        super().__init__(None, SimpleNamespace(current=view), clock, bytes)
        object.__setattr__(self, "asked", [])
        object.__setattr__(self, "answer", answer)

    async def ask(self, node, name, request, lane, reply_class=0):
        number = NODES.index(node)
        self.asked.append((number, asyncio.get_running_loop().time()))
        said = self.answer(number, sum(each == number for each, _ in self.asked))
        if isinstance(said, DestinationRefusedError):
            raise said
        return said

    def gaps(self, number: int) -> list[float]:
        """Seconds between two questions to one member."""
        times = [at for each, at in self.asked if each == number]
        return [after - before for before, after in pairwise(times)]


def first_busy(after_ms: int | None) -> Answering:
    """Everybody is busy when first asked, and then not."""
    return Answering(lambda _, times: busy(after_ms) if times == 1 else DONE)


CALLS = {
    "ask_any": lambda swarms: swarms.ask_any(POLICY.mailbox_id, "Retrieve", mailbox_pb2.RetrieveRequest),
    "read": lambda swarms: _all(Reader(swarms, Access(POLICY, b"")).read(Reading())),
}


async def _all(envelopes) -> list:
    return [each async for each in envelopes]


@pytest.mark.parametrize("call", CALLS)
async def test_member_is_not_asked_before_the_time_that_it_named(call):
    swarms = first_busy(ASKED_MS)
    await CALLS[call](swarms)
    again = [gap for number in range(3) for gap in swarms.gaps(number)]
    assert again and min(again) >= ASKED_MS / 1_000


@pytest.mark.parametrize("call", CALLS)
async def test_member_that_names_no_time_is_asked_in_the_next_round(call):
    swarms = first_busy(None)
    await CALLS[call](swarms)
    assert max(swarms.gaps(0)) < ASKED_MS / 1_000 > PAUSE_SECONDS


async def test_others_are_asked_meanwhile():
    """One that asks for an hour keeps nobody waiting."""
    swarms = Answering(lambda number, times: busy(3_600_000 if number == 0 else None) if times == 1 else DONE)
    async with asyncio.timeout(5):
        await CALLS["ask_any"](swarms)
    assert [number for number, _ in swarms.asked].count(0) == 1


@pytest.mark.parametrize("call", CALLS)
async def test_where_all_ask_for_longer_than_it_lasts_the_caller_hears_at_once(call):
    swarms = Answering(lambda *_: busy(int(PATIENCE_SECONDS * 1_000) + 1_000))
    async with asyncio.timeout(5):
        with pytest.raises(SwarmUnreachableError):
            await CALLS[call](swarms)
    assert len(swarms.asked) == 3


async def test_blob_is_fetched_when_its_members_have_time_again():
    key = SigningKey(bytes(32)).public
    data = bytes(4096)
    policy = Policy.blob(key, data)
    found = mailbox_pb2.RetrieveResponse(
        envelopes=[mailbox_pb2.StoredEnvelope(expires_ms=5, version=5, data=data, size=len(data))]
    )
    swarms = Answering(lambda _, times: busy(ASKED_MS) if times == 1 else found)
    assert await Blobs(swarms).fetch(policy.mailbox_id, key, len(data)) == data
    assert min(swarms.gaps(0) + swarms.gaps(1) + swarms.gaps(2)) >= ASKED_MS / 1_000
