"""The replay window: exact, bounded, and not fooled by a clock that is set back."""

import random

import pytest

from essaim.protocol.onion import Refusal, ReplayError, ReplayWindowFullError, StaleError
from essaim.protocol.onion.replay import MINUTE_MS, ReplayWindow

M = 1_000_000
TAG = b"t" * 16


def at(minute: int) -> int:
    return minute * MINUTE_MS + 30_000


def test_window_takes_a_tag_once_in_each_minute_of_the_window() -> None:
    window = ReplayWindow()
    for minute in range(M - 5, M + 2):
        window.admit(TAG, minute, at(M))
        with pytest.raises(ReplayError):
            window.admit(TAG, minute, at(M))


@pytest.mark.parametrize("minute", [M - 6, M + 2, 0, 2**32 - 1])
def test_window_refuses_other_minutes(minute: int) -> None:
    with pytest.raises(StaleError):
        ReplayWindow().admit(TAG, minute, at(M))


def test_window_holds_no_more_than_its_minutes() -> None:
    window = ReplayWindow()
    for minute in range(M, M + 50):
        for tag in range(10):
            window.admit(bytes((tag,)) * 16, minute, at(minute))
        assert len(window) <= 60
    assert len(window) == 60


def test_clock_set_back_does_not_open_a_forgotten_minute() -> None:
    window = ReplayWindow()
    window.admit(TAG, M, at(M))
    window.admit(TAG, M + 60, at(M + 60))
    with pytest.raises(StaleError):
        window.admit(TAG, M, at(M))
    window.admit(TAG, M + 1, at(M + 1))


def test_full_window_refuses_and_forgets_nothing_within_the_window() -> None:
    window = ReplayWindow(max_tags=3)
    for tag in range(3):
        window.admit(bytes((tag,)) * 16, M, at(M))
    with pytest.raises(ReplayWindowFullError) as caught:
        window.admit(TAG, M + 1, at(M))
    assert (caught.value.refusal, caught.value.reason) == (Refusal.BUSY, "BUSY")
    with pytest.raises(ReplayError):
        window.admit(bytes(16), M, at(M + 5))
    window.admit(TAG, M + 6, at(M + 6))  # the window has moved on


@pytest.mark.parametrize("common", [0, 4])
def test_window_knows_each_of_many_tags_again_also_those_that_crowd_together(common: int) -> None:
    """`common`: as many bytes of the tags' places are the same, as somebody who tries many keys could make them."""
    rng, window = random.Random(common), ReplayWindow()
    lasts = (bytes((number % 3,)) for number in range(600))
    tags = [rng.randbytes(8 - common) + bytes(common) + rng.randbytes(7) + last for last in lasts]
    for tag in tags:
        window.admit(tag, M, at(M))
    assert len(window) == len(set(tags)) == 600
    for tag in tags:
        with pytest.raises(ReplayError):
            window.admit(tag, M, at(M))
    for _ in range(2_000):
        window.admit(rng.randbytes(16), M, at(M))
    assert len(window) == 2_600
