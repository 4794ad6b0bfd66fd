"""A random story of a closed group: people with several devices who come and go, speak, lose, restore, link and revoke.

Whatever was lost, whichever records met: every device of a member knows the same group, and shows, once and in causal
order, all that was said while its account was in it.
"""

import random
from contextlib import suppress
from pathlib import Path

from essaim.protocol.account import Account
from essaim.protocol.errors import ProtocolError
from essaim.protocol.group.record import Act, Record
from essaim_client.messaging.agreement import Settings
from essaim_client.messaging.group_giving import heads_of
from essaim_client.messaging.transcript import transcript
from people.gadgets import Gadget
from people.mailboxes import Faults, Mailboxes
from people.story import MINUTE_MS, START

PEOPLE = 4
DEVICES_MAX = 2
SETTLING_ROUNDS = 16


class Band:
    """`async with` closes what is open; `run(steps)`, then `settle()`, then `problems()`."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.folder = folder
        self.mailboxes = Mailboxes(self.random, START)
        self.sides: list[list[Gadget]] = []
        self.copies: dict[Gadget, Path] = {}
        self.told: list[str] = []
        self.made = 0
        self.texts = 0

    async def __aenter__(self) -> "Band":
        for _ in range(PEOPLE):
            gadget = self._gadget()
            await gadget.first(Account(self.random.randbytes(32)))
            self.sides.append([gadget])
            await gadget.rest()
        founder = self.sides[0][0]
        others = [side[0].account for side in self.sides[1:3]]
        self.group = (await founder.person.groups.create("band", others)).group_id
        await self.everybody_looks()
        for side in self.sides[1:3]:
            await side[0].person.groups.accept(self.group)
        await self.everybody_looks()
        return self

    async def __aexit__(self, *error) -> None:
        for gadget in self.gadgets:
            if gadget.person is not None:
                await gadget.person.errands.close()
                gadget.person.profile.store.close()

    @property
    def gadgets(self) -> list[Gadget]:
        return [gadget for side in self.sides for gadget in side]

    def _gadget(self) -> Gadget:
        self.made += 1
        return Gadget(self.mailboxes, self.folder / f"gadget-{self.made}")

    async def everybody_looks(self) -> None:
        for gadget in self.gadgets:
            await gadget.look()

    async def run(self, steps: int) -> None:
        weights = {
            self.say: 34,
            self.comment: 8,
            self.look: 34,
            self.rest: 8,
            self.wait: 5,
            self.change: 16,
            self.restart: 3,
            self.keep_a_copy: 2,
            self.put_a_copy_back: 2,
            self.link: 3,
            self.revoke: 2,
            self.weather: 5,
            self.flood: 2,
            self.block: 2,
            self.type: 3,
        }
        for _ in range(steps):
            step = self.random.choices(list(weights), list(weights.values()))[0]
            side = self.random.randrange(PEOPLE)
            gadget = self.random.choice(self.sides[side])
            self.told.append(f"{step.__name__} {'abcd'[side]}{gadget.folder.name[-2:]}")
            with suppress(ProtocolError):  # what this one may not do, or not yet
                await step(side, gadget)

    # What happens

    async def say(self, side: int, gadget: Gadget) -> None:
        for _ in range(self.random.randint(1, 3)):
            self.texts += 1
            await gadget.person.groups.send(self.group, f"text {self.texts}")

    async def comment(self, side: int, gadget: Gadget) -> None:
        shown = gadget.person.groups.history(self.group)
        if shown:
            text = self.random.choice(shown[-6:])
            self.texts += 1
            if text.outgoing and self.random.random() < 0.5:
                await gadget.person.groups.edit(self.group, text.message_id, f"edit {self.texts}")
            else:
                await gadget.person.groups.react(self.group, text.message_id, self.random.choice(("+", "-", "")))

    async def change(self, side: int, gadget: Gadget) -> None:
        """Something that an admin, or somebody of themselves, may do; most of it is refused to most."""
        groups, other = gadget.person.groups, self.sides[self.random.randrange(PEOPLE)][0].account
        kind = self.random.choice(
            ("invite", "invite", "accept", "accept", "remove", "promote", "demote", "leave", "rename")
        )
        self.told[-1] += f" {kind}"
        match kind:
            case "rename":
                await groups.rename(self.group, f"name {self.random.randrange(100)}")
            case "leave" if side and self.random.random() < 0.5:  # somebody stays
                await groups.leave(self.group)
            case "accept":
                await groups.accept(self.group)
            case "invite" | "remove" | "promote" | "demote":
                await getattr(groups, kind)(self.group, other)

    async def look(self, side: int, gadget: Gadget) -> None:
        await gadget.look()

    async def rest(self, side: int, gadget: Gadget) -> None:
        await gadget.rest()

    async def wait(self, side: int, gadget: Gadget) -> None:
        minutes = self.random.choice((1, 20, 300, 1440, 3 * 1440, 8 * 1440, 32 * 1440))
        self.mailboxes.now_ms += minutes * MINUTE_MS

    async def restart(self, side: int, gadget: Gadget) -> None:
        await gadget.stop(well=self.random.random() < 0.7)
        gadget.start()

    async def keep_a_copy(self, side: int, gadget: Gadget) -> None:
        await gadget.stop()
        self.copies[gadget] = gadget.copy()
        gadget.start()

    async def put_a_copy_back(self, side: int, gadget: Gadget) -> None:
        if gadget in self.copies:
            await gadget.stop()
            gadget.put_back(self.copies[gadget])
            gadget.start()

    async def link(self, side: int, gadget: Gadget) -> None:
        if len(self.sides[side]) == DEVICES_MAX or gadget.person.profile.account is None:
            return
        faults, self.mailboxes.faults = self.mailboxes.faults, Faults()
        new = self._gadget()
        await new.join(gadget)
        self.sides[side].append(new)
        self.mailboxes.faults = faults
        await new.rest()

    async def revoke(self, side: int, gadget: Gadget) -> None:
        others = [each for each in self.sides[side] if each is not gadget]
        if not others or gadget.person.profile.account is None:
            return
        gone = self.random.choice(others)
        await gadget.person.devices.revoke(gone.slot)
        await gone.stop(well=False)
        self.sides[side].remove(gone)
        self.copies.pop(gone, None)

    async def flood(self, side: int, gadget: Gadget) -> None:
        """More records than a device has room for, beside each other, as a member would sign them who means ill."""
        kept = self.kept(gadget)
        if kept is None or not gadget.person.grouping.book.is_in(kept):
            return
        device, heads = gadget.person.profile.device, [self.random.choice(list(kept.log)).record_id]
        who = device.keys, device.manifest.certificate(device.slot), self.group, heads, Act.DEVICES, b""
        records = [Record.sign(*who, self.mailboxes.now_ms + number) for number in range(40)]
        with gadget.person.profile.store.transaction():
            gadget.person.grouping.book.add(kept, records)
        await gadget.person.grouping.posting.publish(kept, records)

    async def block(self, side: int, gadget: Gadget) -> None:
        """Or not any more."""
        other = self.random.choice([each for number, each in enumerate(self.sides) if number != side])[0].account
        contacts = gadget.person.contacts
        (contacts.unblock if contacts.get(other).blocked else contacts.block)(other)

    async def type(self, side: int, gadget: Gadget) -> None:
        gadget.person.agreement.change_settings(Settings(typing=True))
        await gadget.person.groups.typing(self.group)

    async def weather(self, side: int, gadget: Gadget) -> None:
        self.mailboxes.faults = Faults(*(self.random.choice((0, 0, 15)) for _ in range(3)))

    # In the end

    async def settle(self) -> None:
        """No more faults; every new device is acknowledged; whoever is in it speaks once more, and all look."""
        self.mailboxes.faults = Faults()
        accounts = [side[0].account for side in self.sides]
        for number in range(SETTLING_ROUNDS):
            self.mailboxes.now_ms += 13 * 3_600_000 if number else 0
            for gadget in self.gadgets:
                await gadget.rest()
                for account in accounts:
                    gadget.person.vigil.acknowledge(account)
                if number in (2, 5):
                    with suppress(ProtocolError):
                        await gadget.person.groups.send(self.group, f"at last {gadget.folder.name} {number}")
            if number > 6 and not self.problems():
                return

    def members(self) -> list[Gadget]:
        """Devices of those who are in, by the word of everybody's records."""
        return [each for each in self.gadgets if (kept := self.kept(each)) and each.person.grouping.book.is_in(kept)]

    def kept(self, gadget: Gadget):
        return gadget.person.grouping.book.find(self.group)

    def everything(self) -> list[list[tuple]]:
        """What each device shows."""
        return [[_plain(text) for text in each.person.conversations.shown(self.group)] for each in self.gadgets]

    def problems(self) -> list[str]:
        """What is not as it must be; nothing."""
        told, devices = [], self.members()
        logs = [(self.kept(each).log.heads, self.kept(each).roster) for each in devices]
        if any(each != logs[0] for each in logs):
            return ["members know different groups"]
        listed = set(logs[0][1].joined) if logs else set()
        if {each.account.raw for each in devices} != listed & {each.account.raw for each in self.gadgets}:
            told.append("a device of a member does not know of the group")
        everything = self._entries(devices)
        for gadget in devices:
            told += self._wrong(gadget, everything)
        return told

    def _entries(self, devices: list[Gadget]) -> dict:
        """All that any of them has, by name, with the records that its author had."""
        found = {}
        for gadget in devices:
            store = gadget.person.profile.store
            for entry in store.history.entries(self.group):
                proof = store.groups.proof(self.group, entry.author, entry.message_id)
                if proof is not None:
                    found[entry.author, entry.message_id] = entry, heads_of(proof.heads)
        return found

    def _wrong(self, gadget: Gadget, everything: dict) -> list[str]:
        log, own = self.kept(gadget).log, gadget.account.raw
        mine = [entry for entry, heads in everything.values() if (at := log.roster_at(heads)) and at.is_member(own)]
        mine.sort(key=lambda each: (each.position, each.message_id, each.author))
        wanted = [_plain(each) for each in transcript(mine, own, {}, 0)]
        shown = [_plain(each) for each in gadget.person.conversations.shown(self.group)]
        problems = []
        if not {each[0] for each in wanted} <= {each[0] for each in shown}:
            lacking = [each[1] for each in wanted if each[0] not in {one[0] for one in shown}]
            problems.append(f"{gadget.folder.name} lacks {lacking}")
        elif [each for each in shown if each in wanted] != wanted:
            problems.append(f"{gadget.folder.name} shows another conversation: {shown} for {wanted}")
        if len({each[0] for each in shown}) != len(shown):
            problems.append("a text is shown twice")
        return problems + self._out_of_order(gadget)

    def _out_of_order(self, gadget: Gadget) -> list[str]:
        history, seen = gadget.person.profile.store.history, set()
        here = {entry.message_id for entry in history.entries(self.group)}
        for entry in history.entries(self.group):
            if not {each for each in history.parents(self.group, entry.message_id) if each in here} <= seen:
                return ["an entry stands before what it follows"]
            seen.add(entry.message_id)
        return []


def _plain(shown):
    return shown.message_id, shown.text, shown.edited, frozenset(shown.reactions)
