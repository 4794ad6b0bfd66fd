"""What devices change: subscriptions, and the endpoints behind them. Each function is part of a writer's transaction.

A wake that waits belongs to its endpoint; when a subscription goes to another endpoint, it goes with it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, exists, func, select, update

from essaim.protocol.push.push_id import DAY_MS, LIFE_DAYS
from essaim.protocol.push.refusal import GenerationUsedError, QuotaError, SubscriptionUnknownError
from essaim_push.queue import TOPIC_SIZE, Found, insert_of
from essaim_push.schema import ENDPOINT, SUBSCRIPTION, WAKE

LIFE_MS = LIFE_DAYS * DAY_MS
OWNED = 8
"""Subscriptions of one owner key."""
SHARED = 16
"""Subscriptions with one endpoint."""
AT_ONCE = 1_000
"""Rows of a kind that are removed in one transaction."""


@dataclass(frozen=True, slots=True)
class Place:
    """An endpoint as the database has it."""

    tag: bytes
    sealed: bytes
    kind: int


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A subscription as it stands."""

    subscription_id: bytes
    number: int
    generation: int
    kind: int
    prompt: bool
    created_ms: int
    expires_ms: int
    gone: bool
    delivered_ms: int


@dataclass(frozen=True, slots=True)
class Named:
    """Which subscription of whom."""

    owner: bytes
    subscription_id: bytes


_OF = (
    *(SUBSCRIPTION.c.subscription_id, SUBSCRIPTION.c.number, SUBSCRIPTION.c.generation, SUBSCRIPTION.c.endpoint),
    *(SUBSCRIPTION.c.prompt, SUBSCRIPTION.c.created_ms, SUBSCRIPTION.c.expires_ms),
    *(ENDPOINT.c.kind, ENDPOINT.c.gone_ms, ENDPOINT.c.delivered_ms),
)


def subscribe(
    connection: Connection, now_ms: int, named: Named, place: Place, *, prompt: bool, random: Callable[[int], bytes]
) -> tuple[Subscribed, bool]:
    """A new one, or the same once more, and whether it is new. Raises QuotaError."""
    held = _find(connection, now_ms, named)
    if held is not None:
        _move(connection, now_ms, held, place, random)
        _change(connection, named, prompt=prompt, expires_ms=now_ms + LIFE_MS)
        return _get(connection, now_ms, named), False
    _check_quota(connection, SUBSCRIPTION.c.owner == named.owner, OWNED)
    _check_quota(connection, SUBSCRIPTION.c.endpoint == place.tag, SHARED)
    connection.execute(delete(SUBSCRIPTION).where(_names(named)))  # one that was over
    _put(connection, now_ms, place)
    row = {
        "number": int.from_bytes(random(8)) >> 1,
        "owner": named.owner,
        "subscription_id": named.subscription_id,
        "generation": 0,
        "endpoint": place.tag,
        "prompt": prompt,
        "created_ms": now_ms,
        "expires_ms": now_ms + LIFE_MS,
    }
    connection.execute(SUBSCRIPTION.insert(), [row])
    return _get(connection, now_ms, named), True


def renew(connection: Connection, now_ms: int, named: Named) -> Subscribed:
    """It lives on from now. Raises SubscriptionUnknownError."""
    _get(connection, now_ms, named)
    _change(connection, named, expires_ms=now_ms + LIFE_MS)
    return _get(connection, now_ms, named)


def rotate(
    connection: Connection,
    now_ms: int,
    named: Named,
    place: Place | None,
    *,
    generation: int,
    prompt: bool,
    random: Callable[[int], bytes],
) -> Subscribed:
    """To another endpoint, or other push ids. Raises SubscriptionUnknownError, GenerationUsedError, QuotaError."""
    held = _find(connection, now_ms, named)
    if held is None:
        raise SubscriptionUnknownError("no such subscription")
    if generation < held.generation:
        raise GenerationUsedError("the subscription has a higher generation")
    if place is not None and place.tag != held.endpoint:
        _check_quota(connection, SUBSCRIPTION.c.endpoint == place.tag, SHARED)
    if place is not None:
        _move(connection, now_ms, held, place, random)
    _change(connection, named, generation=generation, prompt=prompt, expires_ms=now_ms + LIFE_MS)
    return _get(connection, now_ms, named)


def unsubscribe(connection: Connection, owner: bytes, subscription_id: bytes) -> int:
    """How many there were; an empty id means all of the owner key."""
    mine = SUBSCRIPTION.c.owner == owner
    if subscription_id:
        mine &= SUBSCRIPTION.c.subscription_id == subscription_id
    endpoints = set(connection.execute(select(SUBSCRIPTION.c.endpoint).where(mine)).scalars())
    removed = connection.execute(delete(SUBSCRIPTION).where(mine)).rowcount
    _drop_unused(connection, endpoints)
    return removed


def owned(connection: Connection, now_ms: int, owner: bytes) -> list[Subscribed]:
    """All of an owner key, the oldest first."""
    mine = select(*_OF).join(ENDPOINT).where(SUBSCRIPTION.c.owner == owner, SUBSCRIPTION.c.expires_ms > now_ms)
    ordered = mine.order_by(SUBSCRIPTION.c.created_ms, SUBSCRIPTION.c.subscription_id)
    return [_subscribed(row) for row in connection.execute(ordered)]


def remove_expired(connection: Connection, now_ms: int) -> int:
    """A round of those that were not renewed; how many."""
    over = select(SUBSCRIPTION.c.number, SUBSCRIPTION.c.endpoint).where(SUBSCRIPTION.c.expires_ms <= now_ms)
    rows = connection.execute(over.limit(AT_ONCE)).all()
    if rows:
        connection.execute(delete(SUBSCRIPTION).where(SUBSCRIPTION.c.number.in_([row.number for row in rows])))
        _drop_unused(connection, {row.endpoint for row in rows})
    return len(rows)


def _find(connection: Connection, now_ms: int, named: Named) -> Found | None:
    found = select(*_OF).join(ENDPOINT).where(_names(named), SUBSCRIPTION.c.expires_ms > now_ms)
    return connection.execute(found).one_or_none()


def _get(connection: Connection, now_ms: int, named: Named) -> Subscribed:
    row = _find(connection, now_ms, named)
    if row is None:
        raise SubscriptionUnknownError("no such subscription")
    return _subscribed(row)


def _names(named: Named) -> Any:
    return (SUBSCRIPTION.c.owner == named.owner) & (SUBSCRIPTION.c.subscription_id == named.subscription_id)


def _subscribed(row: Found) -> Subscribed:
    return Subscribed(
        row.subscription_id,
        row.number,
        row.generation,
        row.kind,
        row.prompt,
        row.created_ms,
        row.expires_ms,
        bool(row.gone_ms),
        row.delivered_ms,
    )


def _change(connection: Connection, named: Named, **values: Any) -> None:
    connection.execute(update(SUBSCRIPTION).where(_names(named)).values(values))


def _check_quota(connection: Connection, which: Any, most: int) -> None:
    if connection.execute(select(func.count()).select_from(SUBSCRIPTION).where(which)).scalar_one() >= most:
        raise QuotaError("as many subscriptions as one owner key or one endpoint may have")


def _put(connection: Connection, now_ms: int, place: Place) -> None:
    """The endpoint is there, and alive: who names it again says so. What waited for it is due."""
    dead = select(ENDPOINT.c.gone_ms).where(ENDPOINT.c.tag == place.tag)
    revived = connection.execute(dead).scalar_one_or_none()
    insert = insert_of(connection)(ENDPOINT).values(tag=place.tag, sealed=place.sealed, kind=place.kind)
    again = {"sealed": place.sealed, "gone_ms": 0}
    connection.execute(insert.on_conflict_do_update(index_elements=[ENDPOINT.c.tag], set_=again))
    if revived:
        waits = (WAKE.c.endpoint == place.tag) & WAKE.c.lease.is_(None)
        connection.execute(update(WAKE).where(waits).values(next_ms=now_ms))


def _move(connection: Connection, now_ms: int, held: Found, place: Place, random: Callable[[int], bytes]) -> None:
    """The subscription's wakes are told at `place` from now on, also one that waits."""
    _put(connection, now_ms, place)
    if place.tag == held.endpoint:
        return
    mine = SUBSCRIPTION.c.number == held.number
    connection.execute(update(SUBSCRIPTION).where(mine).values(endpoint=place.tag))
    waiting = connection.execute(select(WAKE).where(WAKE.c.endpoint == held.endpoint)).one_or_none()
    if waiting is not None:
        new = {"endpoint": place.tag, "topic": random(TOPIC_SIZE), "next_ms": now_ms, "attempts": 0, "begun": 0}
        row = {**waiting._mapping, **new, "lease": None, "holder": None}
        insert = insert_of(connection)(WAKE).values(row)
        both = {"wakes": WAKE.c.wakes + insert.excluded.wakes}
        connection.execute(insert.on_conflict_do_update(index_elements=[WAKE.c.endpoint], set_=both))
    _drop_unused(connection, {held.endpoint})


def _drop_unused(connection: Connection, endpoints: set[bytes]) -> None:
    """Endpoints that nobody is subscribed with any more, and what waits for them."""
    used = exists().where(SUBSCRIPTION.c.endpoint == ENDPOINT.c.tag)
    connection.execute(delete(ENDPOINT).where(ENDPOINT.c.tag.in_(endpoints), ~used))
