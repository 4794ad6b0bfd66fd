"""When a wake is tried again, and how much is taken from whom."""

import random

from essaim_push.backoff import Backoff
from essaim_push.limit import BURST_SECONDS, MAX_BUCKETS, Bucket, Buckets

UNIFORM = random.Random(1).uniform


def test_push_backoff_doubles_up_to_its_most_with_chance_in_half() -> None:
    backoff = Backoff(1_000, 60_000)
    for attempts in range(1, 40):
        most = min(60_000, 1_000 * 2 ** (attempts - 1))
        waits = [backoff.after_ms(attempts, None, UNIFORM) for _ in range(200)]
        assert most / 2 - 1 <= min(waits) and max(waits) <= most
        assert max(waits) - min(waits) > most / 4, "what an outage has gathered does not return at once"


def test_push_backoff_is_never_sooner_than_the_provider_asks() -> None:
    backoff = Backoff(1_000, 60_000)
    waits = [backoff.after_ms(1, 120.0, UNIFORM) for _ in range(100)]
    assert min(waits) >= 120_000 and max(waits) <= 120_100
    assert backoff.after_ms(9, 0.0, UNIFORM) >= 30_000


def test_push_bucket_gives_its_rate_and_ten_seconds_of_it_at_once() -> None:
    bucket = Bucket.full(10, now_ms=0)
    assert bucket.take(10 * BURST_SECONDS, 0) == 0
    wait_ms = bucket.take(5, 0)
    assert 499 <= wait_ms <= 502, "and says when"
    assert bucket.take(5, wait_ms) == 0
    assert (
        sum(bucket.take(1, 1_000 * second + tenth * 100) == 0 for second in range(1, 61) for tenth in range(10)) <= 601
    )


def test_push_bucket_lets_more_than_it_holds_through_when_full_alone() -> None:
    """A batch larger than the burst is not refused for ever."""
    bucket = Bucket.full(1, now_ms=0)
    assert bucket.take(50, 0) == 0
    assert bucket.take(1, 0) > 40_000


def test_push_buckets_are_one_for_each_node_and_bounded() -> None:
    buckets = Buckets(1)
    assert buckets.take(b"a", BURST_SECONDS, 0) == 0
    assert buckets.take(b"a", 1, 0) > 0
    assert buckets.take(b"b", 1, 0) == 0
    for number in range(MAX_BUCKETS + 1):
        buckets.take(number.to_bytes(4), 1, 0)
    assert len(buckets._buckets) == MAX_BUCKETS
