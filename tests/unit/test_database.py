"""A database comes to its schema step by step, and a newer one is refused."""

from pathlib import Path

import apsw
import pytest

from essaim.runtime.database import Migration, migrations, open_database
from essaim.runtime.refusal import StartError

STEPS = [
    Migration(1, "CREATE TABLE frog (name TEXT NOT NULL) STRICT;"),
    Migration(2, "ALTER TABLE frog ADD COLUMN leaps INTEGER; CREATE INDEX by_leaps ON frog (leaps);"),
]


def version(connection: apsw.Connection) -> int:
    return connection.pragma("user_version")


def test_open_brings_a_new_file_to_the_last_step(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "pond.db", STEPS)
    connection.execute("INSERT INTO frog VALUES ('Anna', 3)")
    assert version(connection) == 2
    assert connection.pragma("journal_mode") == "wal"
    assert connection.pragma("synchronous") == 2
    assert connection.pragma("secure_delete") == 1
    connection.close()


def test_open_applies_what_is_new_and_keeps_the_rows(tmp_path: Path) -> None:
    old = open_database(tmp_path / "pond.db", STEPS[:1])
    old.execute("INSERT INTO frog VALUES ('Anna')")
    old.close()
    new = open_database(tmp_path / "pond.db", STEPS)
    assert list(new.execute("SELECT name, leaps FROM frog")) == [("Anna", None)]
    assert version(new) == 2
    new.close()


def test_older_program_refuses_a_newer_database(tmp_path: Path) -> None:
    open_database(tmp_path / "pond.db", STEPS).close()
    with pytest.raises(StartError, match="version 2, this program knows 1"):
        open_database(tmp_path / "pond.db", STEPS[:1])


def test_step_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    bad = [STEPS[0], Migration(2, "CREATE TABLE toad (name TEXT); CREATE TABLE frog (name TEXT);")]
    with pytest.raises(apsw.SQLError):
        open_database(tmp_path / "pond.db", bad)
    again = open_database(tmp_path / "pond.db", STEPS)
    assert [row[0] for row in again.execute("SELECT name FROM sqlite_schema WHERE name = 'toad'")] == []
    again.close()


def test_file_that_is_no_database_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "pond.db").write_bytes(b"no database at all, but long enough " * 100)
    with pytest.raises(StartError, match="damaged"):
        open_database(tmp_path / "pond.db", STEPS)
    with pytest.raises(StartError, match="cannot be opened"):
        open_database(tmp_path / "nowhere" / "pond.db", STEPS)


def test_exclusive_keeps_every_other_connection_out(tmp_path: Path) -> None:
    first = open_database(tmp_path / "pond.db", STEPS, exclusive=True)
    with pytest.raises(StartError, match="in use"):
        open_database(tmp_path / "pond.db", STEPS, busy_ms=0)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["pond.db", "pond.db-wal"]
    first.close()


@pytest.mark.parametrize("names", [["0001_a.sql", "0003_b.sql"], ["0002_a.sql"], ["0001_a.sql", "0001_b.sql"]])
def test_gap_in_the_numbers_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str]) -> None:
    package(tmp_path, monkeypatch, names)
    with pytest.raises(ValueError, match="not numbered"):
        migrations("pond_schema")


def test_migrations_come_in_order_and_pass_over_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(tmp_path, monkeypatch, ["0002_b.sql", "0001_a.sql", "README.md", "notes.sql"])
    assert [(each.number, each.sql) for each in migrations("pond_schema")] == [
        (1, "-- 0001_a.sql"),
        (2, "-- 0002_b.sql"),
    ]


def package(folder: Path, monkeypatch: pytest.MonkeyPatch, names: list[str]) -> None:
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(__import__("sys").modules, "pond_schema", raising=False)
    (folder / "pond_schema").mkdir()
    (folder / "pond_schema" / "__init__.py").touch()
    for name in names:
        (folder / "pond_schema" / name).write_text(f"-- {name}")
