"""Random stories of people with several devices: in the end all of them show the same conversation, once, in order.

`ESSAIM_STORIES=1000` tells more of them (`make prove`).
"""

import os
from pathlib import Path

import pytest

from people.story import Story

STORIES = int(os.environ.get("ESSAIM_STORIES", "50"))
STEPS = 40
CHUNK = 5


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(0, STORIES, CHUNK))
async def test_every_device_shows_the_same_conversation_once_in_causal_order(tmp_path: Path, first: int) -> None:
    for seed in range(first, min(first + CHUNK, STORIES)):
        async with Story(tmp_path / str(seed), seed) as story:
            try:
                await story.run(STEPS)
                await story.settle()
            except Exception:
                print(f"seed {seed}: {story.told}")
                raise
            problems = story.problems()
            assert problems == [], f"seed {seed}: {problems}\n{story.told}"
