"""PQXDH between two devices (Signal, "The PQXDH Key Agreement Protocol", revision 3).

The papers' identity keys are here the devices' agreement keys, each certified by its account's manifest: a device that
is no manager holds no account key and can still answer. Everything that the handshake rests on goes into one
transcript, and the transcript into every derived key:

    transcript = BLAKE2b-256("essaim/pqxdh/v1" || suite 1 || initiator || responder || signed prekey id 4
                 || signed X25519 prekey 32 || one-time prekey id 4 || one-time prekey 32 (zeros: none)
                 || ML-KEM prekey 1184 || ephemeral key EK 32 || ML-KEM ciphertext 1088)
    party      = account identity 32 || account agreement 32 || slot 1 || device id 16 || device agreement 32
                 || manifest hash 32

    DH1 = DH(IK_A, SPK_B)   DH2 = DH(EK_A, IK_B)   DH3 = DH(EK_A, SPK_B)   DH4 = DH(EK_A, OPK_B), if there is one
    SK 32 || header key 32 || next header key 32
        = HKDF-SHA256(ikm = 0xFF x 32 || DH1 || DH2 || DH3 [|| DH4] || SS, salt = 0 x 32, info = transcript)

The associated data of the session is the transcript. (It binds the ML-KEM key and ciphertext: Bhargavan et al., "Formal
verification of the PQXDH Post-Quantum key agreement protocol", USENIX Security 2024, found re-encapsulation without.)
"""

from dataclasses import dataclass

from essaim.protocol.device import DeviceKeys, Random
from essaim.protocol.kdf import blake2b256, hkdf
from essaim.protocol.keys import (
    KEM_CIPHERTEXT_SIZE,
    PUBLIC_SIZE,
    SEED_SIZE,
    AgreementKey,
    AgreementPublic,
    KemPublic,
    VerifyKey,
)
from essaim.protocol.layout import Reader
from essaim.protocol.manifest import Certificate, DeviceRecord
from essaim.protocol.prekey_store import PrekeyStore
from essaim.protocol.prekeys import Bundle

SUITE = 2  # X25519 and ML-KEM-768, as in an onion cell; 1 would be X25519 alone and is not spoken here
LABEL = b"essaim/pqxdh/v1"


@dataclass(frozen=True)
class Party:
    """One side of a handshake: a device under a version of its account's manifest."""

    identity: VerifyKey
    agreement: AgreementPublic
    device: DeviceRecord
    manifest_hash: bytes

    @classmethod
    def of(cls, certificate: Certificate) -> "Party":
        head = certificate.head
        return cls(head.identity, head.agreement, certificate.device, head.hash)

    def encode(self) -> bytes:
        device = bytes((self.device.slot,)) + self.device.device_id + self.device.agreement.raw
        return self.identity.raw + self.agreement.raw + device + self.manifest_hash


@dataclass(frozen=True)
class Handshake:
    """What the initiator sends: signed prekey id 4 | one-time prekey id 4 | EK 32 | ML-KEM ciphertext 1088."""

    signed_id: int
    one_time_id: int
    ephemeral: AgreementPublic
    ciphertext: bytes

    def encode(self) -> bytes:
        ids = self.signed_id.to_bytes(4, "big") + self.one_time_id.to_bytes(4, "big")
        return ids + self.ephemeral.raw + self.ciphertext

    @classmethod
    def read(cls, reader: Reader) -> "Handshake":
        signed_id, one_time_id = reader.number(4), reader.number(4)
        return cls(signed_id, one_time_id, AgreementPublic(reader.take(PUBLIC_SIZE)), reader.take(KEM_CIPHERTEXT_SIZE))


@dataclass(frozen=True)
class Agreed:
    """What both sides then have: the secrets that begin the Double Ratchet, and its associated data."""

    secret: bytes
    header_key: bytes
    next_header_key: bytes
    associated_data: bytes


def initiate(device: DeviceKeys, own: Party, bundle: Bundle, random: Random) -> tuple[Handshake, Agreed]:
    """Begin a session with the device of `bundle`, which has been verified. (ML-KEM draws its own randomness.)"""
    ephemeral = AgreementKey(random(SEED_SIZE))
    shared, ciphertext = bundle.signed.kem.encapsulate()
    one_time = bundle.one_time
    handshake = Handshake(bundle.signed.prekey_id, one_time.prekey_id if one_time else 0, ephemeral.public, ciphertext)
    secrets = [
        device.agreement.exchange(bundle.signed.agreement),
        ephemeral.exchange(bundle.device.agreement),
        ephemeral.exchange(bundle.signed.agreement),
    ]
    if one_time is not None:
        secrets.append(ephemeral.exchange(one_time.agreement))
    responder = Party.of(Certificate(bundle.manifest.head, bundle.device))
    prekeys = _Prekeys(bundle.signed.agreement, one_time.agreement if one_time else None, bundle.signed.kem)
    return handshake, _agree([*secrets, shared], _transcript(own, responder, handshake, prekeys))


def respond(device: DeviceKeys, own: Party, prekeys: PrekeyStore, initiator: Party, handshake: Handshake) -> Agreed:
    """The other side; `own` under the manifest that the initiator used.

    Erases nothing: the one-time prekey goes once the first message is open.
    """
    signed, one_time = prekeys.signed_pair(handshake.signed_id), prekeys.one_time_key(handshake.one_time_id)
    secrets = [
        signed.agreement.exchange(initiator.device.agreement),
        device.agreement.exchange(handshake.ephemeral),
        signed.agreement.exchange(handshake.ephemeral),
    ]
    if one_time is not None:
        secrets.append(one_time.exchange(handshake.ephemeral))
    shared = signed.kem.decapsulate(handshake.ciphertext)
    public = _Prekeys(signed.agreement.public, one_time.public if one_time else None, signed.kem.public)
    return _agree([*secrets, shared], _transcript(initiator, own, handshake, public))


@dataclass(frozen=True)
class _Prekeys:
    signed: AgreementPublic
    one_time: AgreementPublic | None
    kem: KemPublic


def _transcript(initiator: Party, responder: Party, handshake: Handshake, prekeys: _Prekeys) -> bytes:
    return blake2b256(
        LABEL,
        bytes((SUITE,)),
        initiator.encode(),
        responder.encode(),
        handshake.signed_id.to_bytes(4, "big"),
        prekeys.signed.raw,
        handshake.one_time_id.to_bytes(4, "big"),
        prekeys.one_time.raw if prekeys.one_time else bytes(PUBLIC_SIZE),
        prekeys.kem.raw,
        handshake.ephemeral.raw,
        handshake.ciphertext,
    )


def _agree(secrets: list[bytes], transcript: bytes) -> Agreed:
    keys = hkdf(b"\xff" * 32 + b"".join(secrets), salt=bytes(32), info=transcript, length=96)
    return Agreed(keys[:32], keys[32:64], keys[64:], transcript)
