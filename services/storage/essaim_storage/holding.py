"""What a storage test asks and how it is answered: proof that a record is held (docs/protocol/node-tests.md).

Which envelopes are asked about follows from the hash that drew the testers and from a nonce that the tester keeps to
itself until it asks; so nobody can fetch, or hash, beforehand what will be wanted.
"""

from collections.abc import Iterator

from essaim.protocol.kdf import blake2b256
from essaim.protocol.mailbox.record import EnvelopeRecord, Record
from essaim_storage.message import Challenge, Proofs
from essaim_storage.record import record_id
from essaim_storage.store import Store

HOLDING_LABEL = b"essaim/holding/v1"
CHALLENGE_LABEL = b"essaim/challenge/v1"
NEAR = 256
"""Ids that follow a random point, of which one is taken: with one alone, whoever drops those that come close behind
another would hardly be asked for them."""
DRAWS = 4
"""Times as many draws as are wanted: some meet what is not asked about."""
_FIRST = bytes(32)
_POINT = 32


def drawn(draw_seed: bytes, nonce: bytes, subject: bytes, store: Store, most: int) -> Iterator[bytes]:
    """Ids of records of this store in a random order; all of a small one, some more than once of a large one.

    `draw_seed`, `nonce` and `subject` (the tested node's id) have 32 bytes each.
    """
    seed = blake2b256(CHALLENGE_LABEL, draw_seed, nonce, subject)
    first = store.ids_after(_FIRST, NEAR)
    if len(first) < NEAR:
        yield from sorted(first, key=lambda each: blake2b256(CHALLENGE_LABEL, seed, each))
        return
    for number in range(DRAWS * most):
        point = blake2b256(CHALLENGE_LABEL, seed, number.to_bytes(8))
        choice = blake2b256(CHALLENGE_LABEL, point)
        near = [*store.ids_after(point, NEAR), *first][:NEAR]
        yield near[int.from_bytes(choice) % NEAR]


def proof_of(challenge: Challenge, asker: bytes, holder: bytes, record: Record) -> bytes:
    """32 bytes: the hash over the nonce, both ends, the record's id, and what the id alone does not tell.

    That is an envelope's data, and of a notice the text that was signed; not the signature, for whoever signs can make
    two of one text, and give each to another member.
    """
    if isinstance(record, EnvelopeRecord):
        content = record.data
    else:
        content = record.act.signed_text(record.authorization.time_ms, record.authorization.nonce)
    return blake2b256(HOLDING_LABEL, challenge.nonce, asker, holder, record_id(record), content)


def answer_challenge(challenge: Challenge, asker: bytes, holder: bytes, store: Store) -> Proofs:
    """What `holder` says: a proof of each record that it has, b"" for each other."""
    records = (store.record(each) for each in challenge.envelope_ids)
    proofs = (b"" if each is None else proof_of(challenge, asker, holder, each) for each in records)
    return Proofs(challenge.number, tuple(proofs))
