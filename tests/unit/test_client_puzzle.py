"""The difficulty that a node names is foreign text."""

import pytest

from essaim_client.mailbox.swarm_call import PUZZLE_BITS_MAX, PuzzleTooHardError, _bits


@pytest.mark.parametrize("text", ["25", "", "-1", "\x1b[2J", "9" * 5_000, "²"])
def test_difficulty_that_is_too_high_or_none_is_refused_without_its_words(text):
    with pytest.raises(PuzzleTooHardError) as caught:
        _bits(text)
    assert str(caught.value) == f"a node asks for a puzzle of more than {PUZZLE_BITS_MAX} bits"


def test_difficulty_is_read():
    assert [_bits(text) for text in ("0", "07", "24")] == [0, 7, 24]
