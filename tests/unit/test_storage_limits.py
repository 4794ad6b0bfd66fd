"""How much fits, what it costs, and who is refused first."""

import math
from dataclasses import replace

import pytest

from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox import rule
from essaim.protocol.mailbox.authorization import Act, Method
from essaim.protocol.mailbox.envelope import envelope_id
from essaim.protocol.mailbox.payload import removal_hash
from essaim.protocol.mailbox.policy import Kind, Policy
from essaim.protocol.mailbox.receipt import Outcome, sign_batch
from essaim.protocol.mailbox.record import EnvelopeRecord, Tombstone
from essaim.protocol.mailbox.refusal import PuzzleRequiredError, QuotaError
from essaim.protocol.mailbox.rule import rule_of
from essaim.protocol.status import read_status
from essaim.runtime.errors import to_status
from essaim_client.mailbox.swarm_call import PUZZLE_BITS_MAX
from essaim_storage import effects, events
from essaim_storage.message import Ack, AckSignature, Refusal, Write
from essaim_storage.price import LOAD_BITS, MOST_BITS, Load, Price
from essaim_storage.refusal import DiskFullError
from essaim_storage.tuning import Tuning
from simulated.stage import DAY_MS, INBOX, NOW_MS, OWNER, B, Stage, envelope, of, sent

SIZE = 4_096


@pytest.fixture
def small(monkeypatch) -> None:
    """A public inbox that holds two envelopes, and notices of one id and a half."""
    tight = replace(rule.RULES[Kind.PUBLIC_INBOX], quota_bytes=2 * SIZE, notice_bytes=800)
    monkeypatch.setitem(rule.RULES, Kind.PUBLIC_INBOX, tight)


def removal(name: str) -> Tombstone:
    ids = (envelope(name).envelope_id,)
    act = Act(INBOX, Method.CONFIRM, b"\0", removal_hash(b"\0", ids))
    return Tombstone(INBOX, Method.CONFIRM, b"\0", ids, act.authorize(OWNER, NOW_MS, bytes(16)))


def blob(fill: bytes) -> EnvelopeRecord:
    data, expires = fill * SIZE, NOW_MS + DAY_MS
    policy = Policy.blob(OWNER.public, data)
    of_id = envelope_id(policy.mailbox_id, b"", expires, data, expires)
    return EnvelopeRecord(policy, of_id, b"", expires, data, expires)


def refusals(found) -> list[str]:
    (reply,) = of(effects.Reply, found)
    result = reply.result
    outcomes = [result.error] if isinstance(result, effects.Refused) else [each.refusal for each in result.outcomes]
    return [each.reason if each else "" for each in outcomes]


def late(stage: Stage, *records) -> tuple[Refusal, ...]:
    stage.requests += 1
    found = stage.hear(B, Write(stage.requests, records))
    (ack,) = sent(Ack, [*found, *stage.commit()])
    return ack.refused


@pytest.mark.usefixtures("small")
def test_quota_is_the_coordinators_and_members_bear_twice_as_much() -> None:
    stage = Stage()
    stage.keep(envelope("a"), envelope("b"))
    found = stage.ask(envelope("c"))
    assert refusals(found) == ["QUOTA"]
    assert late(stage, envelope("c"), envelope("d")) == ()
    assert late(stage, envelope("e")) == (Refusal(0, "QUOTA"),)
    assert stage.store.mailbox_bytes(INBOX.mailbox_id) == 4 * SIZE


@pytest.mark.usefixtures("small")
def test_quota_of_a_batch_counts_what_is_in_it() -> None:
    stage = Stage()
    assert late(stage, *map(envelope, "abcde")) == (Refusal(4, "QUOTA"),)


@pytest.mark.usefixtures("small")
def test_notices_have_a_quota_of_their_own() -> None:
    stage = Stage()
    stage.keep(envelope("a"), envelope("b"))
    stage.do(events.RemoveAsked(1, removal("x")))
    stage.commit()
    assert refusals(stage.do(events.RemoveAsked(2, removal("y")))) == ["QUOTA"]
    assert late(stage, removal("y")) == ()
    assert late(stage, removal("z")) == (Refusal(0, "QUOTA"),)
    assert stage.store.notice_bytes(INBOX.mailbox_id) == 2 * (512 + 32)


def test_blobs_are_refused_first_and_mail_goes_on() -> None:
    stage = Stage(tuning=Tuning(blob_bytes=2 * SIZE))
    assert late(stage, blob(b"a")) == ()
    assert late(stage, blob(b"b"), blob(b"c")) == (Refusal(1, "DISK_FULL"),)
    stage.ask(blob(b"d"), request=7)
    assert refusals(stage.commit()) == ["DISK_FULL"]
    stage.keep(envelope("mail"))
    assert stage.store.has(envelope("mail").envelope_id)


@pytest.mark.parametrize("jump_ms", [600_000, -600_000])
def test_clock_that_jumps_ten_minutes_removes_nothing_that_lives(jump_ms: int) -> None:
    stage = Stage()
    stage.keep(envelope("short", expires_ms=NOW_MS + 60_000))
    stage.now_ms += jump_ms
    stage.do(events.Fired("purge"))
    stage.commit()
    stage.keep(envelope("meanwhile"))
    stage.now_ms = NOW_MS + 1_000
    assert stage.store.has(envelope("short", expires_ms=NOW_MS + 60_000).envelope_id)
    assert stage.store.has(envelope("meanwhile").envelope_id)
    assert stage.store.last_number() == 2


def test_load_raises_the_price_and_goes_away_by_itself() -> None:
    load = Load(per_second=10, most_waiting=100)
    price = Price(load=load)
    assert price.store_bits(Kind.PUBLIC_INBOX, 0, SIZE, NOW_MS) == 0
    for second in range(60):
        load.count(NOW_MS + second * 1_000, 10)
    now_ms = NOW_MS + 59_000
    assert load.overload(now_ms) == pytest.approx(1, rel=0.1)
    load.count(now_ms, 600)
    busy = price.store_bits(Kind.PUBLIC_INBOX, 0, SIZE, now_ms)
    assert LOAD_BITS < busy <= MOST_BITS
    assert price.claim_prekey_bits(now_ms) == busy
    assert price.store_bits(Kind.PRIVATE_INBOX, 0, SIZE, now_ms) == 0, "signed writes pay nothing"
    assert price.store_bits(Kind.PUBLIC_INBOX, 0, SIZE, now_ms + 120_000) == 0
    load.count(now_ms, 1 << 30)
    assert price.store_bits(Kind.PUBLIC_INBOX, 0, SIZE, now_ms) == MOST_BITS


def test_requests_that_wait_are_load() -> None:
    waiting = 100
    load = Load(per_second=1e9, most_waiting=100, waiting=lambda: waiting)
    assert load.bits(NOW_MS) == 0
    waiting = 101
    assert load.bits(NOW_MS) == LOAD_BITS + 2
    waiting = 400
    assert load.bits(NOW_MS) == LOAD_BITS + 4


QUOTA_BYTES = rule_of(Kind.PUBLIC_INBOX).quota_bytes
PIECES = (SIZE, 16 * SIZE, 57_344, 253_952)
"""What one Store of a client brings, at the least and at the most."""


def hashes_to_fill(piece: int) -> int:
    """That strangers have to make until the mailbox takes no more."""
    held = range(0, QUOTA_BYTES - piece + 1, piece)
    prices = (Price().store_bits(Kind.PUBLIC_INBOX, each, piece, NOW_MS) for each in held)
    return sum(1 << bits for bits in prices if bits)


def test_room_in_a_public_inbox_is_paid_by_the_byte_whatever_the_pieces() -> None:
    """150 million hashes at the least: two and a half minutes of a core of ours. By the request it were 7 s."""
    costs = [hashes_to_fill(piece) for piece in PIECES]
    print(dict(zip(PIECES, costs, strict=True)))
    assert min(costs) > 140_000_000 and max(costs) < 4 * min(costs)
    price = Price()
    for share, least in ((0.0, 0), (0.5, 12), (0.75, 16), (0.9, 20)):
        held = math.ceil(share * QUOTA_BYTES)
        bits = [price.store_bits(Kind.PUBLIC_INBOX, held, piece, NOW_MS) for piece in PIECES]
        assert bits == [min(24, least + more) for more in (0, 4, 4, 6)] if least else not any(bits)
        assert max(bits) <= PUZZLE_BITS_MAX, "no honest stranger is asked for more than the client does"


def test_price_of_a_blob_is_proportional_to_bytes_and_days() -> None:
    price = Price(blob_bits=4)
    assert price.blob_store_bits(SIZE, DAY_MS, 0, NOW_MS) == 4
    assert price.blob_store_bits(SIZE, 2 * DAY_MS, 0, NOW_MS) == 5
    assert price.blob_store_bits(2 * SIZE, DAY_MS, 0, NOW_MS) == 5
    assert price.blob_store_bits(253_952, 14 * DAY_MS, 0, NOW_MS) == 4 + 10
    assert price.blob_store_bits(253_952, 14 * DAY_MS, 0.9, NOW_MS) == 4 + 14
    assert Price().blob_store_bits(253_952, 14 * DAY_MS, 0.9, NOW_MS) == 0


@pytest.mark.parametrize("error", [QuotaError("full"), DiskFullError("full"), PuzzleRequiredError(8)])
def test_resource_exhausted_says_when_to_come_back(error: ProtocolError) -> None:
    refusal = read_status(to_status(error, "storage.essaim"))
    assert refusal is not None and refusal.code == 8
    assert refusal.retry_after_ms == error.retry_after_ms is not None


HONEST, LIAR = SigningKey(bytes([3]) * 32), SigningKey(bytes([4]) * 32)


def word(record: EnvelopeRecord, signer: SigningKey = HONEST) -> AckSignature:
    """What the honest member says of a record, if it is the signer."""
    signed = sign_batch(signer.sign, HONEST.public.raw, NOW_MS, [(record.envelope_id, Outcome.KEPT)])
    return AckSignature(NOW_MS, signed.signature)


@pytest.mark.parametrize(
    "lie",
    [
        None,
        AckSignature(NOW_MS, bytes(64)),
        AckSignature((1 << 64) - 1, b"short"),
        AckSignature(NOW_MS, bytes(64), (0, 7)),
        word(envelope("a")),
        word(envelope("b"), LIAR),
    ],
)
def test_store_with_receipts_counts_only_who_signed(lie: AckSignature | None) -> None:
    """Else whoever lies at once takes the place of an honest member, and no client is ever given W good receipts."""
    record, liar, honest = envelope("a"), LIAR.public.raw, HONEST.public.raw
    stage = Stage(liar, honest, sign=OWNER.sign)
    found = stage.do(events.StoreAsked(1, (record,), receipts=True))
    (to_liar,), (to_honest,) = sent(Write, found, liar), sent(Write, found, honest)
    assert to_liar.receipt and to_honest.receipt
    stage.commit()
    assert not of(effects.Reply, stage.hear(liar, Ack(to_liar.batch, (), lie)))
    (reply,) = of(effects.Reply, stage.hear(honest, Ack(to_honest.batch, (), word(record))))
    (outcome,) = reply.result.outcomes
    assert {each.node_id for each in outcome.receipts} == {stage.own_id, honest}
    assert all(each.proves(record.envelope_id) for each in outcome.receipts if each.node_id == honest)


def test_ack_is_signed_when_it_is_asked_for() -> None:
    stage = Stage(sign=OWNER.sign)
    for receipt in (False, True):
        found = stage.hear(B, Write(1 + receipt, (envelope("a"),), receipt=receipt))
        (ack,) = sent(Ack, [*found, *stage.commit()])
        assert (ack.signed is not None) is receipt
