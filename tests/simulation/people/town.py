"""A town for tests: mailboxes, people, and what they show."""

import random
from contextlib import asynccontextmanager

from essaim.protocol.account import Account
from people.gadgets import Gadget
from people.mailboxes import Mailboxes

START, DAY_MS = 1_800_000_000_000, 86_400_000


class Town:
    """Mailboxes and some gadgets."""

    def __init__(self, folder) -> None:
        self.random = random.Random(20261123)
        self.mailboxes = Mailboxes(self.random, START)
        self.folder = folder
        self.gadgets = []

    def gadget(self) -> Gadget:
        self.gadgets.append(Gadget(self.mailboxes, self.folder / f"gadget-{len(self.gadgets)}"))
        return self.gadgets[-1]

    async def person(self, account: Account | None = None, slot: int = 0) -> Gadget:
        gadget = self.gadget()
        await gadget.first(account or Account(self.random.randbytes(32)), slot)
        await gadget.rest()
        return gadget

    async def linked(self, sponsor: Gadget, *, manager: bool = False) -> Gadget:
        gadget = self.gadget()
        await gadget.join(sponsor, manager=manager)
        await gadget.rest()
        for _ in range(2):
            await sponsor.look()
            await gadget.look()
        return gadget

    async def rest(self, *gadgets: Gadget, rounds: int = 2) -> None:
        for _ in range(rounds):
            self.mailboxes.now_ms += 3_600_000
            for gadget in gadgets:
                await gadget.rest()

    def later(self, days: int) -> None:
        self.mailboxes.now_ms += days * DAY_MS


@asynccontextmanager
async def town(folder):
    made = Town(folder)
    yield made
    for gadget in made.gadgets:
        if gadget.person is not None:
            await gadget.person.errands.close()
            gadget.person.profile.store.close()


async def say(sender: Gadget, receiver: Gadget, text: str):
    return await sender.person.sender.send_text(receiver.account, text)


def texts(gadget: Gadget, other: Gadget) -> list[str]:
    return [each.text for each in gadget.person.conversations.shown(other.account.raw)]
