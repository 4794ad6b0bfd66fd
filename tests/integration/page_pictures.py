"""Makes docs/images/room-{light,dark}.png: the page of a room in the distribution's Chromium.

python tests/integration/page_pictures.py        a host of its own, in this process; a folder that is removed
"""

import asyncio
import tempfile
from pathlib import Path

import browser
from essaim.opengroup.v1 import statement_pb2
from essaim_opengroup.page.site import Site
from room_host import RunningHost

ROOT = Path(__file__).resolve().parents[2]
SIZE = "820,1180"
TALK = (
    (1, "Who has seen the new release notes? Read the changelog before you upgrade."),
    (2, "I have. Our host runs two replicas on PostgreSQL now; the small ones stay on SQLite."),
    (3, "Does this page need scripts?\n\nAsking for a friend who reads with a terminal browser."),
    (2, "No. View the source: there is none."),
    (4, "<script>alert('this would be rude')</script>"),
    (1, "Nice try. مرحبا 👋 and good evening to everybody else."),
)


async def main() -> None:
    """Both pictures."""
    program = browser.require()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with RunningHost(folder / "host") as host, Site("127.0.0.1:0", "Example host", host.host.asking) as site:
            await talk(host)
            for scheme, word in ((browser.LIGHT, "light"), (browser.DARK, "dark")):
                to = ROOT / "docs" / "images" / f"room-{word}.png"
                url = f"http://{site.address}/r/lobby/"
                await asyncio.to_thread(browser.picture, program, folder, url, to, scheme, SIZE)


async def talk(host: RunningHost) -> None:
    """A room with something in it."""
    room = await host.room(title="Lobby", description="Questions about running a network of your own. Be kind.")
    ids = []
    for number, text in TALK:
        reply_to = ids[2] if text.startswith("No.") else b""
        ids.append(await host.member(number).post(room.room_id, text, reply_to=reply_to))
    for number in range(3):
        react = statement_pb2.React(post_id=ids[3], emoji="🐝" if number else "👍")
        await host.member(number + 1).say(room.room_id, react=react)
    await room.owner.say(room.room_id, pin=statement_pb2.Pin(post_id=ids[0]))
    await room.owner.say(room.room_id, delete=statement_pb2.Delete(post_id=ids[4]))


if __name__ == "__main__":
    asyncio.run(main())
