"""Direct messages between members of a host: sealed for the recipient and for the own outbox, read of both."""

from dataclasses import dataclass

from essaim.opengroup.v1 import action_pb2
from essaim.protocol.geometry import CellClass
from essaim.protocol.keys import KeyRefusedError, VerifyKey
from essaim.protocol.opengroup.direct import SEED_SIZE, DirectRefusedError, seal, seal_copy, unseal, unseal_copy
from essaim_client.rooms.asking import Asker

MOST = 1_000
"""Read of an inbox or outbox at once: an honest host has 500 in each."""


@dataclass(frozen=True)
class DirectMessage:
    """From a member of a host to the own member key there; `text` is None for what cannot be opened."""

    number: int
    sender: bytes
    time_ms: int
    text: str | None


@dataclass(frozen=True)
class SentMessage:
    """In the outbox: to a member of a host; `text` is None where no copy was kept that this key opens."""

    number: int
    to: bytes
    time_ms: int
    text: str | None


async def send(asker: Asker, room_id: bytes, to: bytes, text: str) -> None:
    """To a member of a room that both are in. Raises DirectRefusedError."""
    try:
        recipient = VerifyKey(to)
    except KeyRefusedError:
        raise DirectRefusedError("the recipient is no member key") from None
    raw, host_id = text.encode(), asker.host.host_id
    data = seal(raw, asker.signer, recipient, host_id, asker.random(SEED_SIZE))
    copy = seal_copy(raw, asker.signer, recipient, host_id, asker.random(SEED_SIZE))
    wanted = action_pb2.SendDirect(room_id=room_id, to=to, data=data, copy=copy)
    await asker.do(action_pb2.Action(send_direct=wanted))


async def inbox(asker: Asker, after: int) -> list[DirectMessage]:
    """The own one, oldest first, after a number."""
    found: list[action_pb2.Direct] = []
    more = True
    while more:
        asked = action_pb2.ListDirect(after=found[-1].number if found else after)
        told = (await asker.do(action_pb2.Action(list_direct=asked), CellClass.MEDIUM)).directs
        found += told.directs
        more = told.more and bool(told.directs) and len(found) < MOST
    return [opened(asker, each) for each in found]


async def outbox(asker: Asker, after: int) -> list[SentMessage]:
    """The own one, likewise."""
    found: list[action_pb2.Sent] = []
    more = True
    while more:
        asked = action_pb2.ListSent(after=found[-1].number if found else after)
        told = (await asker.do(action_pb2.Action(list_sent=asked), CellClass.MEDIUM)).sent
        found += told.sent
        more = told.more and bool(told.sent) and len(found) < MOST
    return [copied(asker, each) for each in found]


def opened(asker: Asker, direct: action_pb2.Direct) -> DirectMessage:
    """What somebody wrote."""
    try:
        raw = unseal(direct.data, VerifyKey(direct.sender), asker.signer, asker.host.host_id)
        text = raw.decode(errors="replace")
    except (DirectRefusedError, KeyRefusedError):
        text = None
    return DirectMessage(direct.number, direct.sender, direct.time_ms, text)


def copied(asker: Asker, sent: action_pb2.Sent) -> SentMessage:
    """What this account wrote."""
    try:
        raw = unseal_copy(sent.copy, asker.signer, VerifyKey(sent.to), asker.host.host_id)
        text = raw.decode(errors="replace")
    except (DirectRefusedError, KeyRefusedError):
        text = None
    return SentMessage(sent.number, sent.to, sent.time_ms, text)
