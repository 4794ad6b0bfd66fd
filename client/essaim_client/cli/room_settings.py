"""`essaim room`: settings, permissions and spans of time as people type them."""

import re
from typing import Annotated, Any

import typer

from essaim.opengroup.v1 import room_pb2
from essaim.protocol.opengroup.filter import Alphabet
from essaim.protocol.opengroup.permission import Permission
from essaim.protocol.opengroup.settings import DEFAULTS
from essaim_client.rooms.address import RoomAddressError

UNITS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
FOR_GOOD_MS = 1 << 60
ForOption = Annotated[str, typer.Option("--for", help="How long: 30m, 12h, 7d. Default: for good.")]
SettingArgument = Annotated[
    list[str], typer.Argument(metavar="NAME=VALUE...", help="Settings; `room show` lists them.")
]


def span_ms(text: str) -> int:
    """30m, 12h, 7d in milliseconds. Raises RoomAddressError."""
    matched = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", text)
    if not matched:
        raise RoomAddressError("a time span is a number with m, h or d")
    return int(matched[1]) * UNITS[matched[2]]


def until(now_ms: int, span: str) -> int:
    """When a ban ends that begins now; empty for good. Raises RoomAddressError."""
    return now_ms + span_ms(span) if span else FOR_GOOD_MS


def settings_of(pairs: list[str], *, named: bool = False) -> dict[str, Any]:
    """name=value as the type of the setting; `named`: of a room that may be called anew. Raises RoomAddressError."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or name not in DEFAULTS.DESCRIPTOR.fields_by_name or (name == "name" and not named):
            raise RoomAddressError(f"settings are {', '.join(DEFAULTS.DESCRIPTOR.fields_by_name)}")
        found[name] = _typed(name, value)
    return found


def _typed(name: str, value: str) -> object:
    kind = type(getattr(DEFAULTS, name))
    if name == "defaults":
        return int(permission_bits(value))
    if name == "filter_alphabets":
        return int(alphabet_bits(value))
    try:
        if kind is bool:
            return {"yes": True, "no": False}[value]
        field: dict[str, Any] = {name: bytes.fromhex(value) if kind is bytes else kind(value)}
        room_pb2.RoomSettings(**field)  # what no message holds, no host is asked
        return field[name]
    except (KeyError, ValueError):
        raise RoomAddressError(f"{name} is yes or no" if kind is bool else f"that is no value of {name}") from None


def permission_bits(text: str) -> Permission:
    """`read,write` and the like; empty for none. Raises RoomAddressError."""
    names = [each.strip().upper() for each in text.split(",") if each.strip()]
    if not set(names) <= set(Permission.__members__):
        raise RoomAddressError("permissions are read, write, upload, react")
    bits = Permission(0)
    for name in names:
        bits |= Permission[name]
    return bits


def alphabet_bits(text: str) -> Alphabet:
    """`arabic,cyrillic` and the like; empty for none. Raises RoomAddressError."""
    names = [each.strip().upper() for each in text.split(",") if each.strip()]
    if not set(names) <= set(Alphabet.__members__):
        raise RoomAddressError(f"alphabets are {', '.join(Alphabet.__members__).lower()}")
    bits = Alphabet(0)
    for name in names:
        bits |= Alphabet[name]
    return bits
