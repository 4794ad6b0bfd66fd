"""The hybrid ratchet: what it hides, what it refuses, what its limits are."""

import random
from collections import Counter

import pytest

from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import AgreementKey, KemKey
from essaim.protocol.ratchet import (
    HYBRID,
    DoubleRatchet,
    DuplicateError,
    NotYetAnsweredError,
    RatchetPair,
    TooManySkippedError,
    UnreadableError,
    exports,
)
from essaim.protocol.ratchet.double_ratchet import overhead
from essaim.protocol.ratchet.header import tag_key, tag_of
from essaim.protocol.ratchet.skipped import KEPT_MS

NOW = 1_800_000_000_000
SOURCE = random.Random(3).randbytes


def pair() -> tuple[DoubleRatchet, DoubleRatchet]:
    own = RatchetPair(AgreementKey(SOURCE(32)), KemKey(SOURCE(64)))
    secret, keys, data = SOURCE(32), (SOURCE(32), SOURCE(32)), SOURCE(32)
    alice = DoubleRatchet.initiate(secret, keys, own.public, data, SOURCE)
    return alice, DoubleRatchet.respond(secret, keys, own, data)


def carry(sender: DoubleRatchet, receiver: DoubleRatchet, text: bytes = b"text") -> bytes:
    message = sender.encrypt(text, SOURCE)
    assert receiver.decrypt(message, NOW, SOURCE) == text
    return message


def test_overhead_is_2364_bytes():
    alice, bob = pair()
    assert len(alice.encrypt(b"", SOURCE)) == overhead(HYBRID) == 2364
    carry(alice, bob)
    carry(bob, alice)


def test_responder_cannot_speak_first():
    _, bob = pair()
    with pytest.raises(NotYetAnsweredError):
        bob.encrypt(b"", SOURCE)


def test_every_altered_bit_position_is_refused_and_changes_nothing():
    alice, bob = pair()
    carry(alice, bob)
    message = alice.encrypt(b"text", SOURCE)
    before = bob.encode()
    for place in range(len(message)):
        altered = message[:place] + bytes([message[place] ^ 1 << place % 8]) + message[place + 1 :]
        with pytest.raises(UnreadableError):
            bob.decrypt(altered, NOW, SOURCE)
        assert bob.encode() == before
    assert bob.decrypt(message, NOW, SOURCE) == b"text"


def test_every_truncation_is_refused():
    alice, bob = pair()
    message = alice.encrypt(b"text", SOURCE)
    for length in range(0, len(message), 13):
        with pytest.raises(ProtocolError):
            bob.decrypt(message[:length], NOW, SOURCE)


def test_messages_of_a_chain_share_no_eight_bytes():
    alice, _ = pair()
    messages = [alice.encrypt(bytes(100), SOURCE) for _ in range(50)]
    windows = Counter(message[at : at + 8] for message in messages for at in range(0, len(message) - 8, 8))
    assert windows.most_common(1)[0][1] == 1


def test_tags_foretell_current_and_next_chain():
    alice, bob = pair()
    carry(alice, bob)
    current, following = bob.receiving_keys()
    assert current[1] == 1 and following[1] == 0
    assert alice.encrypt(b"", SOURCE)[:8] == tag_of(tag_key(current[0]), 1)
    carry(bob, alice)
    assert alice.encrypt(b"", SOURCE)[:8] == tag_of(tag_key(following[0]), 0)


def test_limit_of_a_chain_is_1000():
    alice, bob = pair()
    messages = [alice.encrypt(b"", SOURCE) for _ in range(1002)]
    with pytest.raises(TooManySkippedError):
        bob.decrypt(messages[1001], NOW, SOURCE)
    bob.decrypt(messages[1000], NOW, SOURCE)
    assert len(bob.state.skipped) == 1000


def test_limit_of_a_session_is_2000_and_the_oldest_go():
    alice, bob = pair()
    lost = [[alice.encrypt(b"", SOURCE) for _ in range(1001)] for _ in range(3)]
    for messages in lost:
        bob.decrypt(messages[-1], NOW, SOURCE)
    assert len(bob.state.skipped) == 2000
    with pytest.raises(DuplicateError):
        bob.decrypt(lost[0][0], NOW, SOURCE)
    assert bob.decrypt(lost[2][0], NOW, SOURCE) == b""


def test_skipped_keys_live_15_days():
    alice, bob = pair()
    early, late = alice.encrypt(b"early", SOURCE), alice.encrypt(b"late", SOURCE)
    bob.decrypt(late, NOW, SOURCE)
    kept = DoubleRatchet.decode(bob.encode())
    assert kept.decrypt(early, NOW + KEPT_MS - 1, SOURCE) == b"early"
    with pytest.raises(DuplicateError):
        bob.decrypt(early, NOW + KEPT_MS, SOURCE)
    assert bob.expire(NOW + KEPT_MS) and not bob.expire(NOW + KEPT_MS)
    assert len(bob.state.skipped) == 0


def test_a_message_of_an_old_chain_opens_after_two_turns():
    alice, bob = pair()
    carry(alice, bob)
    late = alice.encrypt(b"late", SOURCE)
    carry(alice, bob)
    for _ in range(3):
        carry(bob, alice)
        carry(alice, bob)
    assert bob.decrypt(late, NOW, SOURCE) == b"late"
    with pytest.raises(UnreadableError):
        bob.decrypt(late, NOW, SOURCE)


def test_state_round_trips_with_skipped_keys():
    alice, bob = pair()
    messages = [alice.encrypt(b"", SOURCE) for _ in range(7)]
    bob.decrypt(messages[4], NOW, SOURCE)
    carry(bob, alice)
    carry(alice, bob)
    again = DoubleRatchet.decode(bob.encode())
    assert again.encode() == bob.encode()
    assert again.decrypt(messages[2], NOW, SOURCE) == b""


def test_damaged_state_is_refused():
    alice, bob = pair()
    carry(alice, bob)
    encoded = bob.encode()
    for damaged in (b"", encoded[:-1], encoded + b"\0", b"\3" + encoded[1:], encoded[:1] + b"\7" + encoded[2:]):
        with pytest.raises(ProtocolError):
            DoubleRatchet.decode(damaged)


def test_export_keys_are_those_of_both_sides_also_where_one_is_behind():
    alice, bob = pair()
    assert [each.export_key for each in (alice, bob)] == [None, None]
    carry(alice, bob)
    assert alice.export_key is None
    assert bob.export_key in alice.export_keys
    used = set()
    for _ in range(4):
        carry(bob, alice)
        assert alice.export_key in bob.export_keys
        behind = alice.export_key
        carry(alice, bob)
        assert bob.export_key in alice.export_keys and behind in bob.export_keys
        used |= {alice.export_key, bob.export_key}
    assert len(used) > 6 and len(alice.export_keys) == exports.KEPT


def test_export_key_that_was_replaced_goes_and_the_newest_stays():
    keys = exports.ExportKeys().with_added(b"1" * 32, NOW).with_added(b"2" * 32, NOW)
    late = keys.with_added(b"3" * 32, NOW + exports.KEPT_MS)
    assert [each.key[:1] for each in late] == [b"2", b"3"]


def test_state_from_before_export_keys_is_read():
    alice, bob = pair()
    carry(alice, bob)
    before = bob.state._replace(exports=exports.ExportKeys()).encode()
    assert DoubleRatchet.decode(b"\1" + before[1:-1]).encode() == before
