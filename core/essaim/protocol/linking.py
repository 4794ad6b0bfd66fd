"""Linking a device to an account by a short code: four messages in a mailbox that the code names, one guess a run.

    code       12 characters of Crockford's base32, 60 random bits: nameplate 4 | secret 8 (I, L read as 1, O as 0)
    mailbox    a private inbox: read and write key from the seeds HKDF-SHA256(nameplate, salt, "read" | "write");
               slot 0 for what goes to the newcomer, slot 1 for what goes to the sponsor, a manager of the account
    password   BLAKE2b-512(salt || secret)           salt "essaim/link/v1"
    newcomer   1 | SPAKE2 share 32 | ML-KEM-768 key 1184
    sponsor    2 | SPAKE2 share 32 | ML-KEM ciphertext 1088 | AEAD(offer):  account identity 32
    newcomer   3 | AEAD(request):  device id 16 | signing 32 | agreement 32 | ML-KEM key 1184 | slot key in the public
               inbox 32 | in the outbox 32 | length u8 | name
    sponsor    4 | AEAD(approval): manifest | slot record inbox | slot record outbox | account seed, or empty (each
               behind its length u32) | authorship key 32 | configuration key made_ms u64 | configuration key 32
    keys       HKDF-SHA256(SPAKE2 key 32 || ML-KEM secret 32, salt, "offer" | "request" | "approval" | "check")

AEAD is ChaCha20-Poly1305 under nonce 0, each key used once, the message's first byte as associated data; each message
is padded to an envelope. The exchange is fresh, so a code seen later opens nothing; nor, for ML-KEM, will a quantum
computer.
"check" gives the 6 digits that both sides show: first 4 bytes of the key, big-endian, mod 10^6.
"""

from dataclasses import dataclass, replace
from hashlib import blake2b

from essaim.protocol.account import SEED_SIZE, AccountId
from essaim.protocol.device import DEVICE_ID_SIZE, DeviceKeys, Random
from essaim.protocol.errors import ProtocolError
from essaim.protocol.kdf import hkdf
from essaim.protocol.keys import (
    KEM_CIPHERTEXT_SIZE,
    KEM_PUBLIC_SIZE,
    KEM_SEED_SIZE,
    PUBLIC_SIZE,
    AgreementPublic,
    KemKey,
    KemPublic,
    SigningKey,
    VerifyKey,
)
from essaim.protocol.layout import MalformedError, Reader, block
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.manifest import DeviceRecord, Manifest
from essaim.protocol.padding import LENGTH_SIZE, envelope_size, pad, unpad
from essaim.protocol.ratchet.aead import ONCE, seal, unseal
from essaim.protocol.spake2 import POINT_SIZE, Exchange

SALT = b"essaim/link/v1"
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_LENGTH, NAMEPLATE_LENGTH = 12, 4
ROLES = (b"newcomer", b"sponsor")
TO_NEWCOMER, TO_SPONSOR = b"\0", b"\1"
HELLO, OFFER, REQUEST, APPROVAL = 1, 2, 3, 4
NAME_MAX = 60
SECRET_SIZE = 32


class CodeRefusedError(ProtocolError):
    """Not a link code: mistyped."""

    reason = "CODE_REFUSED"


class LinkRefusedError(ProtocolError):
    """The two sides do not have the same code, or somebody else answered: begin again with a new one."""

    reason = "LINK_REFUSED"


@dataclass(frozen=True)
class Code:
    """12 characters."""

    text: str

    def __repr__(self) -> str:
        return "Code(...)"

    def __str__(self) -> str:
        return "-".join(self.text[at : at + 4] for at in range(0, CODE_LENGTH, 4))

    @classmethod
    def make(cls, random: Random) -> "Code":
        return cls("".join(ALPHABET[byte % len(ALPHABET)] for byte in random(CODE_LENGTH)))

    @classmethod
    def parse(cls, text: str) -> "Code":
        """As typed or scanned: case, spaces and hyphens do not matter (CodeRefusedError)."""
        plain = "".join(text.split()).replace("-", "").upper().translate(str.maketrans("ILO", "110"))
        if len(plain) != CODE_LENGTH or set(plain) - set(ALPHABET):
            raise CodeRefusedError(f"a link code has {CODE_LENGTH} letters and digits")
        return cls(plain)

    @property
    def reader(self) -> SigningKey:
        return SigningKey(hkdf(self._nameplate, salt=SALT, info=b"read", length=32))

    @property
    def writer(self) -> SigningKey:
        return SigningKey(hkdf(self._nameplate, salt=SALT, info=b"write", length=32))

    @property
    def policy(self) -> Policy:
        return Policy.private_inbox(self.reader.public, self.writer.public)

    @property
    def _nameplate(self) -> bytes:
        return self.text[:NAMEPLATE_LENGTH].encode()

    @property
    def password(self) -> bytes:
        """64 bytes."""
        return blake2b(SALT + self.text[NAMEPLATE_LENGTH:].encode()).digest()


@dataclass(frozen=True)
class Request:
    """What a device says of itself before it belongs to an account."""

    device_id: bytes
    signing: VerifyKey
    agreement: AgreementPublic
    kem: KemPublic
    inbox_key: VerifyKey
    outbox_key: VerifyKey
    name: str

    @classmethod
    def of(cls, keys: DeviceKeys, inbox: Policy, outbox: Policy, name: str) -> "Request":
        in_inbox, in_outbox = (keys.slot_signer(policy.mailbox_id).public for policy in (inbox, outbox))
        public = keys.signing.public, keys.agreement.public, keys.kem.public
        return cls(keys.device_id, *public, in_inbox, in_outbox, name)

    def record(self, slot: int, flags: int) -> DeviceRecord:
        """For the manifest."""
        keys = DeviceRecord(slot, flags, self.device_id, self.signing, self.agreement, b"")
        return replace(keys, kem_hash=DeviceRecord.hash_of(self.kem))

    def encode(self) -> bytes:
        keys = self.signing.raw + self.agreement.raw + self.kem.raw + self.inbox_key.raw + self.outbox_key.raw
        return self.device_id + keys + block(self.name.encode()[:NAME_MAX], 1)

    @classmethod
    def decode(cls, data: bytes) -> "Request":
        reader = Reader(data)
        request = cls(
            reader.take(DEVICE_ID_SIZE),
            VerifyKey(reader.take(PUBLIC_SIZE)),
            AgreementPublic(reader.take(PUBLIC_SIZE)),
            KemPublic(reader.take(KEM_PUBLIC_SIZE)),
            VerifyKey(reader.take(PUBLIC_SIZE)),
            VerifyKey(reader.take(PUBLIC_SIZE)),
            reader.block(1).decode(errors="replace"),
        )
        reader.end()
        request.agreement.check()
        request.kem.check()
        return request


@dataclass(frozen=True)
class Approval:
    """All that a new device of an account is given; `seed` for a manager, else b""."""

    manifest: Manifest
    inbox_record: bytes
    outbox_record: bytes
    seed: bytes
    authorship_key: bytes
    configuration_made_ms: int
    configuration_key: bytes

    def __repr__(self) -> str:
        return "Approval(...)"

    def encode(self) -> bytes:
        parts = (self.manifest.encode(), self.inbox_record, self.outbox_record, self.seed)
        made = self.configuration_made_ms.to_bytes(8, "big")
        return b"".join(map(block, parts)) + self.authorship_key + made + self.configuration_key

    @classmethod
    def decode(cls, data: bytes) -> "Approval":
        reader = Reader(data)
        manifest = Manifest.decode(reader.block())
        inbox, outbox, seed = reader.block(), reader.block(), reader.block()
        authorship, made_ms, key = reader.take(SECRET_SIZE), reader.number(8), reader.take(SECRET_SIZE)
        reader.end()
        if len(seed) not in (0, SEED_SIZE):
            raise MalformedError("an account's seed has 32 bytes")
        return cls(manifest, inbox, outbox, seed, authorship, made_ms, key)


class _Keys:
    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def key(self, purpose: bytes) -> bytes:
        return hkdf(self._secret, salt=SALT, info=purpose, length=32)

    @property
    def check(self) -> str:
        return f"{int.from_bytes(self.key(b'check')[:4], 'big') % 10**6:06}"

    def seal(self, kind: int, purpose: bytes, content: bytes) -> bytes:
        return seal(self.key(purpose), ONCE, content, bytes((kind,)))

    def open(self, kind: int, purpose: bytes, box: bytes) -> bytes:
        content = unseal(self.key(purpose), ONCE, box, bytes((kind,)))
        if content is None:
            raise LinkRefusedError("the codes differ, or somebody else answered: begin again with a new code")
        return content


class Newcomer:
    """A device that wants to belong to an account: `hello`, `offered`, `request`, `approved`, in this order."""

    def __init__(self, random: Random) -> None:
        self.code = Code.make(random)
        self._exchange = Exchange.begin(self.code.password, random)
        self._kem = KemKey(random(KEM_SEED_SIZE))
        self._keys = _Keys(b"")

    def hello(self) -> bytes:
        return _envelope(HELLO, self._exchange.share + self._kem.public.raw)

    def offered(self, envelope: bytes) -> AccountId:
        """Whose device it is going to be (LinkRefusedError)."""
        reader = _body(OFFER, envelope)
        share, ciphertext = reader.take(POINT_SIZE), reader.take(KEM_CIPHERTEXT_SIZE)
        self._keys = _Keys(self._exchange.agree(ROLES, share) + self._kem.decapsulate(ciphertext))
        return AccountId(VerifyKey(self._keys.open(OFFER, b"offer", reader.rest())))

    @property
    def check(self) -> str:
        """Six digits, which the sponsor shows too."""
        return self._keys.check

    def request(self, request: Request) -> bytes:
        return _envelope(REQUEST, self._keys.seal(REQUEST, b"request", request.encode()))

    def approved(self, envelope: bytes) -> Approval:
        """Raises LinkRefusedError."""
        return Approval.decode(self._keys.open(APPROVAL, b"approval", _body(APPROVAL, envelope).rest()))


class Sponsor:
    """A manager that was given a code: `offer`, `requested`, `approve`."""

    def __init__(self, code: Code, random: Random) -> None:
        self._exchange = Exchange.answer(code.password, random)
        self._keys = _Keys(b"")

    def offer(self, envelope: bytes, account: AccountId) -> bytes:
        """The answer to a hello (LinkRefusedError)."""
        reader = _body(HELLO, envelope)
        share, kem = reader.take(POINT_SIZE), KemPublic(reader.take(KEM_PUBLIC_SIZE))
        reader.end()
        secret, ciphertext = kem.encapsulate()
        self._keys = _Keys(self._exchange.agree(ROLES, share) + secret)
        box = self._keys.seal(OFFER, b"offer", account.raw)
        return _envelope(OFFER, self._exchange.share + ciphertext + box)

    @property
    def check(self) -> str:
        """Six digits, which the newcomer shows too."""
        return self._keys.check

    def requested(self, envelope: bytes) -> Request:
        """Raises LinkRefusedError."""
        return Request.decode(self._keys.open(REQUEST, b"request", _body(REQUEST, envelope).rest()))

    def approve(self, approval: Approval) -> bytes:
        return _envelope(APPROVAL, self._keys.seal(APPROVAL, b"approval", approval.encode()))


def _envelope(kind: int, body: bytes) -> bytes:
    content = bytes((kind,)) + body
    return pad(content, envelope_size(LENGTH_SIZE + len(content)))


def kind_of(envelope: bytes) -> int:
    """Which of the four messages it claims to be; 0: none."""
    try:
        return Reader(unpad(envelope)).number(1)
    except MalformedError:
        return 0


def _body(kind: int, envelope: bytes) -> Reader:
    reader = Reader(unpad(envelope))
    if reader.number(1) != kind:
        raise LinkRefusedError("not the message that comes next")
    return reader
