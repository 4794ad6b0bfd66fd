"""What clients of a swarm were promised, and whether each read keeps it: a history of calls, checked as they are made.

A store counts from its acknowledgement, a removal from its request (it may be done) and from its acknowledgement (it
must be). A read of r - W + 1 members that say that they are complete shows all that was acknowledged before it began,
but for what somebody had asked to remove before it ended.
"""

import asyncio
import contextlib
import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import grpc

from essaim.network.tls import dial_peer
from essaim.protocol.view import NetworkView, ViewKeeper
from essaim.runtime.clock import SystemClock
from essaim.storage.v1 import mailbox_pb2_grpc
from essaim.testing.mailbox import MailboxOwner
from essaim_client.network.direct import NoAnswerError, Seed, ask
from node_metrics import count
from swarm_faults import NAMES
from testnet import Testnet

CLOCK = SystemClock()
READ_QUORUM = 2
PATIENCE_SECONDS = 60.0
CALL_SECONDS = 5
REMOVED_SHARE = 0.2
CALM = r'"level": ?"(info|debug)"'


@dataclass
class Mail:
    """One mailbox: what is known of it."""

    owner: MailboxOwner = field(default_factory=lambda: MailboxOwner(serial=0))
    acknowledged: set[bytes] = field(default_factory=set)
    asked_to_go: set[bytes] = field(default_factory=set)
    gone: set[bytes] = field(default_factory=set)
    retries: int = 0
    reads: int = 0


class Swarm:
    """The members by the newest signed view, which is fetched again and again."""

    def __init__(self, testnet: Testnet, view: NetworkView, rng: random.Random) -> None:
        self.view = view
        self._rng = rng
        self._testnet = testnet
        self._keeper = ViewKeeper(testnet.genesis)
        self._seed = Seed(testnet.discovery_address, testnet.genesis.discovery_certificates)
        self._ids = [bytes.fromhex(testnet.node(name).facts["node_id"]) for name in NAMES]
        self._channels: dict[tuple[bytes, str], grpc.aio.Channel] = {}
        self.stopping = False

    def stub(self, index: int) -> mailbox_pb2_grpc.MailboxServiceStub:
        node = self.view.nodes[self._ids[index]]
        channel = self._channels.get((node.node_id, node.address))
        if channel is None:
            channel = self._channels[node.node_id, node.address] = dial_peer(node)
        return mailbox_pb2_grpc.MailboxServiceStub(channel)

    async def follow(self) -> None:
        while True:
            with contextlib.suppress(NoAnswerError):
                answer = (await ask(self._seed, 0, 0, CLOCK.now_ms)).answer
                self.view = self._keeper.accept(answer, CLOCK.now_ms())
            await asyncio.sleep(0.2)

    async def close(self) -> None:
        for channel in self._channels.values():
            await channel.close()

    # What clients do

    async def write(self, mail: Mail, members: Iterator[int]) -> None:
        """One letter after the other; what is not acknowledged goes again, with the same bytes, to the next member.

        Now and then one that is there is confirmed, in the same way.
        """
        member = next(members)
        while not self.stopping:
            letter = mail.owner.store(mail.owner.letter(CLOCK.now_ms()))
            kept = mail.acknowledged - mail.asked_to_go
            removes = bool(kept) and self._rng.random() < REMOVED_SHARE
            ids = [self._rng.choice(sorted(kept))] if removes else []
            mail.asked_to_go.update(ids)
            while True:
                try:
                    if removes:
                        await self.stub(member).Confirm(mail.owner.confirm(ids, CLOCK.now_ms()), timeout=CALL_SECONDS)
                        mail.gone.update(ids)
                        break
                    (result,) = (await self.stub(member).Store(letter, timeout=CALL_SECONDS)).results
                    if result.status.code == 0:
                        mail.acknowledged.add(result.envelope_id)
                        break
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(0.05)
                mail.retries += 1
                member = next(members)
            await asyncio.sleep(0.005)

    async def read(self, mail: Mail) -> None:
        """Quorum reads, each compared with what was promised before it began."""
        while not self.stopping:
            due, gone = set(mail.acknowledged), set(mail.gone)
            members = self._rng.sample(range(len(NAMES)), READ_QUORUM)
            pages = [await self._complete(member, mail) for member in members]
            found = set[bytes]().union(*(page for page in pages if page is not None))
            if None not in pages:
                mail.reads += 1
                missing = due - mail.asked_to_go - found
                assert not missing, f"a quorum read lacks {len(missing)} of {len(due)} acknowledged"
                assert not set.intersection(gone, *(page or set() for page in pages)), "no member knows of a removal"
            await asyncio.sleep(0.02)

    async def _complete(self, member: int, mail: Mail) -> set[bytes] | None:
        """What a member has, by its own word all; None where it does not say so."""
        try:
            found, incomplete = await self.pages(member, mail)
        except grpc.aio.AioRpcError:
            return None
        return None if incomplete else found

    async def pages(self, index: int, mail: Mail) -> tuple[set[bytes], bool]:
        """(ids that a member has, whether it says that it may lack some). Nothing comes twice."""
        found, cursor, more, incomplete = set[bytes](), b"", True, False
        while more:
            request = mail.owner.retrieve(CLOCK.now_ms(), cursor)
            page = await self.stub(index).Retrieve(request, timeout=10)
            ids = [each.envelope_id for each in page.envelopes]
            assert len(set(ids)) == len(ids) and not found & set(ids), "an envelope was given twice"
            found |= set(ids)
            cursor, more, incomplete = page.cursor, page.more, incomplete or page.incomplete
        return found, incomplete

    # When all is over

    async def settled(self, index: int, mail: Mail) -> tuple[set[bytes], bool]:
        """As `pages`, once a member is complete and has all that it should; or when patience is over."""
        until, found, incomplete = time.monotonic() + PATIENCE_SECONDS, set[bytes](), True
        while time.monotonic() < until:
            with contextlib.suppress(grpc.aio.AioRpcError):  # the newest view may not have come yet
                found, incomplete = await self.pages(index, mail)
                if not incomplete and found >= mail.acknowledged - mail.asked_to_go and not found & mail.gone:
                    break
            await asyncio.sleep(0.2)
        return found, incomplete

    async def check(self, mails: list[Mail]) -> None:
        """Every member alone: nothing acknowledged is missing, nothing removed there, and it says that this is all."""
        for index, name in enumerate(NAMES):
            for mail in mails:
                found, incomplete = await self.settled(index, mail)
                missing = mail.acknowledged - mail.asked_to_go - found
                assert not missing, f"{name} lacks {len(missing)} of {len(mail.acknowledged)} acknowledged"
                assert not found & mail.gone, f"{name} has {len(found & mail.gone)} that were removed"
                assert not incomplete, f"{name} has all, and says still that it may lack some: {self._told(name)}"

    def _told(self, name: str) -> str:
        """By a node that should be at rest: to how many others it has links, and what it warned of since its start."""
        linked = count(self._testnet, name, "essaim_storage_members_linked")
        lines = self._testnet.node(name).log.read_text().splitlines()
        return f"{linked:.0f} links; {[each for each in lines if not re.search(CALM, each)][-10:]}"
