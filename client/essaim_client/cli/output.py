"""What a command prints: JSON objects or lines for people, and every failure as one sentence."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime

import grpc
import typer
from rich.console import Console

from essaim.protocol.errors import ProtocolError
from essaim_client.client import Client
from essaim_client.mailbox.swarm_call import SwarmUnreachableError
from essaim_client.network.direct import NoAnswerError
from essaim_client.network.failure import DestinationLostError, DestinationRefusedError, PathFailedError
from essaim_client.network.path import NoPathError
from essaim_client.network.view_sync import NoViewError

FAILED = 1
"""The network, or a node in it, did not do it."""
REFUSED = 2
"""What was asked for cannot be done: a wrong ID, passphrase, phrase, file."""
NETWORK_ERRORS = (
    DestinationLostError,
    DestinationRefusedError,
    NoAnswerError,
    NoPathError,
    NoViewError,
    PathFailedError,
    SwarmUnreachableError,
)
NO_ANONYMITY = "one operator runs this network: no anonymity against it"

screen = Console(highlight=False, markup=False, soft_wrap=True)
complaints = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


def emit(content: Mapping[str, object]) -> None:
    """One JSON object on a line of its own, now."""
    print(json.dumps(content), flush=True)


def visible(text: str) -> str:
    """Foreign text for a terminal: no control characters, which could repaint it."""
    return "".join(character if character.isprintable() or character in "\n\t" else "\ufffd" for character in text)


def local_time(time_ms: int) -> str:
    """For people, in their own zone; a time that somebody else claimed may be none at all."""
    try:
        return datetime.fromtimestamp(time_ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return "at no known time"


@contextmanager
def sentences(as_json: bool) -> Iterator[None]:
    """Any failure inside ends the program with one sentence and its exit code, never with a trace."""
    try:
        yield
    except ProtocolError as error:
        _end(as_json, error.reason, str(error), FAILED if isinstance(error, NETWORK_ERRORS) else REFUSED)
    except grpc.RpcError:
        _end(as_json, "NO_ANSWER", "the network did not answer", FAILED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read this has left
        raise typer.Exit(FAILED) from None
    except OSError as error:
        _end(as_json, "SYSTEM", error.strerror or "the system refused", FAILED)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _end(as_json: bool, reason: str, message: str, code: int) -> None:
    if as_json:
        emit({"error": {"reason": reason, "message": message}})
    complaints.print(f"essaim: {message}")
    raise typer.Exit(code) from None


def warn(me: Client) -> None:
    """What the person should know of the network before relying on it."""
    if not me.diverse:
        complaints.print(f"warning: {NO_ANONYMITY}", style="yellow")


def run(work: Callable[[], Coroutine[None, None, None]]) -> None:
    """An event loop for one command; SIGTERM ends it as Ctrl-C does."""

    async def stoppable() -> None:
        task = asyncio.current_task()
        if task is not None:
            with suppress(NotImplementedError):
                asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        await work()

    with suppress(asyncio.CancelledError):
        asyncio.run(stoppable())
