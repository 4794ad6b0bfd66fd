"""What a client believes of a host: addresses, and a history that is checked link by link."""

from types import SimpleNamespace

import pytest

from essaim.opengroup.v1 import action_pb2, room_pb2, statement_pb2
from essaim.protocol.account import Account
from essaim.protocol.errors import ProtocolError
from essaim.protocol.opengroup import chain
from essaim.protocol.opengroup.member import member_key
from essaim.protocol.opengroup.refusal import HistoryForkedError
from essaim.protocol.opengroup.statement import Statement
from essaim_client.cli.room_shown import when
from essaim_client.rooms.address import RoomAddress, host_part, member_part
from essaim_client.rooms.history import History
from essaim_client.rooms.room import Room

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


def test_time_that_no_calendar_has_is_shown_all_the_same() -> None:
    assert when(2**64 - 1).startswith("999")
    assert when(1_800_000_000_000).startswith("2027-01-1")
