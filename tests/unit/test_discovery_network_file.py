"""The file that clients are given, as an operator makes it: what the client's own reader finds in it."""

from pathlib import Path

import pytest

from essaim_client.network_file import NetworkFile
from essaim_discovery.founding import found
from essaim_discovery.network_file import hand_out


@pytest.fixture
def genesis(tmp_path: Path) -> Path:
    file = tmp_path / "genesis.bin"
    assert found(["--data-dir", str(tmp_path / "discovery"), "--out", str(file), "--network-name", "paper"]) == 0
    return file


def test_network_file_is_what_a_client_reads(genesis: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert hand_out(["--genesis", str(genesis), "198.51.100.7:7440", "[2001:db8::7]:7440"]) == 0
    network = NetworkFile.parse(capsys.readouterr().out)
    assert network.genesis.signed == genesis.read_bytes()
    assert network.seed_addresses == ("198.51.100.7:7440", "[2001:db8::7]:7440")


@pytest.mark.parametrize("seeds", [[], ["example.org:7440"], ["0.0.0.0:7440"], ["198.51.100.7:0"], ["198.51.100.7"]])
def test_network_file_refuses_what_no_client_could_dial(
    genesis: Path, seeds: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert hand_out(["--genesis", str(genesis), *seeds]) == 2
    said = capsys.readouterr()
    assert not said.out and said.err.startswith("essaim-discovery network-file: ") and said.err.count("\n") == 1


def test_network_file_refuses_what_is_no_genesis(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "genesis.bin").write_bytes(b"\x0a\x03abc")
    assert hand_out(["--genesis", str(tmp_path / "genesis.bin"), "198.51.100.7:7440"]) == 2
    assert "--genesis" in capsys.readouterr().err
