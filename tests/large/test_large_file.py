"""A file of 100 MB, the largest there is, by commands over real processes; both sides are killed in the middle."""

import hashlib
import random
import re
import resource
import time
import urllib.request
from pathlib import Path

import pytest

from essaim.protocol.attachment import pieces_of
from essaim.protocol.attachment.descriptor import SIZE_MAX
from real_network import RealNetwork
from test_network_commands import Shell
from test_network_files import killed

SEED = 20261123
MIDDLE = SIZE_MAX * 2 // 5
BESIDE_MAX = 120
"""Requests beside one for each piece: what starts ask, and pieces that were on their way when a process was killed."""
CLIENT_MB_MAX = 300
"""Of the file no more than some pieces is ever in memory."""
SECONDS = 600.0


def requests(network: RealNetwork) -> int:
    """What all storage nodes have answered out of cells."""
    total = 0
    for name in network.net.layout.storage_names:
        with urllib.request.urlopen(f"http://{network.net.node(name).facts['metrics']}/metrics", timeout=10) as page:
            found = re.findall(r"^essaim_onion_requests_total\{.*\} ([0-9.e+]+)$", page.read().decode(), re.MULTILINE)
            total += sum(int(float(each)) for each in found)
    return total


def node_peaks(network: RealNetwork) -> dict[str, int]:
    """The most memory that each process has had, MB."""
    peaks = {}
    for name in network.net.layout.names:
        status = Path(f"/proc/{network.net.node(name).pid}/status").read_text()
        peaks[name] = int(status.split("VmHWM:")[1].split()[0]) // 1000
    return peaks


def largest_file(path: Path) -> str:
    """Written in portions; its hash."""
    dice, digest = random.Random(SEED), hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(SIZE_MAX // 1_000_000):
            digest.update(portion := dice.randbytes(1_000_000))
            file.write(portion)
    return digest.hexdigest()


def hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Phases:
    """What each phase took, printed at the end."""

    def __init__(self, network: RealNetwork) -> None:
        self._network = network
        self._told: list[str] = []

    def __call__(self, name: str, work):
        began, before = time.monotonic(), requests(self._network)
        result = work()
        seconds, count = time.monotonic() - began, requests(self._network) - before
        self._told.append(f"{name}: {seconds:.1f} s, {count} requests")
        return result, count

    def tell(self) -> None:
        client = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1000
        print("\n".join([*self._told, f"client at most {client} MB", f"nodes at most {node_peaks(self._network)} MB"]))


@pytest.mark.timeout(1_800)
def test_largest_file_survives_kills_on_both_sides(network: RealNetwork, tmp_path: Path) -> None:
    path, inbox, pieces = tmp_path / "largest.bin", tmp_path / "inbox", len(list(pieces_of(SIZE_MAX)))
    digest = largest_file(path)
    inbox.mkdir()
    homes = network.home(), network.home()
    _, bob_id = map(network.account_of, homes)
    alice, bob = (Shell(home, seconds=SECONDS) for home in homes)
    bob.json("receive")
    phase = Phases(network)

    where = {"beyond": MIDDLE, "size": SIZE_MAX}
    _, begun = phase("sent until killed", lambda: killed(homes[0], "send", bob_id, str(path), **where))
    sent, rest = phase("sent to the end", lambda: alice.json("send", bob_id, "all", "--file", str(path)))
    assert begun + rest < pieces + BESIDE_MAX, "what was stored before the kill was stored again"
    [message] = bob.json("receive")["messages"]
    assert [each["size"] for each in message["files"]] == [SIZE_MAX]

    save = ("file", "save", sent["message_id"], "--to", str(inbox))
    _, begun = phase("saved until killed", lambda: killed(homes[1], "save", sent["message_id"], str(inbox), **where))
    done, rest = phase("saved to the end", lambda: bob.json(*save))
    assert begun + rest < pieces + BESIDE_MAX, "what was fetched before the kill was fetched again"
    assert hash_of(Path(done["saved"][0])) == digest
    assert [each.name for each in inbox.iterdir()] == ["largest.bin"]
    phase.tell()
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < CLIENT_MB_MAX * 1000
