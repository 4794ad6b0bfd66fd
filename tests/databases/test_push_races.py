"""Two replicas at one row of the queue, statement by statement: what comes between two statements of the other is not
lost, and what a replica does again does no harm."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import Connection, event, select

import postgres_server
from essaim.protocol.push.push_id import PushIdOf
from essaim.runtime.sql_database import SqlDatabase
from essaim_push.queue import Arrival, Delivered, Gone, Later, Leased, Leasing, Rules, settle, take
from essaim_push.schema import ENDPOINT, SUBSCRIPTION, WAKE

NOW, TAG, NODE, OTHER = 1_800_000_000_000, b"e" * 32, b"n" * 32, b"o" * 32
LEASE_MS = 30_000
Replicas = tuple[SqlDatabase, SqlDatabase]


class Drawn:
    """Numbers that never repeat, for topics and leases."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, size: int) -> bytes:
        self.count += 1
        return self.count.to_bytes(size)


RULES = Rules(0, 1_000, 3_600_000, LEASE_MS, lambda low, _high: low, Drawn())


@pytest.fixture
def replicas(postgres: postgres_server.Server, tmp_path: Path) -> Iterator[tuple[SqlDatabase, SqlDatabase]]:
    """Two of one database, with one subscription."""
    made = [SqlDatabase.open_at(url, tmp_path / "none", "essaim_push") for url in [str(postgres.url())] * 2]
    with made[0].writer.begin() as connection:
        connection.execute(ENDPOINT.insert().values(tag=TAG, sealed=b"sealed", kind=4))
        values = {"number": 1, "owner": b"", "subscription_id": b"", "endpoint": TAG, "prompt": True}
        connection.execute(SUBSCRIPTION.insert().values(**values, expires_ms=NOW + 10**9))
    yield made[0], made[1]
    for each in made:
        each.close()


def come(database: SqlDatabase, number: int, now_ms: int = NOW) -> None:
    """A wake, taken and committed."""
    with database.writer.begin() as connection:
        arrival = Arrival(PushIdOf(1, 0, 0, NOW // 86_400_000), number.to_bytes(16), b"")
        assert take(connection, now_ms, [arrival], RULES) == [None]


def leased(database: SqlDatabase, now_ms: int = NOW, node: bytes = NODE) -> list[Leased]:
    with database.writer.begin() as connection:
        return Leasing(10, node, RULES).run(connection, now_ms)[0]


def waiting(database: SqlDatabase) -> list[tuple[int, int, bytes | None]]:
    """Wakes, those that are being told, and the lease."""
    with database.reader.begin() as connection:
        columns = select(WAKE.c.wakes, WAKE.c.begun, WAKE.c.lease)
        return [(row.wakes, row.begun, row.lease) for row in connection.execute(columns)]


@contextmanager
def between(database: SqlDatabase, number: int, do: Callable[[], None]) -> Iterator[None]:
    """`do` happens after so many statements that change something; if it has to wait for a row, until it need not."""
    seen: list[str] = []
    doing = Thread(target=do)

    def after(_connection: Connection, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.startswith(("UPDATE", "DELETE", "INSERT")):
            seen.append(statement)
            if len(seen) == number:
                doing.start()
                doing.join(0.3)

    event.listen(database.writer, "after_cursor_execute", after)
    yield
    event.remove(database.writer, "after_cursor_execute", after)
    assert len(seen) >= number, "that moment never came"
    doing.join()


@pytest.mark.parametrize("after", [1, 2, 3])
def test_wake_that_comes_while_a_delivery_is_settled_is_told_by_the_next(replicas: Replicas, after: int) -> None:
    one, other = replicas
    come(one, 1)
    [delivery] = leased(one)

    with between(one, after, lambda: come(other, 2)), one.writer.begin() as connection:
        settle(connection, NOW + 100, [Delivered(delivery, NOW + 90)], RULES)

    assert [lease for _, _, lease in waiting(one)] == [None], "one wake waits"
    [second] = leased(other, NOW + 5_000) or leased(other, NOW + 10_000)
    assert second.topic != delivery.topic


def test_delivery_that_told_everything_is_over(replicas: Replicas) -> None:
    one, _ = replicas
    come(one, 1)
    [delivery] = leased(one)
    with one.writer.begin() as connection:
        settle(connection, NOW + 100, [Delivered(delivery, NOW + 90)], RULES)

    assert waiting(one) == []


@pytest.mark.parametrize("ended_ms", [NOW - 700, NOW + 60])
def test_endpoint_rests_from_the_end_of_its_call(replicas: Replicas, ended_ms: int) -> None:
    """Not from the time of the transaction that says so: a call may end while that waits, or long before."""
    one, other = replicas
    come(one, 1, NOW - 1_000)
    [delivery] = leased(one, NOW - 900)
    with one.writer.begin() as connection:
        settle(connection, NOW, [Delivered(delivery, ended_ms)], RULES)

    come(other, 2, NOW + 80)

    rested_ms = max(ended_ms + RULES.spacing_ms, NOW + 80)
    assert not leased(other, rested_ms - 1) and leased(other, rested_ms)


def test_lease_whose_commit_was_not_heard_of_is_the_same_when_it_is_asked_again(replicas: Replicas) -> None:
    """The connection ended with the commit under way: the writer runs the job again."""
    one, other = replicas
    come(one, 1)
    job = Leasing(10, NODE, RULES)
    with one.writer.begin() as connection:
        [first] = job.run(connection, NOW)[0]

    assert leased(other, NOW + 10, OTHER) == [], "it is nobody else's"
    with one.writer.begin() as connection:
        [again] = job.run(connection, NOW + 20)[0]

    assert (again.topic, again.lease, again.attempts) == (first.topic, first.lease, first.attempts)
    with one.writer.begin() as connection:
        settle(connection, NOW + 100, [Delivered(again, NOW + 90)], RULES)
    assert waiting(one) == []


@pytest.mark.parametrize("outcome", [lambda each: Delivered(each, NOW), Gone, lambda each: Later(each, NOW)])
def test_lease_that_has_ended_settles_nothing(
    replicas: Replicas, outcome: Callable[[Leased], Delivered | Gone | Later]
) -> None:
    """Its process was paused for so long; whoever has the row now calls under the same topic."""
    one, other = replicas
    come(one, 1)
    [late] = leased(one)
    [mine] = leased(other, NOW + LEASE_MS + 1, OTHER)
    assert mine.topic == late.topic and mine.lease != late.lease

    with one.writer.begin() as connection:
        settle(connection, NOW + LEASE_MS + 2, [outcome(late)], RULES)

    assert waiting(one) == [(1, 1, mine.lease)]
