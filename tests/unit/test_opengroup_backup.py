"""A copy of a host's database, as an operator asks for it."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from essaim_opengroup.backup import backup


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with sqlite3.connect(tmp_path / "rooms.db") as database:
        database.execute("CREATE TABLE said (text)")
        database.execute("INSERT INTO said VALUES ('heron')")
    return tmp_path


def test_backup_is_a_command_of_the_host(folder: Path) -> None:
    command = [sys.executable, "-m", "essaim_opengroup", "backup", "--data-dir", str(folder), "--to"]
    done = subprocess.run([*command, str(folder / "copy.db")], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with sqlite3.connect(folder / "copy.db") as copied:
        assert copied.execute("SELECT text FROM said").fetchall() == [("heron",)]
    assert (folder / "copy.db").stat().st_mode & 0o077 == 0


def test_backup_that_cannot_be_made_is_said_in_one_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    to = ["--to", str(folder / "rooms.db")]
    for arguments in (to, ["--data-dir", str(folder), *to], ["--data-dir", str(folder / "absent"), *to]):
        assert backup(arguments) == 2
        said = capsys.readouterr()
        assert not said.out and said.err.startswith("essaim-opengroup backup: ") and said.err.count("\n") == 1
