"""Commands, and the sentence when one is refused: it names the very call, because that tells the limits of a kernel."""

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from cluster.place import NAMESPACE

INSIDE = ("nsenter", f"--net=/run/netns/{NAMESPACE}")
"""Not `ip netns exec`, which mounts /sys anew and so hides the control groups."""


class RefusedError(Exception):
    """What was refused, in one sentence."""


def run(*command: str | Path) -> str:
    """What it printed. Raises RefusedError."""
    done = attempt(*command)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise RefusedError(f"`{shlex.join(map(str, command))}` was refused: {said[-1]}")
    return done.stdout


def attempt(*command: str | Path) -> "subprocess.CompletedProcess[str]":
    """As it ends. Raises RefusedError when there is no such program."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise RefusedError(f"`{shlex.join(map(str, command))}` was refused: {error.strerror}") from None


def inside(*command: str | Path) -> Sequence[str | Path]:
    """The same command in the cluster's network namespace."""
    return (*INSIDE, *command)
