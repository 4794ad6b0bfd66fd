"""What a client believes of a host: addresses, and a history that is checked link by link."""

import asyncio
import itertools
from types import SimpleNamespace

import pytest

from essaim.opengroup.v1 import action_pb2, opengroup_pb2, room_pb2, statement_pb2
from essaim.protocol.account import Account
from essaim.protocol.errors import ProtocolError
from essaim.protocol.opengroup import chain
from essaim.protocol.opengroup.member import member_key
from essaim.protocol.opengroup.refusal import HistoryForkedError, OutrankedError
from essaim.protocol.opengroup.statement import Statement
from essaim.runtime.errors import to_status
from essaim_client.cli.room_settings import settings_of
from essaim_client.cli.room_shown import when
from essaim_client.network.failure import DestinationLostError
from essaim_client.rooms import asking, everywhere
from essaim_client.rooms.address import RoomAddress, host_part, member_part
from essaim_client.rooms.asking import Asker
from essaim_client.rooms.history import History
from essaim_client.rooms.patience import PACE_BYTES, PACE_SECONDS, Pace, Patience
from essaim_client.rooms.room import Room
from essaim_client.rooms.rooms import Rooms

HOST, ROOM, OTHER = b"h" * 32, b"r" * 16, b"o" * 16
ALICE, BOB = (member_key(Account(bytes([number] * 32)), HOST) for number in (1, 2))


class Memory(dict):
    def put(self, key: str, value: bytes) -> None:
        self[key] = value


class Told:
    """A room as an honest host keeps it; what a lying one tells is made of it."""

    def __init__(self, room: bytes = ROOM) -> None:
        self.room = room
        self.entries: list[room_pb2.Entry] = []
        self.chains = [chain.first(HOST, room)]

    def say(self, text: str, signer=ALICE, seen: tuple[int, bytes] | None = None) -> "Told":
        sequence, at = seen or (len(self.entries), self.chains[-1])
        message = statement_pb2.Statement(
            host_id=HOST,
            room_id=self.room,
            time_ms=7,
            seen_sequence=sequence,
            seen_chain=at,
            post=statement_pb2.Post(text=text),
        )
        statement = Statement.make(message, signer)
        number = len(self.entries) + 1
        entry = room_pb2.Entry(
            sequence=number,
            time_ms=number,
            author=statement.author,
            statement=statement.raw,
            signature=statement.signature,
        )
        self.entries.append(entry)
        self.chains.append(chain.step(self.chains[-1], number, number, statement.digest))
        return self


@pytest.fixture
def told() -> Told:
    return Told().say("one").say("two", BOB).say("three")


def forked(history: History, entries, before: bytes) -> None:
    kept = history.sequence, history.chain
    with pytest.raises(HistoryForkedError):
        history.advance(entries, before)
    assert (history.sequence, history.chain) == kept


def test_history_is_followed_and_kept(told: Told) -> None:
    memory = Memory()
    history = History(HOST, ROOM, memory)
    statements = history.advance(told.entries[:2], told.chains[0])
    assert [each.message.post.text for each in statements if each] == ["one", "two"]
    again = History(HOST, ROOM, memory)
    again.begin(99, bytes(32))  # what is known is not given up for what a host says
    assert (again.sequence, again.chain) == (2, told.chains[2])
    again.advance(told.entries[2:], told.chains[2])
    assert again.chain == told.chains[3]


def test_removed_entry_keeps_its_place(told: Told) -> None:
    entry = told.entries[1]
    digest = Statement.parse(entry.statement, entry.author, entry.signature).digest
    gone = room_pb2.Entry(sequence=2, time_ms=2, author=entry.author, digest=digest, removed=True)
    history = History(HOST, ROOM, Memory())
    assert history.advance([told.entries[0], gone, told.entries[2]], told.chains[0])[1] is None
    assert history.chain == told.chains[3]


def test_reordered_dropped_or_repeated_entries_are_found(told: Told) -> None:
    one, two, three = told.entries
    for lie in ([two, one, three], [one, three], [one, one, two], [two, three]):
        forked(History(HOST, ROOM, Memory()), lie, told.chains[0])


def test_renumbered_entries_do_not_fit_what_comes_after(told: Told) -> None:
    """A host that swaps two posts and numbers them anew is found out by the next post of who saw the true order."""
    lie = Told().say("two", BOB).say("one")
    lie.say("three", seen=(2, told.chains[2]))
    forked(History(HOST, ROOM, Memory()), lie.entries, lie.chains[0])


def test_forged_or_altered_statements_are_found(told: Told) -> None:
    for change in ("statement", "signature", "author"):
        entry = room_pb2.Entry.FromString(told.entries[1].SerializeToString())
        value = getattr(entry, change)
        setattr(entry, change, told.entries[0].author if change == "author" else value[:-1] + bytes((value[-1] ^ 1,)))
        forked(History(HOST, ROOM, Memory()), [told.entries[0], entry], told.chains[0])
    elsewhere = Told(OTHER).say("of another room").entries
    forked(History(HOST, ROOM, Memory()), elsewhere, told.chains[0])


def test_another_past_is_found(told: Told) -> None:
    history = History(HOST, ROOM, Memory())
    history.advance(told.entries[:1], told.chains[0])
    other = Told().say("another one").say("two", BOB)
    forked(history, other.entries[1:], other.chains[1])
    history.restart(1, other.chains[1])  # the person goes on all the same
    history.advance(other.entries[1:], other.chains[1])


def test_statement_of_the_future_is_found(told: Told) -> None:
    lie = Told().say("one", seen=(5, bytes(32)))
    forked(History(HOST, ROOM, Memory()), lie.entries, lie.chains[0])


class Endless:
    """A host that says that there is more, and gives nothing."""

    def __init__(self) -> None:
        self.host, self.asked = SimpleNamespace(host_id=HOST), 0

    async def do(self, action, reply_class) -> action_pb2.Result:
        self.asked += 1
        assert self.asked < 5, "asked for ever"
        return action_pb2.Result(entries=action_pb2.EntryList(more=True))


async def test_host_that_promises_more_and_gives_nothing_keeps_nobody() -> None:
    asker = Endless()
    room = Room(asker, room_pb2.Room(room_id=ROOM), History(HOST, ROOM, Memory()))
    assert await room.changes() == []
    assert [line async for line in room.export()] == []
    assert asker.asked == 2


class Repeating:
    """A host that tells the same again and again, and that there is more."""

    def __init__(self) -> None:
        self.host, self.signer, self.asked = SimpleNamespace(host_id=HOST), ALICE, 0

    async def do(self, action, reply_class) -> action_pb2.Result:
        self.asked += 1
        assert self.asked < 50, "asked for ever"
        if action.HasField("list_rooms"):
            return action_pb2.Result(rooms=action_pb2.RoomList(rooms=[room_pb2.Room()] * 500, more=True))
        if action.HasField("list_sent"):
            sent = [action_pb2.Sent(number=1, to=BOB.public.raw, copy=b"nonsense")] * 100
            return action_pb2.Result(sent=action_pb2.SentList(sent=sent, more=True))
        directs = [action_pb2.Direct(number=1, sender=BOB.public.raw)] * 100
        return action_pb2.Result(directs=action_pb2.DirectList(directs=directs, more=True))


async def test_host_that_repeats_itself_keeps_no_moderator_and_no_reader_of_messages() -> None:
    asker = Repeating()
    assert len(await everywhere.rooms_of(asker, BOB.public.raw)) == everywhere.MOST_ROOMS
    rooms = Rooms(SimpleNamespace(), None, Memory())
    rooms._askers[HOST] = asker
    assert {each.text for each in await rooms.sent(HOST.hex())} == {None}
    assert {each.text for each in await rooms.directs(HOST.hex())} == {None}
    assert asker.asked == 20 + 10 + 10


class Ruling:
    """A host with some rooms of one author; it refuses to purge the last one, where that author is an admin."""

    def __init__(self, count: int) -> None:
        self.host, self.signer = SimpleNamespace(host_id=HOST), ALICE
        self.left = [
            room_pb2.Room(
                room_id=bytes([number] * 16),
                sequence=3,
                chain=b"c" * 32,
                settings=room_pb2.RoomSettings(name=f"room-{number:02}"),
            )
            for number in range(count)
        ]
        self.admins = self.left[-1].room_id
        self.said: list[list[Statement]] = []

    def now_ms(self) -> int:
        return 7

    async def do(self, action, reply_class) -> action_pb2.Result:
        assert action.list_rooms.author == BOB.public.raw
        rooms = [each for each in self.left if each.settings.name > action.list_rooms.after]
        return action_pb2.Result(rooms=action_pb2.RoomList(rooms=rooms[:10], more=len(rooms) > 10))

    async def attempt(self, actions) -> list[action_pb2.Result]:
        self.said.append([Statement.parse(a.say.statement, a.say.author, a.say.signature) for a in actions])
        results = []
        for statement in self.said[-1]:
            statement.check_signature()
            refused = statement.message.room_id == self.admins
            status = to_status(OutrankedError("an admin there"), "opengroup.essaim") if refused else None
            self.left = [each for each in self.left if refused or each.room_id != statement.message.room_id]
            results.append(action_pb2.Result(status=status))
        return results


async def test_member_is_purged_from_each_room_once_and_refusals_are_told() -> None:
    asker, memory = Ruling(35), Memory()
    known = History(HOST, bytes(16), memory)
    known.begin(2, b"k" * 32)
    found = await everywhere.purge(asker, memory, BOB.public.raw)
    assert [each.name for each in found] == [f"room-{number:02}" for number in range(35)]
    assert {each.name: each.refused for each in found if each.refused} == {"room-34": "OUTRANKED"}
    assert [len(each) for each in asker.said] == [16, 16, 3]
    said = {each.message.room_id: each.message for batch in asker.said for each in batch}
    assert all(each.purge.member == BOB.public.raw for each in said.values())
    assert (said[bytes(16)].seen_sequence, said[bytes(16)].seen_chain) == (2, b"k" * 32)  # what was checked here
    assert said[asker.admins].seen_sequence == 3  # a room that this device never looked at


class Shifting:
    """A host that has always read enough for one answer, and never found a post."""

    def __init__(self, ends_after: int) -> None:
        self.host, self.asked, self.ends_after = SimpleNamespace(host_id=HOST), 0, ends_after

    async def do(self, action, reply_class) -> action_pb2.Result:
        self.asked += 1
        assert self.asked <= 1_000, "asked for ever"
        following = (action.search.before or 1 << 62) - 1
        more = self.asked < self.ends_after
        return action_pb2.Result(posts=action_pb2.PostList(more=more, next=following))


async def test_search_that_a_host_never_ends_ends_and_a_long_one_goes_on() -> None:
    honest, lying = Shifting(200), Shifting(1 << 60)
    room = Room(honest, room_pb2.Room(room_id=ROOM), History(HOST, ROOM, Memory()))
    assert await room.search("heron") == ([], False) and honest.asked == 200
    room = Room(lying, room_pb2.Room(room_id=ROOM), History(HOST, ROOM, Memory()))
    with pytest.raises(DestinationLostError):
        await room.search("heron")


class Giving:
    """A host that streams these pieces of a file, each with the size and `last` that it claims."""

    def __init__(self, pieces) -> None:
        self.pieces, self.given = pieces, 0

    async def stream(self, node_id, method, request, **_):
        for size, data, last in self.pieces:
            self.given += 1
            yield opengroup_pb2.DownloadResponse(size=size, data=data, last=last)

    async def proves(self, node_id, host_id) -> bool:
        return True

    async def downloaded(self) -> bytes:
        network = SimpleNamespace(onion=self, clock=SimpleNamespace(now_ms=lambda: 7), random=bytes)
        found = SimpleNamespace(host_id=HOST, node_ids=[b"n" * 32])
        asker = Asker(network, self, found, ALICE, Patience(0))
        return b"".join([data async for data in asker.download(ROOM, b"f" * 32, 0)])


async def test_download_ends_where_the_host_gives_more_than_it_said_or_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asking.FILE_MAX == 1 << 30
    monkeypatch.setattr(asking, "FILE_MAX", 3_000)
    assert await Giving([(5, b"her", False), (5, b"on", True)]).downloaded() == b"heron"
    assert await Giving([(0, b"", True)]).downloaded() == b""
    more = itertools.repeat((5, b"her", False))
    nothing = itertools.repeat((5, b"", False))
    huge = itertools.repeat((1 << 62, bytes(1_000), False))
    for pieces, most in ((more, 2), (nothing, 1), (huge, 4)):
        host = Giving(pieces)
        with pytest.raises(DestinationLostError):
            await host.downloaded()
        assert host.given == most


async def test_download_that_drips_is_no_progress_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    pace = Pace()
    assert [pace.took(size) for size in (PACE_BYTES - 1, 1, 1, PACE_BYTES)] == [False, True, False, True]
    now = asyncio.get_running_loop().time()
    monkeypatch.setattr(pace, "_now", lambda: now + PACE_SECONDS * 2)
    assert pace.took(PACE_BYTES)  # slow, but whole
    monkeypatch.setattr(pace, "_now", lambda: now + PACE_SECONDS * 4)
    with pytest.raises(DestinationLostError):
        pace.took(1)


def test_addresses_are_read_and_refused() -> None:
    host, token = "ab" * 32, "cd" * 16
    parsed = RoomAddress.parse(f"  {host.upper()}/lobby ")
    assert (parsed.host, parsed.room, parsed.token, parsed.room_id) == (host, "lobby", b"", b"")
    invited = RoomAddress.parse(f"{host}/={'12' * 16}?token={token}")
    assert (invited.room_id.hex(), invited.token.hex(), str(invited)) == (
        "12" * 16,
        token,
        f"{host}/={'12' * 16}?token={token}",
    )
    assert RoomAddress.parse(f"{host[:12]}/lobby").host == host[:12]
    for bad in ("lobby", "/lobby", "xyz/lobby", f"{host[:11]}/lobby", f"{host}0/lobby", f"{host}/", f"{host}/No",
                f"{host}/lobby?token=1", f"{host}/lobby?{token}", f"{host}/=12"):  # fmt: skip
        with pytest.raises(ProtocolError) as caught:
            RoomAddress.parse(bad)
        assert caught.value.reason == "ROOM_ADDRESS_REFUSED"
    assert member_part(host) == bytes.fromhex(host) and host_part(host) == host
    with pytest.raises(ProtocolError):
        member_part("bob")


def test_settings_are_read_as_their_types_and_refused_in_a_sentence() -> None:
    found = settings_of(
        ["slow_seconds=5", "archived=yes", "defaults=read,react", "filter_alphabets=arabic, kana", "title=a=b"]
    )
    assert found == {"slow_seconds": 5, "archived": True, "defaults": 9, "filter_alphabets": 513, "title": "a=b"}
    assert settings_of(["filter_alphabets="]) == {"filter_alphabets": 0}
    assert settings_of(["name=hall"], named=True) == {"name": "hall"}
    for bad in ("name=hall", "slow_seconds=-1", "slow_seconds=9999999999", "archived=maybe", "picture=xyz", "nothing=1",
                "filter_alphabets=klingon", "filter_silent=1", "title"):  # fmt: skip
        with pytest.raises(ProtocolError) as caught:
            settings_of([bad])
        assert caught.value.reason == "ROOM_ADDRESS_REFUSED", bad


def test_time_that_no_calendar_has_is_shown_all_the_same() -> None:
    assert when(2**64 - 1).startswith("999")
    assert when(1_800_000_000_000).startswith("2027-01-1")
