"""A real PostgreSQL, the distribution's own, for as long as the tests run: in a folder of its own, on loopback."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
LACKING = "PostgreSQL is not installed (on Debian: apt-get install postgresql); the tests ran on SQLite alone"
PATIENCE_SECONDS = 30


def binary(name: str) -> str | None:
    """Debian keeps its programs out of the PATH."""
    return shutil.which(name) or next((str(each / name) for each in DEBIAN if (each / name).is_file()), None)


def require() -> None:
    """Skip where it lacks, fail where it must be there."""
    if binary("initdb") is None or binary("postgres") is None:
        if os.environ.get("CI") == "true":
            pytest.fail(LACKING)
        pytest.skip(LACKING)


def somebody_else() -> dict[str, Any]:
    """PostgreSQL does not run as root: then as its own user, or nobody."""
    if os.geteuid():
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    return {}


class Server:
    """`url()` gives the address of a new, empty database."""

    def __init__(self, port: int) -> None:
        self._address = f"127.0.0.1:{port}"
        self._made = 0

    def url(self) -> str:
        self._made += 1
        name = f"host_{self._made}"
        with psycopg.connect(f"postgresql://essaim@{self._address}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql://essaim@{self._address}/{name}"

    def answers(self) -> bool:
        try:
            psycopg.connect(f"postgresql://essaim@{self._address}/postgres", connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def running() -> Iterator[Server]:
    """Started, answering, and gone at the end."""
    initdb, postgres = binary("initdb"), binary("postgres")
    assert initdb and postgres
    folder = Path(tempfile.mkdtemp(prefix="essaim-postgres-"))
    other = somebody_else()
    if other:
        os.chown(folder, other["user"], other["group"])
    options: dict[str, Any] = {
        "cwd": folder,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.STDOUT,
        "stdin": subprocess.DEVNULL,
    }
    made = [initdb, "-D", str(folder / "data"), "-U", "essaim", "--auth=trust", "--encoding=UTF8", "--no-locale"]
    subprocess.run(made, check=True, **options, **other)
    port = _free_port()
    command = [postgres, "-D", str(folder / "data"), "-p", str(port), "-h", "127.0.0.1", "-k", str(folder)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, **(options | {"stdout": log}), **other)
    server = Server(port)
    try:
        until = time.monotonic() + PATIENCE_SECONDS
        while not server.answers():
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"PostgreSQL did not start: {(folder / 'log').read_text()[-500:]}")
            time.sleep(0.05)
        yield server
    finally:
        process.send_signal(2)  # fast shutdown
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
