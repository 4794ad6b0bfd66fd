"""Texts that disappear, at their time, whether anybody looks or not."""

import asyncio
from collections.abc import Callable

from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.messaging.conversations import Conversations
from essaim_client.messaging.events import Event
from essaim_client.messaging.profile import Profile

LOOK_SECONDS = 1.0
"""How late a text may go: a timer is of five seconds at least."""


class Vanishing:
    """`run` in the background; `now` before anything is shown."""

    def __init__(
        self, swarms: Swarms, profile: Profile, conversations: Conversations, tell: Callable[[Event], None]
    ) -> None:
        self._swarms = swarms
        self._profile = profile
        self._conversations = conversations
        self._tell = tell

    def now(self) -> None:
        """Remove what is due."""
        due = self._profile.store.history.next_due()
        if due is None or due > self._swarms.clock.now_ms():
            return
        with self._profile.store.transaction():
            events = self._conversations.purge()
        for event in events:
            self._tell(event)

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            self.now()
            await asyncio.sleep(LOOK_SECONDS)
