"""Every packet of a network, kept where it was sent and where it came: nobody sees both ends, nothing shows who writes.

Each node and each person has a network namespace of its own. Needs root, ip, nsenter and tcpdump: `make capture`, and a
part of `make prove`. What push and open groups show: test_capture_push.py.
"""

import random
import struct

import pytest

from canary.forms import Canary, Kind, needles
from capture.noting import CAME, LEFT, pieces
from capture.packet import TCP, UDP, BadCaptureError, Packet, betrays, packets, parse, sealed, streams
from capture.story import LAYOUT, MESSAGES, PEOPLE, RECEIVER
from capture.window import shared
from essaim.protocol.account import AccountId
from essaim_client.linkgrade.hello import NoHelloError, client_hello
from essaim_client.messaging.addresses import outbox, public_inbox
from essaim_client.network.guard import CANDIDATES

IGMP = 2
"""The kernel's own word to the bridge when an interface comes up; no process sends it."""
DNS_PORTS = {53, 853, 5353, 5355}


ENDS = ("storage", "push", "opengroup", "receiver")
"""What a person reaches through relays alone, or never."""


def test_the_story_was_told(captured):
    assert captured.told["arrived"] == 2 * MESSAGES
    assert set(captured.told["nodes"]) == set(LAYOUT.names) - {"discovery"}
    for name in (*LAYOUT.names, *PEOPLE):
        assert len(captured.at(name)) > 50, name


def test_nobody_sees_both_ends(captured):
    """A person's packets go to relays and discovery alone; no packet that any node sends or gets is between a person
    and a storage node, a push host, a host of open groups or the server that is woken, or names one to the other."""
    of = {address: name for name, address in captured.addresses.items()}
    people = {captured.addresses[name] for name in PEOPLE}
    ends = {address for address, name in of.items() if name.partition("-")[0] in ENDS}
    for name in LAYOUT.names:
        assert not [each for each in captured.at(name) if betrays(each, people, ends)], name
    for name in PEOPLE:
        met = {of[address] for each in captured.at(name) for address in (each.source, each.target)} - {name}
        assert met and all(each == "discovery" or each.startswith("relay-") for each in met), met
        assert len([each for each in met if each.startswith("relay-")]) <= CANDIDATES, "more than the guards"


def test_no_packet_names_a_person(captured):
    accounts = [AccountId.parse(text) for text in captured.told["accounts"]]
    secrets = [Canary(Kind.ACCOUNT, account.raw) for account in accounts]
    secrets += [Canary(Kind.ACCOUNT, text.encode()) for text in captured.told["accounts"]]
    secrets += [
        Canary(Kind.MAILBOX, policy(account).mailbox_id) for account in accounts for policy in (public_inbox, outbox)
    ]
    forms = [form for secret in secrets for form in needles(secret).values()]
    for name in captured.files:
        content = captured.files[name].read_bytes()
        assert not [form for form in forms if form in content], name


def test_no_window_of_eight_bytes_crosses_a_relay(captured):
    """Of the cells themselves, as they were inside TLS: requests and replies, every one against every other."""
    carried = 0
    for number in range(1, LAYOUT.relays + 1):
        came, left = (pieces(captured.folder / "network" / f"relay-{number}" / name) for name in (CAME, LEFT))
        carried += len(came)
        assert len(came) == len(left)
        assert not shared(came, left), f"relay-{number}"
        assert not came or shared(came, [came[0]]), "the comparison can find one"
    assert carried > 6 * MESSAGES, "messages have crossed relays"


def test_no_window_of_eight_bytes_crosses_a_node_on_the_wire(captured):
    for name in LAYOUT.names:
        own = captured.addresses[name]
        flows = streams(captured.at(name))
        came = [sealed(data) for flow, data in flows.items() if flow[2] == own]
        left = [sealed(data) for flow, data in flows.items() if flow[0] == own]
        assert sum(map(len, came)) > 10_000 and sum(map(len, left)) > 10_000, name
        assert not shared(came, left), name


def test_every_client_hello_bears_one_name(captured):
    """But for the push host's call of a web server, which has the web's own TLS, and by an address no name."""
    names, hellos, web = set(), 0, captured.addresses[RECEIVER]
    for name in LAYOUT.names:
        for (source, _, target, _), data in streams(captured.at(name)).items():
            if web in (source, target):
                continue
            try:
                names.add(client_hello(data).name)
                hellos += 1
            except NoHelloError:
                continue
    assert names == {"essaim"} and hellos > 20


def test_nobody_asks_for_a_name(captured):
    for name in (*LAYOUT.names, *PEOPLE):
        found = captured.at(name)
        assert not [each for each in found if each.protocol not in (TCP, IGMP)], f"{name}: something beside TCP"
        assert not [each for each in found if {each.source_port, each.target_port} & DNS_PORTS], name


# The search itself can fail. These need no root.


def frame(source: str, target: str, protocol: int, ports: tuple[int, int], payload: bytes, sequence: int = 0) -> bytes:
    transport = struct.pack(">HH", *ports)
    transport += struct.pack(">II", sequence, 0) + b"\x50\x10" + bytes(6) if protocol == TCP else bytes(4)
    total = 20 + len(transport) + len(payload)
    addresses = b"".join(bytes(map(int, each.split("."))) for each in (source, target))
    header = struct.pack(">BBHHHBBH", 0x45, 0, total, 0, 0, 64, protocol, 0) + addresses
    return bytes(12) + b"\x08\x00" + header + transport + payload + bytes(3)  # and what Ethernet pads with


def test_a_question_to_dns_would_be_seen():
    asked = parse(frame("198.18.77.10", "198.18.77.1", UDP, (40_000, 53), b"who is it"))
    assert asked == Packet("198.18.77.10", "198.18.77.1", UDP, 40_000, 53, payload=b"who is it")
    assert asked.protocol != TCP and {asked.source_port, asked.target_port} & DNS_PORTS


def test_a_packet_with_both_ends_would_be_seen():
    people, ends = {"198.18.77.20"}, {"198.18.77.15"}
    assert betrays(Packet("198.18.77.20", "198.18.77.15", TCP), people, ends)
    assert betrays(Packet("198.18.77.11", "198.18.77.15", TCP, payload=b"for 198.18.77.20 now"), people, ends)
    assert betrays(Packet("198.18.77.20", "198.18.77.11", TCP, payload=b"198.18.77.15"), people, ends)
    assert not betrays(Packet("198.18.77.20", "198.18.77.11", TCP, payload=b"sealed"), people, ends)


def test_streams_are_put_together_in_order():
    def segment(sequence: int, payload: bytes, flags: int = 16) -> Packet:
        return Packet("a", "b", TCP, 1, 2, sequence, flags, payload)

    told = [segment(99, b"", 2), segment(105, b"world"), segment(100, b"hello"), segment(100, b"hel")]
    assert list(streams(told).values()) == [b"helloworld"]
    assert list(streams([*told, segment(111, b"lost before")]).values()) == [b"helloworld"]
    again = [*told, segment(500, b"", 2), segment(501, b"new")]
    assert sorted(streams(again).values()) == [b"helloworld", b"new"]


def test_sealed_records_are_those_of_application_data():
    record = b"\x16\x03\x03\x00\x02hi" + b"\x17\x03\x03\x00\x05sealed"[:10]
    assert sealed(record) == b"seale"


def test_a_window_that_crosses_is_found():
    chance = random.Random(1)
    came, left = chance.randbytes(4_000), chance.randbytes(4_000)
    assert not shared([came], [left])
    for at in range(16):
        assert shared([came], [left[:100] + came[at : at + 8] + left[100:]]) == 1


def test_what_is_no_capture_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"garbage" * 10)
    with pytest.raises(BadCaptureError):
        list(packets(tmp_path / "file"))
