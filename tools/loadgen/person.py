"""One account that listens all the time, and sends in an open loop when told to.

    (when it listens)                                              -> {"account": "esm1..."}
    {"do": "send", "to": account, "number": n}                     -> {}                    one message
    {"do": "talk", "to": account, "gaps": [seconds], "first": n}   -> {"sent": {n: [start_ns, acknowledged_ns]}}
    {"do": "arrived", "wanted": [n]}                               -> {"arrived": {n: ns}}  once all are there

Times are nanoseconds of the machine's monotonic clock. An open loop sends when its gaps say so, whatever is under way.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

from essaim_client import Client
from essaim_client.network_file import NetworkFile
from loadgen.child import Json, answer, commands

PASSPHRASE = "load generator"
TEXT_BYTES = 1_024
ARRIVED_SECONDS = 20.0


class Person:
    """The account's two activities."""

    def __init__(self, me: Client) -> None:
        self._me = me
        self._arrived: dict[int, int] = {}
        self._news = asyncio.Event()

    async def listen(self) -> None:
        """Note when each message was given out."""
        async with aclosing(self._me.listen()) as messages:
            async for message in messages:
                self._arrived[int(message.text[:12])] = time.monotonic_ns()
                self._news.set()

    async def arrived(self, wanted: Sequence[int]) -> Json:
        """All that are wanted; after a while those that came."""
        try:
            async with asyncio.timeout(ARRIVED_SECONDS):
                while not self._arrived.keys() >= set(wanted):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pass
        return {"arrived": {number: at for number, at in self._arrived.items() if number in set(wanted)}}

    async def send(self, to: str, number: int) -> tuple[int, int]:
        """When send() began and when it returned."""
        text = f"{number:012d} ".ljust(TEXT_BYTES, "x")
        begin = time.monotonic_ns()
        await self._me.send(to, text)
        return begin, time.monotonic_ns()

    async def talk(self, to: str, gaps: Sequence[float], first: int) -> Json:
        """One message after each gap."""
        due, sending = time.monotonic(), []
        for number, gap in enumerate(gaps, first):
            due += gap
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            sending.append((number, asyncio.create_task(self.send(to, number))))
        return {"sent": {number: await task for number, task in sending}}


async def serve(network_file: Path, home: Path) -> None:
    """The process: make an account, publish it, listen, say "ready", obey."""
    Client.create_account(home, NetworkFile.load(network_file), PASSPHRASE)
    async with Client.open(home, passphrase=PASSPHRASE) as me:
        await me.ready()
        person = Person(me)
        listening = asyncio.create_task(person.listen())
        await me.live.wait()
        answer({"account": str(me.account_id)})
        async for command in commands():
            answer(await _obey(person, command))
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def _obey(person: Person, command: Json) -> Json:
    match command["do"]:
        case "send":
            await person.send(command["to"], command["number"])
            return {}
        case "talk":
            return await person.talk(command["to"], command["gaps"], command["first"])
        case _:
            return await person.arrived(command["wanted"])
