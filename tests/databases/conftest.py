"""Both databases, each for all tests that do not care which: `make databases`."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import postgres_server
from room_host import RunningHost


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgres_server.Server]:
    """One server for the session; each test gets a database of its own."""
    postgres_server.require()
    with postgres_server.running() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def hosts(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], RunningHost]:
    """Makes replicas of one host; SQLite has but one."""
    url = None
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").url()
    made = []

    def make(**settings) -> RunningHost:
        if url is None and made:
            return made[0]
        made.append(RunningHost(tmp_path / f"replica-{len(made)}", url, **settings))
        return made[-1]

    return make
