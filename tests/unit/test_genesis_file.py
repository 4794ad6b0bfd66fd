"""The genesis file of a node: read, or one sentence."""

from pathlib import Path

import pytest

from essaim.protocol.keys import SigningKey
from essaim.protocol.view.genesis import Genesis
from essaim.protocol.view.parameters import Parameters
from essaim.runtime.genesis import read_genesis
from essaim.runtime.refusal import StartError
from essaim.testing.randomness import SeededRandom


def test_genesis_file_is_read(tmp_path: Path) -> None:
    genesis = Genesis.create("pond", [SigningKey(SeededRandom(1)(32))], Parameters(), [], 1)
    (tmp_path / "genesis.bin").write_bytes(genesis.signed)
    assert read_genesis(tmp_path / "genesis.bin") == genesis


def test_genesis_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    for path, words in (
        (None, "--genesis is missing"),
        (tmp_path / "none", "FileNotFound"),
        (tmp_path, "IsADirectory"),
    ):
        with pytest.raises(StartError, match=words):
            read_genesis(path)


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"a text"])
def test_genesis_that_is_none_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "genesis.bin").write_bytes(content)
    with pytest.raises(StartError, match="is refused") as caught:
        read_genesis(tmp_path / "genesis.bin")
    assert "\n" not in str(caught.value)


def test_genesis_with_a_flipped_bit_is_refused(tmp_path: Path) -> None:
    genesis = Genesis.create("pond", [SigningKey(SeededRandom(1)(32))], Parameters(), [], 1)
    damaged = bytearray(genesis.signed)
    damaged[-1] ^= 1
    (tmp_path / "genesis.bin").write_bytes(damaged)
    with pytest.raises(StartError, match="BAD_SIGNATURE"):
        read_genesis(tmp_path / "genesis.bin")
