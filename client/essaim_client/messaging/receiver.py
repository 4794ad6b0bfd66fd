"""Receiving: open, keep plaintext and session in one transaction, and only then confirm to the swarm."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from essaim.messaging.v1 import content_pb2
from essaim.protocol.account import AccountId
from essaim.protocol.conversation import Change, Opened, Peer, SessionBrokenError
from essaim.protocol.errors import ProtocolError
from essaim.protocol.mailbox.rule import DAY_MS
from essaim.storage.v1 import mailbox_pb2
from essaim_client.mailbox.access import Access
from essaim_client.mailbox.following import Follower
from essaim_client.mailbox.reading import Reader, Reading
from essaim_client.mailbox.swarm_call import Swarms, SwarmUnreachableError
from essaim_client.mailbox.writing import Writer
from essaim_client.messaging.addresses import inbox_access
from essaim_client.messaging.listening import Listening
from essaim_client.messaging.profile import Profile
from essaim_client.messaging.publisher import Publisher
from essaim_client.messaging.sender import MESSAGE_ID_SIZE, Sender
from essaim_client.store.local_store import Shown

ENVELOPE_MEMORY_MS = 16 * DAY_MS
CONFIRM_AT_ONCE = 64
LATEST_MS = (1 << 63) - 1
"""What a store can hold: a sender may claim any time, and must not so be able to stop who receives it."""
RENEW_EVERY_MS = 60_000
"""At most one new session a minute with a device whose messages do not open: an enemy must not make us write."""


@dataclass(frozen=True)
class Message:
    """A text that has arrived. `sent_ms` is the sender's word; `changes` warn of new devices and keys."""

    sender: AccountId
    slot: int
    message_id: bytes
    text: str
    sent_ms: int
    received_ms: int
    changes: tuple[Change, ...] = ()


class Receiver:
    """The own inbox. Each message is given out once, whatever the swarm repeats."""

    def __init__(self, swarms: Swarms, profile: Profile, sender: Sender, publisher: Publisher) -> None:
        self._swarms = swarms
        self._profile = profile
        self._sender = sender
        self._publisher = publisher
        self._writer = Writer(swarms)
        self._access: Access = inbox_access(profile.account, profile.device)
        self._follower = Follower(swarms, self._access)
        self._renewed_ms: dict[Peer, int] = {}
        self._listening: Listening[Message] | None = None
        self._errands: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()

    @property
    def live(self) -> asyncio.Event:
        """Set while the inbox is followed live and nothing older waits."""
        return self._follower.live

    async def receive(self) -> list[Message]:
        """All that waits now, read from a quorum, confirmed before it returns.

        Raises SwarmUnreachableError where too few members answer, unless there is something to give out even so.
        """
        messages: list[Message] = []
        try:
            async with aclosing(Reader(self._swarms, self._access).read(Reading())) as envelopes:
                async for envelope in envelopes:
                    messages += self._take(envelope)
            await self._confirm_all()
        except SwarmUnreachableError:
            if not messages:
                raise
        return messages

    def listen(self) -> Listening[Message]:
        """What waits, then what arrives, until it is closed; the one that is open already goes on."""
        if self._listening is None or self._listening.closed:
            self._listening = Listening(self._messages())
        return self._listening

    async def _messages(self) -> AsyncGenerator[Message, None]:
        confirming = asyncio.create_task(self._confirm_always())
        try:
            async with aclosing(self._follower.envelopes()) as envelopes:
                async for envelope in envelopes:
                    for message in self._take(envelope):
                        yield message
        finally:
            confirming.cancel()
            await asyncio.gather(confirming, return_exceptions=True)

    async def finish(self) -> None:
        """Wait for what received messages have set off in the background."""
        await asyncio.gather(*self._errands)

    async def close(self) -> None:
        """Stop it, and listening."""
        if self._listening is not None:
            await self._listening.aclose()
        for errand in self._errands:
            errand.cancel()
        await asyncio.gather(*self._errands, return_exceptions=True)

    def _take(self, envelope: mailbox_pb2.StoredEnvelope) -> list[Message]:
        """Deal with one envelope: after this its content is on disk, and it may be confirmed."""
        if self._profile.store.dealt_with(envelope.envelope_id):
            self._wake.set()
            return []
        broken: Peer | None = None
        opened: Opened | None = None
        with self._profile.store.transaction():
            try:
                opened = self._profile.device.open(envelope.data, self._now_ms(), self._swarms.random)
            except SessionBrokenError as error:
                broken = error.peer
            except ProtocolError:
                opened = None  # a repeat, or not for us: there is nothing to show, and it may go
            messages = self._shown(opened) if opened else []
            self._profile.store.deal_with(envelope.envelope_id, envelope.slot, self._now_ms() + ENVELOPE_MEMORY_MS)
            self._profile.save()
        self._wake.set()
        if broken is not None or (opened is not None and opened.initial):
            errand = asyncio.create_task(self._mend(broken))
            self._errands.add(errand)
            errand.add_done_callback(self._errands.discard)
        return messages

    def _shown(self, opened: Opened) -> list[Message]:
        """What the person sees of an opened envelope; repeats and malformed contents give nothing."""
        try:
            content = content_pb2.Content.FromString(opened.content)
        except DecodeError:
            return []
        if content.WhichOneof("body") != "text" or len(content.message_id) != MESSAGE_ID_SIZE:
            return []
        account, now_ms, sent_ms = opened.sender.account, self._now_ms(), min(content.sent_ms, LATEST_MS)
        shown = Shown(account.raw, content.message_id, False, sent_ms, now_ms, content.text.text)
        if not self._profile.store.show(shown):
            return []
        return [
            Message(account, opened.sender.slot, content.message_id, shown.text, shown.sent_ms, now_ms, opened.changes)
        ]

    async def _mend(self, broken: Peer | None) -> None:
        """A session that broke begins anew by itself; a prekey that was used is replaced. Nobody waits for either."""
        with suppress(ProtocolError):
            if broken is None:
                await self._publisher.used_one()
            elif self._now_ms() - self._renewed_ms.get(broken, 0) > RENEW_EVERY_MS:
                self._renewed_ms[broken] = self._now_ms()
                await self._sender.renew(broken)

    async def _confirm_always(self) -> None:
        """Confirms in the background, so that a message is shown before the swarm has answered."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._confirm_all()
            except ProtocolError:
                self._wake.set()
                await asyncio.sleep(1.0)  # back-off: ask_any has already tried every member several times

    async def _confirm_all(self) -> None:
        while ids := self._profile.store.unconfirmed(CONFIRM_AT_ONCE):
            await self._writer.confirm(self._access, ids)
            self._profile.store.confirmed(ids)
        self._profile.store.forget_envelopes(self._now_ms())

    def _now_ms(self) -> int:
        return self._swarms.clock.now_ms()
