"""The local store: encrypted on disk, all or nothing, and never two at once."""

import subprocess
import sys
from collections import Counter

import apsw
import pytest

from essaim.protocol.account import Account
from essaim_client.messaging.transcript import transcript
from essaim_client.store import local_store
from essaim_client.store.history import Entry
from essaim_client.store.local_store import LocalStore, StoreBusyError, StoreRefusedError

KEY = bytes(range(32))
CANARY = "the heron stands in the reeds at dawn"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.db"


def entry(number, author=b"a" * 32, content=b"said", **changes):
    """Of a conversation with a; `number` is id, position and times."""
    fields = {"kind": "text", "slot": 0, "position": number, "sent_ms": number, "shown_ms": number} | changes
    return Entry(b"a" * 32, author, number.to_bytes(16, "big"), content=content, **fields)


def filled(path, count=400):
    store = LocalStore(path, KEY)
    with store.transaction():
        for number in range(count):
            store.history.add(entry(number, content=CANARY.encode()), (), 0)
        store.put("seed", CANARY.encode() * 20)
    return store


def bytes_on_disk(path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.iterdir())


def test_disk_shows_no_plaintext_while_open_and_after(path):
    store = filled(path)
    assert (path.parent / "store.db-wal").stat().st_size > 0
    assert b"heron" not in bytes_on_disk(path) and b"SQLite format" not in bytes_on_disk(path)
    store.close()
    assert b"heron" not in bytes_on_disk(path) and b"SQLite format" not in bytes_on_disk(path)


def test_disk_looks_random(path):
    filled(path).close()
    data = path.read_bytes()
    assert len(data) > 60_000
    expected = len(data) / 256
    chi2 = sum((count - expected) ** 2 / expected for count in Counter(data).values())
    assert chi2 < 400, chi2  # 255 degrees of freedom: above 330 once in a thousand


def test_wrong_key_is_refused_and_harms_nothing(path):
    filled(path).close()
    with pytest.raises(StoreRefusedError):
        LocalStore(path, bytes(32))
    with LocalStore(path, KEY) as store:
        assert len(store.history.entries()) == 400


def test_store_with_a_stretched_key_stays_open_to_its_owner_alone(path):
    stretched = apsw.Connection(str(path))
    stretched.pragma("cipher", "chacha20")
    stretched.pragma("hexkey", KEY.hex())
    stretched.execute("CREATE TABLE kept (x TEXT) STRICT; INSERT INTO kept VALUES ('heron')")
    stretched.close()
    for _ in range(2):
        with LocalStore(path, KEY) as store:
            assert store._db.execute("SELECT x FROM kept").fetchall() == [("heron",)]
            store.put("seed", b"kept")
    with pytest.raises(StoreRefusedError):
        LocalStore(path, bytes(32))
    with LocalStore(path, KEY) as store:
        assert store.get("seed") == b"kept"


def test_file_of_another_program_is_refused(path):
    path.write_bytes(b"SQLite format 3\0" + bytes(5_000))
    with pytest.raises(StoreRefusedError):
        LocalStore(path, KEY)


def test_altered_page_is_noticed(path):
    filled(path).close()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with LocalStore(path, KEY) as store, pytest.raises(apsw.Error):
        problems = store._db.execute("PRAGMA integrity_check").fetchall()
        raise apsw.CorruptError if problems != [("ok",)] else AssertionError("the change was read as content")


def test_store_of_a_newer_version_is_refused(path):
    filled(path).close()
    newer = apsw.Connection(str(path))
    newer.pragma("cipher", "chacha20")
    newer.pragma("key", f"raw:{KEY.hex()}")
    newer.pragma("user_version", 99)
    newer.close()
    with pytest.raises(StoreRefusedError, match="newer"):
        LocalStore(path, KEY)


def test_migrations_run_once_and_in_order(path, monkeypatch):
    filled(path).close()
    steps = [*local_store._migrations(), "CREATE TABLE later (x) STRICT"]
    monkeypatch.setattr(local_store, "_migrations", lambda: [*steps[:-1], "CREATE TABLE later (x ANY) STRICT"])
    for _ in range(2):
        with LocalStore(path, KEY) as store:
            assert len(store.history.entries()) == 400
            assert store._db.execute("SELECT count(*) FROM later").fetchone() == (0,)


def test_failed_migration_leaves_the_store_as_it_was(path, monkeypatch):
    filled(path).close()
    steps = local_store._migrations()
    monkeypatch.setattr(local_store, "_migrations", lambda: [*steps, "CREATE TABLE x (y); CREATE TABLE nonsense"])
    with pytest.raises(apsw.SQLError):
        LocalStore(path, KEY)
    monkeypatch.undo()
    with LocalStore(path, KEY) as store:
        assert len(store.history.entries()) == 400


def test_transaction_is_all_or_nothing(path):
    with LocalStore(path, KEY) as store:
        with pytest.raises(ZeroDivisionError), store.transaction():
            store.put("x", b"1")
            store.change_device({b"device": b"2"})
            store.enqueue(b"policy", b"\0", 1, b"data")
            raise ZeroDivisionError
        assert store.get("x") is None
        assert store.device_records() == {}
        assert store.waiting() == []


def test_killed_process_keeps_what_was_committed_and_nothing_else(path):
    script = f"""
import os
from pathlib import Path
from essaim_client.store.local_store import LocalStore
store = LocalStore(Path({str(path)!r}), bytes(range(32)))
store.put("done", b"yes")
with store.transaction():
    store.put("half", b"no")
    os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9
    with LocalStore(path, KEY) as store:
        assert (store.get("done"), store.get("half")) == (b"yes", None)


def test_second_process_is_refused_until_the_first_has_ended(path):
    script = f"""
from pathlib import Path
from essaim_client.store.local_store import LocalStore, StoreBusyError
try:
    LocalStore(Path({str(path)!r}), bytes(range(32)))
except StoreBusyError:
    print("busy")
"""

    def other() -> str:
        return subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout

    with LocalStore(path, KEY) as store:
        assert other() == "busy\n"
        with pytest.raises(StoreBusyError):
            LocalStore(path, KEY)
        store.put("still", b"mine")
    assert other() == ""


def test_queue_keeps_its_order_and_forgets_what_is_acknowledged(path):
    with LocalStore(path, KEY) as store:
        numbers = [store.enqueue(b"policy", bytes([at]), 7, bytes(8)) for at in range(5)]
        store.acknowledged(numbers[2])
        assert [waiting.slot for waiting in store.waiting()] == [b"\0", b"\1", b"\3", b"\4"]


def test_envelopes_are_forgotten_when_they_are_confirmed_and_cannot_come_again(path):
    with LocalStore(path, KEY) as store:
        for at in range(3):
            store.deal_with(bytes([at]) * 32, b"\0", until_ms=100 + at)
        store.deal_with(bytes(32), b"\0", until_ms=1)  # a repeat
        assert store.unconfirmed(10) == [bytes([at]) * 32 for at in range(3)]
        store.confirmed([bytes(32), b"\1" * 32])
        store.forget_envelopes(101)
        assert [store.dealt_with(bytes([at]) * 32) for at in range(3)] == [False, True, True]
        assert store.unconfirmed(10) == [b"\2" * 32]


def test_entry_is_kept_once_and_stands_in_causal_order(path):
    with LocalStore(path, KEY) as store:
        history, me = store.history, b"b" * 32
        late, early, mine = entry(3), entry(1), entry(1, author=me)
        assert [history.add(each, (), 0) for each in (late, early, late, mine)] == [True, True, False, True]
        assert history.entries(b"a" * 32) == [early, mine, late]
        assert history.next_position(b"a" * 32) == 4 and history.next_position(me) == 1


def test_what_is_followed_and_not_here_is_missing_until_it_comes_or_is_gone(path):
    with LocalStore(path, KEY) as store:
        history, ids = store.history, [number.to_bytes(16, "big") for number in range(5)]
        history.add(entry(3), [ids[1], ids[2]], now_ms=100)
        assert history.wanted(99, 9) == []
        assert {each.message_id for each in history.wanted(100, 9)} == {ids[1], ids[2]}
        history.add(entry(1), (), 100)
        history.give_up(b"a" * 32, [ids[2]])
        assert history.wanted(1_000, 9) == []
        history.add(entry(4), [ids[2]], 100)
        assert history.wanted(1_000, 9) == []  # nobody has it any more
        assert history.heads(b"a" * 32) == [ids[4], ids[3]]


def test_what_is_gone_leaves_its_place_and_nothing_else(path):
    with LocalStore(path, KEY) as store:
        history = store.history
        history.add(entry(1, expires_ms=50), (), 0)
        assert history.next_due() == 50 and history.due(49) == []
        [due] = history.due(50)
        assert history.erase(due.conversation, due.author, due.message_id)
        assert not history.erase(due.conversation, due.author, due.message_id)
        assert history.next_due() is None
        assert [each.content for each in history.entries()] == [b""]
        assert not history.add(entry(1), (), 0)  # a repeat does not bring it back


FIRST_VERSION = """
PRAGMA user_version = 1;
INSERT INTO message VALUES (x'aa', x'01010101010101010101010101010101', 0, 7, 20, 'theirs');
INSERT INTO message VALUES (x'aa', x'02020202020202020202020202020202', 1, 8, 21, 'mine');
"""


def test_messages_of_the_first_version_become_entries(path, monkeypatch):
    steps = local_store._migrations()
    old = apsw.Connection(str(path))
    old.pragma("cipher", "chacha20")
    old.pragma("hexkey", KEY.hex())
    old.execute(steps[0] + FIRST_VERSION)
    old.execute("INSERT INTO state VALUES ('account-seed', ?)", (bytes(range(32)),))
    old.close()
    with LocalStore(path, KEY) as store:
        shown = transcript(store.history.entries(b"\xaa"), Account(bytes(range(32))).id.raw, {}, 0)
        assert [(each.text, each.outgoing, each.sent_ms, each.shown_ms) for each in shown] == [
            ("theirs", False, 7, 20),
            ("mine", True, 8, 21),
        ]


def test_deleted_content_leaves_the_files(path):
    # Only pages in the clear could show it: without a key the same statements are checked by reading the file.
    with LocalStore(path, KEY) as store:
        assert store._db.pragma("secure_delete") == 1
        assert store._db.pragma("synchronous") == 2
        assert store._db.pragma("journal_mode") == "wal"
