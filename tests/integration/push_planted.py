"""`python -m push_planted BUG FLAG...`: a push host with a bug, so that the judge of histories is seen to find it."""

import importlib
import sys
from collections.abc import Callable
from typing import Any

from sqlalchemy import delete, false

from essaim_push import queue
from essaim_push.schema import WAKE


def forgetful() -> None:
    """What comes while a delivery is under way goes with it."""
    queue._DONE = delete(WAKE).where(queue._MINE)


def repeating() -> None:
    """A delivery that succeeded stays; its lease ends, and it is made again."""
    queue._DONE = queue._DONE.where(false())
    queue._AGAIN = queue._AGAIN.where(WAKE.c.wakes > WAKE.c.begun)


def hasty() -> None:
    """Endpoints get no rest."""
    plain = queue._delivered

    def delivered(connection: Any, now_ms: int, some: Any, rules: Any) -> None:
        plain(connection, now_ms, some, queue.Rules(**{**vars(rules), "spacing_ms": 0, "delay_ms": 0}))

    queue._delivered = delivered


BUGS: dict[str, Callable[[], None]] = {"forgetful": forgetful, "repeating": repeating, "hasty": hasty}

if __name__ == "__main__":
    BUGS[sys.argv.pop(1)]()
    importlib.import_module("essaim_push.__main__").main()
