"""Statements, the chain and the bounds of a room's settings."""

import random

import pytest

from essaim.opengroup.v1 import room_pb2, statement_pb2
from essaim.protocol.account import Account
from essaim.protocol.errors import ProtocolError
from essaim.protocol.opengroup import chain
from essaim.protocol.opengroup.member import member_key
from essaim.protocol.opengroup.settings import DEFAULTS, check_settings, complete
from essaim.protocol.opengroup.statement import Statement

HOST, ROOM = b"h" * 32, b"r" * 16
SIGNER = member_key(Account(bytes(32)), HOST)
SEEN = chain.first(HOST, ROOM)


def statement(**act) -> statement_pb2.Statement:
    return statement_pb2.Statement(host_id=HOST, room_id=ROOM, time_ms=5, seen_chain=SEEN, **act)


def test_statement_is_read_as_it_was_signed() -> None:
    made = Statement.make(statement(post=statement_pb2.Post(text="hello")), SIGNER)
    read = Statement.parse(made.raw, made.author, made.signature)

    read.check_signature()
    assert (read.digest, read.kind, read.target) == (made.digest, "post", b"")
    assert read.message.post.text == "hello"


def test_changed_statement_is_not_the_authors() -> None:
    made = Statement.make(statement(post=statement_pb2.Post(text="hello")), SIGNER)
    changed = made.raw.replace(b"hello", b"jello")
    other = member_key(Account(b"1" * 32), HOST).public.raw
    for raw, author, signature in (
        (changed, made.author, made.signature),
        (made.raw, other, made.signature),
        (made.raw, made.author, made.signature[:-1] + b"\0"),
        (made.raw, b"no key", made.signature),
    ):
        with pytest.raises(ProtocolError) as caught:
            Statement.parse(raw, author, signature).check_signature()
        assert caught.value.reason == "NOT_AUTHORIZED"


Post, Edit, React = statement_pb2.Post, statement_pb2.Edit, statement_pb2.React


@pytest.mark.parametrize(
    "act",
    [
        {},
        {"post": Post(text=" \n")},
        {"post": Post(text="x" * 10_241)},
        {"post": Post(text="x", mentions=[b"short"])},
        {"post": Post(text="x", mentions=[b"m" * 32] * 21)},
        {"post": Post(text="x", files=[b"f" * 32] * 11)},
        {"post": Post(text="x", reply_to=b"short")},
        {"post": Post(text="x", whisper_to=b"w" * 32, whisper_moderators=True)},
        {"edit": Edit(text="x")},
        {"delete": statement_pb2.Delete(post_id=b"x")},
        {"react": React(post_id=b"p" * 32)},
        {"react": React(post_id=b"p" * 32, emoji="a" * 13)},
        {"react": React(post_id=b"p" * 32, emoji="a\nb")},
        {"react": React(post_id=b"p" * 32, emoji="a b")},
        {"react": React(post_id=b"p" * 32, emoji="\u202e\u0000")},
        {"purge": statement_pb2.Purge()},
    ],
)
def test_statement_out_of_bounds_is_refused(act: dict) -> None:
    with pytest.raises(ProtocolError) as caught:
        Statement.parse(statement(**act).SerializeToString(), SIGNER.public.raw, bytes(64))
    assert caught.value.reason == "STATEMENT_REFUSED"


def test_garbage_is_refused_malformed() -> None:
    seed = 6
    print("seed", seed)
    rng = random.Random(seed)
    good = Statement.make(statement(post=Post(text="hello")), SIGNER).raw
    for _ in range(2_000):
        raw = bytearray(good)
        for _ in range(rng.randint(1, 4)):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        raw = bytes(raw[: rng.randint(0, len(raw))])
        try:
            Statement.parse(raw, SIGNER.public.raw, bytes(64)).check_signature()
        except ProtocolError as error:
            assert error.reason in {"STATEMENT_REFUSED", "NOT_AUTHORIZED"}
        else:
            pytest.fail("garbage was taken")


def test_chain_depends_on_everything_before() -> None:
    first = chain.first(HOST, ROOM)
    one = chain.step(first, 1, 1_000, b"a" * 32)
    two = chain.step(one, 2, 1_001, b"b" * 32)

    others = [
        chain.step(chain.step(first, 1, 1_000, b"b" * 32), 2, 1_001, b"a" * 32),
        chain.step(one, 3, 1_001, b"b" * 32),
        chain.step(one, 2, 1_002, b"b" * 32),
        chain.step(chain.step(chain.first(HOST, b"s" * 16), 1, 1_000, b"a" * 32), 2, 1_001, b"b" * 32),
    ]
    assert two not in others and len(set(others)) == 4


def test_settings_are_completed_and_bounded() -> None:
    whole = complete(room_pb2.RoomSettings(name="lobby", slow_seconds=5))
    assert (whole.name, whole.slow_seconds, whole.post_bytes) == ("lobby", 5, DEFAULTS.post_bytes)
    for bad in (
        {"name": "a"}, {"name": "Ab"}, {"name": "-ab"}, {"name": "a" * 65}, {"title": "ü" * 65}, {"picture": b"1"},
        {"defaults": 16}, {"post_bytes": 0}, {"post_bytes": 10_241}, {"slow_seconds": 86_401}, {"file_days": 0},
    ):  # fmt: skip
        with pytest.raises(ProtocolError) as caught:
            check_settings(room_pb2.RoomSettings(**bad))
        assert caught.value.reason == "SETTINGS_REFUSED"
    with pytest.raises(ProtocolError):
        complete(room_pb2.RoomSettings(title="without a name"))
