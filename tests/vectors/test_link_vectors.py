"""Frames and calls against frozen examples (v1), which make_link.py wrote from the document alone."""

import hashlib
import json
from pathlib import Path

import pytest
from google.rpc import error_details_pb2

from essaim.onion.v1 import request_pb2
from essaim.protocol.geometry import CELL_SIZES
from essaim.protocol.keys import SigningKey
from essaim.protocol.link import frame
from essaim.protocol.link.hello import LinkIdentity, admit, answer
from essaim.protocol.onion.refusal import Refusal

VECTORS = json.loads((Path(__file__).parent / "link.json").read_text())
NODE, PEER = (SigningKey(bytes.fromhex(VECTORS[name])) for name in ("node_seed", "peer_seed"))
TIME_MS, SERIAL, CALL = VECTORS["time_ms"], VECTORS["view_serial"], VECTORS["call"]
CHALLENGE = frame.Challenge(bytes.fromhex(VECTORS["nonce"]), TIME_MS)
IDENTITY = LinkIdentity(NODE.public.raw, NODE.sign, lambda: SERIAL)
FRAMES = {
    "challenge": CHALLENGE,
    "hello_of_node_for_small_cells": answer(CHALLENGE, IDENTITY, PEER.public.raw, 0),
    "hello_of_node_for_messages": answer(CHALLENGE, IDENTITY, PEER.public.raw, 0xFF),
    "hello_of_client": answer(CHALLENGE, None, PEER.public.raw, 2),
    "grant": frame.Grant(CALL, 300),
    "cancel": frame.Cancel(CALL),
    "end": frame.End(CALL),
    "goaway": frame.Goaway(),
    "message": frame.Message(b"hello there"),
}


def only(encoded: bytes) -> frame.Frame:
    (found,) = frame.frames_of(memoryview(encoded))
    return found


@pytest.mark.parametrize("name", VECTORS["frames"])
def test_frame_is_laid_out_as_it_was(name: str) -> None:
    encoded = bytes.fromhex(VECTORS["frames"][name])
    assert FRAMES[name].encode() == encoded
    assert only(encoded) == FRAMES[name]


@pytest.mark.parametrize("name", VECTORS["refuse"])
def test_refusal_has_the_code_that_it_had(name: str) -> None:
    refusal = Refusal[name]
    made = frame.Refuse(CALL, refusal, TIME_MS if refusal == Refusal.STALE else 0)
    assert made.encode().hex() == VECTORS["refuse"][name]
    assert set(VECTORS["refuse"]) == {each.name for each in Refusal}


@pytest.mark.parametrize("name", [name for name in VECTORS["frames"] if name.startswith("hello")])
def test_hello_of_then_is_admitted_now(name: str) -> None:
    hello = only(bytes.fromhex(VECTORS["frames"][name]))
    assert isinstance(hello, frame.Hello)
    dialler = admit(hello, CHALLENGE, PEER.public.raw, SERIAL, lambda node_id: node_id == NODE.public.raw)
    assert dialler.node_id == (None if name == "hello_of_client" else NODE.public.raw)


@pytest.mark.parametrize("vector", VECTORS["cells"], ids=lambda each: str(each["class"]))
def test_cell_frame_is_laid_out_as_it_was(vector: dict) -> None:
    cell = bytes([0xC0 + vector["class"]]) * CELL_SIZES[vector["class"]]
    head = frame.cell_head(vector["call"], vector["sequence"], cell)
    assert head.hex() == vector["head"]
    assert hashlib.sha256(head + cell).hexdigest() == vector["sha256"]
    assert only(head + cell) == frame.Cell(vector["call"], vector["sequence"], cell)


def test_payloads_of_the_last_layer_are_what_they_were() -> None:
    raw = {name: bytes.fromhex(data) for name, data in VECTORS["delivery"].items()}
    request = request_pb2.Request(
        service="essaim.view.v1.ViewService", method="GetView", request_id=b"\x11" * 16, body=b"\x08\x01\x10\x07"
    )
    assert request.SerializeToString() == raw["request"]
    assert request_pb2.Reply(body=b"\x08\x05").SerializeToString() == raw["reply"]
    error, info = request_pb2.Reply.FromString(raw["reply_of_error"]).error, error_details_pb2.ErrorInfo()
    assert (error.code, error.message) == (9, "wrong") and error.details[0].Unpack(info)
    assert (info.reason, info.domain) == ("CLOCK", "storage.essaim")
    assert request_pb2.Reply.FromString(raw["reply_at_the_end_of_a_stream"]).WhichOneof("outcome") is None
