"""Which onion keys are live, published, erased, and which pair a sender takes."""

from random import Random

import pytest

from essaim.protocol.onion import (
    GRACE_MS,
    CellSpec,
    Deliver,
    KeyKind,
    KeyPeriods,
    Keyring,
    KeyUnknownError,
    NoUsableKeyError,
    PeriodKey,
    hop_at,
    minute_of,
    unwrap,
    wrap,
)

HOUR, DAY = 3_600_000, 86_400_000
START = 20_000 * DAY + 10 * HOUR + 1234
NODE = b"n" * 32


def ring_at(now: int, seed: int = 1, periods: KeyPeriods | None = None) -> Keyring:
    ring = Keyring(periods or KeyPeriods(), Random(seed).randbytes)
    assert ring.advance(now)
    return ring


def numbers(keys: tuple[PeriodKey, ...], kind: KeyKind) -> list[int]:
    return [key.period for key in keys if key.kind == kind]


def test_keys_are_published_ahead() -> None:
    ring = ring_at(START)
    hour, day = START // HOUR, START // DAY
    assert numbers(ring.published, KeyKind.X25519) == [hour, hour + 1, hour + 2, hour + 3]
    assert numbers(ring.published, KeyKind.MLKEM) == [day, day + 1]
    assert {len(key.public) for key in ring.published} == {32, 1184}


def test_advance_changes_nothing_within_a_period() -> None:
    ring = ring_at(START)
    assert not ring.advance(START + 1)
    assert not ring.advance(START + 40 * 60_000)


def test_new_hour_keeps_published_keys_and_adds_one() -> None:
    ring = ring_at(START)
    before = set(ring.published)
    assert ring.advance(START + HOUR)
    added = set(ring.published) - before
    assert [(key.kind, key.period) for key in added] == [(KeyKind.X25519, START // HOUR + 4)]


def test_every_start_has_other_keys() -> None:
    assert not set(ring_at(START, seed=1).published) & set(ring_at(START, seed=2).published)


def test_pair_is_accepted_until_grace_after_the_shorter_period() -> None:
    ring = ring_at(START)
    hop = hop_at(NODE, ring.published, KeyPeriods(), START)
    end = (START // HOUR + 1) * HOUR
    pair = ring.pair(hop.key_id)
    assert pair is not None
    assert pair.until_ms == end + GRACE_MS
    ring.advance(end + GRACE_MS - 1)
    assert ring.pair(hop.key_id) is pair
    ring.advance(end + GRACE_MS)
    assert ring.pair(hop.key_id) is None


def test_private_keys_are_forgotten_after_grace() -> None:
    ring = ring_at(START)
    ring.advance(START + 2 * DAY)
    assert min(ring._x25519) == (START + 2 * DAY) // HOUR
    assert min(ring._mlkem) == (START + 2 * DAY) // DAY


def test_replay_window_outlives_a_renewal() -> None:
    ring = ring_at(START)
    hop = hop_at(NODE, ring.published, KeyPeriods(), START)
    pair = ring.pair(hop.key_id)
    assert pair is not None
    pair.replay.admit(b"t" * 16, minute_of(START), START)
    ring.advance((START // HOUR + 1) * HOUR)
    again = ring.pair(hop.key_id)
    assert again is pair
    assert len(again.replay) == 1


def test_cell_sealed_just_before_a_period_ends_is_taken_after_it() -> None:
    end = (START // DAY + 1) * DAY
    ring = ring_at(end - 1000)
    hop = hop_at(NODE, ring.published, KeyPeriods(), end - 1)
    cell, _ = wrap([hop], b"late", CellSpec(), minute_of(end - 1), Random(3).randbytes)
    late, _ = wrap([hop], b"later", CellSpec(), minute_of(end - 1), Random(4).randbytes)
    ring.advance(end + 299_999)
    assert isinstance(unwrap(cell, ring, end + 299_999), Deliver)
    ring.advance(end + GRACE_MS)
    with pytest.raises(KeyUnknownError):
        unwrap(late, ring, end + GRACE_MS)


def test_sender_finds_a_pair_for_hours_after_its_last_view() -> None:
    ring = ring_at(START)
    ids = set()
    for hours in range(4):
        hop = hop_at(NODE, ring.published, KeyPeriods(), START + hours * HOUR)
        assert ring.pair(hop.key_id) is not None
        ids.add(hop.key_id)
    assert len(ids) == 4
    with pytest.raises(NoUsableKeyError):
        hop_at(NODE, ring.published, KeyPeriods(), START + 4 * HOUR)
    with pytest.raises(NoUsableKeyError):
        hop_at(NODE, ring.published, KeyPeriods(), START - HOUR)


def test_next_change_is_when_advance_changes_something() -> None:
    ring = ring_at(START)
    now = START
    for _ in range(8):
        due = ring.next_change_ms(now)
        assert due > now
        held = (set(ring._x25519), set(ring._mlkem))
        assert not ring.advance(due - 1)
        assert held == (set(ring._x25519), set(ring._mlkem))
        changed = ring.advance(due)
        assert changed or held != (set(ring._x25519), set(ring._mlkem))
        now = due


def test_periods_that_do_not_divide_each_other_pair_where_they_meet() -> None:
    periods = KeyPeriods(x25519_ms=7_000, mlkem_ms=10_000)
    ring = ring_at(START, periods=periods)
    for step in range(0, 20_000, 250):
        now = START + step
        ring.advance(now)
        hop = hop_at(NODE, ring.published, periods, now)
        pair = ring.pair(hop.key_id)
        assert pair is not None
        assert now < pair.until_ms <= now + 10_000 + GRACE_MS


def test_private_keys_are_not_shown() -> None:
    ring = ring_at(START)
    pair = ring.pair(hop_at(NODE, ring.published, KeyPeriods(), START).key_id)
    assert pair is not None
    assert pair.x25519.raw.hex() not in repr(pair)
    assert "x25519" not in repr(pair)
