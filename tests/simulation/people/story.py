"""A random story of two people with up to three devices each, and what must be true when it has come to rest.

Whatever was lost, repeated, altered or reordered, whichever store was put back from a copy, whoever was linked or
revoked: every device that is still listed shows the same conversation, each text once, in a causal order.
"""

import random
from pathlib import Path

from essaim.protocol.account import Account
from essaim_client.messaging.sender import UnknownMessageError
from people.gadgets import Gadget
from people.mailboxes import Faults, Mailboxes

START = 1_800_000_000_000
MINUTE_MS, DAY_MS = 60_000, 86_400_000
DEVICES_MAX = 3
DAY = 1_440
WAITS = (1, 20, 300, DAY, 3 * DAY, 8 * DAY, 32 * DAY)
"""Minutes."""
SETTLING_ROUNDS = 14


class Story:
    """`async with` closes what is open; `run(steps)`, then `settle()`, then `check()`."""

    waits = WAITS

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.folder = folder
        self.mailboxes = Mailboxes(self.random, START)
        self.sides: list[list[Gadget]] = [[], []]
        self.copies: dict[Gadget, Path] = {}
        self.told: list[str] = []
        self.made = 0
        self.texts = 0

    async def begin(self) -> None:
        for side in (0, 1):
            gadget = self._gadget()
            await gadget.first(Account(self.random.randbytes(32)))
            self.sides[side].append(gadget)
            await gadget.rest()

    async def __aenter__(self) -> "Story":
        await self.begin()
        return self

    async def __aexit__(self, *error) -> None:
        for gadget in (*self.sides[0], *self.sides[1]):
            if gadget.person is not None:
                await gadget.person.errands.close()
                gadget.person.profile.store.close()

    def _gadget(self) -> Gadget:
        self.made += 1
        return Gadget(self.mailboxes, self.folder / f"gadget-{self.made}")

    async def run(self, steps: int) -> None:
        weights = {
            self.say: 30,
            self.comment: 12,
            self.look: 30,
            self.rest: 8,
            self.wait: 6,
            self.restart: 4,
            self.keep_a_copy: 3,
            self.put_a_copy_back: 3,
            self.link: 3,
            self.revoke: 2,
            self.weather: 6,
        }
        for _ in range(steps):
            step = self.random.choices(list(weights), list(weights.values()))[0]
            side = self.random.randrange(2)
            await step(side, self.random.choice(self.sides[side]))

    def note(self, what: str, side: int, gadget: Gadget) -> None:
        self.told.append(f"{what} {'ab'[side]}{gadget.folder.name[-2:]}")

    def other(self, side: int):
        return self.sides[1 - side][0].account

    # What happens

    async def say(self, side: int, gadget: Gadget) -> None:
        self.note("say", side, gadget)
        for _ in range(self.random.randint(1, 3)):
            self.texts += 1
            await gadget.do(gadget.person.sender.send_text, self.other(side), f"text {self.texts}")

    async def comment(self, side: int, gadget: Gadget) -> None:
        shown = gadget.person.conversations.shown(self.other(side).raw)
        if not shown:
            return
        text, sender = self.random.choice(shown[-6:]), gadget.person.sender
        kind = self.random.choice(("reply", "react", "edit", "unsend"))
        self.note(kind, side, gadget)
        self.texts += 1
        try:
            match kind:
                case "reply":
                    name = f"reply {self.texts}"
                    await gadget.do(sender.send_text, self.other(side), name, reply_to=text.message_id)
                case "react":
                    emoji = self.random.choice(("+", "-", ""))
                    await gadget.do(sender.react, self.other(side), text.message_id, emoji)
                case "edit":
                    await gadget.do(sender.edit, self.other(side), text.message_id, f"edit {self.texts}")
                case "unsend":
                    await gadget.do(sender.unsend, self.other(side), text.message_id)
        except UnknownMessageError:
            assert not text.outgoing

    async def look(self, side: int, gadget: Gadget) -> None:
        self.note("look", side, gadget)
        await gadget.look()

    async def rest(self, side: int, gadget: Gadget) -> None:
        self.note("rest", side, gadget)
        await gadget.rest()

    async def wait(self, side: int, gadget: Gadget) -> None:
        self.note("wait", side, gadget)
        minutes = self.random.choice(self.waits)
        self.mailboxes.now_ms += minutes * MINUTE_MS

    async def restart(self, side: int, gadget: Gadget) -> None:
        self.note("restart", side, gadget)
        await gadget.stop(well=self.random.random() < 0.7)
        gadget.start()

    async def keep_a_copy(self, side: int, gadget: Gadget) -> None:
        self.note("copy", side, gadget)
        await gadget.stop()
        self.copies[gadget] = gadget.copy()
        gadget.start()

    async def put_a_copy_back(self, side: int, gadget: Gadget) -> None:
        if gadget in self.copies:
            self.note("put back", side, gadget)
            await gadget.stop()
            gadget.put_back(self.copies[gadget])
            gadget.start()

    async def link(self, side: int, gadget: Gadget) -> None:
        if len(self.sides[side]) == DEVICES_MAX or gadget.person.profile.account is None:
            return
        self.note("link", side, gadget)
        faults, self.mailboxes.faults = self.mailboxes.faults, Faults()
        new = self._gadget()
        await new.join(gadget, manager=self.random.random() < 0.3)
        self.sides[side].append(new)
        self.mailboxes.faults = faults
        await new.rest()

    async def revoke(self, side: int, gadget: Gadget) -> None:
        others = [each for each in self.sides[side] if each is not gadget]
        if not others or gadget.person.profile.account is None:
            return
        gone = self.random.choice(others)
        self.note("revoke", side, gone)
        await gadget.person.devices.revoke(gone.slot)
        await gone.stop(well=False)
        self.sides[side].remove(gone)
        self.copies.pop(gone, None)

    async def weather(self, side: int, gadget: Gadget) -> None:
        self.mailboxes.faults = Faults(*(self.random.choice((0, 0, 15)) for _ in range(3)))

    # In the end

    async def settle(self) -> None:
        """No more faults; everybody knows their own devices, speaks once more, and looks until nothing is missing."""
        self.mailboxes.faults = Faults()
        for number in range(SETTLING_ROUNDS):
            self.mailboxes.now_ms += 2 * 3_600_000 if number else 0
            for side in (0, 1):
                for gadget in self.sides[side]:
                    await gadget.rest()
                    gadget.person.vigil.acknowledge(gadget.account)
                    if number == 1:
                        await self.say(side, gadget)
            if number > 4 and not self.problems():
                return

    def everything(self) -> list[list[tuple]]:
        """What each device shows."""
        return [gadget.shown(self.other(side)) for side in (0, 1) for gadget in self.sides[side]]

    def problems(self) -> list[str]:
        """What is not as it must be; nothing."""
        told, everything = [], self.everything()
        if any(each != everything[0] for each in everything):
            told.append("devices differ: " + "; ".join(f"{[text[1] for text in each]}" for each in everything))
        told += ["a text is shown twice" for each in everything if len({text[0] for text in each}) != len(each)]
        for side in (0, 1):
            told += [found for gadget in self.sides[side] if (found := self._out_of_order(side, gadget))]
        return told

    def _out_of_order(self, side: int, gadget: Gadget) -> str:
        """No entry stands before one that its author had seen."""
        history, conversation = gadget.person.profile.store.history, self.other(side).raw
        seen: set[bytes] = set()
        here = {entry.message_id for entry in history.entries(conversation)}
        for entry in history.entries(conversation):
            parents = {parent for parent in history.parents(conversation, entry.message_id) if parent in here}
            if not parents <= seen:
                return "an entry stands before what it follows"
            seen.add(entry.message_id)
        return ""
