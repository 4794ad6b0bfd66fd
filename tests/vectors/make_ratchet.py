"""Writes ratchet.json: four chains of one session, with what went into each key and came out of it.

python tests/vectors/make_ratchet.py > tests/vectors/ratchet.json

ML-KEM encapsulation is random, so every run writes other bytes; what is committed is frozen (v1).
`test_ratchet_vectors.py` opens it without `essaim`, too.
"""

import json
import random

from essaim.protocol.padding import pad
from essaim.protocol.ratchet.chain import ChainName, step_root
from essaim.protocol.ratchet.double_ratchet import DoubleRatchet, overhead
from essaim.protocol.ratchet.header import open_header, wire_size
from essaim.protocol.ratchet.pair import RatchetPair, RatchetPublic
from essaim.protocol.ratchet.state import State
from essaim.protocol.ratchet.suite import HYBRID

NOW = 1_800_000_000_000
SOURCE = random.Random(20261124).randbytes
ENVELOPE = 4096
# whose turn it is, and in which order the other side gets what was sealed in it
TURNS = (("initiator", 3, (0, 2)), ("responder", 1, (0,)), ("initiator", 2, (1, 0)), ("responder", 2, (0, 1)))


def chain(sender: str, before: bytes, state: State, peer: RatchetPair) -> dict[str, str]:
    """The sending chain of `state`; `before` is the root key that its step began with."""
    assert state.sending is not None and state.own.kem is not None and peer.kem is not None
    return {
        "sender": sender,
        "own_private": state.own.agreement.raw.hex(),
        "own_kem_seed": state.own.kem.seed.hex(),
        "peer_public": peer.agreement.public.raw.hex(),
        "peer_kem_seed": peer.kem.seed.hex(),
        "ciphertext": state.ciphertext.hex(),
        "kem_secret": peer.kem.decapsulate(state.ciphertext).hex(),
        "root_key_before": before.hex(),
        "root_key": state.root_key.hex(),
        "chain_key": state.sending.key.hex(),
        "header_key": state.sending.name.header_key.hex(),
        "next_header_key": state.next_sending.hex(),
        "export_key": state.exports[-1].key.hex(),
    }


def root_before(receiving: DoubleRatchet, message: bytes) -> bytes:
    """The root key between the two steps of a turn: as the receiving half left it."""
    state = receiving.state
    header = open_header(HYBRID, ChainName(state.next_receiving, b""), message[: wire_size(HYBRID)])
    assert header is not None
    return step_root(HYBRID, state.root_key, state.own.receive(header.sender, header.ciphertext)).root_key


def main() -> None:
    secret, keys, associated = SOURCE(32), (SOURCE(32), SOURCE(32)), SOURCE(32)
    prekeys = RatchetPair.create(HYBRID, SOURCE)
    public = RatchetPublic(prekeys.agreement.public, prekeys.kem.public if prekeys.kem else None)
    sides = {
        "initiator": DoubleRatchet.initiate(secret, keys, public, associated, SOURCE),
        "responder": DoubleRatchet.respond(secret, keys, prekeys, associated),
    }
    before, chains, messages, late = secret, [], [], []
    for number, (sender, count, arriving) in enumerate(TURNS):
        own, other = sides[sender], sides["responder" if sender == "initiator" else "initiator"]
        chains.append(chain(sender, before, own.state, other.state.own))
        sealed = []
        for place in range(count):
            content, previous = f"chain {number}, message {place}".encode(), own.state.previous
            message = own.encrypt(pad(content, ENVELOPE - overhead(HYBRID)), SOURCE)
            sealed.append(message)
            told = {"chain": number, "number": place, "previous": previous, "content": content.decode()}
            messages.append(told | {"envelope": message.hex()})
        before = root_before(other, sealed[0])
        for place in arriving:
            other.decrypt(sealed[place], NOW, SOURCE)
        late += [(other, message) for place, message in enumerate(sealed) if place not in arriving]
    for reader, message in late:
        reader.decrypt(message, NOW, SOURCE)
    session = {"associated_data": associated, "root_key": secret, "header_key": keys[0], "next_header_key": keys[1]}
    session["responder_private"] = prekeys.agreement.raw
    told = {name: value.hex() for name, value in session.items()}
    print(json.dumps({"version": "v1", "session": told, "chains": chains, "messages": messages}, indent=1))


if __name__ == "__main__":
    main()
