"""How an operator is introduced to a network: the line is what discovery reads, and lets that operator's nodes in."""

from pathlib import Path

import pytest

from essaim_discovery.admission import load_admission
from essaim_discovery.operator_line import introduce


def test_operator_line_is_read_by_discovery_and_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = tmp_path / "operator.key"
    assert introduce(["--operator-key", str(key)], lambda size: bytes(range(size))) == 0
    line = capsys.readouterr().out
    assert key.read_bytes() == bytes(range(32)) and key.stat().st_mode & 0o077 == 0
    (tmp_path / "admission.txt").write_text(line)
    admitted = load_admission(tmp_path, None, everybody=False)
    # As libsodium has it for the seed 00 01 ... 1f.
    public = bytes.fromhex("03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8")
    assert admitted.operators == {public} and not admitted.nodes
    assert introduce(["--operator-key", str(key)]) == 0
    assert capsys.readouterr().out == line


@pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 33])
def test_operator_line_refuses_what_is_no_key(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "operator.key"
    key.write_bytes(content)
    assert introduce(["--operator-key", str(key)]) == 2
    assert capsys.readouterr().err.count("\n") == 1 and key.read_bytes() == content


def test_operator_line_says_that_it_cannot_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert introduce(["--operator-key", str(tmp_path / "file" / "operator.key")]) == 2
    assert "--operator-key" in capsys.readouterr().err
