"""Open groups: posts and polls a second, fan-out to many listeners, search in a long history; on each database.

    python tests/bench/opengroup_bench.py                    all but the search
    python tests/bench/opengroup_bench.py search [POSTS]     the search alone, among a million posts or fewer

Everything of the host runs here: signatures, group commit and fsync, LISTEN/NOTIFY. The onion does not: its share is
measured elsewhere. Members sign beforehand, so that the figure is the host's.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))

import postgres_server  # noqa: E402
from essaim.opengroup.v1 import action_pb2, opengroup_pb2, statement_pb2  # noqa: E402
from essaim.protocol.opengroup.authorization import Method, Request  # noqa: E402
from essaim.runtime.context import OnionContext  # noqa: E402
from room_host import CAPACITY, HOST_ID, RoomMember, RunningHost, TestRoom  # noqa: E402

MEMBERS = 100
POSTS = 3_000
POLLS = 4_000
LISTENERS = 500
AT_ONCE = 256
PAGE = 20
ROUNDS = 3
WORDS = ("honey", "wax", "smoke", "queen", "drone", "comb", "nectar", "pollen", "meadow", "winter")
Figures = dict[str, float]


async def measure(url: str | None) -> Figures:
    """All figures of one database but the search's."""
    with tempfile.TemporaryDirectory() as folder:
        async with RunningHost(Path(folder) / "host", url) as host:
            room = await host.room()
            members = [host.member(number) for number in range(1, MEMBERS + 1)]
            found = {"post_per_s": await posts(host, room, members), "poll_per_s": await polls(host, room, members)}
            found["stream_fanout_ms_p99"] = await fanout(host, room, members)
            return found


async def posts(host: RunningHost, room: TestRoom, members: Sequence[RoomMember]) -> float:
    """One post a request, many members at once."""
    await asyncio.gather(*(each.post(room.room_id, "joining") for each in members))
    statements = [
        members[number % MEMBERS].statement(room.room_id, post=statement_pb2.Post(text=f"post {number} of the bench"))
        for number in range(POSTS)
    ]
    requests = [
        opengroup_pb2.ActRequest(batch=action_pb2.Batch(actions=[RoomMember.saying(each)]).SerializeToString())
        for each in statements
    ]
    return await per_second(requests, lambda each: host.host.service.Act(each, _context()))


async def polls(host: RunningHost, room: TestRoom, members: Sequence[RoomMember]) -> float:
    """Signed polls of members who are up to date, as most polls are."""
    told = await members[0].ask(get_room=action_pb2.GetRoom(room_id=room.room_id))
    changes = action_pb2.Action(changes=action_pb2.Changes(room_id=room.room_id, after=told.sequence))
    batch = action_pb2.Batch(actions=[changes]).SerializeToString()
    requests = [signed(members[number % MEMBERS], batch) for number in range(POLLS)]
    return await per_second(requests, lambda each: host.host.service.Act(each, _context()))


def signed(member: RoomMember, batch: bytes) -> opengroup_pb2.ActRequest:
    request = Request(HOST_ID, Method.ACT, batch)
    authorization = request.authorize(member.signer, member.host.now_ms(), os.urandom(16))
    return opengroup_pb2.ActRequest(authorization=authorization, batch=batch)


async def per_second(requests: Sequence, call: Callable) -> float:
    """With AT_ONCE under way."""
    waiting = iter(requests)

    async def worker() -> None:
        for each in waiting:
            answer = await call(each)
            assert not answer.results[0].status.code, answer.results[0].status

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    return len(requests) / (time.perf_counter() - began)


async def fanout(host: RunningHost, room: TestRoom, members: Sequence[RoomMember]) -> float:
    """From asking for a post until the last but five of 500 listeners have it; 20 posts."""
    told = await members[0].ask(get_room=action_pb2.GetRoom(room_id=room.room_id))
    arrived: list[list[float]] = []
    ready = asyncio.Semaphore(0)

    async def listen(member: RoomMember) -> None:
        async with aclosing(member.follow({room.room_id: told.sequence})) as stream:
            async for response in stream:
                ready.release()
                if response.entries:
                    arrived[-1].append(time.perf_counter())

    tasks = [asyncio.create_task(listen(members[number % MEMBERS])) for number in range(LISTENERS)]
    for _ in range(LISTENERS):
        await ready.acquire()
    late = []
    for number in range(20):
        arrived.append([])
        began = time.perf_counter()
        await members[0].post(room.room_id, f"fan out {number}")
        while len(arrived[-1]) < LISTENERS:  # noqa: ASYNC110  # nothing else is awaited in a bench
            await asyncio.sleep(0.001)
        late += [each - began for each in arrived[-1]]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return sorted(late)[int(len(late) * 0.99)] * 1_000


async def searching(url: str | None, total: int) -> Figures:
    """The slowest search of all kinds, several times each, in a room of `total` posts; what is found is checked."""
    with tempfile.TemporaryDirectory() as folder:
        async with RunningHost(Path(folder) / "host", url) as host:
            room, member = await host.room(), host.member(1)
            began = time.perf_counter()
            await asyncio.to_thread(fill, host, room, total)
            filled = time.perf_counter() - began
            took = []
            for words, below in searches(total):
                expected = expected_of(total, words, below)
                took += [await found_in_ms(member, room, words, below, expected) for _ in range(ROUNDS)]
            print(f"{total} posts put down in {filled:.0f} s; {len(took)} searches, slowest {max(took):.1f} ms")
            return {"search_ms_1m": max(took)}


def searches(total: int) -> list[tuple[str, int]]:
    """(words, below which number): frequent, rare, together, deep down, frequent but long ago, never together."""
    together = f"{WORDS[1]} {WORDS[2]}"
    return [
        *[(WORDS[0], total), (f"rare{total // 2}", total), (f"rare{total // 20}", total), (together, total)],
        *[(WORDS[0], total // 3), (together, total // 2), ("dawn", total), (f"dawn {WORDS[3]}", total)],
        *[("sunday monday", total), ("nowhere", total)],
    ]


def expected_of(total: int, words: str, below: int) -> list[int]:
    """What anybody finds who reads all posts: the sequence numbers of the first page."""
    wanted = set(words.split())
    found = (number for number in range(below - 1, -1, -1) if wanted <= set(text(number, total).split()))
    return [number + 1 for number in islice(found, PAGE)]


async def found_in_ms(member: RoomMember, room: TestRoom, words: str, below: int, expected: list[int]) -> float:
    """One search, to its first page."""
    asked, found = action_pb2.Search(room_id=room.room_id, words=words, before=below + 1, limit=PAGE), []
    began = time.perf_counter()
    while True:
        answer = await member.ask(search=asked)
        found += [state.entry.sequence for state in answer.posts]
        if found or not answer.more:
            break
        asked.before = answer.next
    took = (time.perf_counter() - began) * 1_000
    assert found == expected, (words, found, expected)
    return took


def fill(host: RunningHost, room: TestRoom, total: int) -> None:
    """Rows put down directly: a million signed posts would take a quarter of an hour."""
    from sqlalchemy import insert, select, update

    from essaim_opengroup.schema import ENTRY, MEMBER, POST, ROOM

    with host.host.database.writer.begin() as connection:
        row = connection.execute(select(ROOM.c.no, ROOM.c.sequence, ROOM.c.chain).where(ROOM.c.room_id == room.room_id))
        no, sequence, chain = row.one()
        author = connection.execute(select(MEMBER.c.no).limit(1)).scalar_one()
        for first in range(0, total, 10_000):
            numbers = range(first, min(first + 10_000, total))
            names = [number.to_bytes(32) for number in numbers]
            base = [{"room_no": no, "author_no": author, "time_ms": 1, "sequence": sequence + 1 + n} for n in numbers]
            entries = [
                each | {"target": each["sequence"], "digest": name, "chain": chain, "statement": b"", "signature": b""}
                for each, name in zip(base, names, strict=True)
            ]
            kept = [
                each | {"post_id": name, "text": text(number, total), "changed": each["sequence"]}
                for each, name, number in zip(base, names, numbers, strict=True)
            ]
            connection.execute(insert(ENTRY), entries)
            connection.execute(insert(POST), kept)
        connection.execute(update(ROOM).where(ROOM.c.no == no).values(sequence=sequence + total))


def text(number: int, total: int) -> str:
    """Words that a tenth and more of the posts have, one that half of the older ones have, and one of its own."""
    said = f"{WORDS[number % 10]} {WORDS[number * 7 % 10]} {WORDS[number // 10 % 10]} rare{number}"
    if number % 7 == 0:
        said += " monday" if number % 2 else " sunday"
    return said + (" dawn" if number < total // 2 and number % 2 else "")


def figures() -> Figures:
    """`opengroup.*` on SQLite, `..._postgresql` where there is one."""
    return on_both(measure)


def search_figures(total: int = 1_000_000) -> Figures:
    """`opengroup.search_ms_1m`, likewise."""
    return on_both(lambda url: searching(url, total))


def on_both(taken: Callable[[str | None], Coroutine[None, None, Figures]]) -> Figures:
    found = {f"opengroup.{name}": value for name, value in asyncio.run(taken(None)).items()}
    if postgres_server.binary("initdb"):
        with postgres_server.running() as server:
            other = asyncio.run(taken(server.url()))
        found |= {f"opengroup.{name}_postgresql": value for name, value in other.items()}
    return found


def _context() -> OnionContext:
    return OnionContext(bytes(16), CAPACITY)


if __name__ == "__main__":
    _, *arguments = sys.argv
    alone = arguments[:1] == ["search"]
    for name, value in (search_figures(*map(int, arguments[1:])) if alone else figures()).items():
        print(f"{name:45} {value:10.1f}")
