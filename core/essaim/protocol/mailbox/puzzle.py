"""Client puzzles: a hash with `difficulty` leading zero bits, asked for by load and fill (PUZZLE_REQUIRED names it).

    solution 12 bytes: minute u32 | counter u64
    work     BLAKE2b-256("essaim/puzzle/v1" || mailbox id 32 || subject 32 || solution), seen as a big-endian number
    subject  of a Store: BLAKE2b-256("essaim/puzzle/store/v1" || envelope ids in ascending order)
             of a ClaimPrekey: BLAKE2b-256("essaim/puzzle/claim/v1" || node id 32 || claim id 16)

`minute` is unix time in minutes, rounded down, at most 10 old and 1 ahead. The same solution again buys nothing: both
methods give a repeat its first answer.
"""

from collections.abc import Iterable

from essaim.protocol.kdf import blake2b256
from essaim.protocol.mailbox.refusal import PuzzleRequiredError

LABEL = b"essaim/puzzle/v1"
STORE_LABEL = b"essaim/puzzle/store/v1"
CLAIM_LABEL = b"essaim/puzzle/claim/v1"
MAX_DIFFICULTY = 40
MAX_AGE_MINUTES = 10
MAX_AHEAD_MINUTES = 1
MINUTE_MS = 60_000
_MINUTE_SIZE = 4
SOLUTION_SIZE = _MINUTE_SIZE + 8


def store_subject(envelope_ids: Iterable[bytes]) -> bytes:
    """What a puzzle of a Store is about."""
    return blake2b256(STORE_LABEL, *sorted(envelope_ids))


def claim_subject(node_id: bytes, claim_id: bytes) -> bytes:
    """What a puzzle of a ClaimPrekey is about: one node, so that one solution does not empty a swarm."""
    return blake2b256(CLAIM_LABEL, node_id, claim_id)


def solve(mailbox_id: bytes, subject: bytes, difficulty: int, now_ms: int) -> bytes:
    """A solution by trying counters from 0: 2^difficulty hashes of a microsecond on average."""
    if not 0 <= difficulty <= MAX_DIFFICULTY:
        raise ValueError("a difficulty from 0 to 40 bits")
    minute = (now_ms // MINUTE_MS).to_bytes(_MINUTE_SIZE)
    counter = 0
    while not _hard_enough(mailbox_id, subject, minute + counter.to_bytes(8), difficulty):
        counter += 1
    return minute + counter.to_bytes(8)


def check(mailbox_id: bytes, subject: bytes, solution: bytes, difficulty: int, now_ms: int) -> None:
    """Difficulty 0 asks for nothing. Raises PuzzleRequiredError, which names the difficulty."""
    if difficulty <= 0:
        return
    if len(solution) != SOLUTION_SIZE or not _in_window(solution, now_ms):
        raise PuzzleRequiredError(difficulty)
    if not _hard_enough(mailbox_id, subject, solution, difficulty):
        raise PuzzleRequiredError(difficulty)


def _in_window(solution: bytes, now_ms: int) -> bool:
    age = now_ms // MINUTE_MS - int.from_bytes(solution[:_MINUTE_SIZE])
    return -MAX_AHEAD_MINUTES <= age <= MAX_AGE_MINUTES


def _hard_enough(mailbox_id: bytes, subject: bytes, solution: bytes, difficulty: int) -> bool:
    work = int.from_bytes(blake2b256(LABEL, mailbox_id, subject, solution))
    return work >> (256 - difficulty) == 0
