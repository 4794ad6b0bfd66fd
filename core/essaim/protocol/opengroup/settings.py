"""The bounds of a room's settings, and what a new room has."""

import re
from typing import Final

from essaim.opengroup.v1 import room_pb2
from essaim.protocol.kdf import HASH_SIZE, blake2b256
from essaim.protocol.opengroup.filter import ALL_ALPHABETS, FIELDS
from essaim.protocol.opengroup.permission import ALL
from essaim.protocol.opengroup.refusal import SettingsRefusedError
from essaim.protocol.opengroup.statement import MAX_TEXT

NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{1,63}", re.ASCII)
FILE_LABEL: Final = b"essaim/opengroup/file/v1"
TOKEN_LABEL: Final = b"essaim/opengroup/token/v1"
TOKEN_SIZE: Final = 16
CHUNK_SIZE: Final = 240_000
"""What fits the largest cell with everything around it."""
TEXTS: Final = {"title": 128, "description": 2_048, "filter": 4_096, "filter_reply": 512}
"""Most bytes of a text."""
DAY_SECONDS: Final = 86_400
NUMBERS: Final = {
    "defaults": (0, int(ALL)),
    "slow_seconds": (0, DAY_SECONDS),
    "post_bytes": (1, MAX_TEXT),
    "file_bytes": (0, 1 << 30),
    "upload_bytes": (0, 1 << 40),
    "min_age_seconds": (0, 365 * DAY_SECONDS),
    "posts_per_day": (0, 100_000),
    "edits_per_day": (0, 100_000),
    "reactions_per_day": (0, 100_000),
    "keep_days": (0, 36_500),
    "file_days": (1, 36_500),
    "filter_alphabets": (0, int(ALL_ALPHABETS)),
}
"""(least, most)."""
DEFAULTS: Final = room_pb2.RoomSettings(
    title="",
    description="",
    picture=b"",
    listed=True,
    by_invitation=False,
    defaults=int(ALL),
    slow_seconds=0,
    post_bytes=4_096,
    file_bytes=10_000_000,
    upload_bytes=100_000_000,
    min_age_seconds=0,
    posts_per_day=0,
    edits_per_day=200,
    reactions_per_day=1_000,
    keep_days=0,
    file_days=15,
    archived=False,
    filter="",
    filter_alphabets=0,
    filter_silent=False,
    filter_reply="",
    filter_moderators=False,
)


def check_settings(settings: room_pb2.RoomSettings) -> None:
    """What is present must be within its bounds; SettingsRefusedError names the field."""
    if settings.HasField("name") and not NAME.fullmatch(settings.name):
        raise SettingsRefusedError("a room's name has 2 to 64 of a-z, 0-9, - and _")
    if settings.HasField("picture") and len(settings.picture) not in (0, HASH_SIZE):
        raise SettingsRefusedError("a picture is named by 32 bytes")
    for name, most in TEXTS.items():
        if len(getattr(settings, name).encode()) > most or "\0" in getattr(settings, name):
            raise SettingsRefusedError(f"{name} has at most {most} bytes, none of them NUL")
    for name, (least, highest) in NUMBERS.items():
        if settings.HasField(name) and not least <= getattr(settings, name) <= highest:  # type: ignore[arg-type]  # a name of the table above
            raise SettingsRefusedError(f"{name} is {least} to {highest}")


def complete(settings: room_pb2.RoomSettings) -> room_pb2.RoomSettings:
    """A new room's settings, the defaults where nothing is said. Raises SettingsRefusedError."""
    if not settings.HasField("name"):
        raise SettingsRefusedError("a room has a name")
    check_settings(settings)
    whole = room_pb2.RoomSettings()
    whole.CopyFrom(DEFAULTS)
    whole.MergeFrom(settings)
    return whole


def check_filter(settings: room_pb2.RoomSettings) -> None:
    """Of the whole host: a filter's fields within their bounds, and no others. Raises SettingsRefusedError."""
    check_settings(settings)
    others = [field.name for field, _ in settings.ListFields() if field.name not in FIELDS]
    if others:
        raise SettingsRefusedError(f"of the whole host a filter alone is set, not {others[0]}")


def untold(settings: room_pb2.RoomSettings) -> None:
    """Take out what moderators alone are told."""
    for name in FIELDS:
        settings.ClearField(name)


def file_hash(content: bytes) -> bytes:
    """The name of a file."""
    return blake2b256(FILE_LABEL, content)


def token_hash(token: bytes) -> bytes:
    """What a host keeps of an invitation."""
    return blake2b256(TOKEN_LABEL, token)
