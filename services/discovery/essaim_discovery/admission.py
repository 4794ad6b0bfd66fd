"""Who may register. The list is a setting of one discovery: it decides what enters the log, not what `apply` does.

A line of the file is `operator <64 hexadecimal digits>`, whose nodes show its signature, or `node <64 ...>`; `#` begins
a remark.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from essaim.discovery.v1 import discovery_pb2
from essaim.protocol.keys import SEED_SIZE, SigningKey
from essaim.protocol.view import MalformedError
from essaim.protocol.view.admission import is_admitted
from essaim.protocol.view.wire import parse
from essaim.runtime.identity import Random
from essaim.runtime.operator import read_operator_key
from essaim.runtime.refusal import StartError
from essaim.runtime.volume import PUBLIC_MODE, write_durably
from essaim.view.v1 import view_pb2
from essaim_discovery.refusal import NotAdmittedError

ADMISSION_FILE = "admission.txt"
OPERATOR_FILE = "operator.key"
ID_DIGITS = 64


@dataclass(frozen=True)
class Admission:
    """`everybody` admits whoever comes, and needs no list."""

    everybody: bool = False
    operators: frozenset[bytes] = frozenset()
    nodes: frozenset[bytes] = frozenset()

    def check(self, signed: discovery_pb2.SignedTransaction) -> None:
        """NOT_ADMITTED for a registration that may not enter the log. What cannot be read is `apply`'s to refuse."""
        if self.everybody:
            return
        try:
            message = parse(discovery_pb2.Transaction, signed.transaction)
            descriptor = parse(view_pb2.Descriptor, message.register.descriptor.descriptor)
        except MalformedError:
            return
        if message.WhichOneof("body") == "register" and not self._admits(message, descriptor.operator_id):
            raise NotAdmittedError("the operator of the network has not let this node in")

    def _admits(self, message: discovery_pb2.Transaction, operator_id: bytes) -> bool:
        if message.node_id in self.nodes:
            return True
        admission = message.register.admission
        known = operator_id in self.operators
        return known and is_admitted(operator_id, message.network_id, message.node_id, admission)


EVERYBODY = Admission(everybody=True)


def load_admission(folder: Path, file: Path | None, *, everybody: bool) -> Admission:
    """By the settings: everybody, a file, or the one that came with the genesis. StartError when it is not there or
    not to be read: nobody shall run an open network by mistake."""
    if everybody:
        return EVERYBODY
    path = file or folder / ADMISSION_FILE
    try:
        return _parsed(path.read_text().splitlines())
    except (OSError, UnicodeDecodeError):
        raise StartError("say who may register: --admitted names a file, --open-admission lets everybody in.") from None


def admit_operator(folder: Path, operator_id: bytes) -> None:
    """The list that a network begins with: its founder's nodes. One that is there is kept."""
    if not (folder / ADMISSION_FILE).exists():
        line = f"operator {operator_id.hex()}  # {OPERATOR_FILE}\n"
        write_durably(folder / ADMISSION_FILE, line.encode(), PUBLIC_MODE)


def make_operator_key(folder: Path, random: Random = os.urandom) -> SigningKey:
    """The founder's key as an operator, made when there is none: for the nodes, not for discovery."""
    if not (folder / OPERATOR_FILE).exists():
        write_durably(folder / OPERATOR_FILE, random(SEED_SIZE))
    return read_operator_key(folder / OPERATOR_FILE)


def _parsed(lines: Iterable[str]) -> Admission:
    found: dict[str, set[bytes]] = {"operator": set(), "node": set()}
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) != 2 or words[0] not in found or not _is_id(words[1]):
            raise StartError(f"line {number} of the admission file is neither `operator ID` nor `node ID`.")
        found[words[0]].add(bytes.fromhex(words[1]))
    return Admission(operators=frozenset(found["operator"]), nodes=frozenset(found["node"]))


def _is_id(text: str) -> bool:
    return len(text) == ID_DIGITS and not set(text) - set("0123456789abcdef")
