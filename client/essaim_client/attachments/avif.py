"""Colours of AVIF (AV1 Image File Format, 2.1) that are told by numbers, not by a profile: Pillow leaves them out."""

from essaim_client.attachments.boxes import FULL, BoxRefusedError, boxes, find
from essaim_client.attachments.colour import profile_of, space_of_codes

NUMBERED = b"nclx"


def profile_of_avif(data: bytes) -> bytes:
    """Of the one space that its pictures tell of; nothing where that is none, or several."""
    try:
        properties = find(find(data, b"meta")[FULL:], b"iprp", b"ipco")
        told = {body[4:8] for kind, body in boxes(properties) if kind == b"colr" and body.startswith(NUMBERED)}
    except BoxRefusedError:
        return b""
    spaces = {space_of_codes(int.from_bytes(each[:2], "big"), int.from_bytes(each[2:], "big")) for each in told}
    space = spaces.pop() if len(spaces) == 1 else None
    return profile_of(space) if space else b""
