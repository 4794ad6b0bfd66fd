"""What a push host counts. Labels from closed sets; nothing that tells one subscription from another."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
CALLS: Final = Counter(
    "essaim_push_calls", "Calls of devices, by method and what became of them.", ["method", "outcome"]
)
WAKES: Final = Counter("essaim_push_wakes", "Wakes that storage nodes sent, by what became of them.", ["outcome"])
DELIVERIES: Final = Counter(
    "essaim_push_deliveries", "Calls of providers, by kind of endpoint and outcome.", ["kind", "outcome"]
)
PROVIDER_SECONDS: Final = Histogram(
    "essaim_push_provider_seconds", "Seconds of one call of a provider.", ["kind"], buckets=SECONDS
)
PROMPT_SECONDS: Final = Histogram(
    "essaim_push_prompt_seconds",
    "Seconds from a prompt wake's arrival to its first call of a provider.",
    buckets=SECONDS,
)
EXPIRED: Final = Counter("essaim_push_expired", "Deliveries that were given up: their time was over.")
UNDER_WAY: Final = Gauge("essaim_push_deliveries_running", "Calls of providers under way.")
QUEUED: Final = Gauge("essaim_push_queue", "Endpoints with a wake that waits or is being told.")
OVERDUE_SECONDS: Final = Gauge(
    "essaim_push_queue_age_seconds", "How long the oldest wake that is not for a dead endpoint waits."
)
SUBSCRIPTIONS: Final = Gauge("essaim_push_subscriptions", "Subscriptions of the host.")
GONE: Final = Gauge("essaim_push_endpoints_gone", "Endpoints that their provider says are no more.")
BATCH: Final = Histogram(
    "essaim_push_commit_changes", "Changes in one commit.", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)
COMMIT_SECONDS: Final = Histogram(
    "essaim_push_commit_seconds", "Seconds of one transaction, its commit included.", buckets=SECONDS
)
DATABASE_FAULTS: Final = Counter("essaim_push_database_faults", "Transactions that the database failed.")
