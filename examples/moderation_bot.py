"""A bot that moderates a room: deletes what its filter calls spam, and bans who goes on.

    essaim account new --network network.json           once, in a home of its own (ESSAIM_HOME)
    essaim room appoint HOST/ROOM <the bot's key> moderator          by an admin; `essaim room hosts` shows the key
    ESSAIM_PASSPHRASE=... python examples/moderation_bot.py HOST/ROOM

Put your own filter in the place of `looks_like_spam`; it sees each post once, live, and may ask whatever it likes.
"""

import asyncio
import os
import re
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import aclosing

from essaim.protocol.errors import ProtocolError
from essaim_client.home import default_home
from essaim_client.rooms.room import Room
from essaim_client.rooms.rooms import RoomClient, Rooms
from essaim_client.rooms.shown import RoomEvent

LINKS = re.compile(r"https?://\S+")
STRIKES = 3
BAN_MS = 24 * 60 * 60 * 1000
Filter = Callable[[RoomEvent], bool]


def looks_like_spam(post: RoomEvent) -> bool:
    """An example: a wall of links, or of one character."""
    links = len(LINKS.findall(post.text))
    most_common = Counter(post.text).most_common(1)
    return links > 3 or (len(post.text) > 200 and most_common[0][1] > len(post.text) * 0.6)


class ModerationBot:
    """Follows one room and acts on what `is_spam` says."""

    def __init__(self, rooms: Rooms, room: Room, is_spam: Filter = looks_like_spam) -> None:
        self._rooms = rooms
        self._room = room
        self._is_spam = is_spam
        self._strikes: Counter[bytes] = Counter()

    async def run(self) -> None:
        """Until the room can be followed no more."""
        async with aclosing(self._rooms.follow([self._room])) as events:
            async for event in events:
                others = event.author != self._room.me and not event.by_host
                if event.kind in ("post", "edit") and others and self._is_spam(event):
                    await self._act(event)

    async def _act(self, event: RoomEvent) -> None:
        """Delete; at the third time ban for a day, with everything that they have written here."""
        self._strikes[event.author] += 1
        try:
            await self._room.delete(event.post_id)
            if self._strikes[event.author] >= STRIKES:
                until_ms = event.time_ms + BAN_MS
                await self._room.ban(event.author, until_ms, purge=True)
                await self._room.post("Somebody was shown the door.")
        except ProtocolError as error:  # of a member of higher rank, or already gone
            sys.stderr.write(f"not done: {error}\n")


async def main(address: str) -> None:
    """One room, with the account in ESSAIM_HOME."""
    async with RoomClient(default_home(), os.environ.get("ESSAIM_PASSPHRASE")) as rooms:
        await ModerationBot(rooms, await rooms.room(address)).run()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: moderation_bot.py HOST/ROOM")
    try:
        asyncio.run(main(sys.argv[1]))
    except ProtocolError as error:
        sys.exit(f"moderation_bot: {error}")
    except KeyboardInterrupt:
        pass
