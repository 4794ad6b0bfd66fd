"""Writes link.json from docs/protocol/link.md alone: every frame, and what stands in the last layer of a call.

python tests/vectors/make_link.py > tests/vectors/link.json; frozen as v1
"""

import hashlib
import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NONCE, TIME_MS, SERIAL = bytes(range(32)), 1_800_000_000_123, 77
CELL_SIZES = (16_384, 65_536, 262_144)
REFUSALS = ("BAD_CELL", "REPLAY", "KEY_UNKNOWN", "STALE", "BUSY", "UNREACHABLE", "TIMEOUT", "BAD_REPLY", "NOT_LISTED")


def u(number: int, size: int) -> bytes:
    return number.to_bytes(size, "big")


def key(number: int) -> tuple[Ed25519PrivateKey, bytes]:
    private = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
    return private, private.public_key().public_bytes_raw()


def hello(link_class: int) -> bytes:
    (signer, own), (_, peer) = key(1), key(2)
    text = b"essaim/link/v1" + NONCE + own + peer + u(link_class, 1) + u(SERIAL, 8)
    return b"\2\1" + u(link_class, 1) + own + peer + u(SERIAL, 8) + signer.sign(text)


def cell(code: int) -> dict[str, object]:
    """Too long to be written down: the cell is `size` times the byte 0xc0 + class."""
    frame = b"\3" + u(5, 4) + u(6, 4) + u(code, 1) + bytes([0xC0 + code]) * CELL_SIZES[code]
    told = {"head": frame[:10].hex(), "sha256": hashlib.sha256(frame).hexdigest()}
    return {"class": code, "call": 5, "sequence": 6, **told}


def field(number: int, data: bytes) -> bytes:
    """A `bytes`, `string` or message field of a protobuf message; below 128 bytes."""
    assert len(data) < 128
    return bytes((number << 3 | 2, len(data))) + data


def main() -> None:
    frames = {
        "challenge": b"\1" + NONCE + u(TIME_MS, 8),
        "hello_of_node_for_small_cells": hello(0),
        "hello_of_node_for_messages": hello(0xFF),
        "hello_of_client": b"\2\1\2" + bytes(32) + key(2)[1] + bytes(8 + 64),
        "grant": b"\4" + u(5, 4) + u(300, 2),
        "cancel": b"\5" + u(5, 4),
        "end": b"\7" + u(5, 4),
        "goaway": b"\x08",
        "message": b"\x09" + u(11, 4) + b"hello there",
    }
    codes = {name: at for at, name in enumerate(REFUSALS, 1)}
    refuse = {name: b"\6" + u(5, 4) + u(at, 1) + u(TIME_MS if at == 4 else 0, 8) for name, at in codes.items()}
    call = field(1, b"essaim.view.v1.ViewService") + field(2, b"GetView")
    detail = field(1, b"type.googleapis.com/google.rpc.ErrorInfo") + field(
        2, field(1, b"CLOCK") + field(2, b"storage.essaim")
    )
    error = b"\x08\x09" + field(2, b"wrong") + field(3, detail)
    delivery = {
        "request": call + field(3, b"\x11" * 16) + field(4, b"\x08\x01\x10\x07"),
        "reply": field(1, b"\x08\x05"),
        "reply_of_error": field(2, error),
        "reply_at_the_end_of_a_stream": b"",
    }
    vectors = {
        "version": "v1",
        "node_seed": (bytes([1]) * 32).hex(),
        "peer_seed": (bytes([2]) * 32).hex(),
        "nonce": NONCE.hex(),
        "time_ms": TIME_MS,
        "view_serial": SERIAL,
        "call": 5,
        "frames": {name: frame.hex() for name, frame in frames.items()},
        "refuse": {name: frame.hex() for name, frame in refuse.items()},
        "cells": [cell(code) for code in range(3)],
        "delivery": {name: data.hex() for name, data in delivery.items()},
    }
    print(json.dumps(vectors, indent=1))


if __name__ == "__main__":
    main()
