"""The private inbox on real relays and storage: what nodes keep joins no two days; what reading two weeks takes."""

import os
from collections import Counter
from contextlib import aclosing
from types import SimpleNamespace

import pytest

import client_world
from client_world import World
from essaim.protocol.account import AccountId
from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox.policy import Kind
from essaim.protocol.private_inbox import LIFE_MS
from essaim_client import Client
from essaim_client.network.onion_client import OnionClient
from essaim_storage.files import DATABASE_FILE
from test_storage_dump import dump, windows

DAY_MS, HOUR_MS = 86_400_000, 3_600_000
CONTACTS = 100


@pytest.fixture
def moved(monkeypatch):
    """The time of everybody, in advance of the real one by `ms`."""
    real, by = client_world.NOW_MS, SimpleNamespace(ms=0)
    monkeypatch.setattr(client_world, "NOW_MS", lambda: real() + by.ms)
    return by


@pytest.fixture
def requests(monkeypatch):
    """How often each method was asked for through the onion, retries included."""
    counted, real = Counter(), OnionClient._responses

    async def counting(self, call):
        counted[call.method.name] += 1
        async with aclosing(real(self, call)) as responses:
            async for response in responses:
                yield response

    monkeypatch.setattr(OnionClient, "_responses", counting)
    return counted


async def later(world: World, moved, ms: int) -> None:
    """Everything starts anew after that time, for onion keys and views do not last so long."""
    moved.ms += ms
    for node in world.nodes:
        await node.stop()
        await node.start()
    world.publish()


def client(home) -> Client:
    return Client(home, "pass", now_ms=client_world.NOW_MS)


async def talk(alice: Client, bob: Client, text: str) -> None:
    """There and back, and what that sets off."""
    for sender, reader in ((alice, bob), (bob, alice)):
        await sender.send(reader.account_id, text)
        assert [each.text for each in await reader.receive()] == [text]
        for person in (alice, bob):
            await person._person.errands.finish()
            await person.receive()


def secrets_of(*people: Client) -> set[bytes]:
    """What would name a person, or join their days."""
    found = set()
    for person in people:
        profile, capability = person._profile, person._person.inbox.current()
        keys = profile.device.keys
        found |= {person.account_id.raw, keys.signing.public.raw, keys.agreement.public.raw, keys.device_id}
        found |= {capability.secret, capability.base.raw, capability.name, profile.keys.mailbox_secret}
    return found


def days_of(*people: Client) -> set[bytes]:
    """The ids of the mailboxes of their private inboxes so far."""
    return {
        capability.policy(day).mailbox_id
        for person in people
        for capability, days in person._person.inbox.reached_by(client_world.NOW_MS())
        for day in days
    }


async def test_nothing_that_a_node_keeps_or_logs_joins_two_days_or_a_day_and_an_account(tmp_path, moved, capfd):
    moved.ms = DAY_MS // 2 - client_world.NOW_MS() % DAY_MS  # noon: no day ends meanwhile
    async with World(tmp_path) as world:
        homes = [world.home() for _ in range(2)]
        async with client(homes[0]) as alice, client(homes[1]) as bob:
            await alice.ready()
            await bob.ready()
            await talk(alice, bob, "first")
            await talk(alice, bob, "today")
        await later(world, moved, DAY_MS)
        async with client(homes[0]) as alice, client(homes[1]) as bob:
            await talk(alice, bob, "tomorrow")
            await alice.send(bob.account_id, "left there")
            days, secrets = days_of(alice, bob), secrets_of(alice, bob)
        files = [store.folder for store in world.stores]
    logged = "".join(capfd.readouterr()).encode()
    for folder in files:
        found = dump(folder / DATABASE_FILE)
        private = {name: held for name, held in found.items() if name in days}
        assert len(private) == 4, "two people, two days"
        joined = [(one, other) for one in private for other in found if one != other and found[one] & found[other]]
        assert not joined
        raw = b"".join(each.read_bytes() for each in folder.rglob("*") if each.is_file())
        assert not [each for each in secrets if each in raw]
        assert all(each in raw for each in private)  # the search would find them
    for secret in secrets | days:
        assert secret not in logged and secret.hex().encode() not in logged
    planted = next(iter(private))
    assert windows(b"x" + planted) & private[planted]


async def test_two_weeks_with_a_hundred_contacts_take_at_most_forty_requests(tmp_path, moved, requests):
    moved.ms = DAY_MS // 2 - client_world.NOW_MS() % DAY_MS
    async with World(tmp_path) as world:
        home = world.home()
        async with client(home) as alice:
            await alice.ready()
            await alice._person.upkeep.tried.wait()
            await alice._person.errands.finish()
            for _ in range(CONTACTS):
                contact = AccountId(SigningKey(os.urandom(32)).public)
                alice._person.agreement.accept(contact)
                alice._person.inbox.gave(contact, alice._person.inbox.current())
            await alice._person.errands.finish()
            await alice.receive()
        away_ms = LIFE_MS - 2 * HOUR_MS
        await later(world, moved, away_ms)
        requests.clear()
        async with client(home) as alice:
            assert await alice.receive() == []
            reading = requests["Retrieve"]
            await alice._person.upkeep.tried.wait()
            await alice._person.errands.finish()
            r = len(world.stores)
            needed, everything = r - (r // 2 + 1) + 1, Counter(requests)
            policies = [each.policy for each in (alice._person.days.public, *alice._person.days.over())]
            assert len(alice.contacts.all()) == CONTACTS and len(policies) == 15
            assert [each.kind for each in policies] == [Kind.PUBLIC_INBOX] + 14 * [Kind.PRIVATE_INBOX]
            print(f"reading {reading}, with what a start reads of its own: {dict(everything)}")
            assert everything["Retrieve"] <= 16 * needed + 8 == 40
            assert everything["Subscribe"] == 0
