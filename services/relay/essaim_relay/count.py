"""What a relay counts: outcomes from a closed set, never who or where."""

from enum import StrEnum

from prometheus_client import Counter, Gauge, Histogram

from essaim.protocol.geometry import CELL_SIZES
from essaim.protocol.onion import Refusal

_CELLS = Counter("essaim_relay_cells", "Request cells, by what became of them.", ["outcome"])
_FAILURES = Counter("essaim_relay_failures", "Calls ended by an error cell of this relay, by reason.", ["reason"])
CALLS = Gauge("essaim_relay_calls", "Calls under way.")
QUEUED = Gauge("essaim_relay_queued_bytes", "Bytes that wait to leave on outgoing links.")
REPLY_SECONDS = Histogram(
    "essaim_relay_reply_seconds",
    "Seconds from passing a cell on to its first reply, the hops behind this one included.",
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40),
)
BATCH = Histogram(
    "essaim_relay_batch_cells",
    "Cells in a batch that left, in units of the smallest class.",
    buckets=(0, 1, 2, 4, 8, 15, 16),
)


class Outcome(StrEnum):
    """What becomes of a request cell, beside the refusals of the onion."""

    FORWARDED = "FORWARDED"
    DELIVERED = "DELIVERED"
    DROPPED = "DROPPED"


CARRIED = {outcome: _CELLS.labels(outcome.value) for outcome in Outcome}
REFUSED = {refusal: _CELLS.labels(refusal.name) for refusal in Refusal}
FAILED = {refusal: _FAILURES.labels(refusal.name) for refusal in Refusal}


def observe_batch(size: int) -> None:
    """A batch with so many bytes of cells left."""
    BATCH.observe(size / min(CELL_SIZES))
