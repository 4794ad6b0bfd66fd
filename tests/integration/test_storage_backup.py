"""A backup is one state of a node that runs; what is restored from it takes a new incarnation and serves no prekey."""

import subprocess
import sys
from pathlib import Path

import pytest

from essaim.runtime.refusal import StartError
from essaim.runtime.volume import Hold
from essaim_storage.backup import back_up, restore
from essaim_storage.effects import PutPrekeys
from essaim_storage.files import DATABASE_FILE
from essaim_storage.sqlite_store import SqliteStore
from test_store_on_disk import NOW, POLICY, letter, put

LETTERS = [letter(bytes([at])) for at in range(40)]


def stored(folder: Path, letters=LETTERS) -> SqliteStore:
    folder.mkdir()
    store = SqliteStore(folder / DATABASE_FILE)
    prekeys = PutPrekeys(POLICY.mailbox_id, b"\0", 3, (b"PREKEY-SECRET",), NOW + 10)
    store.writer.commit([*(put(at, each) for at, each in enumerate(letters, 1)), prekeys])
    return store


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "essaim_storage", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)


def test_backup_of_a_running_node_is_restored_with_a_new_incarnation(tmp_path: Path) -> None:
    store = stored(tmp_path / "node")
    store.writer.commit([put(41, letter(b"in the log"))])
    size = back_up(tmp_path / "node", tmp_path / "copy")
    assert size == (tmp_path / "copy").stat().st_size
    assert b"PREKEY-SECRET" not in (tmp_path / "copy").read_bytes()
    store.writer.commit([put(42, letter(b"after"))])
    first = store.incarnation()
    store.close()

    restore(tmp_path / "node", tmp_path / "copy", replace=True)
    again = SqliteStore(tmp_path / "node" / DATABASE_FILE)
    assert again.incarnation() != first
    assert not again.settled(), "it may lack what it acknowledged since"
    assert all(again.record(each.envelope_id) == each for each in (*LETTERS, letter(b"in the log")))
    assert not again.has(letter(b"after").envelope_id)
    prekeys = again.prekeys(POLICY.mailbox_id, b"\0")
    assert prekeys is not None and prekeys.version == 3 and not prekeys.unused
    assert again.scrub(0, 100) == 0 and not again.damage()
    again.close()


def test_restore_gives_up_nothing_unasked_and_waits_for_no_running_node(tmp_path: Path) -> None:
    stored(tmp_path / "node").close()
    back_up(tmp_path / "node", tmp_path / "copy")
    with pytest.raises(StartError, match="already"):
        restore(tmp_path / "node", tmp_path / "copy", replace=False)
    with pytest.raises(StartError, match="there already"):
        back_up(tmp_path / "node", tmp_path / "copy")
    hold = Hold(tmp_path / "node")
    with pytest.raises(StartError, match="another process"):
        restore(tmp_path / "node", tmp_path / "copy", replace=True)
    hold.release()
    store = SqliteStore(tmp_path / "node" / DATABASE_FILE)
    assert store.has(LETTERS[0].envelope_id)
    store.close()


@pytest.mark.parametrize("content", [b"", b"no database" * 999, None], ids=["empty", "text", "torn"])
def test_restore_of_what_is_no_backup_leaves_the_node_as_it_was(tmp_path: Path, content: bytes | None) -> None:
    stored(tmp_path / "node").close()
    back_up(tmp_path / "node", tmp_path / "copy")
    whole = (tmp_path / "copy").read_bytes()
    (tmp_path / "copy").write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(StartError, match=r"backup|database"):
        restore(tmp_path / "node", tmp_path / "copy", replace=True)
    store = SqliteStore(tmp_path / "node" / DATABASE_FILE)
    assert store.has(LETTERS[0].envelope_id)
    store.close()


def test_commands_say_one_sentence_and_end_with_0_or_2(tmp_path: Path) -> None:
    stored(tmp_path / "node").close()
    done = command("backup", "--data-dir", tmp_path / "node", "--to", tmp_path / "copy")
    assert (done.returncode, done.stderr) == (0, "")
    refused = command("restore", "--data-dir", tmp_path / "node", "--from", tmp_path / "copy")
    assert (refused.returncode, refused.stderr.count("\n"), "Traceback" in refused.stderr) == (2, 1, False)
    done = command("restore", "--data-dir", tmp_path / "fresh", "--from", tmp_path / "copy")
    assert (done.returncode, done.stderr) == (0, "")
    wrong = command("restore", "--from", tmp_path / "copy")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
