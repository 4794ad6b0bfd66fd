"""A receipt proves its record and nothing else."""

from dataclasses import replace

import pytest

from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox.receipt import Outcome, Receipt, sign_batch

NOW = 1_800_000_000_000
MEMBER, OTHER = SigningKey(bytes([1]) * 32), SigningKey(bytes([2]) * 32)


def batch(count: int) -> dict[bytes, Receipt]:
    leaves = [(bytes([at // 256, at % 256]) * 16, Outcome.KEPT if at % 3 else Outcome.REMOVED) for at in range(count)]
    return sign_batch(MEMBER.sign, MEMBER.public.raw, NOW, leaves).receipts()


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 13, 64, 255, 256, 1024])
def test_receipt_proves_each_record_of_its_batch_and_no_other(count: int) -> None:
    receipts = batch(count)
    assert len(receipts) == count
    for record_id, receipt in list(receipts.items())[:: max(1, count // 20)]:
        assert receipt.proves(record_id)
        assert len(receipt.path) <= 10
        assert not receipt.proves(b"x" * 32)
        assert not any(receipt.proves(other) for other in list(receipts)[:3] if other != record_id)


def test_receipt_altered_proves_nothing() -> None:
    record_id, receipt = list(batch(5).items())[1]
    for changed in (
        {"node_id": OTHER.public.raw},
        {"node_id": b"short"},
        {"time_ms": NOW + 1},
        {"time_ms": -1},
        {"signature": receipt.signature[:-1] + b"x"},
        {"signature": b""},
        {"outcome": Outcome.REMOVED},
        {"count": 6},
        {"count": 0},
        {"index": 0},
        {"index": 9},
        {"path": receipt.path[:-1]},
        {"path": (*receipt.path, bytes(32))},
        {"path": (b"short", *receipt.path[1:])},
        {"path": tuple(reversed(receipt.path))},
    ):
        assert not replace(receipt, **changed).proves(record_id), changed
    assert receipt.proves(record_id)


def test_batch_of_no_or_too_many_records_is_not_signed() -> None:
    for count in (0, 1025):
        with pytest.raises(ValueError, match="records"):
            batch(count)
