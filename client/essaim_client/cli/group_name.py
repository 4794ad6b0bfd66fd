"""How a command names a closed group, or a conversation that may be one."""

from collections.abc import Mapping
from typing import Annotated

import typer

from essaim.protocol.account import PREFIX, AccountId
from essaim.protocol.errors import ProtocolError
from essaim_client.client import Client

SHORTEST = 6
"""Digits of an id, less would often fit several."""
GroupArgument = Annotated[
    str, typer.Argument(metavar="GROUP", help="The beginning of its id (see `group list`), or its name.")
]
ConversationArgument = Annotated[
    str,
    typer.Argument(metavar="CONVERSATION", help="Somebody, esm1...; or a group: the beginning of its id, or its name."),
]


class WhichGroupError(ProtocolError):
    """No group of this id or name, or several."""

    reason = "UNKNOWN_GROUP"


def find_group(names: Mapping[bytes, str], given: str) -> bytes:
    """By the first 6 digits of its id or more, or by its name where only one has it (WhichGroupError)."""
    by_id = [each for each in names if len(given) >= SHORTEST and each.hex().startswith(given.lower())]
    found = by_id or [each for each, name in names.items() if name == given]
    if len(found) != 1:
        raise WhichGroupError("no such group" if not found else "several groups fit: give more of the id")
    return found[0]


def group_id(me: Client, given: str) -> bytes:
    """Of those that this account is in, or invited to (WhichGroupError)."""
    return find_group({each.group_id: each.name for each in me.groups.all()}, given)


def conversation(names: Mapping[bytes, str], given: str) -> AccountId | bytes:
    """Somebody, or a group of these. Raises AccountIdRefusedError, WhichGroupError."""
    return AccountId.parse(given) if given.lower().startswith(f"{PREFIX}1") else find_group(names, given)
