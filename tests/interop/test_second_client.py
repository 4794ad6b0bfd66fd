"""The second client against a real network, and against the Python client: the documents suffice."""

import asyncio
import os
import socket
import ssl
import subprocess
import sys
import time
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from essaim_client import Client, NetworkFile
from second_account import (
    OUTBOX,
    PRIVATE,
    PUBLIC,
    Mailbox,
    PlainKey,
    inbox_of,
    open_entry,
    outbox_of,
    read_account_id,
    read_manifest,
    read_one_time,
    read_prekeys,
    seal_entry,
)
from second_client import Call, LinkStream, Network, refusal
from second_session import Account
from second_view import Protos, Refused, ViewReader, now_ms
from testnet import Layout, Testnet

pytestmark = pytest.mark.timeout(150)  # the first test waits for a whole network
DAY_MS = 86_400_000
SERVICE = "essaim.storage.v1.MailboxService"
STORE, RETRIEVE, CONFIRM = f"{SERVICE}.Store", f"{SERVICE}.Retrieve", f"{SERVICE}.Confirm"


@pytest.fixture(scope="module")
def testnet(tmp_path_factory):
    made = Testnet(tmp_path_factory.mktemp("second"), Layout(relays=3, storage=3))
    try:
        made.up()
        yield made
    finally:
        made.down()


@pytest.fixture(scope="module")
def protos():
    return Protos()


@pytest.fixture(scope="module")
def network(testnet, protos):
    with Network(testnet.network_file, protos) as made:
        made.fetch_view()
        yield made


@pytest.fixture
def inbox(protos):
    key = Account(os.urandom(32)).read_key
    return Mailbox(protos, PUBLIC, key.public, bytes(32), key)


def member(network, mailbox):
    return network.view.swarm(mailbox.id)[0]


def store(network, mailbox, data, slot=b"\0", version=0):
    """The id of an envelope that a quorum has acknowledged. Raises Refused."""
    expires_ms = now_ms() + DAY_MS
    request = mailbox.store(slot, data, expires_ms, version)
    result = network.send(network.path(member(network, mailbox)), STORE, request).results[0]
    if result.status.code:
        raise refusal(network.protos, result.status)
    assert result.envelope_id == mailbox.envelope_id(slot, expires_ms, data, version)
    return result.envelope_id


def retrieve(network, mailbox, slot, **how):
    request = mailbox.read("RetrieveRequest", slot)
    return list(network.send(network.path(member(network, mailbox)), RETRIEVE, request, **how).envelopes)


# The view


def test_view_of_the_seed_is_accepted_and_lists_the_network(network):
    roles = sorted(node.descriptor.role for node in network.view.nodes.values())
    assert roles == [1, 1, 1, 2, 2, 2]
    assert len(network.view.relays()) == 3
    assert len(network.view.swarm(bytes(32))) == 3


def seed_answer(network, *held):
    return network.ask_view(network.seeds[0], network.reader.genesis.discovery_certificates, *held)


def flip(data, at=-1):
    made = bytearray(data)
    made[at] ^= 1
    return bytes(made)


def alter_header(answer):
    answer.whole.header.header = flip(answer.whole.header.header)


def alter_signature(answer):
    answer.whole.header.signatures[0].signature = flip(answer.whole.header.signatures[0].signature)


def drop_node(answer):
    del answer.whole.nodes[0]


def repeat_node(answer):
    answer.whole.nodes.append(answer.whole.nodes[0])


def alter_descriptor(answer):
    answer.whole.nodes[0].pieces[1] = flip(answer.whole.nodes[0].pieces[1])


def drop_key_record(answer):
    del answer.whole.nodes[0].pieces[-1]


@pytest.mark.parametrize(
    ("alter", "reason"),
    [
        (alter_header, "MALFORMED BELOW_THRESHOLD"),
        (alter_signature, "BELOW_THRESHOLD"),
        (drop_node, "MALFORMED"),
        (repeat_node, "MALFORMED"),
        (alter_descriptor, "BAD_SIGNATURE"),
        (drop_key_record, "MALFORMED"),
    ],
)
def test_altered_view_is_refused(network, testnet, protos, alter, reason):
    answer = protos["essaim.view.v1.ViewAnswer"].FromString(seed_answer(network))
    alter(answer)
    with Network(testnet.network_file, protos) as fresh, pytest.raises(Refused) as refused:
        fresh.reader.accept(answer.SerializeToString(), now_ms())
    assert refused.value.reason in reason.split()


@pytest.mark.parametrize("reason", ["ROLLBACK", "FORK", "WRONG_CHAIN", "EXPIRED"])
def test_view_that_does_not_follow_the_held_one_is_refused(network, testnet, protos, reason):
    answer = seed_answer(network)
    with Network(testnet.network_file, protos) as fresh:
        held = fresh.reader.accept(answer, now_ms())
        header = deepcopy(held.header)
        header.serial += {"ROLLBACK": 1, "WRONG_CHAIN": -1}.get(reason, 0)
        fresh.reader.held = replace(held, header=header, hash=held.hash if reason == "EXPIRED" else bytes(32))
        with pytest.raises(Refused) as refused:
            fresh.reader.accept(answer, held.header.valid_until_ms if reason == "EXPIRED" else now_ms())
    assert refused.value.reason == reason


def test_view_of_another_network_is_refused(network, protos):
    authority = Ed25519PrivateKey.generate()
    genesis = deepcopy(network.reader.genesis)
    genesis.authorities[:] = [authority.public_key().public_bytes_raw()]
    encoded = genesis.SerializeToString()
    signature = authority.sign(b"essaim/genesis-signature/v1" + encoded)
    signed = protos["essaim.view.v1.SignedGenesis"](genesis=encoded)
    signed.signatures.add(authority=0, signature=signature)
    with pytest.raises(Refused, match="WRONG_NETWORK"):
        ViewReader(protos, signed.SerializeToString()).accept(seed_answer(network), now_ms())
    signed.signatures[0].signature = flip(signature, 3)
    with pytest.raises(Refused, match="BELOW_THRESHOLD"):
        ViewReader(protos, signed.SerializeToString())


def test_node_with_another_certificate_is_not_talked_to(network):
    relay = network.view.relays()[0]
    with pytest.raises(grpc.RpcError) as refused:
        network.ask_view(relay.descriptor.address, network.reader.genesis.discovery_certificates)
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(("newest", "works"), [(ssl.TLSVersion.TLSv1_3, True), (ssl.TLSVersion.TLSv1_2, False)])
def test_nodes_speak_tls_13_alone(network, newest, works):
    relay = network.view.relays()[0].descriptor
    context = ssl.create_default_context(cadata=ssl.DER_cert_to_PEM_cert(relay.certificates[0]))
    context.maximum_version = newest
    context.set_alpn_protocols(["h2"])
    host, _, port = relay.address.rpartition(":")
    with socket.create_connection((host, int(port)), 5) as plain:
        try:
            context.wrap_socket(plain, server_hostname="essaim").close()
            spoke = True
        except ssl.SSLError:
            spoke = False
    assert spoke == works


# Onion requests to mailboxes


@pytest.mark.parametrize("suite", [1, 2])
def test_envelope_is_stored_read_and_confirmed_over_the_onion(network, inbox, suite):
    data = os.urandom(4096)
    name = store(network, inbox, data)
    (found,) = retrieve(network, inbox, b"\0", suite=suite)
    assert (found.envelope_id, found.data) == (name, data)
    network.send(network.path(member(network, inbox)), CONFIRM, inbox.confirm(b"\0", [name]), suite=suite)
    assert retrieve(network, inbox, b"\0") == []


def test_large_envelope_travels_in_the_larger_classes(network, inbox):
    data, expires_ms = os.urandom(57344), now_ms() + DAY_MS
    path = network.path(member(network, inbox))
    stored = network.send(path, STORE, inbox.store(b"\1", data, expires_ms), classes=(1, 0))
    assert stored.results[0].status.code == 0
    (told,) = retrieve(network, inbox, b"\1")
    assert (told.data, told.size) == (b"", len(data))
    (found,) = retrieve(network, inbox, b"\1", classes=(0, 1))
    assert found.data == data


def test_reading_with_a_foreign_key_is_refused(network, inbox):
    inbox.key = Account(os.urandom(32)).read_key
    with pytest.raises(Refused, match="NOT_AUTHORIZED"):
        retrieve(network, inbox, b"\0")


def test_slot_key_reads_and_confirms_its_own_slot_alone(network, inbox):
    name, _other = store(network, inbox, os.urandom(4096)), store(network, inbox, os.urandom(4096), b"\1")
    inbox.name_slot_key(0, PlainKey(os.urandom(32)))
    assert [each.envelope_id for each in retrieve(network, inbox, b"\0")] == [name]
    with pytest.raises(Refused, match="SLOT_RECORD_REFUSED"):
        retrieve(network, inbox, b"\1")
    network.send(network.path(member(network, inbox)), CONFIRM, inbox.confirm(b"\0", [name]))
    assert retrieve(network, inbox, b"\0") == []


def test_private_inbox_is_written_by_its_write_key_alone_and_emptied_by_its_owner(network, protos):
    read, write = Account(os.urandom(32)).read_key, PlainKey(os.urandom(32))
    private = Mailbox(protos, PRIVATE, read.public, write.public, read)
    private.write_key = read
    with pytest.raises(Refused, match="NOT_AUTHORIZED"):
        store(network, private, os.urandom(4096))
    private.write_key = write
    names = [store(network, private, os.urandom(4096)) for _ in range(2)]
    assert {each.envelope_id for each in retrieve(network, private, b"\0")} == set(names)
    network.send(network.path(member(network, private)), f"{SERVICE}.Delete", private.delete(names))
    assert retrieve(network, private, b"") == []


def test_outbox_entry_is_replaced_by_a_higher_version_alone(network, protos):
    key = Account(os.urandom(32)).write_key
    outbox = Mailbox(protos, OUTBOX, bytes(32), key.public, key)
    kept = os.urandom(4096)
    store(network, outbox, os.urandom(4096), b"manifest", 1)
    store(network, outbox, kept, b"manifest", 3)
    with pytest.raises(Refused, match="VERSION_REFUSED"):
        store(network, outbox, os.urandom(4096), b"manifest", 2)
    (entry,) = retrieve(network, outbox, b"manifest")
    assert (entry.data, entry.version) == (kept, 3)


@pytest.mark.parametrize("failing", range(4))
def test_hop_without_the_onion_key_is_named_by_the_hop_before(network, inbox, protos, failing):
    path = network.path(member(network, inbox))
    hops = [(node, *network._keys(node)) for node in path]
    node, x, m = hops[failing]
    hops[failing] = (node, flip(x, 0), m)
    call = Call(hops, b"", 2, (0, 0))
    with pytest.raises(Refused, match="KEY_UNKNOWN") as refused:
        call.open(network.exchange(path[0], call))
    assert refused.value.where == ("guard" if failing == 0 else f"hop {failing}")


def test_subscription_brings_what_is_stored_meanwhile(network, inbox):
    before = store(network, inbox, os.urandom(4096))
    request = inbox.read("SubscribeRequest", b"\0")
    answers = network.open(network.path(member(network, inbox)), f"{SERVICE}.Subscribe", request)
    assert [each.envelope_id for each in next(answers).envelopes] == [before]
    data = os.urandom(4096)
    name = store(network, inbox, data)
    came = [(each.envelope_id, each.data) for each in next(answers).envelopes]
    answers.close()
    assert came == [(name, data)]


def test_link_stream_carries_calls_of_its_own_frames(network, inbox):
    data = os.urandom(10240)
    store(network, inbox, data)
    path = network.path(member(network, inbox))
    link = LinkStream(network, path[0], 0)
    calls = {}
    for _ in range(2):
        call = network.wrap(path, RETRIEVE, inbox.read("RetrieveRequest", b"\0"))
        calls[link.send(call)] = call
    ended = set()
    for number, sequence, cell in link.replies():
        if not cell:
            ended.add(number)
        else:
            assert sequence == 0
            assert network.outcome(calls[number], cell, RETRIEVE).envelopes[0].data == data
        if ended == set(calls):
            break
    link.close()
    assert all(call.ended for call in calls.values())


# The Python client: whole conversations, both ways


@pytest.fixture(scope="module")
def home(testnet, tmp_path_factory):
    path = tmp_path_factory.mktemp("python") / "alice"
    Client.create_account(path, NetworkFile.load(testnet.network_file), passphrase="pass")
    return path


def read_outbox(network, identity, name):
    (entry,) = retrieve(network, outbox_of(network.protos, identity), name)
    return open_entry(identity, name, entry.data)


def begin(network, me, identity):
    """A session with the one device of an account, from its identity key alone."""
    protos = network.protos
    (device,) = read_manifest(identity, read_outbox(network, identity, b"manifest"))
    prekeys = read_prekeys(device, read_outbox(network, identity, b"prekeys/%d" % device.slot))
    outbox = outbox_of(protos, identity)
    node, claim = member(network, outbox), outbox.message("ClaimPrekeyRequest", slot=bytes([device.slot]))
    claim.claim_id = os.urandom(16)
    sealed = network.send(network.path(node), f"{SERVICE}.ClaimPrekey", claim).prekey
    me.begin(device, prekeys, read_one_time(device, node.node_id, sealed))


def write(network, me, identity, text):
    """One message, into the public inbox, slot of the device."""
    content = network.protos["essaim.messaging.v1.Content"](message_id=os.urandom(16), sent_ms=now_ms())
    content.text.text = text
    envelope = me.seal(identity, content.SerializeToString())
    slot = bytes([me.sessions[identity].peer.slot])
    store(network, inbox_of(network.protos, identity), envelope, slot)
    return len(envelope)


def text_of(network, content):
    return network.protos["essaim.messaging.v1.Content"].FromString(content).text.text


def publish(network, me):
    """Manifest and prekeys, so that others can begin a session."""
    outbox = Mailbox(network.protos, OUTBOX, bytes(32), me.write_key.public, me.write_key)
    for name, content in ((b"manifest", me.manifest), (b"prekeys/0", me.signed_prekeys)):
        request = outbox.store(name, seal_entry(me.identity, name, content), now_ms() + 399 * DAY_MS, now_ms())
        result = network.send(network.path(member(network, outbox)), STORE, request).results[0]
        assert result.status.code == 0


def publish_one_time(network, me):
    """One prekey at each member of the outbox's swarm."""
    outbox = Mailbox(network.protos, OUTBOX, bytes(32), me.write_key.public, me.write_key)
    for node in network.view.swarm(outbox.id):
        request = outbox.publish_prekeys(b"\0", node.node_id, now_ms(), [me.new_one_time(node.node_id)])
        assert network.send(network.path(node), f"{SERVICE}.PublishPrekeys", request).kept == 1


def take(network, me):
    """The one envelope that waits; it is confirmed."""
    inbox = Mailbox(network.protos, PUBLIC, me.read_key.public, bytes(32), me.read_key)
    (found,) = retrieve(network, inbox, b"\0")
    request = inbox.confirm(b"\0", [found.envelope_id])
    network.send(network.path(member(network, inbox)), CONFIRM, request)
    return found.data


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
        await off_loop(store, network, inbox, os.urandom(4096))  # opens for nobody, and does no harm
        await off_loop(begin, network, second, identity)
        assert await off_loop(write, network, second, identity, "one") == 10240
        assert await off_loop(write, network, second, identity, "two") == 10240
        got = [(str(message.sender), message.text) for message in await first.receive()]
        assert sorted(got) == [(second.account_id, "one"), (second.account_id, "two")]
        await first.send(second.account_id, "three")
        answer = second.open(identity, await off_loop(take, network, second))
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
        identity, content = second.open_initial(await off_loop(take, network, second))
        assert (identity, text_of(network, content)) == (read_account_id(str(first.account_id)), "one")
        assert len(second._one_time) == (2 if one_time else 0)  # it was used, and is forgotten
        assert await off_loop(write, network, second, identity, "two") == 4096
        assert [message.text for message in await first.receive()] == ["two"]
        await first.send(second.account_id, "three")
        assert text_of(network, second.open(identity, await off_loop(take, network, second))) == "three"


# Last, for the network changes


def test_program_runs_alone_and_imports_nothing_of_essaim(testnet):
    program = Path(__file__).with_name("second_client.py")
    command = [sys.executable, str(program), str(testnet.network_file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    assert "stored, read and confirmed as esm1" in done.stdout


def answered_within(attempts, ask):
    """Whether the other nodes learn the new view in time: until then they refuse."""
    for attempt in range(attempts):
        try:
            return ask() is not None
        except Refused as refused:
            assert refused.reason in {"KEY_UNKNOWN", "NOT_LISTED", "UNREACHABLE"}
            time.sleep(0.1 * 2**attempt)
    return False


def empty_piece(diff):
    diff.changed[0].pieces[0].ClearField("piece")


def remove_stranger(diff):
    diff.removed.append(bytes(32))


def keep_missing_piece(diff):
    diff.changed[0].pieces[0].kept = 35


def test_restarted_relay_comes_as_a_diff_and_is_used_by_its_new_keys(testnet, protos, network, inbox):
    before, relay = network.view, testnet.node("relay-3")
    relay.kill()
    relay.start()
    relay.await_ready(30)
    answer = protos["essaim.view.v1.ViewAnswer"]()
    while not answer.HasField("diff"):
        time.sleep(0.2)
        answer.ParseFromString(seed_answer(network, *before.at))
    for alter in (empty_piece, remove_stranger, keep_missing_piece):
        forged = deepcopy(answer)
        alter(forged.diff)
        with pytest.raises(Refused, match="MALFORMED"):
            network.reader.accept(forged.SerializeToString(), now_ms())
    after = network.reader.accept(answer.SerializeToString(), now_ms())
    assert after.at > before.at
    (node_id,) = (each for each in after.nodes if after.nodes[each].keys != before.nodes[each].keys)
    assert after.nodes[node_id].descriptor.start_id != before.nodes[node_id].descriptor.start_id
    others = [node for node in network.usable() if node.node_id != node_id]
    path = [others[0], after.nodes[node_id], others[1], member(network, inbox)]
    assert answered_within(8, lambda: network.send(path, RETRIEVE, inbox.read("RetrieveRequest", b"\0")))
