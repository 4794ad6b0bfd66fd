"""What a writer does when its database fails it: a real SQLite that is full or locked, and errors of a failed disk."""

import sqlite3

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from essaim.runtime.sql_failure import TRIES, DiskFullError, is_disk_full, patiently, raise_if_disk_failed, told


@pytest.fixture
def engine(tmp_path):
    made = create_engine(f"sqlite:///{tmp_path / 'some.db'}", connect_args={"timeout": 0})
    with made.begin() as connection:
        connection.execute(text("CREATE TABLE kept (number INTEGER PRIMARY KEY, data BLOB)"))
    yield made
    made.dispose()


def failing(error: Exception):
    """A transaction that always fails so, and how often it was tried."""
    tries = []

    def transaction():
        tries.append(error)
        raise error

    return transaction, tries


def test_full_disk_is_said_once_and_not_tried_again(engine):
    event.listen(engine, "begin", lambda each: each.exec_driver_sql("PRAGMA max_page_count = 3"))
    tries = []

    def transaction():
        tries.append(1)
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO kept (data) VALUES (zeroblob(100000))"))

    with pytest.raises(OperationalError) as raised:
        patiently(transaction)
    assert len(tries) == 1 and is_disk_full(raised.value)
    assert isinstance(told(raised.value), DiskFullError) and told(raised.value).reason == "DISK_FULL"


def test_who_gets_into_anothers_way_does_it_again(engine):
    other = engine.connect()
    other.exec_driver_sql("BEGIN IMMEDIATE")
    tries = []

    def transaction():
        tries.append(1)
        if len(tries) == TRIES:
            other.rollback()
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO kept (data) VALUES (x'00')"))
            return "committed"

    try:
        assert patiently(transaction) == "committed" and len(tries) == TRIES
    finally:
        other.close()


def test_last_failure_is_raised_and_told_as_it_is(engine):
    def twice():
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO kept (number) VALUES (1), (1)"))

    with pytest.raises(IntegrityError) as raised:
        patiently(twice)
    assert told(raised.value) is raised.value and not is_disk_full(raised.value)


def test_fault_of_ours_is_not_tried_again():
    transaction, tries = failing(KeyError("a fault"))
    with pytest.raises(KeyError):
        patiently(transaction)
    assert len(tries) == 1


@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_WRITE])
def test_disk_that_failed_ends_the_writer(code):
    cause = sqlite3.OperationalError("disk I/O error")
    cause.sqlite_errorcode = code
    error = DBAPIError("INSERT", {}, cause)
    for ends in (raise_if_disk_failed, told):
        with pytest.raises(DBAPIError):
            ends(error)


def test_full_disk_of_postgresql_is_known_by_its_sqlstate():
    cause = Exception()
    cause.sqlstate = "53100"
    assert is_disk_full(DBAPIError("INSERT", {}, cause))
    cause.sqlstate = "40001"
    assert not is_disk_full(DBAPIError("INSERT", {}, cause))
