"""Random stories of closed groups: in the end every device of a member shows what it must, once, in order.

`ESSAIM_STORIES=1000` tells more of them (`make prove`).
"""

import os
from pathlib import Path

import pytest

from people.band import Band

STORIES = max(1, int(os.environ.get("ESSAIM_STORIES", "20")) // 10)
STEPS = 40


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(STORIES))
async def test_every_device_of_a_member_shows_the_group_once_in_causal_order(tmp_path: Path, seed: int) -> None:
    async with Band(tmp_path, seed) as band:
        try:
            await band.run(STEPS)
            await band.settle()
        except Exception:
            print(f"seed {seed}: {band.told}")
            raise
        problems = band.problems()
        assert problems == [], f"seed {seed}: {problems}\n{band.told}"
