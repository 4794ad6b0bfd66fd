"""Telling discovery until it has heard: each attempt a little later than the one before, with jitter."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

from essaim.runtime import logs
from essaim.runtime.discovery_client import DiscoveryLostError, TransactionRefusedError
from essaim.runtime.logs import LogLevel

BACKOFF_FIRST_SECONDS = 0.1
BACKOFF_MOST_SECONDS = 2.0


class MembershipEvent(logs.Event):
    """What membership has to say."""

    REGISTERED = "registered"
    DISCOVERY_LOST = "discovery_lost"
    TRANSACTION_REFUSED = "transaction_refused"
    VIEW_REFUSED = "view_refused"
    KEYS_PUBLISHED = "keys_published"
    RETIRED = "retired"
    RETIREMENT_LATE = "retirement_late"


async def persist(attempt: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Until discovery has it. A refusal is tried again too: what it lacks may come (a clock, a fresh registration)."""
    number = 0
    while True:
        try:
            return await attempt()
        except DiscoveryLostError:
            logs.write(MembershipEvent.DISCOVERY_LOST, LogLevel.WARNING, attempt=number)
        except TransactionRefusedError:
            logs.write(MembershipEvent.TRANSACTION_REFUSED, LogLevel.ERROR, attempt=number)
        await asyncio.sleep(backoff(number))
        number += 1


def backoff(number: int) -> float:
    """Seconds before attempt `number` + 1: doubled, capped, with jitter so that a network does not return at once."""
    most = min(BACKOFF_MOST_SECONDS, BACKOFF_FIRST_SECONDS * 2**number)
    return random.uniform(most / 2, most)
