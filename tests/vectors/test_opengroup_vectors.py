"""Open groups: every derived value is what it was when opengroup.json was written, and opens what was sealed then."""

import json
from pathlib import Path

from essaim.opengroup.v1 import opengroup_pb2
from essaim.protocol.account import Account
from essaim.protocol.keys import SigningKey, VerifyKey
from essaim.protocol.opengroup import chain
from essaim.protocol.opengroup.authorization import Method, Request
from essaim.protocol.opengroup.direct import unseal, unseal_copy
from essaim.protocol.opengroup.host import attest
from essaim.protocol.opengroup.member import Handed, is_account, member_factor, member_key, proves
from essaim.protocol.opengroup.settings import file_hash, token_hash
from essaim.protocol.opengroup.statement import Statement

VECTORS = json.loads((Path(__file__).parent / "opengroup.json").read_text())
TIME_MS = VECTORS["time_ms"]


def raw(name: str) -> bytes:
    return bytes.fromhex(VECTORS[name])


ALICE, BOB = Account(raw("alice_seed")), Account(raw("bob_seed"))


def test_host_and_members_are_who_they_were() -> None:
    host = SigningKey(raw("host_seed"))
    assert (host.public.raw, attest(host, raw("node_id"))) == (raw("host_id"), raw("attestation"))
    assert member_factor(ALICE.rooms_secret, raw("host_id")) == raw("alice_factor")
    assert member_key(ALICE, raw("host_id")).public.raw == raw("alice_member")
    assert is_account(VerifyKey(raw("alice_member")), ALICE.id.identity, raw("alice_factor"))


def test_handed_key_and_proof_are_what_they_were() -> None:
    host_id, turn = raw("host_id"), VECTORS["turn"]
    made = Handed.make(ALICE, host_id, turn)
    assert made.encode() == raw("alice_handed") and made.key.public.raw == raw("alice_handed_member")
    assert Handed.decode(raw("alice_handed"), ALICE.id.identity, host_id).proof(ALICE.id.identity, host_id) == (
        raw("alice_proof")
    )
    assert proves(raw("alice_proof"), VerifyKey(raw("alice_handed_member")), ALICE.id.identity, host_id)


def test_request_is_signed_as_it_was() -> None:
    request = Request(raw("host_id"), Method.ACT, raw("body"))
    made = request.authorize(member_key(ALICE, raw("host_id")), TIME_MS, raw("nonce"))
    assert made.signature == raw("authorization_signature")
    kept = opengroup_pb2.Authorization(
        member=raw("alice_member"), time_ms=TIME_MS, nonce=raw("nonce"), signature=raw("authorization_signature")
    )
    assert request.check(kept).raw == raw("alice_member")


def test_statement_and_chain_are_what_they_were() -> None:
    statement = Statement.parse(raw("statement"), raw("alice_member"), raw("statement_signature"))
    statement.check_signature()
    assert (statement.digest, statement.message.post.text) == (raw("post_id"), "grüße")
    assert chain.first(raw("host_id"), raw("room_id")) == raw("chain_0")
    assert chain.step(raw("chain_0"), 1, TIME_MS, raw("post_id")) == raw("chain_1")


def test_names_are_what_they_were() -> None:
    assert (file_hash(raw("file")), token_hash(raw("token"))) == (raw("file_hash"), raw("token_hash"))


def test_direct_message_of_then_opens_now() -> None:
    bob = member_key(BOB, raw("host_id"))
    assert unseal(raw("direct_data"), VerifyKey(raw("alice_member")), bob, raw("host_id")) == raw("direct_text")


def test_copy_in_the_outbox_of_then_opens_now() -> None:
    alice, bob = (member_key(each, raw("host_id")) for each in (ALICE, BOB))
    assert unseal_copy(raw("sent_copy"), alice, bob.public, raw("host_id")) == raw("direct_text")
