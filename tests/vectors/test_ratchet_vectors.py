"""A frozen session (v1): every key and message of four chains, by our code and by primitives alone."""

import hmac
import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from essaim.protocol.keys import AgreementKey, AgreementPublic, KemKey
from essaim.protocol.padding import unpad
from essaim.protocol.ratchet.chain import Chain, ChainName, step_root
from essaim.protocol.ratchet.double_ratchet import DoubleRatchet
from essaim.protocol.ratchet.errors import DuplicateError
from essaim.protocol.ratchet.header import open_header
from essaim.protocol.ratchet.pair import RatchetPair
from essaim.protocol.ratchet.suite import HYBRID

VECTORS = json.loads((Path(__file__).parent / "ratchet.json").read_text())
CHAINS = [
    {name: bytes.fromhex(value) for name, value in each.items() if name != "sender"} for each in VECTORS["chains"]
]
SESSION = {name: bytes.fromhex(value) for name, value in VECTORS["session"].items()}
MESSAGES = pytest.mark.parametrize("message", VECTORS["messages"], ids=lambda each: f"{each['chain']}-{each['number']}")
NUMBERS = pytest.mark.parametrize("number", range(len(CHAINS)))
NOW = 1_800_000_000_000


@NUMBERS
def test_root_chain_steps_as_the_document_says(number):
    chain = CHAINS[number]
    shared = X25519PrivateKey.from_private_bytes(chain["own_private"]).exchange(
        X25519PublicKey.from_public_bytes(chain["peer_public"])
    )
    assert (
        MLKEM768PrivateKey.from_seed_bytes(chain["peer_kem_seed"]).decapsulate(chain["ciphertext"])
        == (chain["kem_secret"])
    )
    keys = HKDF(SHA256(), 128, chain["root_key_before"], b"essaim/ratchet/v1").derive(shared + chain["kem_secret"])
    wanted = ("root_key", "chain_key", "next_header_key", "export_key")
    assert [keys[at : at + 32] for at in range(0, 128, 32)] == [chain[name] for name in wanted]


@NUMBERS
def test_each_chain_goes_on_from_the_one_before(number):
    """A side's header key is what its last step (at first: the handshake) gave as the next one."""
    first = number < 2
    names = ("header_key", "next_header_key")
    wanted = SESSION[names[number]] if first else CHAINS[number - 2]["next_header_key"]
    assert CHAINS[number]["header_key"] == wanted
    before = CHAINS[number - 1]["root_key"] if number else SESSION["root_key"]
    assert CHAINS[number]["root_key_before"] == before


@MESSAGES
def test_message_opens_by_primitives_alone(message):
    chain, envelope = CHAINS[message["chain"]], bytes.fromhex(message["envelope"])
    wire, body = envelope[:2348], envelope[2348:]
    tag, nonce = wire[:8], wire[8:20]
    header = ChaCha20Poly1305(chain["header_key"]).decrypt(nonce, wire[20:], tag)
    key = X25519PrivateKey.from_private_bytes(chain["own_private"]).public_key().public_bytes_raw()
    kem = MLKEM768PrivateKey.from_seed_bytes(chain["own_kem_seed"]).public_key().public_bytes_raw()
    numbers = message["previous"].to_bytes(4, "big") + message["number"].to_bytes(4, "big")
    assert header == key + kem + chain["ciphertext"] + numbers
    tag_key = hmac.digest(chain["header_key"], b"essaim/tag/v1", "sha256")
    assert hmac.digest(tag_key, numbers[4:], "sha256")[:8] == tag
    chain_key = chain["chain_key"]
    for _ in range(message["number"]):
        chain_key = hmac.digest(chain_key, b"\2", "sha256")
    message_key = hmac.digest(chain_key, b"\1", "sha256")
    padded = ChaCha20Poly1305(message_key).decrypt(nonce, body, SESSION["associated_data"] + wire)
    content = message["content"].encode()
    assert padded == (len(content).to_bytes(4, "big") + content).ljust(len(padded), b"\0")


@NUMBERS
def test_our_root_chain_steps_the_same(number):
    chain = CHAINS[number]
    shared = AgreementKey(chain["own_private"]).exchange(AgreementPublic(chain["peer_public"]))
    shared += KemKey(chain["peer_kem_seed"]).decapsulate(chain["ciphertext"])
    step = step_root(HYBRID, chain["root_key_before"], shared)
    assert tuple(step) == tuple(chain[name] for name in ("root_key", "chain_key", "next_header_key", "export_key"))


@MESSAGES
def test_our_chain_has_the_same_header_and_key(message):
    chain, envelope = CHAINS[message["chain"]], bytes.fromhex(message["envelope"])
    name = ChainName(chain["header_key"], AgreementKey(chain["own_private"]).public.raw)
    header = open_header(HYBRID, name, envelope[:2348])
    assert header is not None and (header.previous, header.number) == (message["previous"], message["number"])
    following = Chain(name, chain["chain_key"], 0)
    for _ in range(message["number"] + 1):
        following, message_key = following.step()
    opened = ChaCha20Poly1305(message_key).decrypt(
        envelope[8:20], envelope[2348:], SESSION["associated_data"] + envelope[:2348]
    )
    assert unpad(opened).decode() == message["content"]


def test_our_responder_reads_the_first_chain_in_any_order_and_each_message_once():
    """Skipped keys, too: message 2 comes before message 1."""
    prekeys = RatchetPair(AgreementKey(SESSION["responder_private"]), KemKey(CHAINS[0]["peer_kem_seed"]))
    keys = SESSION["header_key"], SESSION["next_header_key"]
    bob = DoubleRatchet.respond(SESSION["root_key"], keys, prekeys, SESSION["associated_data"])
    first = [each for each in VECTORS["messages"] if each["chain"] == 0]
    for place in (0, 2, 1):
        opened = bob.decrypt(bytes.fromhex(first[place]["envelope"]), NOW, os.urandom)
        assert unpad(opened).decode() == first[place]["content"]
    with pytest.raises(DuplicateError):
        bob.decrypt(bytes.fromhex(first[1]["envelope"]), NOW, os.urandom)
