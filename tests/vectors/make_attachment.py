"""Writes attachment.json: files of several sizes, sealed under fixed keys and headers; they are frozen (v1).

python tests/vectors/make_attachment.py > tests/vectors/attachment.json

The content of a file is SHA-256 of its size as u32 and a counter from 0 as u32, one after the other, cut to the size.
"""

import hashlib
import json

from essaim.protocol.attachment import FileKeys, Sealer, pieces_of
from essaim.protocol.attachment.descriptor import name_of

KEY, HEADER = bytes(range(32)), bytes(range(64, 88))
SIZES = (0, 1, 4_055, 4_056, 253_911, 253_912, 600_000)


def content_of(size: int) -> bytes:
    """`size` bytes that anybody can make again."""
    blocks = (hashlib.sha256(size.to_bytes(4) + number.to_bytes(4)).digest() for number in range(-(-size // 32)))
    return b"".join(blocks)[:size]


def file_of(size: int) -> dict[str, object]:
    keys, content = FileKeys(KEY), content_of(size)
    sealer = Sealer(keys, HEADER)
    blobs = [sealer.seal(each, content[each.start : each.start + each.length]) for each in pieces_of(size)]
    named = zip(pieces_of(size), blobs, strict=True)
    return {
        "size": size,
        "blob_sizes": [len(blob) for blob in blobs],
        "blob_sha256": [hashlib.sha256(blob).hexdigest() for blob in blobs],
        "blob_starts": [blob[:64].hex() for blob in blobs],
        "names": [name_of(keys, piece, blob).hex() for piece, blob in named],
    }


def main() -> None:
    keys = FileKeys(KEY)
    content = {
        "key": KEY.hex(),
        "header": HEADER.hex(),
        "stream_key": keys.stream.hex(),
        "delete_seeds": [keys.delete(number).seed.hex() for number in range(3)],
        "delete_keys": [keys.delete(number).public.raw.hex() for number in range(3)],
        "files": [file_of(size) for size in SIZES],
    }
    print(json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
