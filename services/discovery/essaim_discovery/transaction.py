"""What `apply` takes: a node's signed transaction, or the passing of time. The checks that all transactions share."""

from dataclasses import dataclass

from essaim.discovery.v1 import discovery_pb2
from essaim.protocol.kdf import blake2b256
from essaim.protocol.view import WrongNetworkError
from essaim.protocol.view.transaction import parse_transaction
from essaim_discovery.refusal import SequenceUsedError
from essaim_discovery.state import Seen, State

DIGEST_LABEL = b"essaim/transaction-digest/v1"


@dataclass(frozen=True)
class Tick:
    """Time has come to `now_ms`. Going backwards is standing still."""

    now_ms: int


@dataclass(frozen=True)
class Resume:
    """Discovery was away until `now_ms`: nobody could prove anything, so the gap counts against nobody."""

    now_ms: int


@dataclass(frozen=True)
class BeginView:
    """The next view is made of the state after this. `previous_hash` is the hash of the header before, zeros for the
    first: what is drawn with it nobody knew before. Repeating a serial changes nothing."""

    serial: int
    previous_hash: bytes


@dataclass(frozen=True)
class Checked:
    """A transaction with a valid signature and a fitting network. `repeated`: it was applied before, as it is."""

    message: discovery_pb2.Transaction
    seen: Seen
    repeated: bool

    @property
    def node_id(self) -> bytes:
        return self.message.node_id


def check(state: State, signed: discovery_pb2.SignedTransaction) -> Checked:
    """MALFORMED, BAD_SIGNATURE, WRONG_NETWORK, SEQUENCE_USED."""
    message = parse_transaction(signed)
    if message.network_id != state.network_id:
        raise WrongNetworkError("a transaction of another network")
    seen = Seen(message.sequence, blake2b256(DIGEST_LABEL, signed.transaction))
    last = state.seen(message.node_id)
    if last is not None and seen != last and seen.sequence <= last.sequence:
        raise SequenceUsedError("the sequence of a node's transactions grows")
    return Checked(message, seen, repeated=seen == last)
