"""What a storage node counts. Labels from closed sets; nothing that tells one mailbox from another."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from essaim.protocol.push.wake import Reason

ENVELOPES: Final = Gauge("essaim_storage_envelopes", "Envelopes on this node's disk.")
BYTES: Final = Gauge("essaim_storage_bytes", "Bytes of envelopes on this node's disk.")
STORES: Final = Counter("essaim_storage_stores", "Envelopes that clients asked to be stored, by outcome.", ["outcome"])
for _outcome in ("ACKNOWLEDGED", "QUORUM_MISSING", "DISK_FULL"):
    STORES.labels(_outcome)  # there from the start, so that the first one is an increase
BATCH: Final = Histogram(
    "essaim_storage_commit_changes", "Changes in one commit.", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)
COMMIT_SECONDS: Final = Histogram(
    "essaim_storage_commit_seconds",
    "Seconds of one commit, its fsync included.",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
)
BEHIND: Final = Gauge("essaim_storage_members_behind", "Members that may miss what was stored here (hints wait).")
LAG: Final = Gauge(
    "essaim_storage_replication_lag_seconds",
    "Seconds for which the oldest record that a member lacks has waited for it.",
)
LINKED: Final = Gauge("essaim_storage_members_linked", "Other members that a link leads to.")
INCOMPLETE: Final = Gauge("essaim_storage_incomplete", "1 while this node fetches what it missed.")
SUBSCRIBERS: Final = Gauge("essaim_storage_subscribers", "Subscriptions that stand.")
OWED: Final = Gauge(
    "essaim_storage_copies_owed", "Copies of records taken here that members lack; up to 10,000 are counted for each."
)
UNDER_REPLICATED: Final = Gauge(
    "essaim_storage_under_replicated",
    "Records taken here that the member furthest behind lacks; counted up to 10,000.",
)
WAITING: Final = Gauge("essaim_storage_requests_waiting", "Requests of clients that wait for disk or quorum.")
MESSAGES: Final = Counter("essaim_storage_messages", "Messages between members, by kind.", ["direction", "kind"])
TESTS: Final = Counter(
    "essaim_storage_tests", "Storage tests of other members made here, by what came of them.", ["outcome"]
)
SCRUBBED: Final = Counter("essaim_storage_scrubbed", "Stored records that were read again to verify them.")
DATABASE_BYTES: Final = Gauge("essaim_storage_database_bytes", "Bytes of the database that are used.")
LIMIT_BYTES: Final = Gauge("essaim_storage_limit_bytes", "Bytes that the database may use (--max-bytes); 0: no limit.")
BAD_RECORDS: Final = Counter("essaim_storage_bad_records", "Records whose checksum was wrong.")
BAD_MESSAGES: Final = Counter("essaim_storage_bad_messages", "Messages from members or push hosts that were none.")
HOSTS_LINKED: Final = Gauge("essaim_storage_push_nodes_linked", "Nodes of push hosts that a link leads to.")
WAKES_OWED: Final = Gauge("essaim_storage_wakes_owed", "Devices to be woken that no push host has been told of yet.")
WAKES: Final = Counter("essaim_storage_wakes", "Wakes that this node told push hosts, repeats included.")
WAKES_REFUSED: Final = Counter("essaim_storage_wakes_refused", "Wakes that a push host did not take.", ["reason"])
WAKES_GIVEN_UP: Final = Counter("essaim_storage_wakes_given_up", "Wakes that no push host took in a day.")
for _reason in Reason:
    WAKES_REFUSED.labels(_reason.name)

_children: dict[tuple[str, type], Counter] = {}


def messages(direction: str, kind: type) -> Counter:
    """The child of `MESSAGES`: looking its labels up for each message costs what a small signature does."""
    child = _children.get((direction, kind))
    if child is None:
        child = _children[direction, kind] = MESSAGES.labels(direction, kind.__name__.upper())
    return child
