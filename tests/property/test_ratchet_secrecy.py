"""Forward secrecy and healing, shown on real states as they stand in the store.

The thief takes everything that a device's records hold at some moment and has recorded every envelope. He has the same
code as we, and is given every chance: he opens with the stolen device, with each stolen session, and by advancing it.
"""

import hmac
import random

import pytest

from essaim.protocol.account import Account
from essaim.protocol.conversation import Device, Peer
from essaim.protocol.errors import ProtocolError
from essaim.protocol.prekeys import Bundle
from essaim.protocol.ratchet.aead import unseal
from essaim.protocol.ratchet.header import wire_size
from essaim.protocol.ratchet.suite import HYBRID

NOW = 1_800_000_000_000
SOURCE = random.Random(4).randbytes


class Side:
    """A device and what its store holds."""

    def __init__(self, seed: int) -> None:
        self.account = Account(bytes([seed]) * 32)
        self.device = Device.create(self.account, 0, NOW, SOURCE)
        self.peer = Peer(self.account.id, 0)
        self.records: dict[bytes, bytes] = {}

    def stolen(self) -> dict[bytes, bytes]:
        for key, value in self.device.take_changes().items():
            if value is None:
                self.records.pop(key, None)
            else:
                self.records[key] = value
        return dict(self.records)


def talking() -> tuple[Side, Side]:
    alice, bob = Side(1), Side(2)
    node = bytes(32)
    alice.device.start(
        Bundle.assemble(
            bob.account.id,
            0,
            bob.device.manifest_entry(SOURCE),
            bob.device.prekeys_entry(SOURCE),
            one_time=bob.device.new_one_time_batch(node, 1, NOW, SOURCE)[0],
            node_id=node,
        ),
        NOW,
        SOURCE,
    )
    return alice, bob


def carry(sender: Side, receiver: Side, content: bytes = b"text") -> bytes:
    envelope = sender.device.seal(receiver.peer, content, NOW, SOURCE)
    assert receiver.device.open(envelope, NOW, SOURCE).content == content
    return envelope


def opens(records: dict[bytes, bytes], envelope: bytes) -> bool:
    try:
        Device.restore(records).open(envelope, NOW, SOURCE)
    except ProtocolError:
        return False
    return True


def secrets_in(records: dict[bytes, bytes]) -> set[bytes]:
    """Every 32 bytes that stand anywhere in the stolen records: each may be a key."""
    return {value[at : at + 32] for value in records.values() for at in range(len(value) - 31)}


def test_a_state_opens_no_earlier_message():
    alice, bob = talking()
    earlier = []
    for turn in range(20):
        earlier += [carry(alice, bob) for _ in range(5)]
        earlier += [carry(bob, alice) for _ in range(5 if turn else 1)]
    assert len(earlier) >= 195
    earlier += [carry(alice, bob) for _ in range(10)]
    for thief in (alice.stolen(), bob.stolen()):
        assert not any(opens(thief, envelope) for envelope in earlier)


def test_nothing_in_a_stolen_state_leads_to_the_key_of_an_earlier_message():
    """Stronger than the code's own way: every window of the state is tried as message key and as chain key."""
    alice, bob = talking()
    carry(alice, bob)
    carry(bob, alice)
    earlier = [carry(alice, bob) for _ in range(5)]
    coming = alice.device.seal(bob.peer, b"coming", NOW, SOURCE)
    session = next(value for key, value in bob.stolen().items() if key.startswith(b"sessions/"))
    data = bob.device._roster.places()[0].session.ratchet.state.associated_data
    keys = {key for at in range(len(session) - 31) for key in led_to(session[at : at + 32], steps=8)}
    assert not any(opens_with(key, envelope, data) for key in keys for envelope in earlier)
    assert any(opens_with(key, coming, data) for key in keys), "the thief must be able to read what comes next"


def led_to(key: bytes, steps: int) -> list[bytes]:
    keys = [key]
    for _ in range(steps):
        keys.append(hmac.digest(key, b"\x01", "sha256"))
        key = hmac.digest(key, b"\x02", "sha256")
    return keys


def opens_with(key: bytes, envelope: bytes, data: bytes) -> bool:
    size = wire_size(HYBRID)
    return unseal(key, envelope[8:20], envelope[size:], data + envelope[:size]) is not None


def test_a_skipped_message_opens_with_a_stolen_state_and_no_other():
    """The price of waiting for late messages, and the proof that the thief of these tests can read at all."""
    alice, bob = talking()
    carry(alice, bob)
    carry(bob, alice)
    late = alice.device.seal(bob.peer, b"late", NOW, SOURCE)
    other = carry(alice, bob)
    thief = bob.stolen()
    assert opens(thief, late) and not opens(thief, other)


def test_a_stolen_state_reads_on_until_one_round_trip_heals():
    alice, bob = talking()
    carry(alice, bob)
    carry(bob, alice)
    thief = bob.stolen()
    assert opens(thief, alice.device.seal(bob.peer, b"readable", NOW, SOURCE)), "the theft must be real"
    carry(alice, bob)  # still under keys that the thief has
    carry(bob, alice)  # bob's new keys, sealed under a chain whose keys the thief does not have
    after = [carry(alice, bob) for _ in range(50)]
    after += [carry(bob, alice) for _ in range(50)]
    assert not any(opens(thief, envelope) for envelope in after)


@pytest.mark.parametrize("side", [0, 1])
def test_both_sides_heal(side):
    pair = talking()
    carry(*pair)
    carry(pair[1], pair[0])
    thief = pair[side].stolen()
    for _ in range(2):
        carry(pair[0], pair[1])
        carry(pair[1], pair[0])
    after = [carry(pair[0], pair[1]), carry(pair[1], pair[0])]
    assert not any(opens(thief, envelope) for envelope in after)


def test_no_private_key_survives_two_turns():
    alice, bob = talking()
    carry(alice, bob)
    carry(bob, alice)
    before = bob.device._roster.places()[0].session.ratchet.state
    carry(alice, bob)
    carry(bob, alice)
    carry(alice, bob)
    stolen = secrets_in(bob.stolen())
    assert before.sending and before.receiving and before.own.kem
    gone = [before.root_key, before.own.agreement.raw, before.own.kem.seed[:32], before.sending.key]
    gone += [before.receiving.key, before.receiving.name.header_key, before.sending.name.header_key]
    assert not any(secret in stolen for secret in gone)


def test_old_copy_of_a_state_seals_nothing_twice_under_one_nonce():
    """The message key is the same one; what stands in the two envelopes has nothing in common even so."""
    alice, bob = talking()
    carry(alice, bob)
    carry(bob, alice)
    copy = Device.restore(alice.stolen())
    one = alice.device.seal(bob.peer, b"same", NOW, SOURCE)
    other = copy.seal(bob.peer, b"same", NOW, SOURCE)
    assert one[:8] == other[:8]  # the tag: of the same message number under the same header key
    size = wire_size(HYBRID)
    windows = [{envelope[at : at + 8] for at in range(size, len(envelope) - 7)} for envelope in (one, other)]
    assert not windows[0] & windows[1]
