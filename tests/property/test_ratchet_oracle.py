"""The ratchet against Syndace's DoubleRatchet: header encryption and KEM off, everything else the same code.

Both sides are played by both libraries in all four pairings, over a wire that loses, repeats and reorders. With the
same ratchet keys the bytes are equal; with any keys each reads what the other writes and refuses what it refuses.
"""

import asyncio
import random
import warnings

import doubleratchet
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from doubleratchet.recommended import (
    HashFunction,
    diffie_hellman_ratchet_curve25519,
    kdf_hkdf,
    kdf_separate_hmacs,
)

from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import AgreementKey, AgreementPublic
from essaim.protocol.ratchet import CLASSIC, DoubleRatchet, DuplicateError, RatchetPair, RatchetPublic

SECRET, AD = bytes(range(32)), bytes(range(32, 64))
BOB = AgreementKey(bytes([9]) * 32)
NOW = 1_800_000_000_000


class RootKdf(kdf_hkdf.KDF):
    @staticmethod
    def _get_hash_function():
        return HashFunction.SHA_256

    @staticmethod
    def _get_info():
        return CLASSIC.root_info


class ChainKdf(kdf_separate_hmacs.KDF):
    @staticmethod
    def _get_hash_function():
        return HashFunction.SHA_256


class Aead(doubleratchet.AEAD):
    @staticmethod
    async def encrypt(plaintext, key, associated_data):
        return ChaCha20Poly1305(key).encrypt(bytes(12), plaintext, associated_data)

    @staticmethod
    async def decrypt(ciphertext, key, associated_data):
        try:
            return ChaCha20Poly1305(key).decrypt(bytes(12), ciphertext, associated_data)
        except InvalidTag as error:
            raise doubleratchet.AuthenticationFailedException from error


def seeded_ratchet(source):
    """Syndace draws ratchet keys from the system; here from the test's seed."""

    class Seeded(diffie_hellman_ratchet_curve25519.DiffieHellmanRatchet):
        @staticmethod
        def _generate_priv():
            return source.randbytes(32)

    return Seeded


def clear_header(header):
    numbers = header.previous_sending_chain_length, header.sending_chain_length
    return header.ratchet_pub + b"".join(number.to_bytes(4, "big") for number in numbers)


class Oracle(doubleratchet.DoubleRatchet):
    @staticmethod
    def _build_associated_data(associated_data, header):
        return associated_data + clear_header(header)


class Theirs:
    """Syndace's library behind the two calls of ours."""

    def __init__(self, source):
        self._ratchet = None
        self._parameters = {
            "diffie_hellman_ratchet_class": seeded_ratchet(source),
            "root_chain_kdf": RootKdf,
            "message_chain_kdf": ChainKdf,
            "message_chain_constant": b"\x02\x01",
            "dos_protection_threshold": 1000,
            "max_num_skipped_message_keys": 2000,
            "aead": Aead,
            "shared_secret": SECRET,
            "associated_data": AD,
        }

    async def encrypt(self, plaintext):
        if self._ratchet is None:
            self._ratchet, sealed = await Oracle.encrypt_initial_message(
                **self._parameters, recipient_ratchet_pub=BOB.public.raw, message=plaintext
            )
        else:
            sealed = await self._ratchet.encrypt_message(plaintext, AD)
        return clear_header(sealed.header) + sealed.ciphertext

    async def decrypt(self, message):
        header = doubleratchet.Header(
            message[:32], int.from_bytes(message[32:36], "big"), int.from_bytes(message[36:40], "big")
        )
        sealed = doubleratchet.EncryptedMessage(header, message[40:])
        try:
            if self._ratchet is None:
                self._ratchet, plaintext = await Oracle.decrypt_initial_message(
                    **self._parameters, own_ratchet_priv=BOB.raw, message=sealed
                )
                return plaintext
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return await self._ratchet.decrypt_message(sealed, AD)
        except doubleratchet.DuplicateMessageException:
            return "refused"
        except (doubleratchet.AuthenticationFailedException, doubleratchet.DoSProtectionException):
            return "refused"

    def ready(self):
        return self._ratchet is not None

    def skipped(self):
        return len(self._ratchet.model.skipped_message_keys) if self._ratchet else 0


class Ours:
    def __init__(self, source, alice):
        self._source = source
        keys = (bytes(32), bytes(32))
        if alice:
            self.ratchet = DoubleRatchet.initiate(
                SECRET, keys, RatchetPublic(AgreementPublic(BOB.public.raw)), AD, source.randbytes, CLASSIC
            )
        else:
            self.ratchet = DoubleRatchet.respond(SECRET, keys, RatchetPair(BOB), AD, CLASSIC)

    async def encrypt(self, plaintext):
        return self.ratchet.encrypt(plaintext, self._source.randbytes)

    async def decrypt(self, message):
        before = self.ratchet.encode()
        try:
            return self.ratchet.decrypt(message, NOW, self._source.randbytes)
        except ProtocolError:
            assert self.ratchet.encode() == before
            return "refused"

    def ready(self):
        return self.ratchet.state.sending is not None

    def skipped(self):
        return len(self.ratchet.state.skipped)


async def converse(seed, messages, pairs):
    """Several (alice, bob) pairs live through the same story; everything observable must be the same in all."""
    story = random.Random(seed)
    wires: dict[int, list] = {0: [], 1: []}  # to bob, to alice: one message of every pair together
    outcomes = {"opened": 0, "refused": 0}
    for number in range(messages):
        sender = story.randrange(2)
        if not all(pair[sender].ready() for pair in pairs) and sender == 1:
            sender = 0
        for _ in range(story.choice((1, 1, 1, 2, 9))):
            plaintext = number.to_bytes(4, "big") + story.randbytes(story.randrange(40))
            wires[sender].append((plaintext, [await pair[sender].encrypt(plaintext) for pair in pairs]))
        wire = wires[story.randrange(2)]
        story.shuffle(wire) if story.random() < 0.3 else None
        for _ in range(min(len(wire), story.choice((0, 1, 1, 2, 5)))):
            await deliver(story, pairs, wires, wire, outcomes)
    return outcomes


async def deliver(story, pairs, wires, wire, outcomes):
    receiver = 1 if wire is wires[0] else 0
    plaintext, versions = wire.pop(0)
    fate = story.random()
    if fate < 0.1:
        return
    if fate < 0.25:
        wire.append((plaintext, versions))
    results = [await pair[receiver].decrypt(version) for pair, version in zip(pairs, versions, strict=True)]
    assert all(result == results[0] for result in results), results
    assert results[0] in (plaintext, "refused")
    outcomes["refused" if results[0] == "refused" else "opened"] += 1
    assert len({pair[receiver].skipped() for pair in pairs}) == 1


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_all_pairings_agree_on_what_opens(seed):
    print("seed", seed)
    source = random.Random(seed)
    pairs = [
        (Ours(source, alice=True), Ours(source, alice=False)),
        (Ours(source, alice=True), Theirs(source)),
        (Theirs(source), Ours(source, alice=False)),
        (Theirs(source), Theirs(source)),
    ]
    outcomes = await converse(seed, 1000, pairs)
    assert outcomes["opened"] > 1000 and outcomes["refused"] > 100, outcomes


def test_same_keys_give_the_same_bytes():
    async def story():
        mine = Ours(random.Random(5), alice=True), Ours(random.Random(6), alice=False)
        other = Theirs(random.Random(5)), Theirs(random.Random(6))
        for turn in range(200):
            sender, receiver = turn % 2, 1 - turn % 2
            for _ in range(3):
                plaintext = turn.to_bytes(4, "big")
                message = await mine[sender].encrypt(plaintext)
                assert message == await other[sender].encrypt(plaintext)
                assert await mine[receiver].decrypt(message) == await other[receiver].decrypt(message) == plaintext

    asyncio.run(story())


def test_both_refuse_a_duplicate_and_a_leap():
    async def story():
        source = random.Random(7)
        for bob in (Ours(source, alice=False), Theirs(source)):
            alice = Ours(source, alice=True)
            first = await alice.encrypt(b"first")
            assert await bob.decrypt(first) == b"first"
            assert await bob.decrypt(first) == "refused"
            messages = [await alice.encrypt(b"later") for _ in range(1002)]
            assert await bob.decrypt(messages[1001]) == "refused"
            assert await bob.decrypt(messages[1000]) == b"later"
            assert bob.skipped() == 1000
            assert await bob.decrypt(messages[500]) == b"later"
            assert await bob.decrypt(messages[500]) == "refused"

    asyncio.run(story())


def test_a_duplicate_is_named_so():
    source = random.Random(8)
    alice, bob = Ours(source, alice=True), Ours(source, alice=False)
    message = alice.ratchet.encrypt(b"once", source.randbytes)
    bob.ratchet.decrypt(message, NOW, source.randbytes)
    with pytest.raises(DuplicateError):
        bob.ratchet.decrypt(message, NOW, source.randbytes)
