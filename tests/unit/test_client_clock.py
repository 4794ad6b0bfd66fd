"""The corrected clock: three nodes, their median, never below the view."""

import pytest

from essaim.testing.clock import FakeClock
from essaim_client.network.clock import CorrectedClock

HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("told", "offset"),
    [
        ([], 0),
        ([HOUR_MS, HOUR_MS], 0),  # two are not enough to move it
        ([HOUR_MS, HOUR_MS, HOUR_MS], HOUR_MS),
        ([0, HOUR_MS, 2 * HOUR_MS], HOUR_MS),
        ([-HOUR_MS, 0, HOUR_MS * 500], 0),  # one liar moves nothing
        ([59_000, 60_000, 61_000], 0),  # within a minute the own clock is trusted
        ([60_001, 60_001, 60_001], 60_001),
        ([-HOUR_MS, -HOUR_MS, 5, 7], -HOUR_MS),  # the lower of two middles
    ],
)
def test_clock_follows_the_median_of_three(told, offset):
    own = FakeClock()
    clock = CorrectedClock(own.now_ms)
    clock.learn(told)
    assert clock.offset_ms == offset
    assert clock.now_ms() == own.now_ms() + offset


def test_clock_is_never_below_the_view():
    own = FakeClock()
    clock = CorrectedClock(own.now_ms)
    clock.never_below(own.now_ms() + HOUR_MS)
    clock.never_below(own.now_ms())
    assert clock.now_ms() == own.now_ms() + HOUR_MS
    clock.learn([-HOUR_MS] * 3)
    assert clock.now_ms() == own.now_ms() + HOUR_MS
    own.advance(3 * HOUR_MS)
    assert clock.now_ms() == own.now_ms() - HOUR_MS


def test_clock_is_trusted_again_when_it_is_right_again():
    own = FakeClock()
    clock = CorrectedClock(own.now_ms)
    clock.learn([HOUR_MS] * 3)
    clock.learn([10] * 3)
    assert clock.offset_ms == 0
