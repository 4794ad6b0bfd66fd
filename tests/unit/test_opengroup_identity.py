"""Member keys, host attestations, request signatures, direct messages."""

import os

import pytest

from essaim.protocol.account import Account
from essaim.protocol.blinding import blind_public, factor
from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import SigningKey
from essaim.protocol.opengroup.authorization import CLOCK_SKEW_MS, NONCE_MEMORY_MS, Method, Nonces, Request
from essaim.protocol.opengroup.direct import MAX_DATA, MAX_TEXT, seal, seal_copy, unseal, unseal_copy
from essaim.protocol.opengroup.host import attest, attested
from essaim.protocol.opengroup.member import (
    LABEL,
    PROOF_LABEL,
    Handed,
    is_account,
    member_factor,
    member_key,
    proves,
)
from essaim.protocol.opengroup.refusal import MemberKeyRefusedError

NOW_MS = 1_800_000_000_000
ALICE, BOB = Account(bytes(range(32))), Account(bytes(range(1, 33)))
HOST, OTHER_HOST = SigningKey(b"h" * 32).public.raw, SigningKey(b"o" * 32).public.raw


def test_member_key_is_one_per_host_and_signs() -> None:
    here, there = member_key(ALICE, HOST), member_key(ALICE, OTHER_HOST)

    assert here.public == member_key(Account(ALICE.seed), HOST).public
    assert len({here.public, there.public, ALICE.identity.public, member_key(BOB, HOST).public}) == 4
    assert here.public.verifies(here.sign(b"text"), b"text")
    assert not there.public.verifies(here.sign(b"text"), b"text")


def test_member_key_cannot_be_computed_from_public_values() -> None:
    """Whatever is public (the ID, the host) as the factor's secret gives another key."""
    member = member_key(ALICE, HOST).public
    for guess in (ALICE.id.raw, HOST, bytes(32), b""):
        assert blind_public(ALICE.id.identity, factor(LABEL, guess, HOST)) != member


def test_factor_proves_the_account_of_one_host_alone() -> None:
    told = member_factor(ALICE.rooms_secret, HOST)

    assert is_account(member_key(ALICE, HOST).public, ALICE.id.identity, told)
    assert not is_account(member_key(ALICE, OTHER_HOST).public, ALICE.id.identity, told)
    assert not is_account(member_key(ALICE, HOST).public, BOB.id.identity, told)
    assert not is_account(member_key(ALICE, HOST).public, ALICE.id.identity, b"")


def test_handed_key_signs_as_the_member_and_is_known_by_the_identitys_word() -> None:
    handed = Handed.make(ALICE, HOST)
    again = Handed.decode(handed.encode(), ALICE.id.identity, HOST)

    assert again == handed and again.key == member_key(ALICE, HOST)
    assert ALICE.rooms_secret not in handed.encode() and member_factor(ALICE.rooms_secret, HOST) not in handed.encode()
    raw = handed.encode()
    for value, identity, host in (
        *((raw[:at] + bytes((raw[at] ^ 1,)) + raw[at + 1 :], ALICE.id.identity, HOST) for at in (3, 4, 70, 131)),
        *((raw, BOB.id.identity, HOST), (raw, ALICE.id.identity, OTHER_HOST), (raw[:-1], ALICE.id.identity, HOST)),
        *((raw[:4] + scalar + raw[36:], ALICE.id.identity, HOST) for scalar in (bytes(32), b"\xff" * 32)),
        (b"", ALICE.id.identity, HOST),
    ):
        with pytest.raises(MemberKeyRefusedError):
            Handed.decode(value, identity, host)


def test_proof_takes_both_keys_and_holds_at_one_host() -> None:
    member, proof = member_key(ALICE, HOST), Handed.make(ALICE, HOST).proof(ALICE.id.identity, HOST)

    assert proves(proof, member.public, ALICE.id.identity, HOST)
    assert not proves(proof, member.public, BOB.id.identity, HOST)
    assert not proves(proof, member_key(BOB, HOST).public, ALICE.id.identity, HOST)
    assert not proves(proof, member.public, ALICE.id.identity, OTHER_HOST)
    claimed = BOB.identity.sign(PROOF_LABEL + HOST + bytes(4) + member.public.raw)  # that Alice's member is his
    assert not proves(bytes(4) + claimed + proof[68:], member.public, BOB.id.identity, HOST)
    answer = member_key(BOB, HOST).sign(PROOF_LABEL + HOST + ALICE.id.raw)
    assert not proves(proof[:68] + answer, member.public, ALICE.id.identity, HOST)
    assert not proves(proof[:68], member.public, ALICE.id.identity, HOST)


def test_another_turn_is_another_member() -> None:
    keys = [member_key(ALICE, HOST, turn) for turn in range(3)]

    assert len({each.public for each in keys}) == 3 and keys[0] == member_key(ALICE, HOST)
    handed = Handed.make(ALICE, HOST, 2)
    assert Handed.decode(handed.encode(), ALICE.id.identity, HOST).key == keys[2]
    assert proves(handed.proof(ALICE.id.identity, HOST), keys[2].public, ALICE.id.identity, HOST)


def test_host_attests_its_nodes() -> None:
    host = SigningKey(b"h" * 32)
    word = attest(host, b"n" * 32)

    assert attested(host.public, b"n" * 32, word)
    assert not attested(host.public, b"m" * 32, word)
    assert not attested(SigningKey(b"o" * 32).public, b"n" * 32, word)


def test_request_is_signed_over_everything() -> None:
    signer, nonce = member_key(ALICE, HOST), bytes(16)
    request = Request(HOST, Method.ACT, b"body")
    authorization = request.authorize(signer, NOW_MS, nonce)

    assert request.check(authorization) == signer.public
    others = [
        Request(OTHER_HOST, Method.ACT, b"body"),
        Request(HOST, Method.FOLLOW, b"body"),
        Request(HOST, Method.ACT, b"bodx"),
    ]
    for other in others:
        with pytest.raises(ProtocolError, match="not signed"):
            other.check(authorization)
    for field, value in (("time_ms", NOW_MS + 1), ("nonce", b"1" * 16), ("member", member_key(BOB, HOST).public.raw)):
        changed = type(authorization).FromString(authorization.SerializeToString())
        setattr(changed, field, value)
        with pytest.raises(ProtocolError) as caught:
            request.check(changed)
        assert caught.value.reason == "NOT_AUTHORIZED"


def test_nonce_is_for_one_request() -> None:
    signer, nonces = member_key(ALICE, HOST), Nonces(most=2)
    first = Request(HOST, Method.ACT, b"1").authorize(signer, NOW_MS, bytes(16))
    again = Request(HOST, Method.ACT, b"2").authorize(signer, NOW_MS, bytes(16))
    nonces.check(first, NOW_MS)
    nonces.check(first, NOW_MS + 1)

    assert _reason(nonces, again, NOW_MS) == "NONCE_REUSED"
    assert _reason(nonces, first, NOW_MS + CLOCK_SKEW_MS + 1) == "CLOCK"
    second = Request(HOST, Method.ACT, b"2").authorize(signer, NOW_MS, b"2" * 16)
    third = Request(HOST, Method.ACT, b"2").authorize(signer, NOW_MS, b"3" * 16)
    nonces.check(second, NOW_MS)
    assert _reason(nonces, third, NOW_MS) == "BUSY"
    later = NOW_MS + NONCE_MEMORY_MS
    nonces.check(Request(HOST, Method.ACT, b"4").authorize(signer, later, b"4" * 16), later)
    assert len(nonces) == 1


def _reason(nonces: Nonces, authorization: object, now_ms: int) -> str:
    with pytest.raises(ProtocolError) as caught:
        nonces.check(authorization, now_ms)
    return caught.value.reason


def test_direct_message_is_for_one_member_from_one_member() -> None:
    alice, bob, eve = member_key(ALICE, HOST), member_key(BOB, HOST), member_key(Account(b"e" * 32), HOST)
    sealed = seal("grüße".encode(), alice, bob.public, HOST, os.urandom(64))

    assert unseal(sealed, alice.public, bob, HOST).decode() == "grüße"
    assert len(sealed) == len(seal(b"", alice, bob.public, HOST, os.urandom(64)))
    assert len(seal(bytes(MAX_TEXT), alice, bob.public, HOST, os.urandom(64))) <= MAX_DATA
    for sender, recipient, host in (
        (eve.public, bob, HOST),
        (alice.public, eve, HOST),
        (alice.public, bob, OTHER_HOST),
    ):
        with pytest.raises(ProtocolError, match="not a direct message"):
            unseal(sealed, sender, recipient, host)
    for at in range(0, len(sealed), 7):
        flipped = sealed[:at] + bytes((sealed[at] ^ 1,)) + sealed[at + 1 :]
        with pytest.raises(ProtocolError) as caught:
            unseal(flipped, alice.public, bob, HOST)
        assert caught.value.reason == "DIRECT_REFUSED"
    with pytest.raises(ProtocolError):
        unseal(b"", alice.public, bob, HOST)
    with pytest.raises(ProtocolError):
        seal(bytes(MAX_TEXT + 1), alice, bob.public, HOST, os.urandom(64))


def test_copy_of_a_direct_message_is_for_its_sender_and_of_one_recipient() -> None:
    alice, bob, eve = member_key(ALICE, HOST), member_key(BOB, HOST), member_key(Account(b"e" * 32), HOST)
    copy = seal_copy("grüße".encode(), alice, bob.public, HOST, os.urandom(64))

    assert unseal_copy(copy, alice, bob.public, HOST).decode() == "grüße"
    assert len(seal_copy(bytes(MAX_TEXT), alice, bob.public, HOST, os.urandom(64))) <= MAX_DATA
    for sender, recipient, host in (
        (bob, alice.public, HOST),
        (alice, eve.public, HOST),
        (alice, bob.public, b"o" * 32),
    ):
        with pytest.raises(ProtocolError, match="not a direct message"):
            unseal_copy(copy, sender, recipient, host)
    for sender, recipient in ((alice.public, bob), (alice.public, alice)):
        with pytest.raises(ProtocolError, match="not a direct message"):
            unseal(copy, sender, recipient, HOST)
    with pytest.raises(ProtocolError):
        unseal_copy(seal(b"x", alice, alice.public, HOST, os.urandom(64)), alice, alice.public, HOST)
