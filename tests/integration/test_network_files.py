"""Files by commands over a network of real processes; the commands are killed in the middle, and given again."""

import json
import random
import signal
import subprocess
import sys
import wave
from pathlib import Path

import pytest

from real_network import RealNetwork
from test_network_commands import Shell

SIZE = 2_500_000
SEED = 20261123
NOTE = Path(__file__).parents[1] / "unit" / "recordings" / "note.ogg"


def killed(home: Path, *arguments: str, beyond: int = 400_000, size: int = SIZE) -> int:
    """Begin to send or to save, and kill the process when it is on its way; the bytes that were done."""
    command = [sys.executable, str(Path(__file__).parent / "file_victim.py"), str(home), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        done = next((int(line) for line in process.stdout if int(line) > beyond), None)
        process.send_signal(signal.SIGKILL)
    assert done is not None and done < size
    assert process.returncode == -signal.SIGKILL
    return done


@pytest.mark.timeout(180)
def test_file_survives_kills_of_the_commands_that_send_and_save_it(network: RealNetwork, tmp_path: Path) -> None:
    data = random.Random(SEED).randbytes(SIZE)
    sent_path, inbox = tmp_path / "film.bin", tmp_path / "inbox"
    sent_path.write_bytes(data)
    inbox.mkdir()
    homes = network.home(), network.home()
    _, bob_id = map(network.account_of, homes)
    alice, bob = map(Shell, homes)
    bob.json("receive")

    killed(homes[0], "send", bob_id, str(sent_path))
    sent = alice.json("send", bob_id, "here it is", "--file", str(sent_path))
    [message] = bob.json("receive")["messages"]  # once, though it was sent twice
    [file] = message["files"]
    assert (message["text"], file["name"], file["size"]) == ("here it is", "film.bin", SIZE)

    fetching = ("file", "save", sent["message_id"], "--to", str(inbox))
    killed(homes[1], "save", sent["message_id"], str(inbox))
    assert [each.suffix for each in inbox.iterdir()] == [".sealed"]
    [saved] = bob.json(*fetching)["saved"]
    assert Path(saved) == inbox / "film.bin" and (inbox / "film.bin").read_bytes() == data
    assert [each.name for each in inbox.iterdir()] == ["film.bin"]

    alice.json("message", "unsend", bob_id, sent["message_id"])
    assert refusal(bob, *fetching) == "FILE_GONE"  # not told yet, and gone already
    bob.json("receive")
    assert refusal(bob, *fetching) == "UNKNOWN_MESSAGE"


def refusal(shell: Shell, *arguments: str) -> str:
    """The reason; online, so a warning of the network may stand before the sentence."""
    done = shell.run(*arguments, "--json", code=2)
    assert done.stderr.splitlines()[-1].startswith("essaim: ")
    return json.loads(done.stdout)["error"]["reason"]


@pytest.mark.timeout(120)
def test_voice_message_has_a_waveform_and_wrong_files_one_sentence(network: RealNetwork, tmp_path: Path) -> None:
    homes = network.home(), network.home()
    _, bob_id = map(network.account_of, homes)
    alice, bob = map(Shell, homes)
    bob.json("receive")
    with wave.open(str(tmp_path / "hello.wav"), "wb") as sound:
        sound.setparams((1, 2, 8_000, 0, "NONE", ""))
        sound.writeframes(b"\x10\x27" * 12_000)
    alice.json("send", bob_id, "--voice", str(tmp_path / "hello.wav"))
    alice.json("send", bob_id, "--voice", str(NOTE))
    files = [file for message in bob.json("receive")["messages"] for file in message["files"]]
    assert {file["media_type"]: file["duration_ms"] for file in files} == {"audio/wav": 1_500, "audio/ogg": 1_234}

    (tmp_path / "large.bin").touch()
    with (tmp_path / "large.bin").open("r+b") as large:
        large.truncate(100_000_001)
    (tmp_path / "song.opus").write_bytes(b"OggS" + bytes(60))
    for arguments, reason in {
        ("--file", str(tmp_path / "large.bin")): "FILE_TOO_LARGE",
        ("--voice", str(tmp_path / "song.opus")): "VOICE_REFUSED",
        (): "NOTHING_TO_SEND",
    }.items():
        assert refusal(alice, "send", bob_id, *arguments) == reason
    assert bob.json("receive")["messages"] == []
