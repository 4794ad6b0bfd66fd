"""The second client's primitives, messages and view, written from protos/ and docs/protocol/view.md alone."""

import hashlib
import ipaddress
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nacl.bindings as sodium
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

PROTOS = Path(__file__).resolve().parents[2] / "protos"
NONCE_0 = bytes(12)


class Refused(Exception):
    """What this client or the network refuses; `reason` is the docs' UPPER_SNAKE word."""

    def __init__(self, reason: str, where: str = "") -> None:
        super().__init__(reason, where)
        self.reason, self.where = reason, where


def check(holds: object, reason: str = "MALFORMED") -> None:
    if not holds:
        raise Refused(reason)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def u(size: int, number: int) -> bytes:
    return number.to_bytes(size, "big")


def H(label: str, *parts: bytes) -> bytes:
    return hashlib.blake2b(label.encode() + b"".join(parts), digest_size=32).digest()


def hkdf(ikm: bytes, salt: bytes | str, info: bytes | str, length: int = 32) -> bytes:
    salt, info = (part.encode() if isinstance(part, str) else part for part in (salt, info))
    return HKDF(SHA256(), length, salt, info).derive(ikm)


def xor(left: bytes, right: bytes) -> bytes:
    assert len(left) == len(right)
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(len(left), "big")


def stream(key: bytes, nonce: bytes, length: int) -> bytes:
    return Cipher(ChaCha20(key, bytes(4) + nonce), None).encryptor().update(bytes(length))


def verify(key: bytes, signature: bytes, label: str, signed: bytes, reason: str = "BAD_SIGNATURE") -> None:
    try:
        check(len(key) == 32 and sodium.crypto_core_ed25519_is_valid_point(key), reason)
        Ed25519PublicKey.from_public_bytes(key).verify(signature, label.encode() + signed)
    except InvalidSignature:
        raise Refused(reason) from None


class Protos:
    """`protos["essaim.view.v1.Genesis"]`: message classes in a pool of their own, compiled from the .proto files."""

    def __init__(self, folder: Path = PROTOS) -> None:
        with tempfile.TemporaryDirectory() as out:
            made, sources = Path(out) / "all.binpb", [str(path.relative_to(folder)) for path in folder.rglob("*.proto")]
            flags = ["--include_imports", f"--descriptor_set_out={made}", "-I."]
            subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *flags, *sources], cwd=folder, check=True)
            files = descriptor_pb2.FileDescriptorSet.FromString(made.read_bytes())
        self.pool = descriptor_pool.DescriptorPool()
        for file in files.file:
            self.pool.AddSerializedFile(file.SerializeToString())

    def __getitem__(self, name: str) -> Any:
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(name))

    def method(self, service: str, method: str) -> Any:
        return self.pool.FindServiceByName(service).methods_by_name[method]

    def parse(self, name: str, encoded: bytes) -> Any:
        try:
            return self[name].FromString(encoded)
        except DecodeError as error:
            raise Refused("MALFORMED", name) from error


# The signed view (view.md)


@dataclass
class Node:
    node_id: bytes
    state: int
    swarm_id: int | None
    descriptor: Any
    pieces: list[bytes]
    keys: dict[tuple[int, int], bytes] = field(default_factory=dict)  # (kind, period) -> key

    def onion_keys(self, parameters: Any, at_ms: int) -> tuple[bytes, bytes] | None:
        x = self.keys.get((1, at_ms // 1000 // parameters.x25519_period_seconds))
        m = self.keys.get((2, at_ms // 1000 // parameters.kem_period_seconds))
        return (x, m) if x and m else None


@dataclass
class View:
    header: Any
    hash: bytes
    nodes: dict[bytes, Node]

    @property
    def at(self) -> tuple[int, int]:
        return self.header.epoch, self.header.serial

    def relays(self) -> list[Node]:
        return [node for node in self.nodes.values() if node.descriptor.role == 1 and node.state == 1]

    def swarm(self, mailbox_id: bytes) -> list[Node]:
        a = int.from_bytes(H("essaim/swarm/v1", mailbox_id)[:8], "big")
        ids = {node.swarm_id for node in self.nodes.values() if node.swarm_id is not None}
        nearest = min(ids, key=lambda b: (min((a - b) % 2**64, (b - a) % 2**64), b))
        return [node for node in self.nodes.values() if node.swarm_id == nearest]


class ViewReader:
    """Verifies genesis and views; `held` is the newest accepted."""

    def __init__(self, protos: Protos, signed_genesis: bytes) -> None:
        self.protos = protos
        self.held: View | None = None
        signed = protos.parse("essaim.view.v1.SignedGenesis", signed_genesis)
        self.genesis = protos.parse("essaim.view.v1.Genesis", signed.genesis)
        self.network_id = H("essaim/genesis/v1", signed.genesis)
        authorities = self.genesis.authorities
        check(1 <= len(authorities) <= 100 and len(set(authorities)) == len(authorities))
        self._signers(signed.signatures, "essaim/genesis-signature/v1", signed.genesis, len(authorities))
        check_parameters(self.genesis.parameters)

    def _signers(self, signatures: Iterable[Any], label: str, signed: bytes, needed: int) -> None:
        good = set()
        for each in signatures:
            try:
                verify(self.genesis.authorities[each.authority], each.signature, label, signed)
                good.add(each.authority)
            except (Refused, IndexError):
                continue
        check(len(good) >= needed, "BELOW_THRESHOLD")

    def accept(self, encoded: bytes, at_ms: int) -> View:
        """The newest view after a node's answer; what is refused changes nothing."""
        answer = self.protos.parse("essaim.view.v1.ViewAnswer", encoded)
        kind = answer.WhichOneof("answer")
        check(kind and (kind != "unchanged" or self.held))
        view = self.held if kind == "unchanged" else self._offered(answer, kind)
        check(view.header.valid_until_ms > at_ms, "EXPIRED")
        self.held = view
        return view

    def _offered(self, answer: Any, kind: str) -> View:
        signed, held = answer.whole.header if kind == "whole" else answer.diff.latest, self.held
        header, hash_ = self._header(signed), H("essaim/view-header/v1", signed.header)
        at = header.epoch, header.serial
        if held:
            check(at >= held.at, "ROLLBACK")
            check(at != held.at or hash_ == held.hash, "FORK")
            if at == held.at:
                return held
        check(held or kind == "whole", "WRONG_CHAIN")
        if held and (kind == "diff" or at == (held.at[0], held.at[1] + 1)):
            self._chain([*answer.diff.headers, signed.header])
        came = [list(entry.pieces) for entry in answer.whole.nodes]
        return self._whole(header, hash_, came if kind == "whole" else self._patch(answer.diff))

    def _header(self, signed: Any) -> Any:
        """Of this network, signed by enough."""
        header = self.protos.parse("essaim.view.v1.Header", signed.header)
        check(header.network_id == self.network_id, "WRONG_NETWORK")
        needed = 2 * len(self.genesis.authorities) // 3 + 1
        self._signers(signed.signatures, "essaim/view-signature/v1", signed.header, needed)
        check(header.epoch >= 1 and header.serial >= 1 and len(header.previous_hash) == len(header.nodes_root) == 32)
        check(header.valid_from_ms <= header.fresh_until_ms <= header.valid_until_ms)
        check(header.serial > 1 or header.previous_hash == bytes(32))
        check_parameters(header.parameters)
        return header

    def _chain(self, headers: list[bytes]) -> None:
        hash_, (epoch, serial) = self.held.hash, self.held.at
        for step, encoded in enumerate(headers, serial + 1):
            header = self.protos.parse("essaim.view.v1.Header", encoded)
            fits = header.previous_hash == hash_ and (header.epoch, header.serial) == (epoch, step)
            check(fits and header.network_id == self.network_id, "WRONG_CHAIN")
            hash_ = H("essaim/view-header/v1", encoded)

    def _patch(self, diff: Any) -> list[list[bytes]]:
        entries = {node_id: node.pieces for node_id, node in self.held.nodes.items()}
        touched = [*diff.removed, *(change.node_id for change in diff.changed)]
        check(len(set(touched)) == len(touched) and set(diff.removed) <= set(entries))
        for node_id in diff.removed:
            del entries[node_id]
        for change in diff.changed:
            old = entries.get(change.node_id, [])
            check(all(p.WhichOneof("piece") for p in change.pieces))
            check(all(p.kept < len(old) for p in change.pieces if p.WhichOneof("piece") == "kept"))
            pieces = [old[p.kept] if p.WhichOneof("piece") == "kept" else p.added for p in change.pieces]
            entries[change.node_id] = pieces
        return list(entries.values())

    def _whole(self, header: Any, hash_: bytes, entries: list[list[bytes]]) -> View:
        nodes = sorted((self._node(pieces) for pieces in entries), key=lambda node: node.node_id)
        check(len({node.node_id for node in nodes}) == len(nodes))
        hashes = [H("essaim/view-entry/v1", *(H("essaim/view-piece/v1", p) for p in node.pieces)) for node in nodes]
        check(H("essaim/view-root/v1", *hashes) == header.nodes_root)
        return View(header, hash_, {node.node_id: node for node in nodes})

    def _node(self, pieces: list[bytes]) -> Node:
        check(2 <= len(pieces) <= 34)
        status = self.protos.parse("essaim.view.v1.NodeStatus", pieces[0])
        signed = self.protos.parse("essaim.view.v1.SignedDescriptor", pieces[1])
        said = self.protos.parse("essaim.view.v1.Descriptor", signed.descriptor)
        verify(status.node_id, signed.signature, "essaim/descriptor/v1", signed.descriptor)
        check(said.network_id == self.network_id and said.node_id == status.node_id)
        check(said.role > 0 and status.state > 0 and is_address(said.address))
        check(1 <= len(said.certificates) <= 2 and all(1 <= len(der) <= 2048 for der in said.certificates))
        check(len(said.operator_id) in {0, 32} and len(said.start_id) == 16)
        check(len(said.region) <= 32 and len(said.version) <= 32)
        node = Node(status.node_id, status.state, status.swarm_id if status.has_swarm else None, said, pieces)
        for piece in pieces[2:]:
            self._key_record(node, self.protos.parse("essaim.view.v1.SignedKeyRecord", piece))
        return node

    def _key_record(self, node: Node, signed: Any) -> None:
        record = self.protos.parse("essaim.view.v1.KeyRecord", signed.record)
        verify(node.node_id, signed.signature, "essaim/key-record/v1", signed.record)
        check(record.node_id == node.node_id and record.start_id == node.descriptor.start_id)
        check(record.kind > 0 and 1 <= len(record.keys) <= 32)
        if record.kind not in {1, 2}:
            return
        for period, key in enumerate(record.keys, record.first_period):
            check(len(key) == {1: 32, 2: 1184}[record.kind] and (record.kind, period) not in node.keys)
            node.keys[record.kind, period] = key


def check_parameters(p: Any) -> None:
    check(0 < p.swarm_min <= p.swarm_target <= p.swarm_max and 2 * p.swarm_min <= p.swarm_max + 1)
    check(0 < p.x25519_period_seconds <= p.kem_period_seconds and {1, 2} & set(p.suites))
    check(0 < p.uptime_seconds < p.away_seconds < p.drop_seconds and 0 < p.fresh_seconds < p.valid_seconds)
    check(0 < p.view_min_interval_ms <= 1000 * p.fresh_seconds)


def is_address(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        ipaddress.IPv6Address(host[1:-1]) if host.startswith("[") else ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return port.isdecimal() and 1 <= int(port) <= 65535
