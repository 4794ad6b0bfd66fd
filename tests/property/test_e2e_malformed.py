"""Whatever bytes come, from strangers, from storage or from a peer that lies under its own keys: a ProtocolError."""

import random
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from essaim.protocol import sealed
from essaim.protocol.account import Account, AccountId
from essaim.protocol.conversation import Device, Peer
from essaim.protocol.correspondent import DeviceSessions
from essaim.protocol.device import DeviceKeys
from essaim.protocol.errors import ProtocolError
from essaim.protocol.geometry import ENVELOPE_SIZES
from essaim.protocol.manifest import Certificate, Head, Manifest
from essaim.protocol.padding import pad, unpad
from essaim.protocol.phrase import entropy_of
from essaim.protocol.prekey_store import PrekeyStore
from essaim.protocol.prekeys import Bundle, OneTimePrekey, SignedPrekeys
from essaim.protocol.ratchet import aead
from essaim.protocol.ratchet.header import tag_key, tag_of
from essaim.protocol.ratchet.state import State
from essaim.protocol.session import Session
from essaim.testing.effort import examples

NOW = 1_800_000_000_000
SOURCE = random.Random(6).randbytes
ALICE, BOB = (Device.create(Account(bytes([n]) * 32), 0, NOW, SOURCE) for n in (1, 2))
TO_BOB = Peer(BOB.account_id, 0)
TO_ALICE = Peer(ALICE.account_id, 0)
NODE = bytes(32)
BUNDLE = Bundle.assemble(
    BOB.account_id,
    0,
    BOB.manifest_entry(SOURCE),
    BOB.prekeys_entry(SOURCE),
    one_time=BOB.new_one_time_batch(NODE, 1, NOW, SOURCE)[0],
    node_id=NODE,
)
assert BUNDLE.one_time is not None
ALICE.start(BUNDLE, NOW, SOURCE)
WAITING = ALICE._roster.places()[0].session
INTRODUCTION = WAITING.opening.introduction if WAITING.opening else b""
BOB.open(ALICE.seal(TO_BOB, b"text", NOW, SOURCE), NOW, SOURCE)
ALICE.open(BOB.seal(TO_ALICE, b"text", NOW, SOURCE), NOW, SOURCE)

SETTLED = ALICE._roster.places()[0].session
GENUINE: list[tuple[Callable[[bytes], object], bytes]] = [
    (Manifest.decode, BOB.manifest.encode()),
    (Head.decode, BOB.manifest.head.encode()),
    (Certificate.decode, BOB.manifest.certificate(0).encode()),
    (SignedPrekeys.decode, BUNDLE.signed.encode()),
    (OneTimePrekey.decode, BUNDLE.one_time.encode()),
    (DeviceKeys.decode, BOB.keys.encode()),
    (PrekeyStore.decode, BOB._prekeys.encode()),
    (State.decode, SETTLED.ratchet.encode()),
    (Session.decode, SETTLED.encode()),
    (DeviceSessions.decode, DeviceSessions(BUNDLE.device, [SETTLED]).encode()),
]


def survives(decode: Callable[[bytes], object], data: bytes) -> None:
    try:
        decode(data)
    except ProtocolError as error:
        assert error.reason.isupper()


@given(data=st.binary(max_size=300))
@example(data=b"")
@settings(max_examples=examples(150), deadline=None)
def test_any_bytes_are_refused_by_every_decoder(data):
    for decode, _ in GENUINE:
        survives(decode, data)


@given(
    which=st.integers(0, len(GENUINE) - 1), place=st.integers(0, 5000), new=st.binary(max_size=40), cut=st.booleans()
)
@settings(max_examples=examples(500), deadline=None)
def test_altered_genuine_bytes_never_surprise(which, place, new, cut):
    decode, genuine = GENUINE[which]
    place %= len(genuine)
    survives(decode, genuine[:place] + new + (b"" if cut else genuine[place + len(new) :]))


@given(text=st.text(max_size=80) | st.text(alphabet="esm1qpzry9x8gf2tvdw0s3jn54khce6ua7l", min_size=63, max_size=63))
@settings(max_examples=examples(300), deadline=None)
def test_any_text_is_refused_as_id_and_phrase(text):
    for read in (AccountId.parse, entropy_of):
        with pytest.raises(ProtocolError):
            read(text)


@given(content=st.binary(max_size=200), more=st.integers(0, 50))
def test_padding_round_trips_and_tells_its_own_faults(content, more):
    padded = pad(content, len(content) + 4 + more)
    assert unpad(padded) == content
    survives(unpad, padded[:-1])
    if more:
        with pytest.raises(ProtocolError):
            unpad(padded[:-1] + b"\1")


def refused_unchanged(envelope: bytes) -> str:
    """The reason, nothing having changed."""
    BOB.take_changes()
    with pytest.raises(ProtocolError) as caught:
        BOB.open(envelope, NOW, SOURCE)
    assert BOB.take_changes() == {}
    return caught.value.reason


@given(inner=st.binary(max_size=600), keep=st.integers(0, len(INTRODUCTION)))
@settings(max_examples=examples(200), deadline=None)
def test_a_stranger_may_seal_anything_to_our_prekeys(inner, keep):
    """The outer box proves nothing about what is in it."""
    inside = (INTRODUCTION[:keep] + inner).ljust(ENVELOPE_SIZES[1] - sealed.BOX_OVERHEAD, b"\0")
    refused_unchanged(sealed.seal_initial(inside, b"", BUNDLE.signed.agreement, BUNDLE.signed.kem, SOURCE))


@pytest.mark.parametrize(
    "low",
    [bytes(32), b"\1" + bytes(31), bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")],
)
def test_keys_of_small_order_in_a_handshake_are_refused(low):
    ids, ciphertext = INTRODUCTION[1:9], INTRODUCTION[41:1129]
    forged = INTRODUCTION[:1] + ids + low + ciphertext + INTRODUCTION[1129:]
    inside = forged.ljust(ENVELOPE_SIZES[1] - sealed.BOX_OVERHEAD, b"\0")
    refused_unchanged(sealed.seal_initial(inside, b"", BUNDLE.signed.agreement, BUNDLE.signed.kem, SOURCE))


@pytest.mark.parametrize(
    ("ratchet_key", "kem_key", "previous", "number"),
    [
        (bytes(32), BUNDLE.signed.kem.raw, 0, 0),
        (b"\1" + bytes(31), BUNDLE.signed.kem.raw, 0, 0),
        (BUNDLE.signed.agreement.raw, b"\xff" * 1184, 0, 0),
        (BUNDLE.signed.agreement.raw, BUNDLE.signed.kem.raw, 2**32 - 1, 0),
        (BUNDLE.signed.agreement.raw, BUNDLE.signed.kem.raw, 0, 2**32 - 1),
    ],
    ids=["zero key", "small order", "KEM out of range", "PN beyond", "N beyond"],
)
def test_a_peer_may_lie_in_its_headers(ratchet_key, kem_key, previous, number):
    """Under the genuine next header key, as only the peer can."""
    _, (header_key, _) = BOB._roster.places()[0].session.ratchet.receiving_keys()
    header = ratchet_key + kem_key + bytes(1088) + previous.to_bytes(4, "big") + number.to_bytes(4, "big")
    tag, nonce = tag_of(tag_key(header_key), number), SOURCE(12)
    wire = tag + nonce + aead.seal(header_key, nonce, header, tag)
    assert refused_unchanged(wire + SOURCE(ENVELOPE_SIZES[0] - len(wire))) == "SESSION_BROKEN"


def test_a_peer_may_lie_in_its_padding():
    session = ALICE._roster.places()[0].session
    room = ENVELOPE_SIZES[0] - 2364
    for padded in (b"\xff" * room, (5).to_bytes(4, "big") + b"\1" * (room - 4)):
        refused_unchanged(session.ratchet.encrypt(padded, SOURCE))
    assert BOB.open(ALICE.seal(TO_BOB, b"honest", NOW, SOURCE), NOW, SOURCE).content == b"honest"
