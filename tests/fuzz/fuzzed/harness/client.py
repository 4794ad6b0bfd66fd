"""What a client is told: by members of a swarm, by any destination, and by the people who hand it a file or a name."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from google.protobuf.message import DecodeError, Message
from google.rpc.status_pb2 import Status

from essaim.onion.v1 import request_pb2
from essaim.protocol.account import Account, AccountId, AccountIdRefusedError
from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox.envelope import envelope_id
from essaim.protocol.mailbox.receipt import Outcome, sign_batch
from essaim.protocol.mailbox.refusal import PuzzleRequiredError
from essaim.protocol.onion import BadReplyError
from essaim.protocol.phrase import PhraseError, entropy_of, words_of
from essaim.protocol.status import DETAILS_TRAILER, read_trailers
from essaim.runtime.errors import to_status
from essaim.storage.v1 import mailbox_pb2
from essaim.testing.mailbox import HOUR_MS, SLOT
from essaim_client.mailbox.access import Access
from essaim_client.mailbox.reading import Reader, Reading
from essaim_client.mailbox.receipts import proven, receipts_of
from essaim_client.mailbox.swarm_call import PuzzleTooHardError, Swarms, price
from essaim_client.mailbox.writing import Outgoing, _Storing
from essaim_client.network.attempt import _body_of
from essaim_client.network.failure import DestinationRefusedError
from essaim_client.network_file import NetworkFile, NetworkFileError
from essaim_client.rooms.address import RoomAddress, RoomAddressError
from fuzzed.harness import view
from fuzzed.harness.mailbox import NOW_MS, OWNER
from fuzzed.parser import Parser, chosen

VECTORS = Path(__file__).resolve().parents[3] / "vectors"
DATA = bytes(4096)
LETTER = Outgoing(SLOT, NOW_MS + HOUR_MS, DATA)


class Views:
    """Of the three nodes on paper."""

    current = view.VIEW


SWARMS = Swarms(cast("Any", None), cast("Any", Views()), cast("Any", None), bytes)
READERS = [Reader(SWARMS, Access(OWNER.inbox, slot)) for slot in (b"", SLOT)]
MEMBER = view.NETWORK.identity(2)


def reply(data: bytes) -> object:
    """The payload of a reply, and what the client reads out of a refusal in it."""
    try:
        return _body_of(data)
    except DestinationRefusedError as refused:
        assert refused.refusal.code != 0
        return price(refused)


def replies() -> Iterator[bytes]:
    yield request_pb2.Reply(body=b"body").SerializeToString()
    yield b""
    for error in (PuzzleRequiredError(12), NetworkFileError("no")):
        yield request_pb2.Reply(error=to_status(error, "storage.essaim")).SerializeToString()


def trailer(data: bytes) -> object:
    code, rest = chosen(data, 17)
    refusal = read_trailers(code, [(DETAILS_TRAILER, rest)])
    assert refusal.code == code, "another code than the call's own"
    return refusal


def trailers() -> Iterator[bytes]:
    status = to_status(PuzzleRequiredError(12), "storage.essaim")
    yield bytes((status.code,)) + status.SerializeToString()
    yield bytes((14,)) + Status(code=14).SerializeToString()


ANSWERS: tuple[type[Message], ...] = (
    mailbox_pb2.RetrieveResponse,
    mailbox_pb2.StoreResponse,
    mailbox_pb2.ConfirmResponse,
)


def answer(data: bytes) -> object:
    """A member's response: what is no envelope of its id is not read, what proves nothing is not believed."""
    which, rest = chosen(data, len(ANSWERS))
    try:
        told: Any = ANSWERS[which].FromString(rest)
    except DecodeError:
        return None  # Method.decode makes a broken path of it
    if which == 0:
        reading = Reading()
        return [[r._is_genuine(each) for r in READERS if reading.is_new(each)] for each in told.envelopes]
    if which == 1:
        storing = _Storing(SWARMS, OWNER.inbox, [LETTER], None)
        return storing.refusal_in(told)
    receipts = receipts_of(told.receipts)
    return proven(SWARMS, OWNER.inbox.mailbox_id, LETTER.id_in(OWNER.inbox), receipts)


def answers() -> Iterator[bytes]:
    of_id = envelope_id(OWNER.inbox.mailbox_id, SLOT, LETTER.expires_ms, DATA)
    stored = mailbox_pb2.StoredEnvelope(envelope_id=of_id, slot=SLOT, expires_ms=LETTER.expires_ms, data=DATA)
    yield b"\0" + mailbox_pb2.RetrieveResponse(envelopes=[stored], cursor=b"c", more=True).SerializeToString()
    signed = sign_batch(MEMBER.sign, MEMBER.public.raw, NOW_MS, [(of_id, Outcome.KEPT), (bytes(32), Outcome.REMOVED)])
    receipt = signed.receipts()[of_id]
    columns = (receipt.node_id, receipt.time_ms, receipt.signature)
    proto = mailbox_pb2.Receipt(
        node_id=columns[0], time_ms=columns[1], signature=columns[2], outcome=1, count=2, index=0, path=receipt.path
    )
    result = mailbox_pb2.StoreResult(envelope_id=of_id, status=Status(), receipts=[proto])
    yield b"\1" + mailbox_pb2.StoreResponse(results=[result]).SerializeToString()
    refused = mailbox_pb2.StoreResult(status=to_status(PuzzleRequiredError(12), "storage.essaim"))
    yield b"\1" + mailbox_pb2.StoreResponse(results=[refused]).SerializeToString()
    yield b"\2" + mailbox_pb2.ConfirmResponse(receipts=[proto]).SerializeToString()


# Text that somebody hands over


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def account_id(data: bytes) -> object:
    found = AccountId.parse(_text(data))
    assert AccountId.parse(str(found)) == found
    return found


def account_ids() -> Iterator[bytes]:
    found = str(Account(bytes(range(32))).id)
    yield from (found.encode(), found.upper().encode(), f" {found}\n".encode())


def phrase(data: bytes) -> object:
    entropy = entropy_of(_text(data))
    assert entropy_of(words_of(entropy)) == entropy
    return entropy


def phrases() -> Iterator[bytes]:
    for each in json.loads((VECTORS / "bip39.json").read_text())["vectors"]:
        yield each["words"].encode()


def network_file(data: bytes) -> object:
    found = NetworkFile.parse(_text(data))
    assert NetworkFile.parse(found.encode()).genesis == found.genesis
    return found.seeds


def network_files() -> Iterator[bytes]:
    from essaim.protocol.view import Genesis

    genesis = Genesis.create("fuzz", [SigningKey(bytes(32))], view.NETWORK.genesis.parameters, [b"c"], NOW_MS)
    yield NetworkFile(genesis, ("127.0.0.1:4000", "[::1]:4000")).encode().encode()
    yield b'{"genesis": "", "seeds": ["127.0.0.1:4000"]}'


def room_address(data: bytes) -> object:
    found = RoomAddress.parse(_text(data))
    assert RoomAddress.parse(str(found)) == found
    return found.room_id


def room_addresses() -> Iterator[bytes]:
    yield f"{'ab' * 32}/garden".encode()
    yield f"{'ab' * 6}/={'cd' * 16}?token={'ef' * 16}".encode()


PARSERS = (
    Parser("client.reply", reply, (BadReplyError, PuzzleTooHardError), replies, longest=1_024),
    Parser("client.trailer", trailer, (), trailers, longest=1_024),
    Parser("client.answer", answer, (), answers, longest=5_000),
    Parser("client.account_id", account_id, (AccountIdRefusedError,), account_ids, longest=128),
    Parser("client.phrase", phrase, (PhraseError,), phrases, longest=320),
    Parser("client.network_file", network_file, (NetworkFileError,), network_files, longest=2_048),
    Parser("client.room_address", room_address, (RoomAddressError,), room_addresses, longest=256),
)
