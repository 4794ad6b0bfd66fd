"""The SQLite store against a real file: killed, full, flipped, restored, purged, newer."""

import shutil
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox.authorization import Authorization, Method
from essaim.protocol.mailbox.envelope import envelope_id
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.record import EnvelopeRecord, Tombstone
from essaim.runtime.database import migrations, open_database
from essaim.runtime.refusal import StartError
from essaim_storage.effects import Forget, Purge, PutEnvelope, PutPrekeys, PutTombstone, SetUntil
from essaim_storage.record import record_id
from essaim_storage.refusal import DiskFullError
from essaim_storage.row import data_of, head_of
from essaim_storage.sqlite_store import SqliteStore
from essaim_storage.store import PrekeyBatch

NOW = 1_800_000_000_000
POLICY = Policy.public_inbox(SigningKey(bytes([1]) * 32).public)
BYTES = bytes(4096)
BLOB_POLICY = Policy.blob(SigningKey(bytes([1]) * 32).public, BYTES)
BLOB = EnvelopeRecord(
    BLOB_POLICY, envelope_id(BLOB_POLICY.mailbox_id, b"", NOW + 9, BYTES, NOW + 9), b"", NOW + 9, BYTES, NOW + 9
)


def letter(fill: bytes, ttl_ms: int = 60_000) -> EnvelopeRecord:
    data, expires = (fill * 4096)[:4096], NOW + ttl_ms
    return EnvelopeRecord(POLICY, envelope_id(POLICY.mailbox_id, b"\0", expires, data), b"\0", expires, data)


def put(number: int, record: EnvelopeRecord) -> PutEnvelope:
    return PutEnvelope(number, record, True)


def confirm(number: int, record: EnvelopeRecord) -> PutTombstone:
    ids = (record.envelope_id,)
    tombstone = Tombstone(POLICY, Method.CONFIRM, b"\0", ids, Authorization(NOW, bytes(16), bytes(64)))
    return PutTombstone(number, record_id(tombstone), tombstone, True)


def raw(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


def test_store_has_everything_acknowledged_after_kill_9(tmp_path: Path) -> None:
    path, victim = tmp_path / "s.db", Path(__file__).parent / "store_victim.py"
    for _ in range(2):
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()
        with subprocess.Popen([sys.executable, victim, path], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            said = [process.stdout.readline().split() for _ in range(40)]
            process.kill()
            said += [line.split() for line in process.stdout if line.endswith("\n")]
        store = SqliteStore(path)
        assert store.last_number() >= int(said[-1][0])
        assert store.last_number() % 8 == 0
        assert all(store.record(bytes.fromhex(of_id)) is not None for _, of_id in said)
        assert store.totals()[0] == store.last_number()
        store.close()


def test_store_that_is_full_refuses_loses_nothing_and_takes_confirms(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db", max_bytes=1 << 20)
    kept: list[EnvelopeRecord] = []
    with pytest.raises(DiskFullError):
        for number in range(1, 1000):
            record = letter(number.to_bytes(2, "big"))
            store.writer.commit([put(number, record)])
            kept.append(record)

    assert 100 < len(kept) < 256
    assert all(store.record(each.envelope_id) == each for each in kept)
    assert store.last_number() == len(kept)
    store.writer.commit([confirm(1000, kept[0]), confirm(1001, kept[1])])
    store.writer.commit([put(1002, letter(b"new"))])
    assert store.has(letter(b"new").envelope_id)
    store.close()


def test_store_that_meets_the_hard_limit_rolls_back(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db", max_bytes=1 << 20)
    batch = [put(number, letter(number.to_bytes(2, "big"))) for number in range(1, 400)]
    with pytest.raises(DiskFullError):
        store.writer.commit(batch)
    assert store.last_number() == 0 and store.totals() == (0, 0)
    store.writer.commit(batch[:10])
    assert store.totals()[0] == 10
    store.close()


@pytest.mark.parametrize(("column", "at"), [("data", 100), ("slot", 0), ("proof", 0), ("sum", 3), ("data_sum", 3)])
def test_row_with_a_flipped_bit_is_reported_and_treated_as_missing(column: str, at: int, tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db")
    good, bad = letter(b"good"), signed(letter(b"bad"))
    store.writer.commit([put(1, good), put(2, bad)])
    tamper = apsw.Connection(str(tmp_path / "s.db"))
    (value,) = tamper.execute(f"SELECT {column} FROM record WHERE number = 2").fetchone()
    flipped = value[:at] + bytes([value[at] ^ 4]) + value[at + 1 :]
    tamper.execute(f"UPDATE record SET {column} = ? WHERE number = 2", (flipped,))
    tamper.close()
    reported: list[bytes] = []
    store.on_bad = reported.append

    assert store.scrub(0, 10) == 0
    assert reported == [bad.envelope_id]
    assert store.record(bad.envelope_id) is None and store.data(bad.envelope_id) is None
    assert not store.has(bad.envelope_id)
    assert [number for number, _ in store.coordinated_after(0, 9)] == [1]
    assert store.record(good.envelope_id) == good
    store.writer.commit([Forget(bad.envelope_id), put(3, bad)])
    assert store.has(bad.envelope_id) and store.record(bad.envelope_id) == bad
    assert reported == [bad.envelope_id]
    store.close()


def signed(record: EnvelopeRecord) -> EnvelopeRecord:
    columns = (record.policy, record.envelope_id, record.slot, record.expires_ms, record.data, 0)
    return EnvelopeRecord(*columns, Authorization(NOW, bytes(16), bytes(64), bytes(137)))


def test_bad_row_gives_way_to_the_same_record_stored_again(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db")
    store.writer.commit([put(1, letter(b"x"))])
    tamper = apsw.Connection(str(tmp_path / "s.db"))
    tamper.execute("UPDATE record SET data = zeroblob(4096)")
    tamper.close()
    assert store.record(letter(b"x").envelope_id) is None
    store.writer.commit([put(2, letter(b"x"))])
    assert store.record(letter(b"x").envelope_id) == letter(b"x")
    assert store.totals() == (1, 4096)
    store.close()


def test_purged_and_confirmed_bytes_are_gone_from_file_and_log(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db")
    purged, confirmed, stays = letter(b"PURGED-SECRET", 10), letter(b"CONFIRMED-SECRET"), letter(b"STAYS")
    prekeys = PutPrekeys(POLICY.mailbox_id, b"\0", 1, (b"PREKEY-SECRET" * 9,), NOW + 10)
    store.writer.commit([put(1, purged), put(2, confirmed), put(3, stays), prekeys])
    secrets = (b"PURGED-SECRET", b"CONFIRMED-SECRET", b"PREKEY-SECRET", purged.envelope_id)
    assert all(secret in raw(tmp_path) for secret in secrets)

    store.writer.commit([confirm(4, confirmed), Purge(NOW + 10)])
    assert store.writer.checkpoint()

    found = [secret for secret in secrets if secret in raw(tmp_path)]
    assert found == []
    assert b"STAYS" in raw(tmp_path)
    store.close()


def test_copy_put_back_into_the_same_file_is_noticed(tmp_path: Path) -> None:
    """Its inode and its count of starts are those of the marker: when it was written last is not."""
    path = tmp_path / "s.db"
    store = SqliteStore(path)
    first = store.incarnation()
    store.writer.commit([put(1, letter(b"x"))])
    store.writer.checkpoint()
    copy = path.read_bytes()
    store.writer.commit([put(2, letter(b"acknowledged since"))])
    store.close()
    path.write_bytes(copy)
    again = SqliteStore(path)
    assert again.incarnation() != first
    again.close()
    same = SqliteStore(path)
    assert same.incarnation() == again.incarnation()
    same.close()


def test_swept_and_expired_bytes_are_gone_from_file_and_log(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db")
    swept, expired, stays = letter(b"SWEPT-SECRET"), letter(b"EXPIRED-SECRET"), signed(letter(b"STAYS"))
    store.writer.commit([put(1, swept), put(2, expired), put(3, stays)])
    assert all(secret in raw(tmp_path) for secret in (b"SWEPT-SECRET", b"EXPIRED-SECRET", b"STAYS"))

    sweep = Tombstone(POLICY, Method.DELETE_ALL, b"", (), Authorization(NOW - 1, bytes(16), bytes(64)))
    store.writer.commit([SetUntil(expired.envelope_id, NOW + 5), PutTombstone(4, record_id(sweep), sweep, True)])
    store.writer.commit([put(5, letter(b"EXPIRED-SECRET")), SetUntil(expired.envelope_id, NOW + 5), Purge(NOW + 5)])
    assert store.writer.checkpoint()
    assert [each for each in (b"SWEPT-SECRET", b"EXPIRED-SECRET") if each in raw(tmp_path)] == []
    assert b"STAYS" in raw(tmp_path)
    store.close()


def test_file_that_grew_becomes_small_again_and_forgets(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db")
    many = [letter(b"GROWN-%d" % at, 10) for at in range(2_000)]
    store.writer.commit([put(at, each) for at, each in enumerate(many, 1)])
    stays = letter(b"STAYS")
    store.writer.commit([put(3_000, stays)])
    store.writer.tidy()
    grown = (tmp_path / "s.db").stat().st_size
    assert grown > 8 << 20

    store.writer.commit([Purge(NOW + 10)])
    for _ in range(3):
        store.writer.tidy()
    assert (tmp_path / "s.db").stat().st_size < 2 << 20
    assert store.record(stays.envelope_id) == stays
    assert b"GROWN" not in raw(tmp_path)
    store.close()


def test_file_of_before_compaction_is_made_compactable(tmp_path: Path) -> None:
    old = open_database(tmp_path / "s.db", migrations("essaim_storage.migrations"))
    assert old.pragma("auto_vacuum") == 0
    old.close()
    store = SqliteStore(tmp_path / "s.db")
    store.writer.commit([put(1, letter(b"x"))])
    store.close()
    look = apsw.Connection(str(tmp_path / "s.db"))
    assert look.pragma("auto_vacuum") == 2
    look.close()


def test_restored_database_has_another_incarnation(tmp_path: Path) -> None:
    path, copy = tmp_path / "s.db", tmp_path / "copy"
    store = SqliteStore(path)
    first = store.incarnation()
    store.writer.commit([put(1, letter(b"x"))])
    store.close()
    shutil.copy(path, copy)
    again = SqliteStore(path)
    assert again.incarnation() == first
    again.close()

    path.unlink()
    shutil.copy(copy, path)
    restored = SqliteStore(path)
    second = restored.incarnation()
    assert second != first
    assert restored.has(letter(b"x").envelope_id)
    restored.close()
    told = SqliteStore(path, restored=True)
    assert told.incarnation() not in (first, second)
    told.close()


def test_database_of_the_first_schema_is_brought_forward(tmp_path: Path) -> None:
    old = open_database(tmp_path / "s.db", migrations("essaim_storage.migrations")[:1])
    old.execute("INSERT INTO node VALUES (?, 1, 1, 4)", (bytes(16),))
    record, removal, other = letter(b"kept"), confirm(4, letter(b"gone")), BLOB
    for at, each in enumerate((record, removal.record, other), 1):
        head = head_of(at, record_id(each), each, data_of(each), coordinated=True)
        size = (head.size, int(head.kind == 0))
        values = (at, each.mailbox_id, each.policy.encoded, *size)
        old.execute("INSERT INTO mailbox VALUES (?, ?, ?, ?, ?, 1)", values if at != 2 else (9, b"m" * 32, *values[2:]))
        columns = (head.kind, head.slot, head.expires_ms, head.version, head.size, 1, head.proof, head.sum)
        row = (at, head.record_id, 9 if at == 2 else at, *columns, head.data_sum, data_of(each))
        old.execute(f"INSERT INTO record VALUES ({', '.join('?' * 13)})", row)
    old.execute("INSERT INTO removal VALUES (?, 2)", (letter(b"gone").envelope_id,))
    old.close()

    store = SqliteStore(tmp_path / "s.db")
    assert store.record(record.envelope_id) == record and store.record(other.envelope_id) == other
    assert store.naming(letter(b"gone").envelope_id) == [removal.record]
    assert (store.notice_bytes(b"m" * 32), store.blob_bytes(), store.last_number()) == (512 + 32, 4096, 4)
    store.writer.commit([SetUntil(record.envelope_id, NOW + 5), Purge(NOW + 5)])
    assert not store.has(record.envelope_id) and store.has(other.envelope_id)
    store.close()


def test_restored_database_serves_no_prekey_again_and_takes_no_batch_that_it_knows(tmp_path: Path) -> None:
    path, copy = tmp_path / "s.db", tmp_path / "copy"
    store = SqliteStore(path)
    store.writer.commit([PutPrekeys(POLICY.mailbox_id, b"\0", 7, (b"PREKEY-ONE", b"PREKEY-TWO"), NOW + 10)])
    store.close()
    shutil.copy(path, copy)
    SqliteStore(path).close()
    shutil.copy(copy, path)
    copy.unlink()
    restored = SqliteStore(path)
    assert restored.prekeys(POLICY.mailbox_id, b"\0") == PrekeyBatch(7, NOW + 10, ())
    assert restored.writer.checkpoint()
    assert b"PREKEY" not in raw(tmp_path)
    restored.close()


def test_newer_database_is_refused(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "s.db").close()
    newer = apsw.Connection(str(tmp_path / "s.db"))
    newer.pragma("user_version", 99)
    newer.close()
    with pytest.raises(StartError, match="newer"):
        SqliteStore(tmp_path / "s.db")
