"""The durable queue: one row for an endpoint that is to be woken. Each function is part of a transaction of the writer.

    take     wakes come: a row is made, or the one that waits tells them too; a wake id is taken once
    lease    what is due becomes this replica's for a while; nobody else's call is under way for it then
    settle   what the provider said: gone from the queue, later again, or the endpoint is no more

A delivery tells every wake that came before it was leased. What comes while it is under way is told by the next one,
under another topic. A lease that ends unsettled (the replica was killed) is taken by whoever comes first, with the same
topic: only what was under way is ever repeated, and the provider replaces the first by the second.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Connection, Row, and_, bindparam, case, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from essaim.protocol.push.push_id import PushIdOf
from essaim.protocol.push.wake import Reason
from essaim_push import metrics
from essaim_push.schema import ENDPOINT, SEEN, SUBSCRIPTION, WAKE

TOPIC_SIZE = 16
LEASE_SIZE = 16
SEEN_MS = 10 * 60_000
"""A wake id is known so long: storage asks again within a minute, another member within seconds."""

Found: TypeAlias = Row[*tuple[Any, ...]]
"""A row of some columns."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A well-formed wake for a push id of this host and these days."""

    of: PushIdOf
    wake_id: bytes
    preview: bytes


@dataclass(frozen=True)
class Rules:
    """The host's times, milliseconds, and where its chance comes from."""

    delay_ms: int
    spacing_ms: int
    wake_ms: int
    lease_ms: int
    uniform: Callable[[float, float], float]
    random: Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Leased:
    """A delivery that this replica is to make."""

    endpoint: bytes
    sealed: bytes
    kind: int
    topic: bytes
    lease: bytes
    leased_ms: int
    since_ms: int
    until_ms: int
    urgent: bool
    attempts: int
    preview: bytes


@dataclass(frozen=True, slots=True)
class Delivered:
    """The provider took it; or it never will, which is the same to the queue."""

    leased: Leased
    ended_ms: int
    """When the call did: the endpoint rests from then on, however long it takes to settle."""
    taken: bool = True


@dataclass(frozen=True, slots=True)
class Later:
    """Try again at that time. `counted`: it was an attempt."""

    leased: Leased
    next_ms: int
    counted: bool = True


@dataclass(frozen=True, slots=True)
class Gone:
    """The endpoint is no more; what waits for it waits for the subscription's next endpoint."""

    leased: Leased


Settled = Delivered | Later | Gone


def insert_of(connection: Connection) -> Any:
    """The dialect's INSERT, which knows ON CONFLICT."""
    return postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert


# Taking


def take(connection: Connection, now_ms: int, arrivals: Sequence[Arrival], rules: Rules) -> list[Reason | None]:
    """None for each that is on the queue now, or was there before."""
    live = _subscriptions(connection, now_ms, {each.of.number for each in arrivals})
    verdicts: list[Reason | None] = []
    good: dict[bytes, tuple[Arrival, Found]] = {}
    for each in arrivals:
        row = live.get(each.of.number)
        known = row is not None and row.generation == each.of.generation
        verdicts.append(None if known else Reason.UNKNOWN)
        if row is not None and known:
            good.setdefault(each.wake_id, (each, row))
    fresh = _not_seen(connection, now_ms, good)
    metrics.WAKES.labels("REPEATED").inc(len(arrivals) - verdicts.count(Reason.UNKNOWN) - len(fresh))
    metrics.WAKES.labels("TAKEN").inc(len(fresh))
    metrics.WAKES.labels("UNKNOWN").inc(verdicts.count(Reason.UNKNOWN))
    _enqueue(connection, now_ms, fresh, rules)
    return verdicts


def _subscriptions(connection: Connection, now_ms: int, numbers: set[int]) -> Mapping[int, Found]:
    columns = (
        *(SUBSCRIPTION.c.number, SUBSCRIPTION.c.generation, SUBSCRIPTION.c.prompt, SUBSCRIPTION.c.endpoint),
        *(ENDPOINT.c.rest_until_ms, ENDPOINT.c.gone_ms),
    )
    found = (
        select(*columns).join(ENDPOINT).where(SUBSCRIPTION.c.number.in_(numbers), SUBSCRIPTION.c.expires_ms > now_ms)
    )
    return {row.number: row for row in connection.execute(found)}


def _not_seen(
    connection: Connection, now_ms: int, good: Mapping[bytes, tuple[Arrival, Found]]
) -> list[tuple[Arrival, Found]]:
    if not good:
        return []
    rows = [{"wake_id": wake_id, "until_ms": now_ms + SEEN_MS} for wake_id in sorted(good)]  # replicas lock alike
    insert = insert_of(connection)(SEEN).on_conflict_do_nothing().returning(SEEN.c.wake_id)
    return [good[wake_id] for wake_id in connection.execute(insert, rows).scalars()]


def _enqueue(connection: Connection, now_ms: int, fresh: Sequence[tuple[Arrival, Found]], rules: Rules) -> None:
    rows: dict[bytes, dict[str, Any]] = {}
    for arrival, found in fresh:
        row = _row(now_ms, arrival, found, rules)
        before = rows.get(found.endpoint)
        rows[found.endpoint] = _merged(before, row) if before else row
    if rows:
        connection.execute(_upsert(connection), [rows[endpoint] for endpoint in sorted(rows)])


def _row(now_ms: int, arrival: Arrival, found: Found, rules: Rules) -> dict[str, Any]:
    until_ms = now_ms + rules.wake_ms
    due_ms = now_ms if found.prompt else now_ms + int(rules.uniform(0, rules.delay_ms))
    return {
        "endpoint": found.endpoint,
        "topic": rules.random(TOPIC_SIZE),
        "since_ms": now_ms,
        "next_ms": until_ms if found.gone_ms else max(due_ms, found.rest_until_ms),
        "until_ms": until_ms,
        "urgent": found.prompt,
        "wakes": 1,
        "preview": arrival.preview,
    }


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {
        **other,
        "next_ms": min(one["next_ms"], other["next_ms"]),
        "urgent": one["urgent"] or other["urgent"],
        "wakes": one["wakes"] + other["wakes"],
    }


def _upsert(connection: Connection) -> Any:
    """What waits and was not tried yet may become due sooner; what is leased or backs off keeps its time."""
    insert = insert_of(connection)(WAKE)
    new = insert.excluded
    waits = and_(WAKE.c.lease.is_(None), WAKE.c.attempts == 0)
    sooner = case((and_(waits, new.next_ms < WAKE.c.next_ms), new.next_ms), else_=WAKE.c.next_ms)
    return insert.on_conflict_do_update(
        index_elements=[WAKE.c.endpoint],
        set_={
            "wakes": WAKE.c.wakes + new.wakes,
            "next_ms": sooner,
            "until_ms": new.until_ms,
            "urgent": or_(WAKE.c.urgent, new.urgent),
            "preview": new.preview,
        },
    )


# Leasing


class Leasing:
    """A job of the writer: at most `most` that are due become the holder's.

    Where a connection ends with the commit under way the writer runs it again: what it had leased is still its own, and
    does not wait for the lease's end.
    """

    def __init__(self, most: int, holder: bytes, rules: Rules) -> None:
        self._most = most
        self._holder = holder
        self._rules = rules
        self._mark = rules.random(LEASE_SIZE)
        self._ran = False

    def run(self, connection: Connection, now_ms: int) -> tuple[list[Leased], int | None]:
        """What is leased, and when the next one will be due (None: never)."""
        kept = self._kept(connection) if self._ran else []
        self._ran = True
        fresh = _lease(connection, now_ms, self._most - len(kept), self._holder, self._mark, self._rules)
        return [*kept, *fresh], connection.execute(select(func.min(WAKE.c.next_ms))).scalar_one()

    def _kept(self, connection: Connection) -> list[Leased]:
        """Of the run before this one, if that was committed."""
        rows = connection.execute(_DUE.where(WAKE.c.lease == self._mark)).all()
        return [_leased(row, self._mark, row.attempts, row.next_ms - self._rules.lease_ms) for row in rows]


_DUE = select(*WAKE.c, ENDPOINT.c.sealed, ENDPOINT.c.kind, ENDPOINT.c.rest_until_ms).join(ENDPOINT)


def _lease(connection: Connection, now_ms: int, most: int, holder: bytes, mark: bytes, rules: Rules) -> list[Leased]:
    due = _DUE.where(WAKE.c.next_ms <= now_ms).order_by(WAKE.c.next_ms).limit(most)
    rows = connection.execute(due.with_for_update(skip_locked=True, of=WAKE)).all()
    over = [row.endpoint for row in rows if row.until_ms <= now_ms]
    if over:
        connection.execute(delete(WAKE).where(WAKE.c.endpoint.in_(over)))
        metrics.EXPIRED.inc(len(over))
    alive = [row for row in rows if row.until_ms > now_ms]
    early = [{"of": row.endpoint, "then": row.rest_until_ms} for row in alive if row.rest_until_ms > now_ms]
    if early:  # taken by one replica while another was settling the delivery before
        connection.execute(_RESTS, early)
    leased = [_leased(row, mark, row.attempts + 1, now_ms) for row in alive if row.rest_until_ms <= now_ms]
    if leased:
        given = {"lease": mark, "holder": holder, "next_ms": now_ms + rules.lease_ms}
        counted = {"begun": WAKE.c.wakes, "attempts": WAKE.c.attempts + 1}
        taken = WAKE.c.endpoint.in_([each.endpoint for each in leased])
        connection.execute(update(WAKE).where(taken).values({**given, **counted}))
    return leased


_RESTS = (
    update(WAKE).where(WAKE.c.endpoint == bindparam("of")).values(next_ms=bindparam("then"), lease=None, holder=None)
)


def _leased(row: Found, mark: bytes, attempts: int, leased_ms: int) -> Leased:
    return Leased(
        row.endpoint,
        row.sealed,
        row.kind,
        row.topic,
        mark,
        leased_ms,
        row.since_ms,
        row.until_ms,
        row.urgent,
        attempts,
        row.preview,
    )


def release(connection: Connection, now_ms: int, holder: bytes) -> int:
    """What this node had leased when it ended is due; how many."""
    free = {"lease": None, "holder": None, "next_ms": now_ms}
    return connection.execute(update(WAKE).where(WAKE.c.holder == holder).values(free)).rowcount


# Settling

_MINE = and_(WAKE.c.endpoint == bindparam("of"), WAKE.c.lease == bindparam("by"))
_DONE = delete(WAKE).where(_MINE, WAKE.c.wakes <= WAKE.c.begun)
"""Before `_AGAIN`: another replica's wake may be committed between any two statements, and what is left has one."""
_AGAIN = (
    update(WAKE)
    .where(_MINE)
    .values(
        topic=bindparam("fresh"),
        since_ms=bindparam("now"),
        next_ms=bindparam("then"),
        attempts=0,
        lease=None,
        holder=None,
    )
)
_TOLD = (
    update(ENDPOINT)
    .where(ENDPOINT.c.tag == bindparam("of"))
    .values(delivered_ms=bindparam("now"), rest_until_ms=bindparam("rest"))
)
_LATER = (
    update(WAKE)
    .where(_MINE)
    .values(next_ms=bindparam("then"), attempts=WAKE.c.attempts - bindparam("uncounted"), lease=None, holder=None)
)
_LOST = update(ENDPOINT).where(ENDPOINT.c.tag == bindparam("of")).values(gone_ms=bindparam("now"), sealed=b"")
_WAITS = update(WAKE).where(_MINE).values(next_ms=WAKE.c.until_ms, attempts=0, lease=None, holder=None)


def settle(connection: Connection, now_ms: int, settled: Sequence[Settled], rules: Rules) -> None:
    """Each by its lease: one that has ended meanwhile belongs to somebody else."""
    in_order = sorted(settled, key=lambda each: each.leased.endpoint)
    _delivered(connection, now_ms, [each for each in in_order if isinstance(each, Delivered)], rules)
    later = [each for each in in_order if isinstance(each, Later)]
    if later:
        rows = [{**_key(each), "then": each.next_ms, "uncounted": int(not each.counted)} for each in later]
        connection.execute(_LATER, rows)
    gone = [each for each in in_order if isinstance(each, Gone)]
    if gone:
        connection.execute(_WAITS, [_key(each) for each in gone])
        connection.execute(_LOST, [{"of": each.leased.endpoint, "now": now_ms} for each in gone])


def _delivered(connection: Connection, now_ms: int, delivered: Sequence[Delivered], rules: Rules) -> None:
    if not delivered:
        return
    rests = [each.ended_ms + rules.spacing_ms for each in delivered]
    again = [
        {**_key(each), "fresh": rules.random(TOPIC_SIZE), "now": now_ms, "then": rest_ms + _delay(each.leased, rules)}
        for each, rest_ms in zip(delivered, rests, strict=True)
    ]
    connection.execute(_DONE, [_key(each) for each in delivered])
    connection.execute(_AGAIN, again)
    told = [
        {"of": each.leased.endpoint, "now": now_ms, "rest": rest_ms}
        for each, rest_ms in zip(delivered, rests, strict=True)
        if each.taken
    ]
    if told:
        connection.execute(_TOLD, told)


def _delay(leased: Leased, rules: Rules) -> int:
    return 0 if leased.urgent else int(rules.uniform(0, rules.delay_ms))


def _key(settled: Settled) -> dict[str, Any]:
    return {"of": settled.leased.endpoint, "by": settled.leased.lease}
