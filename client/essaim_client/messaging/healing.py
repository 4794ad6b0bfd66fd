"""Asking for what is missing: an entry that others refer to and this device does not have.

The own other devices are asked, and the other side; nobody is asked more than eight times.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from essaim.messaging.v1 import content_pb2
from essaim.protocol.account import AccountId
from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import VerifyKey
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.messaging.agreement import Agreement
from essaim_client.messaging.giving import ASKED_MAX
from essaim_client.messaging.profile import Profile
from essaim_client.messaging.sender import Sender
from essaim_client.store.history import Wanted

AGAIN_MS = (60_000, 600_000, 3_600_000, 6 * 3_600_000, 24 * 3_600_000)
"""How long after each time it is asked for again; the last one repeats."""
ASKED_TIMES = 8
EVERY_SECONDS = 15.0


class GroupHealer(Protocol):
    """Who asks for what is missing in closed groups."""

    async def heal(self) -> None: ...
    async def ask_for(self, group_id: bytes, ids: Sequence[bytes]) -> None: ...


class Healing:
    """`wake` when something may have come to be missing."""

    def __init__(self, swarms: Swarms, profile: Profile, agreement: Agreement, sender: Sender) -> None:
        self._swarms = swarms
        self._profile = profile
        self._history = profile.store.history
        self._agreement = agreement
        self._sender = sender
        self._woken = asyncio.Event()
        self.groups: GroupHealer | None = None

    def wake(self) -> None:
        """Look soon whether something is missing."""
        self._woken.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY_SECONDS):
                    await self._woken.wait()
            self._woken.clear()
            with suppress(ProtocolError):
                await self.heal()
            await asyncio.sleep(1.0)  # what comes at once is asked for at once

    async def heal(self) -> None:
        """Ask for all that is missing and due."""
        by_conversation: dict[bytes, list[Wanted]] = {}
        for wanted in self._history.wanted(self._swarms.clock.now_ms(), 8 * ASKED_MAX):
            by_conversation.setdefault(wanted.conversation, []).append(wanted)
        for conversation, missing in by_conversation.items():
            with suppress(ProtocolError):  # one whom nobody reaches any more keeps none of the others waiting
                await self._ask_in(conversation, missing[:ASKED_MAX])
        if self.groups is not None:
            await self.groups.heal()

    async def _ask_in(self, conversation: bytes, missing: list[Wanted]) -> None:
        if self._profile.is_group(conversation):
            await self._ask_group(conversation, missing)
        else:
            await self._ask(AccountId(VerifyKey(conversation)), missing)

    async def _ask_group(self, group_id: bytes, missing: list[Wanted]) -> None:
        ids = self._note(group_id, missing)
        if self.groups is not None:
            await self.groups.ask_for(group_id, ids)

    async def _ask(self, conversation: AccountId, missing: list[Wanted]) -> None:
        if self._agreement.is_blocked(conversation) or not self._agreement.is_contact(conversation):
            return
        want = content_pb2.Want(ids=self._note(conversation.raw, missing))
        asking = (
            self._sender.sync(conversation=conversation.raw, want=want),
            self._sender.signal(conversation, want=want),
        )
        for failure in await asyncio.gather(*asking, return_exceptions=True):
            if failure is not None:
                raise failure

    def _note(self, conversation: bytes, missing: list[Wanted]) -> list[bytes]:
        """They are asked for now, and again later; their ids."""
        asked = max(each.asked for each in missing)
        with self._profile.store.transaction():
            wait_ms = AGAIN_MS[min(asked, len(AGAIN_MS) - 1)]
            self._history.asked(missing, self._swarms.clock.now_ms() + wait_ms)
            self._history.give_up(conversation, [each.message_id for each in missing if each.asked + 1 >= ASKED_TIMES])
        return [each.message_id for each in missing]
