"""The breaking check of wire v1: what would break a client is refused, what adds is not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUF = Path(sys.executable).with_name("buf")
FILE = Path("essaim/storage/v1/mailbox.proto")
FIELD = "bytes policy = 2;"


def judged(folder: Path, new: str) -> subprocess.CompletedProcess[str]:
    """What buf says when a field of `Mailbox` is written as `new`."""
    shutil.copytree(ROOT / "protos", folder / "protos")
    shutil.copy(ROOT / "buf.yaml", folder)
    changed = folder / "protos" / FILE
    text = changed.read_text()
    assert text.count(FIELD) == 1
    changed.write_text(text.replace(FIELD, new))
    command = [str(BUF), "breaking", "--against", str(ROOT / "protos" / "baseline.binpb")]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "new",
    ["", "bytes policy = 9;", "bytes rule = 2;", "string policy = 2;", "repeated bytes policy = 2;"],
    ids=["deleted", "renumbered", "renamed", "retyped", "repeated"],
)
def test_change_that_breaks_is_refused(tmp_path: Path, new: str) -> None:
    said = judged(tmp_path, new)
    assert said.returncode != 0 and str(FILE) in said.stdout


def test_addition_is_accepted(tmp_path: Path) -> None:
    assert judged(tmp_path, FIELD + "\n  bytes later = 99;").returncode == 0
