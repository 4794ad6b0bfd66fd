"""The second client's accounts, mailboxes and end-to-end encryption: identity.md, mailbox.md, end-to-end.md alone."""

import hashlib
import os
from dataclasses import dataclass
from typing import Any, Protocol

import nacl.bindings as sodium
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from second_view import H, Protos, check, hkdf, now_ms, u, verify

ENVELOPES = (4096, 10240, 57344, 253952)
L = 2**252 + 27742317777372353535851937790883648493
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


# Account IDs and blinded keys (identity.md, 1 and 2)


def checksum(values: list[int]) -> int:
    """BIP-350's polymod over prefix and data."""
    made = 1
    for value in [*(ord(c) >> 5 for c in "esm"), 0, *(ord(c) & 31 for c in "esm"), *values]:
        top, made = made >> 25, (made & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            made ^= generator * (top >> bit & 1)
    return made


def read_account_id(text: str) -> bytes:
    """The identity key."""
    prefix, data, one_case = text[:4].lower(), text[4:].lower(), text in {text.lower(), text.upper()}
    check(one_case and len(text) == 63 and prefix == "esm1" and set(data) <= set(BECH32), "ACCOUNT_ID_REFUSED")
    values = [BECH32.index(c) for c in data]
    check(checksum(values) == 0x2BC830A3, "ACCOUNT_ID_REFUSED")
    number = sum(value << 5 * place for place, value in enumerate(reversed(values[:-6])))  # 264 bits and a 0
    check(number % 2 == 0, "ACCOUNT_ID_REFUSED")
    version, identity = number >> 257, u(32, (number >> 1) % 2**256)
    check(version == 1 and sodium.crypto_core_ed25519_is_valid_point(identity), "ACCOUNT_ID_REFUSED")
    return identity


def write_account_id(identity: bytes) -> str:
    number = int.from_bytes(b"\x01" + identity, "big") << 1  # 264 bits and one of padding
    values = [number >> 5 * i & 31 for i in reversed(range(53))]
    end = checksum([*values, *[0] * 6]) ^ 0x2BC830A3
    return "esm1" + "".join(BECH32[v] for v in [*values, *(end >> 5 * i & 31 for i in reversed(range(6)))])


def factor(label: str, *parts: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(label.encode() + b"".join(parts)).digest(), "little") % L or 1


def blinded_public(identity: bytes, label: str) -> bytes:
    return sodium.crypto_scalarmult_ed25519_noclamp(u_little(factor(label, identity)), identity)


def u_little(number: int) -> bytes:
    return number.to_bytes(32, "little")


class BlindedKey:
    """A mailbox key of an own account: signs, and verifies as plain Ed25519."""

    def __init__(self, seed: bytes, label: str, *parts: bytes) -> None:
        digest, h = hashlib.sha512(seed).digest(), factor(label, *parts)
        a = int.from_bytes(digest[:32], "little") & ~7 & (1 << 254) - 1 | 1 << 254
        self._scalar, self._prefix = h * a % L, H("essaim/blinding/v1", digest[32:], u_little(h))
        self.public = sodium.crypto_scalarmult_ed25519_base_noclamp(u_little(self._scalar))

    def sign(self, message: bytes) -> bytes:
        r = int.from_bytes(hashlib.sha512(self._prefix + message).digest(), "little") % L
        point = sodium.crypto_scalarmult_ed25519_base_noclamp(u_little(r))
        k = int.from_bytes(hashlib.sha512(point + self.public + message).digest(), "little") % L
        return point + u_little((r + k * self._scalar) % L)


# Mailboxes (mailbox.md)

PUBLIC, OUTBOX, PRIVATE = 1, 2, 3


class Signer(Protocol):
    """A blinded or a plain Ed25519 key."""

    public: bytes

    def sign(self, message: bytes) -> bytes: ...


class PlainKey:
    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public, self.sign = self._key.public_key().public_bytes_raw(), self._key.sign


class Mailbox:
    """Builds the requests of one mailbox; `key` is its owner's, if we are, or with `slot_record` a slot key."""

    def __init__(self, protos: Protos, kind: int, read: bytes, write: bytes, key: Signer | None = None) -> None:
        self.protos, self.key, self.kind, self.slot_record = protos, key, kind, b""
        self.write_key = key if kind == OUTBOX else None
        self.policy = bytes([kind]) + read + write + bytes(32)
        self.id = H("essaim/mailbox/v1", self.policy)

    def name_slot_key(self, slot: int, key: Signer, version: int = 1) -> None:
        """From now on requests are signed by `key`, which the owner names."""
        assert self.key
        record = self.id + u(1, slot) + key.public + u(8, version)
        self.slot_record = record + self.key.sign(b"essaim/slot/v1" + record)
        self.key = key

    def message(self, name: str, **fields: Any) -> Any:
        made = self.protos[f"essaim.storage.v1.{name}"](**fields)
        made.mailbox.id, made.mailbox.policy = self.id, self.policy
        return made

    def store(self, slot: bytes, data: bytes, expires_ms: int, version: int = 0) -> Any:
        new = self.protos["essaim.storage.v1.NewEnvelope"]
        envelope = new(slot=slot, expires_ms=expires_ms, data=data, version=version)
        if self.kind != PUBLIC:
            name = self.envelope_id(slot, expires_ms, data, version)
            envelope.authorization.CopyFrom(self._authorization("Store", name, self.write_key, expires_ms))
        return self.message("StoreRequest", envelopes=[envelope])

    def read(self, name: str, slot: bytes, cursor: bytes = b"", **fields: Any) -> Any:
        """RetrieveRequest or SubscribeRequest."""
        made = self.message(name, slot=slot, cursor=cursor, **fields)
        if self.kind != OUTBOX:
            made.authorization.CopyFrom(self._authorization(name.removesuffix("Request"), payload(slot), self.key))
        return made

    def confirm(self, slot: bytes, ids: list[bytes]) -> Any:
        signed = self._authorization("Confirm", payload(slot, u(4, len(ids)), *sorted(ids)), self.key)
        return self.message("ConfirmRequest", slot=slot, envelope_ids=ids, authorization=signed)

    def delete(self, ids: list[bytes]) -> Any:
        signed = self._authorization("Delete", payload(b"", u(4, len(ids)), *sorted(ids)), self.key)
        return self.message("DeleteRequest", envelope_ids=ids, authorization=signed)

    def publish_prekeys(self, slot: bytes, node_id: bytes, version: int, prekeys: list[bytes]) -> Any:
        listed = b"".join(u(4, len(each)) + each for each in prekeys)
        hash_ = payload(slot, node_id, u(8, version), u(4, len(prekeys)), listed)
        signed = self._authorization("PublishPrekeys", hash_, self.key)
        fields = {"slot": slot, "node_id": node_id, "version": version, "prekeys": prekeys}
        return self.message("PublishPrekeysRequest", authorization=signed, **fields)

    def envelope_id(self, slot: bytes, expires_ms: int, data: bytes, version: int = 0) -> bytes:
        return H("essaim/envelope/v1", u(8, version), self.id, u(1, len(slot)), slot, u(8, expires_ms), data)

    def _authorization(self, method: str, hash_: bytes, key: Signer | None, expiry: int = 0) -> Any:
        assert key
        record = self.slot_record if key is self.key else b""
        at, nonce = now_ms(), os.urandom(16)
        name = method.encode()
        text = b"essaim/authorization/v1" + self.id + u(1, len(name)) + name + hash_ + u(8, expiry) + u(8, at) + nonce
        made = self.protos["essaim.storage.v1.Authorization"]
        return made(time_ms=at, nonce=nonce, signature=key.sign(text), slot_record=record)


def payload(slot: bytes, *rest: bytes) -> bytes:
    return H("essaim/payload/v1", u(1, len(slot)), slot, *rest)


def inbox_of(protos: Protos, identity: bytes) -> Mailbox:
    return Mailbox(protos, PUBLIC, blinded_public(identity, "essaim/public/v1"), bytes(32))


def outbox_of(protos: Protos, identity: bytes) -> Mailbox:
    return Mailbox(protos, OUTBOX, bytes(32), blinded_public(identity, "essaim/outbox/v1"))


# Entries of an outbox (identity.md, 4)


def seal_entry(identity: bytes, name: bytes, content: bytes) -> bytes:
    size = next(size for size in ENVELOPES if size >= 24 + 4 + len(content) + 16)
    return seal_unpadded(identity, name, (u(4, len(content)) + content).ljust(size - 24 - 16, b"\0"))


def seal_unpadded(identity: bytes, name: bytes, plain: bytes) -> bytes:
    nonce, key = os.urandom(24), hkdf(identity, "essaim/outbox/v1", name)
    return nonce + sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(plain, name, nonce, key)


def open_entry(identity: bytes, name: bytes, sealed: bytes, padded: bool = True) -> bytes:
    key = hkdf(identity, b"essaim/outbox/v1", name)
    plain = sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(sealed[24:], name, sealed[:24], key)
    return unpadded(plain) if padded else plain


def unpadded(plain: bytes) -> bytes:
    length = int.from_bytes(plain[:4], "big")
    check(length <= len(plain) - 4 and not any(plain[4 + length :]))
    return plain[4 : 4 + length]


# Manifests (identity.md, 3)


@dataclass(frozen=True)
class PeerDevice:
    """A device of a verified manifest, with what a handshake needs of the account."""

    identity: bytes
    account_agreement: bytes
    slot: int
    device_id: bytes
    signing: bytes
    agreement: bytes
    manifest_hash: bytes

    @property
    def party(self) -> bytes:
        account = self.identity + self.account_agreement
        return account + u(1, self.slot) + self.device_id + self.agreement + self.manifest_hash


def read_manifest(identity: bytes, manifest: bytes) -> list[PeerDevice]:
    """The devices; everything that the head commits to is checked."""
    count = manifest[113]
    size = 114 + 33 * count
    head, signature, rest = manifest[:size], manifest[size : size + 64], manifest[size + 64 :]
    check(head[0] == 1 and head[1:33] == identity and 1 <= count <= 5, "MANIFEST_REFUSED")
    verify(identity, signature, "essaim/manifest/v1", head, "MANIFEST_REFUSED")
    version, hashes = int.from_bytes(head[65:73], "big"), rest[1 : 1 + 32 * rest[0]]
    check(rest[0] == min(version, 32) and H("essaim/previous/v1", hashes) == head[81:113], "MANIFEST_REFUSED")
    rest, devices = rest[1 + len(hashes) :], []
    check(len(rest) == count * 1298, "MANIFEST_REFUSED")
    for place in range(count):
        record, kem = rest[1298 * place : 1298 * place + 114], rest[1298 * place + 114 : 1298 * place + 1298]
        listed = head[114 + 33 * place : 147 + 33 * place]
        check(listed == record[:1] + H("essaim/device/v1", record), "MANIFEST_REFUSED")
        check(H("essaim/kem/v1", kem) == record[82:], "MANIFEST_REFUSED")
        devices.append(device_of(head, record))
    return devices


def device_of(head: bytes, record: bytes) -> PeerDevice:
    hash_ = H("essaim/manifest/v1", head)
    return PeerDevice(head[1:33], head[33:65], record[0], record[2:18], record[18:50], record[50:82], hash_)


def read_certificate(certificate: bytes) -> PeerDevice:
    """The one device that a certificate shows; its account is whom the head names."""
    check(len(certificate) > 114, "MANIFEST_REFUSED")
    size = 114 + 33 * certificate[113]
    head, signature, record = certificate[:size], certificate[size : size + 64], certificate[size + 64 :]
    check(head[0] == 1 and 1 <= head[113] <= 5 and len(record) == 114, "MANIFEST_REFUSED")
    verify(head[1:33], signature, "essaim/manifest/v1", head, "MANIFEST_REFUSED")
    listed = [head[place : place + 33] for place in range(114, size, 33)]
    check(record[:1] + H("essaim/device/v1", record) in listed, "MANIFEST_REFUSED")
    return device_of(head, record)


@dataclass(frozen=True)
class SignedPrekeys:
    """What a handshake begins with."""

    prekey_id: bytes
    x: bytes
    kem: bytes


def read_prekeys(device: PeerDevice, content: bytes) -> SignedPrekeys:
    check(len(content) == 1309 and content[0] == 1 and content[1:17] == device.device_id, "PREKEY_REFUSED")
    verify(device.signing, content[1245:], "essaim/prekeys/v1", device.identity + content[:1245], "PREKEY_REFUSED")
    return SignedPrekeys(content[17:21], content[29:61], content[61:1245])


def read_one_time(device: PeerDevice, node_id: bytes, sealed_prekey: bytes) -> bytes:
    """Id and key, 36 bytes, of a one-time prekey that node `node_id` gave."""
    content = open_entry(device.identity, b"one-time/%d" % device.slot, sealed_prekey, padded=False)
    check(len(content) == 117 and content[0] == 1 and content[1:17] == device.device_id, "PREKEY_REFUSED")
    signed = device.identity + node_id + content[:53]
    verify(device.signing, content[53:], "essaim/one-time/v1", signed, "PREKEY_REFUSED")
    return content[17:53]
