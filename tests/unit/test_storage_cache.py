"""What the writer of a node's disk keeps in memory."""

from pathlib import Path

import pytest

from essaim.runtime.database import CACHE_KIB
from essaim_storage.sqlite_store import MOST_CACHE_KIB, SqliteStore, cache_kib

GIB = 1 << 30


@pytest.mark.parametrize(
    ("size", "kib"),
    [(0, CACHE_KIB), (GIB, CACHE_KIB), (22 * GIB, 5_632), (64 * GIB, MOST_CACHE_KIB), (1 << 40, 16_384)],
)
def test_writer_cache_grows_with_the_file_within_bounds(tmp_path: Path, size: int, kib: int) -> None:
    path = tmp_path / "large.db"
    with path.open("wb") as file:
        file.truncate(size)
    assert cache_kib(path) == kib


def test_writer_alone_has_that_cache(tmp_path: Path) -> None:
    path = tmp_path / "mailboxes.db"
    SqliteStore(path).close()
    with path.open("rb+") as file:
        file.truncate(8 * GIB)
    store = SqliteStore(path)
    try:
        assert (store._writing.pragma("cache_size"), store._connection.pragma("cache_size")) == (-2_048, -CACHE_KIB)
    finally:
        store.close()
