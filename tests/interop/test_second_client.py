"""The second client against a real network: TLS, onion requests, mailboxes, the guard's door, links."""

import os
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from second_account import (
    OUTBOX,
    PRIVATE,
    Mailbox,
    PlainKey,
)
from second_client import MAILBOXES, Call, LinkStream
from second_session import Account
from second_view import Refused

pytestmark = pytest.mark.timeout(150)  # the first test waits for a whole network


# Onion requests to mailboxes


@pytest.mark.parametrize("suite", [1, 2])
def test_envelope_is_stored_read_and_confirmed_over_the_onion(network, inbox, suite):
    data = os.urandom(4096)
    name = network.store(inbox, data)
    (found,) = network.retrieve(inbox, b"\0", suite=suite)
    assert (found.envelope_id, found.data) == (name, data)
    network.confirm(inbox, b"\0", [name], suite=suite)
    assert network.retrieve(inbox, b"\0") == []


def test_large_envelope_travels_in_the_larger_classes(network, inbox):
    data = os.urandom(57344)
    network.store(inbox, data, b"\1", classes=(1, 0))
    (told,) = network.retrieve(inbox, b"\1")
    assert (told.data, told.size) == (b"", len(data))
    (found,) = network.retrieve(inbox, b"\1", classes=(0, 1))
    assert found.data == data


def test_reading_with_a_foreign_key_is_refused(network, inbox):
    inbox.key = Account(os.urandom(32)).read_key
    with pytest.raises(Refused, match="NOT_AUTHORIZED"):
        network.retrieve(inbox, b"\0")


def test_slot_key_reads_and_confirms_its_own_slot_alone(network, inbox):
    name, _other = network.store(inbox, os.urandom(4096)), network.store(inbox, os.urandom(4096), b"\1")
    inbox.name_slot_key(0, PlainKey(os.urandom(32)))
    assert [each.envelope_id for each in network.retrieve(inbox, b"\0")] == [name]
    with pytest.raises(Refused, match="SLOT_RECORD_REFUSED"):
        network.retrieve(inbox, b"\1")
    network.confirm(inbox, b"\0", [name])
    assert network.retrieve(inbox, b"\0") == []


def test_private_inbox_is_written_by_its_write_key_alone_and_emptied_by_its_owner(network, protos):
    read, write = Account(os.urandom(32)).read_key, PlainKey(os.urandom(32))
    private = Mailbox(protos, PRIVATE, read.public, write.public, read)
    private.write_key = read
    with pytest.raises(Refused, match="NOT_AUTHORIZED"):
        network.store(private, os.urandom(4096))
    private.write_key = write
    names = [network.store(private, os.urandom(4096)) for _ in range(2)]
    assert {each.envelope_id for each in network.retrieve(private, b"\0")} == set(names)
    network.ask(private, "Delete", private.delete(names))
    assert network.retrieve(private, b"") == []


def test_outbox_entry_is_replaced_by_a_higher_version_alone(network, protos):
    key = Account(os.urandom(32)).write_key
    outbox = Mailbox(protos, OUTBOX, bytes(32), key.public, key)
    kept = os.urandom(4096)
    network.store(outbox, os.urandom(4096), b"manifest", 1)
    network.store(outbox, kept, b"manifest", 3)
    with pytest.raises(Refused, match="VERSION_REFUSED"):
        network.store(outbox, os.urandom(4096), b"manifest", 2)
    (entry,) = network.retrieve(outbox, b"manifest")
    assert (entry.data, entry.version) == (kept, 3)


@pytest.mark.parametrize("failing", range(4))
def test_hop_without_the_onion_key_is_named_by_the_hop_before(network, inbox, protos, failing):
    path = network.path(network.member(inbox))
    hops = [(node, *network._keys(node)) for node in path]
    node, x, m = hops[failing]
    hops[failing] = (node, bytes([x[0] ^ 1]) + x[1:], m)
    call = Call(hops, b"", 2, (0, 0))
    with pytest.raises(Refused, match="KEY_UNKNOWN") as refused:
        call.open(network.exchange(path[0], call))
    assert refused.value.where == ("guard" if failing == 0 else f"hop {failing}")


def test_subscription_brings_what_is_stored_meanwhile(network, inbox):
    before = network.store(inbox, os.urandom(4096))
    request = inbox.read("SubscribeRequest", b"\0")
    answers = network.open(network.path(network.member(inbox)), f"{MAILBOXES}.Subscribe", request)
    assert [each.envelope_id for each in next(answers).envelopes] == [before]
    data = os.urandom(4096)
    name = network.store(inbox, data)
    came = [(each.envelope_id, each.data) for each in next(answers).envelopes]
    answers.close()
    assert came == [(name, data)]


def test_link_stream_carries_calls_of_its_own_frames(network, inbox):
    data = os.urandom(10240)
    network.store(inbox, data)
    path = network.path(network.member(inbox))
    link = LinkStream(network, path[0], 0)
    calls, retrieve = {}, f"{MAILBOXES}.Retrieve"
    for _ in range(2):
        call = network.wrap(path, retrieve, inbox.read("RetrieveRequest", b"\0"))
        calls[link.send(call)] = call
    ended = set()
    for number, sequence, cell in link.replies():
        if not cell:
            ended.add(number)
        else:
            assert sequence == 0
            assert network.outcome(calls[number], cell, retrieve).envelopes[0].data == data
        if ended == set(calls):
            break
    link.close()
    assert all(call.ended for call in calls.values())


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


def test_program_runs_alone_and_imports_nothing_of_essaim(testnet):
    program = Path(__file__).with_name("second_client.py")
    command = [sys.executable, str(program), str(testnet.network_file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    assert "stored, read and confirmed as esm1" in done.stdout
