"""Manifests, prekeys, and envelopes of a stranger or of a peer that lies under its own keys."""

import random
from collections.abc import Iterator

from essaim.protocol import outbox, sealed
from essaim.protocol.account import Account
from essaim.protocol.conversation import Device, Peer
from essaim.protocol.errors import ProtocolError
from essaim.protocol.geometry import ENVELOPE_SIZES
from essaim.protocol.keys import AgreementKey, KeyRefusedError, SigningKey
from essaim.protocol.layout import MalformedError
from essaim.protocol.manifest import LABEL, Certificate, Head, Manifest, ManifestRefusedError
from essaim.protocol.outbox import OutboxEntryRefusedError
from essaim.protocol.padding import unpad
from essaim.protocol.prekeys import Bundle, OneTimePrekey, PrekeyRefusedError, SignedPrekeys
from essaim.protocol.ratchet import aead
from essaim.protocol.ratchet.header import tag_key, tag_of
from fuzzed.parser import Parser, chosen

NOW = 1_800_000_000_000
SOURCE = random.Random(6).randbytes
NODE = bytes(32)
PEOPLE = [Account(bytes([number]) * 32) for number in (1, 2)]
ALICE, BOB = (Device.create(each, 0, NOW, SOURCE) for each in PEOPLE)
IDENTITY: SigningKey = PEOPLE[1].identity
BUNDLE = Bundle.assemble(
    BOB.account_id,
    0,
    BOB.manifest_entry(SOURCE),
    BOB.prekeys_entry(SOURCE),
    one_time=BOB.new_one_time_batch(NODE, 1, NOW, SOURCE)[0],
    node_id=NODE,
)
ALICE.start(BUNDLE, NOW, SOURCE)
WAITING = ALICE._roster.places()[0].session
INTRODUCTION = WAITING.opening.introduction if WAITING.opening else b""
BOB.open(ALICE.seal(Peer(BOB.account_id, 0), b"text", NOW, SOURCE), NOW, SOURCE)
ALICE.open(BOB.seal(Peer(ALICE.account_id, 0), b"text", NOW, SOURCE), NOW, SOURCE)
_, (HEADER_KEY, _) = BOB._roster.places()[0].session.ratchet.receiving_keys()
LAYOUT = (MalformedError, KeyRefusedError)
"""What every fixed layout may be refused for."""
INNER = ENVELOPE_SIZES[1] - sealed.BOX_OVERHEAD
EPHEMERAL, (SHARED, CIPHERTEXT) = AgreementKey(bytes(range(32))), BUNDLE.signed.kem.encapsulate()
BOX_TAG = bytes(sealed.TAG_SIZE)
BOX_KEY = sealed._box_key(
    EPHEMERAL.exchange(BUNDLE.signed.agreement) + SHARED,
    EPHEMERAL.public.raw,
    BUNDLE.signed.agreement.raw,
    BUNDLE.signed.kem.raw,
    CIPHERTEXT,
)
"""One box for all inputs: to agree on its key takes as long as the parser."""


def manifest(data: bytes) -> object:
    """Signed by the account that it is said to be of."""
    found = Manifest.decode(data)
    assert found.encode() == data, "two forms of one meaning"
    for record in found.devices:
        assert found.certificate(record.slot).device == record
    found.check(IDENTITY.public, BOB.manifest.head)
    return found


def manifests() -> Iterator[bytes]:
    yield BOB.manifest.encode()
    from essaim.protocol.device import DeviceKeys
    from essaim.protocol.manifest import DeviceRecord
    from essaim.protocol.succession import flagging, listing

    keys = DeviceKeys.create(3, 0, SOURCE)
    second = listing(PEOPLE[1], BOB.manifest, (DeviceRecord.of(keys), keys.kem.public), NOW)
    yield second.encode()
    yield flagging(PEOPLE[1], second, 3, NOW, manager=True, dormant=True).encode()


def certificate(data: bytes) -> object:
    """The first byte: whether its head is signed by the identity of the account."""
    signs, rest = chosen(data, 2)
    found = Certificate.decode(rest)
    assert found.encode() == rest, "two forms of one meaning"
    if signs:
        head = found.head
        found = Certificate(Head.decode(head.encoded + IDENTITY.sign(LABEL + head.encoded)), found.device)
    found.check()
    return found


def certificates() -> Iterator[bytes]:
    for signs in (b"\0", b"\1"):
        yield signs + BOB.manifest.certificate(0).encode()


def prekeys(data: bytes) -> object:
    found = SignedPrekeys.decode(data)
    assert found.encode() == data, "two forms of one meaning"
    found.check(BOB.account_id, BUNDLE.device)
    return found


def one_time(data: bytes) -> object:
    found = OneTimePrekey.decode(data)
    assert found.encode() == data, "two forms of one meaning"
    found.check(BOB.account_id, BUNDLE.device, NODE)
    return found


def published() -> Iterator[bytes]:
    yield BUNDLE.signed.encode()


def served() -> Iterator[bytes]:
    assert BUNDLE.one_time is not None
    yield BUNDLE.one_time.encode()


def entry(data: bytes) -> object:
    """An outbox entry, as whoever knows the account can seal one, and as a node can make one up."""
    seals, rest = chosen(data, 2)
    name = outbox.prekeys_name(0)
    if seals:
        rest = outbox.seal(IDENTITY.public, name, rest, bytes)
    return outbox.open_entry(IDENTITY.public, name, rest)


def entries() -> Iterator[bytes]:
    yield b"\1" + (5).to_bytes(4, "big") + b"hello" + bytes(9)
    yield b"\0" + bytes(60)


def padding(data: bytes) -> object:
    content = unpad(data)
    assert data == len(content).to_bytes(4, "big") + content + bytes(len(data) - len(content) - 4)
    return content


def paddings() -> Iterator[bytes]:
    yield (5).to_bytes(4, "big") + b"hello" + bytes(9)


def initial(data: bytes) -> object:
    """Anybody may seal anything to a device's prekeys: the box proves nothing about what is in it."""
    inside = data[:INNER].ljust(INNER, b"\0")
    return _refused(BOX_TAG + EPHEMERAL.public.raw + CIPHERTEXT + aead.seal(BOX_KEY, aead.ONCE, inside, BOX_TAG))


def _refused(envelope: bytes) -> object:
    """Nothing of it can be genuine: it is refused, and has changed nothing."""
    BOB.take_changes()
    try:
        opened = BOB.open(envelope, NOW, SOURCE)
    except ProtocolError:
        assert BOB.take_changes() == {}, "a refused envelope has changed the device"
        raise
    raise AssertionError(f"opened {len(opened.content)} bytes that nobody sealed")


def introductions() -> Iterator[bytes]:
    yield INTRODUCTION
    yield INTRODUCTION + bytes(200)


def header(data: bytes) -> object:
    """A ratchet header under the genuine key, as only the peer can make one, before a body that is none."""
    plain = data[:2_312].ljust(2_312, b"\0")
    number = int.from_bytes(plain[-4:], "big")
    tag, nonce = tag_of(tag_key(HEADER_KEY), number), bytes(12)
    wire = tag + nonce + aead.seal(HEADER_KEY, nonce, plain, tag)
    return _refused(wire.ljust(ENVELOPE_SIZES[0], b"\0"))


def headers() -> Iterator[bytes]:
    keys = BUNDLE.signed.agreement.raw + BUNDLE.signed.kem.raw
    for previous, number in ((0, 0), (1, 3), (2**32 - 1, 0), (0, 2**32 - 1)):
        yield keys + bytes(1088) + previous.to_bytes(4, "big") + number.to_bytes(4, "big")


PARSERS = (
    Parser("e2e.manifest", manifest, (*LAYOUT, ManifestRefusedError), manifests, longest=4_096),
    Parser("e2e.certificate", certificate, (*LAYOUT, ManifestRefusedError), certificates, longest=640),
    Parser("e2e.prekeys", prekeys, (*LAYOUT, PrekeyRefusedError), published, longest=1_536),
    Parser("e2e.one_time", one_time, (*LAYOUT, PrekeyRefusedError), served, longest=160),
    Parser("e2e.entry", entry, (OutboxEntryRefusedError, MalformedError), entries, longest=512),
    Parser("e2e.padding", padding, (MalformedError,), paddings, longest=512),
    Parser("e2e.initial", initial, (ProtocolError,), introductions, longest=2_048),
    Parser("e2e.header", header, (ProtocolError,), headers, longest=2_312),
)
