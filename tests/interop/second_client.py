"""A second client, written from protos/ and docs/protocol/ alone. Nothing of Essaim's code is imported.

python tests/interop/second_client.py NETWORK_FILE      stores a message to itself and reads it, over three relays

Blocking and without retries: what a client *must* do for its user's safety (guards, pacing, storage) is not here.
"""

import base64
import hashlib
import json
import os
import queue
import random
import ssl
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import grpc
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.poly1305 import Poly1305
from google.protobuf import message_factory

from second_account import PUBLIC, Mailbox
from second_view import NONCE_0, Node, Protos, Refused, View, ViewReader, check, hkdf, now_ms, stream, u, xor

# Onion cells (onion.md)

SIZES = (16384, 65536, 262144)
MAILBOXES = "essaim.storage.v1.MailboxService"
DAY_MS = 86_400_000
KEM_SIZE = {1: 32, 2: 1120}
REASONS = "BAD_CELL REPLAY KEY_UNKNOWN STALE BUSY UNREACHABLE TIMEOUT BAD_REPLY NOT_LISTED".split()  # noqa: SIM905


class Layer:
    """One hop's keys of one cell."""

    def __init__(self, node: Node, x: bytes, m: bytes, head: bytes) -> None:
        self.node_id, self.key_id = node.node_id, hashlib.blake2b(x + m, digest_size=32).digest()[:4]
        self.prefix = head + self.key_id
        mine = X25519PrivateKey.generate()
        secret, self.c = mine.exchange(X25519PublicKey.from_public_bytes(x)), mine.public_key().public_bytes_raw()
        if head[1] == 2:
            kem_secret, ciphertext = MLKEM768PublicKey.from_public_bytes(m).encapsulate()
            secret, self.c = secret + kem_secret, self.c + ciphertext
        transcript = hashlib.sha3_256(x + (m if head[1] == 2 else b"") + self.c).digest()
        okm = hkdf(secret + transcript, "essaim/onion/v1", self.prefix, 176)
        self.k_stream, self.k_mac, self.k_payload = okm[:32], okm[32:64], okm[64:96]
        self.k_reply, self.k_error = okm[96:128], okm[128:160]

    def gamma(self, beta: bytes, body: bytes) -> bytes:
        return Poly1305.generate_tag(self.k_mac, self.prefix + self.c + beta + body)


Hop = tuple[Node, bytes, bytes]
"""A node and its X25519 and ML-KEM key of the time."""


class Call:
    """One wrapped request: `cell` to send, `open` for its replies in order."""

    def __init__(self, path: list[Hop], payload: bytes, suite: int, classes: tuple[int, int]) -> None:
        self.classes, self.number, self.ended = classes, 0, False
        self.layers = [Layer(*hop, bytes([1, suite, *classes])) for hop in path]
        self.cell = self._wrap(payload, KEM_SIZE[suite])

    def _wrap(self, payload: bytes, kem: int) -> bytes:
        slot, (*relays, last) = 64 + kem + 16, self.layers
        size = 3 * slot + 64
        headers = [stream(layer.k_stream, NONCE_0, size + slot) for layer in self.layers]
        filler = b""
        for header in headers[:-1]:
            filler = xor(filler + bytes(slot), header[size - len(filler) :])
        minute = u(4, now_ms() // 60_000)
        tail = os.urandom(size - 64 - len(filler))
        routing = bytes([2, 0]) + bytes(34) + minute + bytes(24)
        beta = xor(routing + tail, headers[-1][: 64 + len(tail)]) + filler
        room = SIZES[self.classes[0]] - (8 + kem + size + 16) - 16
        check(len(payload) + 4 <= room, "TOO_LONG")
        padded = (u(4, len(payload)) + payload).ljust(room, b"\0")
        body = ChaCha20Poly1305(last.k_payload).encrypt(NONCE_0, padded, None)
        gamma, following = last.gamma(beta, body), last
        for layer, header in zip(reversed(relays), reversed(headers[:-1]), strict=True):
            routing = bytes([1, 0]) + following.node_id + bytes(2) + minute + following.key_id + bytes(20)
            beta = xor(routing + following.c + gamma + beta[: size - slot], header[:size])
            body = xor(body, stream(layer.k_stream, u(12, 1), len(body)))
            gamma, following = layer.gamma(beta, body), layer
        return following.prefix + following.c + beta + gamma + body

    def open(self, cell: bytes) -> bytes | None:
        """The reply's payload, None for a heartbeat. Raises Refused with the reason of an error cell."""
        check(len(cell) == SIZES[self.classes[1]] and not self.ended, "BAD_REPLY")
        nonce, self.number = u(12, self.number), self.number + 1
        stripped = [cell]
        for layer in self.layers[:-1]:
            stripped.append(xor(stripped[-1], stream(layer.k_reply, nonce, len(cell))))
        try:
            plain = ChaCha20Poly1305(self.layers[-1].k_reply).decrypt(nonce, stripped[-1], None)
        except InvalidTag:
            raise self._error(stripped, nonce) from None
        length = int.from_bytes(plain[1:5], "big")
        check(plain[0] <= 2 and length <= len(plain) - 5 and not any(plain[5 + length :]), "BAD_REPLY")
        self.ended = plain[0] == 1
        return None if plain[0] == 2 else plain[5 : 5 + length]

    def _error(self, stripped: list[bytes], nonce: bytes) -> Refused:
        self.ended = True
        for hop, (layer, cell) in enumerate(zip(self.layers[:-1], stripped, strict=False)):
            try:
                code = ChaCha20Poly1305(layer.k_error).decrypt(nonce, cell, None)[0]
                return Refused(REASONS[code - 1], f"hop {hop + 1}")
            except InvalidTag:
                continue
        return Refused("BAD_REPLY")


# The network: direct calls, the guard's door, the link (link.md)


def dial(address: str, certificates: Iterable[bytes]) -> grpc.Channel:
    pem = "".join(ssl.DER_cert_to_PEM_cert(der) for der in certificates).encode()
    options = [("grpc.ssl_target_name_override", "essaim"), ("grpc.enable_http_proxy", 0)]
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(root_certificates=pem), options)


class Network:
    """What a network file leads to."""

    def __init__(self, network_file: Path, protos: Protos) -> None:
        told = json.loads(network_file.read_text())
        self.protos, self.reader = protos, ViewReader(protos, base64.b64decode(told["genesis"]))
        self.seeds: list[str] = told["seeds"]
        self.channels: dict[bytes, grpc.Channel] = {}

    def __enter__(self) -> "Network":
        return self

    def __exit__(self, *error: object) -> None:
        for channel in self.channels.values():
            channel.close()

    @property
    def view(self) -> View:
        assert self.reader.held
        return self.reader.held

    def direct(self, channel: grpc.Channel, service: str, method: str) -> Any:
        """The method as a callable of this channel."""
        found = self.protos.method(service, method)
        kind = f"{'stream' if found.client_streaming else 'unary'}_{'stream' if found.server_streaming else 'unary'}"
        answer = message_factory.GetMessageClass(found.output_type)
        encode = message_factory.GetMessageClass(found.input_type).SerializeToString
        return getattr(channel, kind)(f"/{service}/{method}", encode, answer.FromString)

    def ask_view(self, address: str, certificates: Iterable[bytes], epoch: int = 0, serial: int = 0) -> bytes:
        """One serialised ViewAnswer, not verified."""
        with dial(address, certificates) as channel:
            question = self.protos["essaim.view.v1.GetViewRequest"](epoch=epoch, serial=serial)
            chunks = list(self.direct(channel, "essaim.view.v1.ViewService", "GetView")(question, timeout=10))
        check(chunks and chunks[-1].last)
        return b"".join(each.chunk for each in chunks)

    def fetch_view(self) -> View:
        at = self.reader.held.at if self.reader.held else (0, 0)
        answer = self.ask_view(self.seeds[0], self.reader.genesis.discovery_certificates, *at)
        return self.reader.accept(answer, now_ms())

    def path(self, destination: Node) -> list[Node]:
        """Guard, middle, exit, destination: four nodes (client.md, 3, without its memory)."""
        return [*random.sample(self.usable(), 3), destination]

    def usable(self) -> list[Node]:
        """Relays with onion keys for now."""
        return [node for node in self.view.relays() if self._keys(node)]

    def _keys(self, node: Node) -> tuple[bytes, bytes] | None:
        return node.onion_keys(self.view.header.parameters, now_ms())

    def wrap(self, path: list[Node], method: str, body: Any, suite: int = 2, classes: tuple[int, int] = (0, 0)) -> Call:
        service, _, name = method.rpartition(".")
        request = self.protos["essaim.onion.v1.Request"](
            service=service, method=name, request_id=os.urandom(16), body=body.SerializeToString()
        )
        return Call([(node, *self._keys(node)) for node in path], request.SerializeToString(), suite, classes)

    def guard(self, node: Node) -> grpc.Channel:
        said = node.descriptor
        if said.start_id not in self.channels:
            self.channels[said.start_id] = dial(said.address, said.certificates)
        return self.channels[said.start_id]

    def send(self, path: list[Node], method: str, body: Any, suite: int = 2, classes: tuple[int, int] = (0, 0)) -> Any:
        """A unary method of the last node of `path`, through RelayService.Send of the first."""
        call = self.wrap(path, method, body, suite, classes)
        reply = self.outcome(call, self.exchange(path[0], call), method)
        check(call.ended and reply is not None, "BAD_REPLY")
        return reply

    def exchange(self, guard: Node, call: Call) -> bytes:
        """The first reply cell. The guard's own refusal stands in the call's trailing metadata."""
        request = self.protos["essaim.relay.v1.SendRequest"](cell=call.cell)
        try:
            return self.direct(self.guard(guard), "essaim.relay.v1.RelayService", "Send")(request, timeout=12).cell
        except grpc.RpcError as error:
            told: dict[str, Any] = dict(error.trailing_metadata() or ())
            status = told.get("grpc-status-details-bin")
            if status is None:
                raise
            raise refusal(self.protos, self.protos.parse("google.rpc.Status", status), "guard") from error

    def open(self, path: list[Node], method: str, body: Any, classes: tuple[int, int] = (0, 0)) -> Iterator[Any]:
        """A streaming method's responses, through RelayService.Open; closing the iterator cancels the call."""
        call = self.wrap(path, method, body, classes=classes)
        request = self.protos["essaim.relay.v1.OpenRequest"](cell=call.cell)
        replies = self.direct(self.guard(path[0]), "essaim.relay.v1.RelayService", "Open")(request, timeout=120)
        try:
            for each in replies:
                response = self.outcome(call, each.cell, method)
                if response is not None:
                    yield response
            check(call.ended, "BAD_REPLY")
        finally:
            replies.cancel()

    def outcome(self, call: Call, cell: bytes, method: str) -> Any:
        """A reply cell's response message; None for a heartbeat and the empty last of a stream."""
        payload = call.open(cell)
        reply = self.protos.parse("essaim.onion.v1.Reply", payload or b"")
        service, _, name = method.rpartition(".")
        if reply.WhichOneof("outcome") == "error":
            raise refusal(self.protos, reply.error)
        if reply.WhichOneof("outcome") is None:
            return None
        return message_factory.GetMessageClass(self.protos.method(service, name).output_type).FromString(reply.body)

    # Mailboxes, at one member and without a second try

    def member(self, mailbox: Mailbox) -> Node:
        return self.view.swarm(mailbox.id)[0]

    def ask(self, mailbox: Mailbox, method: str, body: Any, **how: Any) -> Any:
        return self.send(self.path(self.member(mailbox)), f"{MAILBOXES}.{method}", body, **how)

    def store(self, mailbox: Mailbox, data: bytes, slot: bytes = b"\0", version: int = 0, **how: Any) -> bytes:
        """The id of an envelope that a quorum has acknowledged."""
        expires_ms = now_ms() + DAY_MS
        result = self.ask(mailbox, "Store", mailbox.store(slot, data, expires_ms, version), **how).results[0]
        if result.status.code:
            raise refusal(self.protos, result.status)
        check(result.envelope_id == mailbox.envelope_id(slot, expires_ms, data, version), "BAD_REPLY")
        return bytes(result.envelope_id)

    def retrieve(self, mailbox: Mailbox, slot: bytes = b"\0", **how: Any) -> list[Any]:
        return list(self.ask(mailbox, "Retrieve", mailbox.read("RetrieveRequest", slot), **how).envelopes)

    def gather(self, mailbox: Mailbox, slot: bytes = b"\0") -> list[Any]:
        """Of r - W + 1 members, so that nothing is missing that a quorum has acknowledged: what others stored."""
        members, found = self.view.swarm(mailbox.id), {}
        for node in members[: len(members) - len(members) // 2]:
            question = mailbox.read("RetrieveRequest", slot)
            answer = self.send(self.path(node), f"{MAILBOXES}.Retrieve", question)
            found |= {each.envelope_id: each for each in answer.envelopes}
        return list(found.values())

    def confirm(self, mailbox: Mailbox, slot: bytes, ids: list[bytes], **how: Any) -> None:
        self.ask(mailbox, "Confirm", mailbox.confirm(slot, ids), **how)


class LinkStream:
    """A client's stream of frames to its guard, of one class."""

    def __init__(self, network: Network, guard: Node, size_class: int) -> None:
        request = network.protos["essaim.link.v1.LinkRequest"]
        self._out: queue.Queue[bytes | None] = queue.Queue()
        frames = (request(frames=each) for each in iter(self._out.get, None))
        self._in = network.direct(network.guard(guard), "essaim.link.v1.LinkService", "Link")(frames, timeout=60)
        challenge = next(self._in).frames
        check(len(challenge) == 41 and challenge[0] == 1, "PROTOCOL")
        self._out.put(bytes([2, 1, size_class]) + bytes(32) + guard.node_id + bytes(8 + 64))
        self._calls = 0

    def send(self, call: Call) -> int:
        """Opens a call; its number."""
        self._calls += 1
        self._out.put(bytes([3]) + u(4, self._calls) + u(4, 0) + bytes([call.classes[0]]) + call.cell)
        return self._calls

    def replies(self) -> Iterator[tuple[int, int, bytes]]:
        """(call, sequence, cell) as they come; the cell is empty for END. Raises Refused for REFUSE."""
        for batch in self._in:
            frames = batch.frames
            while frames:
                size = {3: 10 + SIZES[frames[9] % 3] if len(frames) > 9 else 0, 6: 14, 7: 5, 8: 1}.get(frames[0], 0)
                frame, frames = frames[:size], frames[size:]
                check(size and len(frame) == size, "PROTOCOL")
                if frame[0] == 6:
                    raise Refused(REASONS[frame[5] - 1])
                if frame[0] in {3, 7}:
                    yield int.from_bytes(frame[1:5], "big"), int.from_bytes(frame[5:9], "big"), frame[10:]

    def close(self) -> None:
        self._out.put(None)
        self._in.cancel()


def refusal(protos: Protos, status: Any, where: str = "destination") -> Refused:
    """What a google.rpc.Status says: the reason of its one ErrorInfo."""
    info = protos.parse("google.rpc.ErrorInfo", status.details[0].value) if status.details else None
    return Refused(info.reason if info else f"CODE_{status.code}", where)


def main() -> None:
    """Store an envelope in an own mailbox, read it, confirm it."""
    from second_session import Account

    protos, account, data = Protos(), Account(os.urandom(32)), os.urandom(4096)
    inbox = Mailbox(protos, PUBLIC, account.read_key.public, bytes(32), account.read_key)
    with Network(Path(sys.argv[1]), protos) as network:
        view = network.fetch_view()
        name = network.store(inbox, data)
        check([each.data for each in network.retrieve(inbox)] == [data], "NOT_FOUND")
        network.confirm(inbox, b"\0", [name])
    check(not any(name.partition(".")[0] == "essaim" for name in sys.modules), "NOT_INDEPENDENT")
    sys.stdout.write(f"view {view.at}: stored, read and confirmed as {account.account_id}\n")


if __name__ == "__main__":
    main()
