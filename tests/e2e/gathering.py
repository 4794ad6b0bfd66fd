"""Two members of a room at a host in the cluster, outside of it: one posts without a pause, the other follows live."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from os import urandom
from pathlib import Path
from typing import Any

from correspondence import CHEAP, PASSPHRASE, stopped
from essaim.protocol.errors import ProtocolError
from essaim_client import NetworkFile
from essaim_client.home import Home
from essaim_client.rooms.room import Room
from essaim_client.rooms.rooms import RoomClient, Rooms

BEGIN_SECONDS = 120.0
PATIENCE_SECONDS = 120.0
PAUSE_SECONDS = 0.2
POSTS = 15
"""Before the host's pod is deleted, and again after it came back."""


@dataclass
class Minutes:
    """What was said, and what was heard."""

    acknowledged: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    waited: list[str] = field(default_factory=list)
    """Reasons for which the client asked again by itself, while somebody was posting."""
    heard: Counter[str] = field(default_factory=Counter)
    read: Counter[str] = field(default_factory=Counter)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Looks whenever something was heard."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not holds():
                self.news.clear()
                await self.news.wait()

    @property
    def lost(self) -> set[str]:
        """Acknowledged, and not in the room any more, or never told to who follows."""
        return self.acknowledged - (set(self.heard) & set(self.read))

    @property
    def repeated(self) -> list[str]:
        return [text for text in self.heard | self.read if self.heard[text] > 1 or self.read[text] > 1]

    @property
    def evidence(self) -> dict[str, Any]:
        return {
            "posts acknowledged": len(self.acknowledged),
            "posts that failed": len(self.refused),
            "reasons": sorted(set(self.refused)),
            "tries that were repeated": len(self.waited),
            "their reasons": sorted(set(self.waited)),
            "heard live": len(self.acknowledged & set(self.heard)),
            "lost": len(self.lost),
            "repeated": len(self.repeated),
        }


async def gather(network: NetworkFile, folder: Path, token: str, disturb: Callable[[], None]) -> Minutes:
    """Claim the host, open a room, post; `disturb` happens in the middle, on a thread of its own."""
    minutes = Minutes()
    async with (
        RoomClient(home(network, folder / "owner"), PASSPHRASE) as owner,
        RoomClient(home(network, folder / "guest"), PASSPHRASE) as guest,
    ):
        host = await asyncio.wait_for(the_host(owner), BEGIN_SECONDS)
        await owner.claim(host, bytes.fromhex(token))
        made = await owner.create(host, "lobby", title="A lobby")
        listening = asyncio.create_task(listen(guest, await guest.room(f"{host}/lobby"), minutes))
        owner.patience.on_waiting = lambda waiting: minutes.waited.append(waiting.reason)
        posting = asyncio.create_task(post(made, minutes))
        try:
            await minutes.until(lambda: len(minutes.heard) >= POSTS)
            await asyncio.to_thread(disturb)
            after = len(minutes.heard)
            await minutes.until(lambda: len(minutes.heard) >= after + POSTS)
            await stopped(posting)
            await minutes.until(lambda: minutes.acknowledged <= set(minutes.heard))
        finally:
            await stopped(posting)
            await stopped(listening)
        minutes.read = await everything(made)
    return minutes


def home(network: NetworkFile, path: Path) -> Path:
    """A new account."""
    Home.create(path, network, PASSPHRASE, urandom(32), CHEAP).close()
    return path


async def the_host(rooms: Rooms) -> str:
    """Once it is in the view that clients have."""
    while True:
        if found := await rooms.hosts():
            return found[0].host_id.hex()
        await asyncio.sleep(1)


async def listen(guest: Rooms, room: Room, minutes: Minutes) -> None:
    async with aclosing(guest.follow([room])) as events:
        async for event in events:
            if event.kind == "post":
                minutes.heard[event.text] += 1
                minutes.news.set()


async def post(room: Room, minutes: Minutes) -> None:
    number = 0
    while True:
        text = f"post {number}"
        try:
            await room.post(text)
            minutes.acknowledged.add(text)
        except ProtocolError as error:
            minutes.refused.append(error.reason)
        number += 1
        await asyncio.sleep(PAUSE_SECONDS)


async def everything(room: Room) -> Counter[str]:
    """Every post that the room has."""
    await room.refresh()
    posts, more = await room.page()
    while more:
        older, more = await room.page(before=posts[-1].sequence)
        posts = [*posts, *older]
    return Counter(each.text for each in posts)
