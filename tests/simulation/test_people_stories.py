"""Random stories of people with several devices: in the end all of them show the same conversation, once, in order.

`ESSAIM_STORIES=210-219` tells these; `python -m people people 0-999` (in tests/simulation) tells many and keeps a note
of each (`make prove`).
"""

from pathlib import Path

import pytest

from people import telling


@pytest.mark.parametrize("seed", telling.asked("50"))
async def test_every_device_shows_the_same_conversation_once_in_causal_order(tmp_path: Path, seed: int) -> None:
    assert await telling.tell("people", seed, tmp_path)


@pytest.mark.parametrize("seed", telling.asked("50", share=10))
async def test_the_same_where_months_and_years_lie_between(tmp_path: Path, seed: int) -> None:
    assert await telling.tell("absences", seed, tmp_path)
