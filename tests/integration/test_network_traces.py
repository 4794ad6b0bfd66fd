"""What the nodes leave behind: no log, metrics page, command line or environment tells of the people on the network.

It looks at all that the tests of this run before it have done on the same network, and at what it does itself.
"""

import re
import urllib.request
from pathlib import Path

from essaim.storage.v1 import mailbox_pb2
from essaim_client.mailbox.reading import Reader, Reading
from essaim_client.messaging.own_mailboxes import OwnMailboxes
from real_network import Person, RealNetwork

LEAST_SECRET = 12
"""Bytes: anything shorter may be there by chance, as "second" is in every metrics page."""


async def test_nodes_tell_nothing_of_the_people(network: RealNetwork) -> None:
    alice, bob = await network.newcomer(), await network.newcomer()
    async with alice.online() as me:
        await network.say(me, bob, "the canary sings at midnight")
        await note_envelopes(network, bob)
        await me.trace()
    told = traces(network)
    assert all(told.values()), "a node's log, metrics, command line or environment cannot be read"
    assert b"essaim_storage_stores" in told["storage-1 metrics"] and b"ready" in told["storage-1 log.jsonl"]
    assert len(network.secrets) > 20 and network.client_ports
    for where, text in told.items():
        for secret in network.secrets:
            assert len(secret) < LEAST_SECRET or secret not in text, f"{where} tells a secret"
        assert not client_addresses(network, text), f"{where} tells where a client comes from"


def test_a_secret_would_be_found() -> None:
    """The search itself can fail."""
    network = RealNetwork(Path("nowhere"))
    network.note(b"a secret")
    network.client_ports = {40001}
    assert any(secret in b'{"event": "612073656372657418"}' for secret in network.secrets)
    assert any(secret in b"YSBzZWNyZXQ=" for secret in network.secrets)
    assert client_addresses(network, b"from ipv4:127.0.0.1:40001") == {40001}
    assert not client_addresses(network, b'{"count": 40001}')


async def note_envelopes(network: RealNetwork, person: Person) -> None:
    """The ids of what waits for somebody, read with their own key."""
    async with person.online() as me:
        reader = Reader(me._swarms, OwnMailboxes(me._profile).inbox())
        found: list[mailbox_pb2.StoredEnvelope] = [each async for each in reader.read(Reading())]
    assert found
    network.note(*(each.envelope_id for each in found))


def traces(network: RealNetwork) -> dict[str, bytes]:
    """Everything that can be read of each process without opening its disk."""
    told: dict[str, bytes] = {}
    for name in network.net.layout.names:
        node = network.net.node(name)
        told |= {f"{name} {log.name}": log.read_bytes() for log in node.logs}
        told |= {f"{name} {what}": Path(f"/proc/{node.pid}/{what}").read_bytes() for what in ("cmdline", "environ")}
        with urllib.request.urlopen(f"http://{node.facts['metrics']}/metrics", timeout=10) as page:
            told[f"{name} metrics"] = page.read()
    return told


def client_addresses(network: RealNetwork, text: bytes) -> set[int]:
    """The ports of clients that stand in a text behind an address; nodes' own, used again since, do not count."""
    named = {int(port) for port in re.findall(rb"(?:127\.0\.0\.1|\[?::1\]?):(\d+)", text)}
    nodes = [network.net.node(name).facts for name in network.net.layout.names] if network.net.folder.exists() else []
    own = {int(each[key].rpartition(":")[2]) for each in nodes for key in ("address", "metrics")}
    return named & network.client_ports - own
