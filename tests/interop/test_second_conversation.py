"""The second client and the Python client talk to each other: the documents suffice."""

import asyncio
import os

import pytest

from essaim_client import Client, NetworkFile
from second_account import (
    OUTBOX,
    PUBLIC,
    Mailbox,
    inbox_of,
    open_entry,
    outbox_of,
    read_account_id,
    read_manifest,
    read_one_time,
    read_prekeys,
    seal_entry,
)
from second_client import MAILBOXES
from second_session import Account
from second_view import now_ms

pytestmark = pytest.mark.timeout(150)  # the first test waits for a whole network


# The Python client: whole conversations, both ways


@pytest.fixture(scope="module")
def home(testnet, tmp_path_factory):
    path = tmp_path_factory.mktemp("python") / "alice"
    Client.create_account(path, NetworkFile.load(testnet.network_file), passphrase="pass")
    return path


def read_outbox(network, identity, name):
    (entry,) = network.retrieve(outbox_of(network.protos, identity), name)
    return open_entry(identity, name, entry.data)


def begin(network, me, identity):
    """A session with the one device of an account, from its identity key alone."""
    protos = network.protos
    (device,) = read_manifest(identity, read_outbox(network, identity, b"manifest"))
    prekeys = read_prekeys(device, read_outbox(network, identity, b"prekeys/%d" % device.slot))
    outbox = outbox_of(protos, identity)
    node, claim = network.member(outbox), outbox.message("ClaimPrekeyRequest", slot=bytes([device.slot]))
    claim.claim_id = os.urandom(16)
    sealed = network.send(network.path(node), f"{MAILBOXES}.ClaimPrekey", claim).prekey
    me.begin(device, prekeys, read_one_time(device, node.node_id, sealed))


def write(network, me, identity, text):
    """One message, into the public inbox, slot of the device."""
    content = network.protos["essaim.messaging.v1.Content"](message_id=os.urandom(16), sent_ms=now_ms())
    content.text.text = text
    envelope = me.seal(identity, content.SerializeToString())
    slot = bytes([me.sessions[identity].peer.slot])
    network.store(inbox_of(network.protos, identity), envelope, slot)
    return len(envelope)


def text_of(network, content):
    return network.protos["essaim.messaging.v1.Content"].FromString(content).text.text


def publish(network, me):
    """Manifest and prekeys, so that others can begin a session."""
    outbox = Mailbox(network.protos, OUTBOX, bytes(32), me.write_key.public, me.write_key)
    for name, content in ((b"manifest", me.manifest), (b"prekeys/0", me.signed_prekeys)):
        network.store(outbox, seal_entry(me.identity, name, content), name, now_ms())


def publish_one_time(network, me):
    """One prekey at each member of the outbox's swarm."""
    outbox = Mailbox(network.protos, OUTBOX, bytes(32), me.write_key.public, me.write_key)
    for node in network.view.swarm(outbox.id):
        request = outbox.publish_prekeys(b"\0", node.node_id, now_ms(), [me.new_one_time(node.node_id)])
        assert network.send(network.path(node), f"{MAILBOXES}.PublishPrekeys", request).kept == 1


def hear(network, me):
    """Who wrote, and the next content with a text; whatever waits is confirmed.

    The others are of a kind that this client does not know: where it may write between contacts
    (docs/protocol/private-inbox.md). One member is asked, which may have it a moment later than the quorum.
    """
    inbox, texts = Mailbox(network.protos, PUBLIC, me.read_key.public, bytes(32), me.read_key), []
    until_ms = now_ms() + 20_000
    while not texts and now_ms() < until_ms:
        for found in network.gather(inbox, b"\0"):
            network.confirm(inbox, b"\0", [found.envelope_id])
            read = me.read(found.data)
            texts += [read] if text_of(network, read[1]) else []
    (text,) = texts
    return text


@pytest.fixture
def second(network):
    made = Account(os.urandom(32))
    publish(network, made)
    return made


async def off_loop(what, *arguments):
    """The second client blocks; the Python client's event loop goes on meanwhile."""
    return await asyncio.to_thread(what, *arguments)


async def test_conversation_that_the_second_client_begins(network, home, second):
    async with Client.open(home, passphrase="pass") as first:
        await first.ready()
        identity = read_account_id(str(first.account_id))
        inbox = inbox_of(network.protos, identity)
        await off_loop(network.store, inbox, os.urandom(4096))  # opens for nobody, and does no harm
        await off_loop(begin, network, second, identity)
        assert await off_loop(write, network, second, identity, "one") == 10240
        assert await off_loop(write, network, second, identity, "two") == 10240
        got = [(str(message.sender), message.text) for message in await first.receive()]
        assert sorted(got) == [(second.account_id, "one"), (second.account_id, "two")]
        await first.send(second.account_id, "three")
        _, answer = await off_loop(hear, network, second)
        assert text_of(network, answer) == "three"
        assert await off_loop(write, network, second, identity, "four") == 4096
        assert [message.text for message in await first.receive()] == ["four"]


@pytest.mark.parametrize("one_time", [True, False], ids=["one-time-prekey", "none-left"])
async def test_conversation_that_the_python_client_begins(network, home, second, one_time):
    if one_time:
        await off_loop(publish_one_time, network, second)
    async with Client.open(home, passphrase="pass") as first:
        await first.ready()
        await first.send(second.account_id, "one")
        identity, content = await off_loop(hear, network, second)
        assert (identity, text_of(network, content)) == (read_account_id(str(first.account_id)), "one")
        assert len(second._one_time) == (2 if one_time else 0)  # it was used, and is forgotten
        assert await off_loop(write, network, second, identity, "two") == 4096
        assert [message.text for message in await first.receive()] == ["two"]
        await first.send(second.account_id, "three")
        assert text_of(network, (await off_loop(hear, network, second))[1]) == "three"
