"""What time takes away: subscriptions that were not renewed, wake ids, replicas. And the gauges."""

from sqlalchemy import Connection, delete, func, select

from essaim_push import metrics
from essaim_push.host import say_alive
from essaim_push.schema import ENDPOINT, SEEN, SUBSCRIPTION, WAKE
from essaim_push.subscribing import AT_ONCE, remove_expired


def keep_up(connection: Connection, now_ms: int, node_id: bytes) -> None:
    """One round."""
    say_alive(connection, now_ms, node_id)
    remove_expired(connection, now_ms)


def forget_seen(connection: Connection, now_ms: int) -> bool:
    """A share of the wake ids that are known no longer, so that wakes do not wait for it; whether there are more."""
    late = select(SEEN.c.wake_id).where(SEEN.c.until_ms <= now_ms).order_by(SEEN.c.until_ms).limit(AT_ONCE)
    return connection.execute(delete(SEEN).where(SEEN.c.wake_id.in_(late))).rowcount == AT_ONCE


def measure(connection: Connection, now_ms: int) -> int:
    """The gauges; how many subscriptions there are."""
    total = connection.execute(select(func.count()).select_from(SUBSCRIPTION)).scalar_one()
    metrics.SUBSCRIPTIONS.set(total)
    gone = select(func.count()).select_from(ENDPOINT).where(ENDPOINT.c.gone_ms > 0)
    metrics.GONE.set(connection.execute(gone).scalar_one())
    metrics.QUEUED.set(connection.execute(select(func.count()).select_from(WAKE)).scalar_one())
    oldest = select(func.min(WAKE.c.since_ms)).join(ENDPOINT).where(ENDPOINT.c.gone_ms == 0)
    since_ms = connection.execute(oldest).scalar_one()
    metrics.OVERDUE_SECONDS.set(max(0, now_ms - since_ms) / 1_000 if since_ms is not None else 0)
    return total
