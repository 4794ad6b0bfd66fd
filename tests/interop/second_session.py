"""The second client's account with one device, and its conversations: end-to-end.md alone.

No message may be lost or overtake another here: keys of skipped messages, tags and several sessions are left out.
"""

import hmac
import os
from contextlib import suppress
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from second_account import (
    ENVELOPES,
    BlindedKey,
    PeerDevice,
    SignedPrekeys,
    read_certificate,
    read_manifest,
    seal_unpadded,
    unpadded,
    write_account_id,
)
from second_view import NONCE_0, H, Refused, check, hkdf, now_ms, u

NO_ONE_TIME = bytes(36)


def mac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def seal(key: bytes, plain: bytes, ad: bytes, nonce: bytes = NONCE_0) -> bytes:
    return ChaCha20Poly1305(key).encrypt(nonce, plain, ad)


def unseal(key: bytes, box: bytes, ad: bytes, nonce: bytes = NONCE_0) -> bytes:
    try:
        return ChaCha20Poly1305(key).decrypt(nonce, box, ad)
    except InvalidTag:
        raise Refused("UNREADABLE") from None


def encapsulate(public: bytes) -> tuple[bytes, bytes]:
    """Secret, ciphertext."""
    return MLKEM768PublicKey.from_public_bytes(public).encapsulate()


class Pair:
    """An X25519 and an ML-KEM-768 key pair."""

    def __init__(self) -> None:
        self._x, self._kem = X25519PrivateKey.generate(), MLKEM768PrivateKey.generate()
        self.x, self.kem = (key.public_key().public_bytes_raw() for key in (self._x, self._kem))

    def dh(self, public: bytes) -> bytes:
        return self._x.exchange(X25519PublicKey.from_public_bytes(public))

    def decapsulate(self, ciphertext: bytes) -> bytes:
        return self._kem.decapsulate(ciphertext)


class Ratchet:
    """The Double Ratchet with header encryption and a hybrid step."""

    def __init__(self, root: bytes, send_header: bytes, receive_header: bytes, ad: bytes) -> None:
        self._root, self._ad = root, ad
        self._next_send_header, self._next_receive_header = send_header, receive_header
        self._sending = self._receiving = self._send_header = self._receive_header = b""
        self._pn = self._sent = self._received = 0

    @classmethod
    def initiator(cls, keys: bytes, ad: bytes, prekeys: SignedPrekeys) -> "Ratchet":
        made = cls(keys[:32], keys[32:64], keys[64:], ad)
        made._turn_sending(prekeys.x, prekeys.kem)
        return made

    @classmethod
    def responder(cls, keys: bytes, ad: bytes, prekeys: Pair) -> "Ratchet":
        made = cls(keys[:32], keys[64:], keys[32:64], ad)
        made._own = prekeys
        return made

    def _kdf(self, secret: bytes) -> tuple[bytes, bytes]:
        """Chain key and next header key; moves the root."""
        made = hkdf(secret, self._root, "essaim/ratchet/v1", 96)
        self._root = made[:32]
        return made[32:64], made[64:]

    def _turn_sending(self, x: bytes, kem: bytes) -> None:
        self._own, (secret, self._ciphertext) = Pair(), encapsulate(kem)
        self._send_header, self._pn, self._sent = self._next_send_header, self._sent, 0
        self._sending, self._next_send_header = self._kdf(self._own.dh(x) + secret)

    def seal(self, content: bytes, size: int) -> bytes:
        """A ratchet message of `size` bytes."""
        header = self._own.x + self._own.kem + self._ciphertext + u(4, self._pn) + u(4, self._sent)
        tag = mac(mac(self._send_header, b"essaim/tag/v1"), u(4, self._sent))[:8]
        nonce = os.urandom(12)
        wire = tag + nonce + seal(self._send_header, header, tag, nonce)
        key, self._sending, self._sent = mac(self._sending, b"\1"), mac(self._sending, b"\2"), self._sent + 1
        padded = (u(4, len(content)) + content).ljust(size - len(wire) - 16, b"\0")
        return wire + seal(key, padded, self._ad + wire, nonce)

    def open(self, message: bytes) -> bytes:
        wire, body = message[:2348], message[2348:]
        header = self._header(wire)
        n = int.from_bytes(header[-4:], "big")
        check(n == self._received, "UNREADABLE")
        check(wire[:8] == mac(mac(self._receive_header, b"essaim/tag/v1"), u(4, n))[:8], "UNREADABLE")
        key, self._receiving = mac(self._receiving, b"\1"), mac(self._receiving, b"\2")
        self._received += 1
        return unpadded(unseal(key, body, self._ad + wire, wire[8:20]))

    def _header(self, wire: bytes) -> bytes:
        tag, nonce, box = wire[:8], wire[8:20], wire[20:]
        with suppress(Refused):
            if self._receive_header:
                return unseal(self._receive_header, box, tag, nonce)
        header = unseal(self._next_receive_header, box, tag, nonce)
        self._receive_header, self._received = self._next_receive_header, 0
        x, kem, ciphertext = header[:32], header[32:1216], header[1216:2304]
        secret = self._own.dh(x) + self._own.decapsulate(ciphertext)
        self._receiving, self._next_receive_header = self._kdf(secret)
        self._turn_sending(x, kem)
        return header


@dataclass
class Session:
    """With one device; `handshake` goes along until the peer has answered."""

    peer: PeerDevice
    prekeys: SignedPrekeys | None
    ratchet: Ratchet
    handshake: bytes
    begun_by: bytes = b""  # EK of the handshake, where the peer began it


class Account:
    """A seed, its keys, and a first device in slot 0 with signed prekeys and sessions."""

    def __init__(self, seed: bytes) -> None:
        signing, agreement = (hkdf(seed, "essaim/account/v1", f"identity {part}") for part in ("signing", "agreement"))
        self._identity = Ed25519PrivateKey.from_private_bytes(signing)
        self.identity = self._identity.public_key().public_bytes_raw()
        self.account_id = write_account_id(self.identity)
        self.read_key = BlindedKey(signing, "essaim/public/v1", self.identity)
        self.write_key = BlindedKey(signing, "essaim/outbox/v1", self.identity)
        self._agreement = X25519PrivateKey.from_private_bytes(agreement).public_key().public_bytes_raw()
        self._device_signing, self._device, self._prekeys = Ed25519PrivateKey.generate(), Pair(), Pair()
        self._one_time: dict[bytes, Pair] = {}
        self.sessions: dict[bytes, Session] = {}
        self._make_manifest()

    def _make_manifest(self) -> None:
        signing, device_id = self._device_signing.public_key().public_bytes_raw(), os.urandom(16)
        record = bytes([0, 1]) + device_id + signing + self._device.x + H("essaim/kem/v1", self._device.kem)
        head = b"\1" + self.identity + self._agreement + u(8, 0) + u(8, now_ms()) + H("essaim/previous/v1")
        head += bytes([1, 0]) + H("essaim/device/v1", record)
        signature = self._identity.sign(b"essaim/manifest/v1" + head)
        self.manifest = head + signature + b"\0" + record + self._device.kem
        self._certificate = head + signature + record
        (self.device,) = read_manifest(self.identity, self.manifest)

    @property
    def signed_prekeys(self) -> bytes:
        """The content of the entry `prekeys/0`."""
        content = b"\1" + self.device.device_id + u(4, 1) + u(8, now_ms()) + self._prekeys.x + self._prekeys.kem
        return content + self._device_signing.sign(b"essaim/prekeys/v1" + self.identity + content)

    def new_one_time(self, node_id: bytes) -> bytes:
        """A sealed one-time prekey for one storage node."""
        pair, number = Pair(), u(4, len(self._one_time) + 1)
        self._one_time[number] = pair
        content = b"\1" + self.device.device_id + number + pair.x
        signature = self._device_signing.sign(b"essaim/one-time/v1" + self.identity + node_id + content)
        return seal_unpadded(self.identity, b"one-time/0", content + signature)

    def begin(self, peer: PeerDevice, prekeys: SignedPrekeys, one_time: bytes = NO_ONE_TIME) -> None:
        """PQXDH as initiator; `one_time` is a one-time prekey's id and key."""
        ephemeral = Pair()
        secret, ciphertext = encapsulate(prekeys.kem)
        shown = (prekeys.prekey_id, prekeys.x, one_time, prekeys.kem, ephemeral.x, ciphertext)
        ad = H("essaim/pqxdh/v1", b"\2", self.device.party, peer.party, *shown)
        shared = self._device.dh(prekeys.x) + ephemeral.dh(peer.agreement) + ephemeral.dh(prekeys.x)
        shared += ephemeral.dh(one_time[4:]) if one_time != NO_ONE_TIME else b""
        keys = hkdf(b"\xff" * 32 + shared + secret, bytes(32), ad, 96)
        handshake = prekeys.prekey_id + one_time[:4] + ephemeral.x + ciphertext
        self.sessions[peer.identity] = Session(peer, prekeys, Ratchet.initiator(keys, ad, prekeys), handshake)

    def seal(self, identity: bytes, content: bytes) -> bytes:
        """An envelope for the one device of `identity`."""
        session = self.sessions[identity]
        around = 8 + 1120 + 16 + 1 + 1128 + 32 + 2 + len(self._certificate) if session.handshake else 0
        size = next(s for s in ENVELOPES if s >= around + 2348 + 16 + 4 + len(content))
        message = session.ratchet.seal(content, size - around)
        return self._initial(session, message) if session.handshake else message

    def _initial(self, session: Session, message: bytes) -> bytes:
        """Sealed sender."""
        assert session.prekeys
        certificate = u(2, len(self._certificate)) + self._certificate
        inner = b"\1" + session.handshake + session.peer.manifest_hash + certificate + message
        ephemeral, (secret, ciphertext), tag = Pair(), encapsulate(session.prekeys.kem), os.urandom(8)
        key = sealing_key(ephemeral.dh(session.prekeys.x) + secret, ephemeral.x, session.prekeys, ciphertext)
        return tag + ephemeral.x + ciphertext + seal(key, inner, tag)

    def open(self, identity: bytes, envelope: bytes) -> bytes:
        """The content of a message in the session with `identity`."""
        session = self.sessions[identity]
        content = session.ratchet.open(envelope)
        session.handshake = b""
        return content

    def read(self, envelope: bytes) -> tuple[bytes, bytes]:
        """Who wrote, and the content: in a session that is known, else as an initial message."""
        for identity in self.sessions:
            with suppress(Refused):
                return identity, self.open(identity, envelope)
        return self.open_initial(envelope)

    def open_initial(self, envelope: bytes) -> tuple[bytes, bytes]:
        """Who begins a session, and the content. Until the peer has an answer all its messages are initial ones."""
        mine = SignedPrekeys(u(4, 1), self._prekeys.x, self._prekeys.kem)
        tag, ek, ciphertext = envelope[:8], envelope[8:40], envelope[40:1128]
        secret = self._prekeys.dh(ek) + self._prekeys.decapsulate(ciphertext)
        inner = unseal(sealing_key(secret, ek, mine, ciphertext), envelope[1128:], tag)
        check(inner[0] == 1 and inner[1129:1161] == self.device.manifest_hash, "UNREADABLE")
        end = 1163 + int.from_bytes(inner[1161:1163], "big")
        peer, message, base = read_certificate(inner[1163:end]), inner[end:], inner[9:41]
        known = self.sessions.get(peer.identity)
        if known and known.begun_by == base:
            return peer.identity, known.ratchet.open(message)
        ratchet = self._answer(peer, mine, inner[1:1129])
        self.sessions[peer.identity] = Session(peer, None, ratchet, b"", base)
        return peer.identity, ratchet.open(message)

    def _answer(self, peer: PeerDevice, mine: SignedPrekeys, handshake: bytes) -> Ratchet:
        """PQXDH as responder."""
        prekey_id, number, ek, ciphertext = handshake[:4], handshake[4:8], handshake[8:40], handshake[40:]
        one_time = self._one_time.pop(number, None)
        check(prekey_id == mine.prekey_id and (one_time or number == bytes(4)), "UNREADABLE")
        shown = (prekey_id, mine.x, number + one_time.x if one_time else NO_ONE_TIME, mine.kem, ek, ciphertext)
        ad = H("essaim/pqxdh/v1", b"\2", peer.party, self.device.party, *shown)
        shared = self._prekeys.dh(peer.agreement) + self._device.dh(ek) + self._prekeys.dh(ek)
        shared += one_time.dh(ek) if one_time else b""
        keys = hkdf(b"\xff" * 32 + shared + self._prekeys.decapsulate(ciphertext), bytes(32), ad, 96)
        return Ratchet.responder(keys, ad, self._prekeys)


def sealing_key(secret: bytes, ek: bytes, prekeys: SignedPrekeys, ciphertext: bytes) -> bytes:
    return hkdf(secret, "essaim/sealed/v1", H("essaim/sealed/v1", ek, prekeys.x, prekeys.kem, ciphertext))
