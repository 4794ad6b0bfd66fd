"""`python -m observe`: draws the docs' pictures of the dashboards from what a real Prometheus has of a testnet.

They are drawn by matplotlib from the dashboards' own queries; they do not show what Grafana looks like. Two minutes: a
testnet under load, one storage node is killed and comes back.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from observe.picture import draw
from observe.stage import stage

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "operations" / "pictures"
SETTLE_SECONDS = 8.0


async def run(out: Path, seconds: float) -> None:
    """Put the whole on a stage and draw it."""
    with tempfile.TemporaryDirectory(prefix="essaim-observe-") as folder:
        async with stage(Path(folder)) as on:
            await on.load(seconds / 3)
            dying = asyncio.create_task(on.restart("storage-2", seconds / 12))
            await on.load(seconds / 3)
            await dying
            await on.load(seconds / 3)
            await asyncio.sleep(SETTLE_SECONDS)
            for file in await asyncio.to_thread(draw, on.server, on.began, time.time(), out):
                print(file)


def main() -> int:
    parser = argparse.ArgumentParser(prog="observe", description=__doc__)
    parser.add_argument("--out", type=Path, default=PICTURES, help="folder of the pictures (%(default)s)")
    parser.add_argument("--seconds", type=float, default=90.0, help="of load (%(default)s)")
    options = parser.parse_args()
    asyncio.run(run(options.out, options.seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
