"""Random stories of closed groups: in the end every device of a member shows what it must, once, in order.

`ESSAIM_STORIES=1000` tells a tenth as many, `ESSAIM_STORIES=7-9` these; `python -m people groups 0-99` (in
tests/simulation) keeps a note of each (`make prove`).
"""

from pathlib import Path

import pytest

from people import telling


@pytest.mark.parametrize("seed", telling.asked("20", share=10))
async def test_every_device_of_a_member_shows_the_group_once_in_causal_order(tmp_path: Path, seed: int) -> None:
    assert await telling.tell("groups", seed, tmp_path)
