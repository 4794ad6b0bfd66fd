"""How late the event loop is: what a queue in front of everything that a node does costs each request."""

import asyncio

from prometheus_client import Histogram

LAG = Histogram(
    "essaim_loop_lag_seconds",
    "Seconds by which the event loop woke a sleeper too late, asked once a second.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
PAUSE_SECONDS = 1.0


async def watch_lag() -> None:
    """A background task of every node."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + PAUSE_SECONDS
        await asyncio.sleep(PAUSE_SECONDS)
        LAG.observe(max(0.0, loop.time() - due))
