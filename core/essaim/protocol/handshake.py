"""Beginning a session with a device, and answering one that begins: PQXDH, then the first ratchet step.

Neither changes anything of the device: what follows from success is for its owner to keep.
"""

from essaim.protocol import pqxdh, sealed
from essaim.protocol.device import DeviceKeys, Random
from essaim.protocol.errors import ProtocolError
from essaim.protocol.manifest import Certificate, Manifest
from essaim.protocol.prekey_store import PrekeyStore
from essaim.protocol.prekeys import Bundle
from essaim.protocol.ratchet import DoubleRatchet, RatchetPair, RatchetPublic
from essaim.protocol.session import Opening, Session


class HandshakeRefusedError(ProtocolError):
    """An initial message from ourselves."""

    reason = "HANDSHAKE_REFUSED"


class ManifestBehindError(HandshakeRefusedError):
    """An initial message under a manifest of ours that we do not know: perhaps a newer one, which the outbox has."""

    reason = "MANIFEST_BEHIND"


class ReplayedError(ProtocolError):
    """An initial message that has begun a session before, which is gone."""

    reason = "REPLAYED"


def begin(keys: DeviceKeys, certificate: Certificate, bundle: Bundle, now: int, random: Random) -> Session:
    """The initiator's half; `certificate` is its own."""
    handshake, agreed = pqxdh.initiate(keys, pqxdh.Party.of(certificate), bundle, random)
    ratchet = DoubleRatchet.initiate(
        agreed.secret,
        (agreed.header_key, agreed.next_header_key),
        RatchetPublic(bundle.signed.agreement, bundle.signed.kem),
        agreed.associated_data,
        random,
    )
    introduction = sealed.Introduction(handshake, bundle.manifest.hash, certificate).encode()
    opening = Opening(now, bundle.signed.agreement, bundle.signed.kem, introduction)
    return Session(handshake.ephemeral.raw, now, ratchet, opening, used_ms=now)


def answer(
    keys: DeviceKeys, manifest: Manifest, prekeys: PrekeyStore, introduction: sealed.Introduction, now: int
) -> Session:
    """The responder's half, `manifest` being its own: the session in which the first message must open."""
    handshake, initiator = introduction.handshake, pqxdh.Party.of(introduction.certificate)
    own = manifest.certificate(keys.slot).device
    if introduction.manifest_hash not in (manifest.hash, *manifest.previous):
        raise ManifestBehindError("an initial message under a manifest that we do not know")
    if initiator.device.device_id == own.device_id:
        raise HandshakeRefusedError("a device has no session with itself")
    responder = pqxdh.Party(manifest.identity, manifest.head.agreement, own, introduction.manifest_hash)
    agreed = pqxdh.respond(keys, responder, prekeys, initiator, handshake)
    pair = prekeys.signed_pair(handshake.signed_id)
    header_keys = (agreed.header_key, agreed.next_header_key)
    ratchet = DoubleRatchet.respond(
        agreed.secret, header_keys, RatchetPair(pair.agreement, pair.kem), agreed.associated_data
    )
    return Session(handshake.ephemeral.raw, now, ratchet, used_ms=now)
