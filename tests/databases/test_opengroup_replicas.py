"""Several replicas of one host on one PostgreSQL; searching and backups on both databases."""

import asyncio
import os
import subprocess
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import alembic.command
import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import insert, select, text, update

import postgres_server
from essaim.opengroup.v1 import action_pb2, opengroup_pb2, room_pb2, statement_pb2
from essaim.protocol.opengroup.statement import LABEL
from essaim.runtime.context import OnionContext
from essaim.runtime.refusal import StartError
from essaim_opengroup.away import NotReadyError
from essaim_opengroup.backup import copy
from essaim_opengroup.database import Database
from essaim_opengroup.schema import ENTRY, MEMBER, MEMBERSHIP, METADATA, POST, ROOM
from essaim_opengroup.searching import BLOCK, MAX_BLOCKS
from room_host import Refused, RoomMember, RunningHost, texts

Post = statement_pb2.Post


async def test_what_one_replica_takes_the_other_tells_at_once(postgres: postgres_server.Server, tmp_path: Path) -> None:
    url = postgres.url()
    async with RunningHost(tmp_path / "a", url) as one, RunningHost(tmp_path / "b", url) as two:
        room = await one.room()
        alice, bob = one.member(1), two.member(2)
        async with aclosing(bob.follow({room.room_id: 0})) as stream:
            assert (await asyncio.wait_for(anext(stream), 10)).version == 1
            for number in range(3):
                await alice.post(room.room_id, f"post {number}")
                told = await asyncio.wait_for(anext(stream), 10)
                assert [each.sequence for each in told.entries] == [number + 1]
            ban = action_pb2.Ban(room_id=room.room_id, member=bob.key, until_ms=one.now_ms() + 60_000)
            await room.owner.ask(ban=ban)
            assert (await asyncio.wait_for(anext(stream), 10)).refused == "BANNED"
        with pytest.raises(Refused, match="BANNED"):
            await bob.post(room.room_id, "no")
        told = await two.host.service.Describe(opengroup_pb2.DescribeRequest(), OnionContext(bytes(16), 16_000))
        async with asyncio.timeout(10):
            while {one.host.node_id, two.host.node_id} - set(told.node_ids):
                await asyncio.sleep(0.05)  # each says by itself that it is there
                told = await one.host.service.Describe(opengroup_pb2.DescribeRequest(), OnionContext(bytes(16), 16_000))


async def test_direct_message_of_one_replica_is_heard_live_at_the_other(
    postgres: postgres_server.Server, tmp_path: Path
) -> None:
    url = postgres.url()
    async with RunningHost(tmp_path / "a", url) as one, RunningHost(tmp_path / "b", url) as two:
        room = await one.room()
        alice, bob = one.member(1), two.member(2)
        for each in (alice, bob):
            await each.ask(join=action_pb2.Join(room_id=room.room_id))
        async with aclosing(bob.follow({}, 0)) as stream:
            assert not (await asyncio.wait_for(anext(stream), 10)).directs
            for number in range(2):
                data = b"direct %d" % number
                await alice.ask(send_direct=action_pb2.SendDirect(room_id=room.room_id, to=bob.key, data=data))
                assert [each.data for each in (await asyncio.wait_for(anext(stream), 10)).directs] == [data]


async def test_host_whose_database_is_away_says_so_and_takes_the_same_statement_later(
    postgres: postgres_server.Server, tmp_path: Path
) -> None:
    """NOT_READY, which clients repeat; where the commit was lost on the way, the repetition makes no second post."""
    url = postgres.url()
    address, _, name = url.rpartition("/")

    def allow(word: str) -> None:
        with psycopg.connect(f"{address}/postgres", autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS {word}")
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))

    async with RunningHost(tmp_path / "a", url) as host:
        room = await host.room()
        alice = host.member(1)
        await alice.post(room.room_id, "before")
        statement = alice.statement(room.room_id, post=Post(text="meanwhile"))
        try:
            await asyncio.to_thread(allow, "false")
            for action in (alice.saying(statement), action_pb2.Action(page=action_pb2.Page(room_id=room.room_id))):
                with pytest.raises(Refused, match="NOT_READY"):
                    await alice.do(action)
            for stream in (alice.follow({room.room_id: 0}), alice.follow({}, 0)):
                with pytest.raises(NotReadyError):
                    await anext(stream)
            with pytest.raises(NotReadyError):
                await host.host.service.Describe(opengroup_pb2.DescribeRequest(), OnionContext(bytes(16), 16_000))
        finally:
            await asyncio.to_thread(allow, "true")
        first = await alice.do(alice.saying(statement))
        again = await alice.do(alice.saying(statement))
        assert (first.said.sequence, again.said.sequence) == (2, 2)
        assert texts(await alice.page(room.room_id)) == ["meanwhile", "before"]


async def test_replica_hears_again_after_its_connection_was_cut(
    postgres: postgres_server.Server, tmp_path: Path
) -> None:
    url = postgres.url()
    async with RunningHost(tmp_path / "a", url) as one, RunningHost(tmp_path / "b", url) as two:
        room = await one.room()
        alice, bob = one.member(1), two.member(2)
        async with aclosing(bob.follow({room.room_id: 0})) as stream:
            await asyncio.wait_for(anext(stream), 10)
            await alice.post(room.room_id, "before")
            assert (await asyncio.wait_for(anext(stream), 10)).entries
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND query LIKE 'LISTEN%'"
                )
            await alice.post(room.room_id, "while nobody listened")
            assert [each.sequence for each in (await asyncio.wait_for(anext(stream), 10)).entries] == [2]


async def test_what_one_replica_releases_the_other_has_at_hand_no_more_as_it_was(
    postgres: postgres_server.Server, tmp_path: Path
) -> None:
    url = postgres.url()
    async with RunningHost(tmp_path / "a", url) as one, RunningHost(tmp_path / "b", url) as two:
        room = await one.room(filter="spam", filter_silent=True)
        alice, bob = one.member(1), two.member(2)
        async with aclosing(bob.follow({room.room_id: 0})) as stream:
            await asyncio.wait_for(anext(stream), 10)
            kept = await alice.post(room.room_id, "spam and eggs")
            [entry] = (await asyncio.wait_for(anext(stream), 10)).entries
            assert entry.removed
            await room.owner.say(room.room_id, pin=statement_pb2.Pin(post_id=kept, unpin=True, release=True))
            while not (await asyncio.wait_for(anext(stream), 10)).entries:
                pass  # that the room has another version may come first
            assert [each.removed for each in (await bob.changes(room.room_id)).entries] == [False, False]
            assert texts(await bob.page(room.room_id)) == ["spam and eggs"]


async def test_search_is_the_same_on_both(hosts: Callable[[], RunningHost]) -> None:
    async with hosts() as host:
        room = await host.room()
        alice = host.member(1)
        await alice.post(room.room_id, "the quick brown fox")
        second = await alice.post(room.room_id, "a brown bear, quick")
        await alice.say(room.room_id, edit=statement_pb2.Edit(post_id=second, text="a grey bear, Quick"))

        async def found(words: str) -> list[str]:
            return texts(await alice.ask(search=action_pb2.Search(room_id=room.room_id, words=words)))

        assert await found("brown") == ["the quick brown fox"]
        assert await found("QUICK") == ["a grey bear, Quick", "the quick brown fox"]
        assert await found("quick fox") == ["the quick brown fox"]
        for strange in ("'", '"', "a & b | !c", ":*", "<->", "\\", "%"):
            await found(strange)
        assert await alice.refused(search=action_pb2.Search(room_id=room.room_id, words="a\0b")) == "SEARCH_REFUSED"


async def test_search_reads_a_long_history_block_by_block(hosts: Callable[[], RunningHost]) -> None:
    """Rows put down where blocks begin and end, and so far apart that one answer does not look at all of them."""
    async with hosts() as host:
        room, alice = await host.room(), host.member(1)
        await alice.post(room.room_id, "a beginning")
        top = BLOCK * (MAX_BLOCKS + 3)
        at = sorted([BLOCK - 1, BLOCK, 2 * BLOCK - 1, BLOCK * MAX_BLOCKS, *range(top - 400, top)])
        put_down(host, {sequence: f"honey a{sequence}" if sequence % 2 else f"Honey, b{sequence}" for sequence in at})

        async def found(words: str, before: int = 0, limit: int = 30) -> action_pb2.PostList:
            search = action_pb2.Search(room_id=room.room_id, words=words, before=before, limit=limit)
            return await alice.ask(search=search)

        seen: list[int] = []
        answer = await found("honey")
        while answer.more:
            seen += [each.entry.sequence for each in answer.posts]
            answer = await found("honey", answer.next)
        assert [*seen, *(each.entry.sequence for each in answer.posts)] == at[::-1]
        assert [each.entry.sequence for each in (await found(f"honey b{BLOCK}", before=BLOCK + 1)).posts] == [BLOCK]
        assert not (await found(f"honey b{BLOCK}", before=BLOCK)).posts
        for nowhere in ("R1B0", f"honey a{BLOCK}", "!!!"):
            answer = await found(nowhere)
            while answer.more:
                assert not answer.posts
                answer = await found(nowhere, answer.next)
            assert not answer.posts


def put_down(host: RunningHost, texts: dict[int, str]) -> None:
    """Posts of the host's one room, by their sequence numbers."""
    with host.host.database.writer.begin() as connection:
        room = connection.execute(select(ROOM.c.no, ROOM.c.chain)).one()
        author = connection.execute(select(MEMBER.c.no).limit(1)).scalar_one()
        base = {"room_no": room.no, "author_no": author, "time_ms": 1}
        for sequence, said in texts.items():
            name = sequence.to_bytes(32)
            entry = {"sequence": sequence, "target": sequence, "digest": name, "chain": room.chain}
            connection.execute(insert(ENTRY).values(base | entry | {"statement": b"", "signature": b""}))
            post = {"sequence": sequence, "post_id": name, "text": said, "changed": sequence}
            connection.execute(insert(POST).values(base | post))
        connection.execute(update(ROOM).values(sequence=max(texts)))


async def test_text_that_a_database_cannot_keep_is_refused_alone(hosts: Callable[[], RunningHost]) -> None:
    """PostgreSQL has no NUL in a text; both refuse it, and the rest of the batch is taken."""
    async with hosts() as host:
        room = await host.room()
        alice = host.member(1)
        message = alice.statement(room.room_id, post=Post(text="x y")).message
        message.post.text = "x\0y"  # a client of ours would not sign it
        raw = message.SerializeToString()
        say = action_pb2.Say(statement=raw, author=alice.key, signature=alice.signer.sign(LABEL + raw))
        assert await alice.refused(say=say) == "STATEMENT_REFUSED"
        await alice.post(room.room_id, "'; DROP TABLE post; -- \u202e ﷽ 🏴‍☠️")
        assert len((await alice.page(room.room_id)).posts) == 1


async def test_backup_of_a_running_host_restores_it(tmp_path: Path) -> None:
    async with RunningHost(tmp_path / "host") as host:
        room = await host.room()
        await host.member(1).post(room.room_id, "kept")
        copy(tmp_path / "host" / "rooms.db", tmp_path / "copy.db")
        await host.member(1).post(room.room_id, "after the copy")
    (tmp_path / "other").mkdir()
    (tmp_path / "copy.db").rename(tmp_path / "other" / "rooms.db")
    async with RunningHost(tmp_path / "other") as restored:
        assert texts(await restored.member(1).page(room.room_id)) == ["kept"]
        await RoomMember(restored, 1).post(room.room_id, "and on")
    with pytest.raises(FileNotFoundError):
        copy(tmp_path / "nowhere.db", tmp_path / "x")


async def test_backup_of_postgresql_restores_it(postgres: postgres_server.Server, tmp_path: Path) -> None:
    url, new = postgres.url(), postgres.url()
    async with RunningHost(tmp_path / "host", url) as host:
        room = await host.room()
        await host.member(1).post(room.room_id, "kept")
        dumped = await asyncio.to_thread(program, "pg_dump", "--no-owner", url)
    await asyncio.to_thread(program, "psql", "--quiet", "--set", "ON_ERROR_STOP=1", new, given=dumped)
    async with RunningHost(tmp_path / "other", new) as restored:
        assert texts(await restored.member(1).page(room.room_id)) == ["kept"]
        await RoomMember(restored, 1).post(room.room_id, "and on")


def program(name: str, *arguments: str, given: bytes = b"") -> bytes:
    """One of PostgreSQL's own; what it printed."""
    command = [postgres_server.binary(name), *arguments]
    return subprocess.run(command, input=given, capture_output=True, check=True).stdout


async def test_database_of_another_host_or_a_newer_program_is_not_opened(
    hosts: Callable[[], RunningHost], tmp_path: Path
) -> None:
    async with hosts() as host:
        url = host.settings.database
        folder = host.settings.data_dir
    other = RunningHost(folder, url.get_secret_value() if url else None)
    (folder / "host-key").write_text(os.urandom(32).hex())
    with pytest.raises(StartError, match="another key"):
        await other.__aenter__()
    database = Database.open(url.get_secret_value() if url else None, folder)
    with database.writer.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    with pytest.raises(StartError, match="newer program"):
        Database.open(url.get_secret_value() if url else None, folder)
    with pytest.raises(StartError, match="neither"):
        Database.open("mysql://x/y", folder)
    with pytest.raises(StartError, match="cannot be opened"):
        Database.open("postgresql://essaim@127.0.0.1:1/none", folder)


@pytest.mark.parametrize("schema", ["0001", "0003"])
async def test_host_of_an_older_schema_goes_on_with_what_it_has(
    hosts: Callable[[], RunningHost], monkeypatch: pytest.MonkeyPatch, schema: str
) -> None:
    """A room with a post and a member, as the first version and the last put them down; then this one starts."""
    running = hosts()
    url = running.settings.database
    upgrade = alembic.command.upgrade
    monkeypatch.setattr(alembic.command, "upgrade", lambda config, _: upgrade(config, schema))
    old = Database.open(url.get_secret_value() if url else None, running.settings.data_dir)
    monkeypatch.undo()
    alice = running.member(1)
    settings = room_pb2.RoomSettings(name="lobby", listed=True, defaults=15, post_bytes=99).SerializeToString()
    room = {"room_id": b"r" * 16, "name": "lobby", "listed": True, "settings": settings, "chain": b"c" * 32}
    post = {"room_no": 1, "sequence": 1, "author_no": 1, "time_ms": 1}
    with old.writer.begin() as connection:
        connection.execute(insert(ROOM).values(no=1, sequence=1, members=1, **room))
        connection.execute(insert(MEMBER).values(no=1, key=alice.key))
        connection.execute(text("INSERT INTO membership (room_no, member_no, joined_ms) VALUES (1, 1, 1)"))
        entry = {"digest": b"p" * 32, "chain": b"c" * 32, "target": 1, "statement": b"", "signature": b""}
        connection.execute(insert(ENTRY).values(post | entry))
        connection.execute(insert(POST).values(post | {"post_id": b"p" * 32, "text": "honey of before"}))
        connection.execute(
            insert(POST).values(post | {"sequence": 0, "post_id": b"g" * 32, "text": None, "deleted": 1})
        )
    old.close()
    async with running as host:
        search = action_pb2.Search(room_id=b"r" * 16, words="honey")
        assert [each.entry.sequence for each in (await alice.ask(search=search)).posts] == [1]
        alice.seen[b"r" * 16] = (1, b"c" * 32)
        await alice.say(b"r" * 16, edit=statement_pb2.Edit(post_id=b"p" * 32, text="wax"))
        assert (await alice.ask(search=search)).posts == []
        with host.host.database.writer.begin() as connection:
            assert connection.execute(select(MEMBERSHIP.c.day_edits, MEMBERSHIP.c.coming)).one() == (1, None)
            assert not any(connection.execute(select(POST.c.filtered)).scalars())
            if not host.host.database.postgresql:
                connection.execute(text("INSERT INTO post_words (post_words, rank) VALUES ('integrity-check', 0)"))


async def test_migrations_make_the_schema_that_the_code_goes_by(hosts: Callable[[], RunningHost]) -> None:
    async with hosts() as host:
        with host.host.database.writer.begin() as connection:
            found = compare_metadata(MigrationContext.configure(connection), METADATA)
    # The indexes over words are each database's own: the migration makes them, no table of ours describes them.
    assert [each for each in found if "post_words" not in str(each) and "'words'" not in str(each)] == []
